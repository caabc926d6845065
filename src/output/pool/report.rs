//! Pools for users: a heading, a table of groups with a small bar for each process, and how many
//! more workers would fit.

use std::borrow::Cow;

use crate::apache::{Capacity, Measure, Member, Pool, PoolKind, Role, WorkerGroup, WorkerLimit};
use crate::output::{Terminal, human, put, text};
use crate::process::items;
use crate::users::Users;

use super::chart;

/// Columns for bars where the output has no width.
const BARS: usize = 60;

/// Columns of the longest bar in a line, and least columns for bars where names can be cut.
const BAR: usize = 10;

/// Shortest length that a name is cut to.
const NAME: usize = 12;

/// Longest length of a name, also where the output has no width.
const LONGEST_NAME: usize = 80;

/// The way in which pools are shown.
pub struct PoolReport<'r> {
    pub terminal: &'r Terminal,
    pub users: &'r Users,
    /// Whether each process has a line.
    pub with_workers: bool,
}

/// A line of a table: its cells, and the text after them.
struct TableLine<const N: usize> {
    cells: [String; N],
    values: Vec<u64>,
}

impl<const N: usize> TableLine<N> {
    /// Makes a line without a text after the cells.
    fn plain(cells: [&str; N]) -> TableLine<N> {
        TableLine { cells: cells.map(str::to_owned), values: Vec::new() }
    }
}

impl PoolReport<'_> {
    /// Appends the time, given in seconds since the epoch.
    pub fn time(&self, lines: &mut Vec<u8>, time: f64) {
        human::date(lines, time, " ");
        lines.push(b'\n');
    }

    /// Appends a pool.
    pub fn pool(&self, lines: &mut Vec<u8>, pool: &Pool) {
        self.heading(lines, pool);
        self.groups(lines, pool);
        if self.with_workers {
            lines.push(b'\n');
            self.workers(lines, pool);
        }
        let facts = facts(pool);
        if !facts.is_empty() || !pool.notes.is_empty() {
            lines.push(b'\n');
        }
        // Facts are never cut, unlike the lines of a table.
        for (name, fact) in facts {
            put(lines, format_args!("{name:17}  {}\n", self.shown(fact.as_bytes())));
        }
        self.estimates(lines, pool);
        for note in &pool.notes {
            put(lines, format_args!("Note: {}\n", self.shown(note.as_bytes())));
        }
    }

    /// Appends what one more of each group takes, where there are several groups.
    fn estimates(&self, lines: &mut Vec<u8>, pool: &Pool) {
        let known = pool.groups.iter().filter_map(|group| Some((group, group.capacity.as_ref()?)));
        let mut table = vec![TableLine::plain([
            "ONE MORE OF",
            "AT PEAK",
            "AVERAGE",
            "LARGEST",
            "FIT AT PEAK",
            "FIT AS NOW",
        ])];
        for (group, capacity) in known {
            let [peak, average, largest] =
                [capacity.peak, capacity.average, capacity.largest].map(size);
            let now = range(capacity.more_largest(), capacity.more_average());
            let fit = capacity.more_peak().to_string();
            let cells = [self.label(group), peak, average, largest, fit, now];
            table.push(TableLine { cells, values: Vec::new() });
        }
        if table.len() > 1 {
            lines.push(b'\n');
            let is_left = [true, false, false, false, false, false];
            self.table(lines, table, 0, is_left, |_, _| String::new());
        }
    }

    fn heading(&self, lines: &mut Vec<u8>, pool: &Pool) {
        let (bold, plain) = self.terminal.bold();
        let program = self.shown(&pool.program);
        let text = match &pool.master {
            Some(master) => {
                let member = &master.member;
                let mpm = pool.configuration.as_ref().and_then(|configuration| configuration.mpm);
                let user = self.users.user(member.uid);
                let mut text = format!(
                    "{bold}{program} {}{plain}, {}",
                    member.pid,
                    self.shown(user.as_bytes())
                );
                text.extend(mpm.map(|mpm| format!(", {}", mpm.name())));
                text.extend(member.age.map(|age| format!(", up {}", duration(age))));
                text.extend(
                    master
                        .container
                        .as_ref()
                        .map(|container| format!(", {}", self.shown(container))),
                );
                text.push_str(&format!(": {}", self.command_line(&master.arguments)));
                text.push_str(if master.exe_deleted { " (deleted)" } else { "" });
                text
            }
            None => match pool.kind {
                PoolKind::Orphans(0) => {
                    format!(
                        "{bold}{program}, left by a master outside of this pid namespace{plain}"
                    )
                }
                PoolKind::Orphans(group) => {
                    format!("{bold}{program}, left by master {group}, which has ended{plain}")
                }
                _ => format!("{bold}{program}, processes without a common master{plain}"),
            },
        };
        self.put_line(lines, text);
        lines.push(b'\n');
    }

    fn groups(&self, lines: &mut Vec<u8>, pool: &Pool) {
        let heads =
            ["GROUP", "PROCESSES", "THREADS", "", "MIN", "AVERAGE", "MEDIAN", "MAX", "TOTAL"];
        let mut table = vec![TableLine::plain(heads)];
        for group in &pool.groups {
            self.group(&mut table, group);
        }
        if let Some(master) = &pool.master {
            let usage = &master.member.usage;
            let begin = ["master".into(), "1".into(), master.member.threads.to_string()];
            totals(&mut table, begin, |measure| usage.get(measure));
        }
        let begin =
            ["all".into(), pool.everybody().count().to_string(), pool.threads().to_string()];
        totals(&mut table, begin, |measure| pool.total(measure));
        let is_left = [true, false, false, true, false, false, false, false, false];
        self.table(lines, table, 0, is_left, |values, room| {
            chart::columns(values, room, self.terminal)
        });
    }

    /// Adds the lines of a group: one for each measure with something to show.
    fn group(&self, table: &mut Vec<TableLine<9>>, group: &WorkerGroup) {
        let mut begin =
            [self.label(group), group.members.len().to_string(), group.threads().to_string()];
        if group.members.is_empty() {
            return table.push(TableLine::plain([&begin[0], "none", "", "", "", "", "", "", ""]));
        }
        for measure in
            Measure::ALL.into_iter().filter(|&measure| is_telling(measure, &group.members))
        {
            let Some(found) = group.statistics(measure) else { continue };
            let total = match measure {
                Measure::Rss => String::new(),
                _ => group.total(measure).map_or("-".to_owned(), size),
            };
            let [name, processes, threads] = std::mem::take(&mut begin);
            let (average, median) = (found.average.round() as u64, found.median.round() as u64);
            let [min, average, median, max] = [found.min, average, median, found.max].map(size);
            let cells =
                [name, processes, threads, measure.name().into(), min, average, median, max, total];
            let values =
                group.members.iter().filter_map(|member| member.usage.get(measure)).collect();
            table.push(TableLine { cells, values });
        }
    }

    /// Appends a line for each process, with a bar for its own memory.
    fn workers(&self, lines: &mut Vec<u8>, pool: &Pool) {
        let own = |member: &Member| member.usage.uss.unwrap_or(member.usage.rss);
        let largest =
            pool.groups.iter().flat_map(|group| &group.members).map(own).max().unwrap_or(0);
        let mut table = vec![TableLine::plain([
            "PID", "GROUP", "USER", "THREADS", "AGE", "RSS", "PSS", "USS", "SWAP",
        ])];
        for group in &pool.groups {
            for member in &group.members {
                let user = self.users.user(member.uid);
                let measured = |measure| member.usage.get(measure).map_or("-".to_owned(), size);
                let [rss, pss, uss, swap] = Measure::ALL.map(measured);
                let (pid, threads) = (member.pid.to_string(), member.threads.to_string());
                let (user, age) =
                    (self.shown(user.as_bytes()), member.age.map_or("-".to_owned(), clock));
                let cells = [pid, self.label(group), user, threads, age, rss, pss, uss, swap];
                table.push(TableLine { cells, values: vec![own(member)] });
            }
        }
        let is_left = [false, true, true, false, false, false, false, false, false];
        self.table(lines, table, 1, is_left, |values, room| {
            values
                .iter()
                .map(|&value| chart::bar(value, largest, room.min(BAR), self.terminal))
                .collect()
        });
    }

    /// Appends lines with cells aligned to the left or to the right, and a text after them that
    /// fills the room that is left. Where there is too little room, the column of names is cut.
    fn table<const N: usize>(
        &self,
        lines: &mut Vec<u8>,
        mut table: Vec<TableLine<N>>,
        names: usize,
        is_left: [bool; N],
        drawn: impl Fn(Vec<u64>, usize) -> String,
    ) {
        let columns = |cell: &String| text::width(cell.as_bytes());
        let width = |table: &[TableLine<N>], at: usize| {
            table.iter().map(|line| columns(&line.cells[at])).max().unwrap_or(0)
        };
        let mut widths: [usize; N] = std::array::from_fn(|at| width(&table, at));
        let mut room = BARS;
        if let Some(all) = self.terminal.width {
            let others = widths.iter().sum::<usize>() - widths[names] + N;
            let most = all.saturating_sub(others + BAR).max(NAME);
            for line in &mut table {
                let mut name = std::mem::take(&mut line.cells[names]).into_bytes();
                text::cut(&mut name, most, self.terminal.cut_mark());
                line.cells[names] = String::from_utf8_lossy(&name).into_owned();
            }
            widths[names] = width(&table, names);
            room = all.saturating_sub(others + widths[names]);
        }
        for TableLine { cells, values } in table {
            let mut line = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let blanks = " ".repeat(widths[column] - columns(cell));
                let (before, behind) =
                    if is_left[column] { ("", &blanks[..]) } else { (&blanks[..], "") };
                line.extend([before, cell, behind, " "]);
            }
            line.push_str(&drawn(values, room));
            self.put_line(lines, line);
        }
    }

    fn put_line(&self, lines: &mut Vec<u8>, line: String) {
        let mut line = line.into_bytes();
        line.truncate(line.trim_ascii_end().len());
        if let Some(columns) = self.terminal.width {
            text::cut(&mut line, columns, self.terminal.cut_mark());
        }
        line.push(b'\n');
        lines.append(&mut line);
    }

    /// Returns a group in a few words, with a mark where its name is cut.
    fn label(&self, group: &WorkerGroup) -> String {
        // A worker chooses its title, and each line of the table is as wide as the longest name.
        let name = group.name.as_deref().map(|name| {
            let mut name = text::escaped(name);
            if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
                name.truncate(end);
                name.push_str(self.terminal.cut_mark());
            }
            name
        });
        let mut label = match (group.role, name, group.number) {
            (Role::Worker, ..) => "workers".to_owned(),
            (Role::Other, ..) => "not listening".to_owned(),
            (Role::Wsgi, Some(name), Some(number)) => format!("wsgi #{number} {name}"),
            (Role::Wsgi, None, Some(number)) => format!("wsgi #{number}"),
            (Role::Wsgi, name, None) => format!("wsgi {}", name.unwrap_or_default()),
            (Role::Pool | Role::Helper, name, _) => name.unwrap_or_default(),
        };
        if group.name_is_cut {
            label.push_str(self.terminal.cut_mark());
        }
        label
    }

    fn command_line(&self, arguments: &[u8]) -> String {
        let words: Vec<Cow<'_, [u8]>> =
            items(arguments).map(|item| text::shown(item, self.terminal)).collect();
        String::from_utf8_lossy(&words.join(&b' ')).trim_end().to_owned()
    }

    fn shown(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(&text::shown(bytes, self.terminal)).into_owned()
    }
}

/// Adds lines with sums only, as far as they are known.
fn totals(
    table: &mut Vec<TableLine<9>>,
    mut begin: [String; 3],
    total: impl Fn(Measure) -> Option<u64>,
) {
    let known = Measure::ALL.into_iter().filter_map(|measure| Some((measure, total(measure)?)));
    let telling = known.filter(|&(measure, value)| measure != Measure::Swap || value > 0);
    let mut rows: Vec<(&str, String)> =
        telling.map(|(measure, value)| (measure.name(), size(value))).collect();
    if rows.is_empty() {
        rows.push(("pss", "-".to_owned()));
    }
    for (name, value) in rows {
        let [label, processes, threads] = std::mem::take(&mut begin);
        table.push(TableLine::plain([&label, &processes, &threads, name, "", "", "", "", &value]));
    }
}

/// Reports whether a line of this measure has something to show: swap has only if it is used.
fn is_telling(measure: Measure, members: &[Member]) -> bool {
    measure != Measure::Swap || members.iter().any(|member| member.usage.swap > 0)
}

/// Returns the facts about the pool, one for each line.
fn facts(pool: &Pool) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let limit = pool.configuration.as_ref().and_then(|configuration| configuration.limit.as_ref());
    if let Some(capacity) = &pool.capacity {
        let [peak, average, largest] = one_more(capacity);
        facts.extend([("One more worker", peak), ("", average), ("", largest)]);
        facts.push(("Available", available(capacity)));
        let now = pool.workers().count() as u64;
        let [peak, others] = would_fit(capacity, now, limit);
        facts.extend([("Would fit", peak), ("", others)]);
    }
    if pool.kind == PoolKind::Apache {
        let configured = limit.map_or("not known".to_owned(), |limit| configured(limit, pool));
        facts.push(("MaxRequestWorkers", configured));
    }
    facts.extend(pool.maximum.iter().map(|maximum| {
        let group = maximum.group.as_deref().map(String::from_utf8_lossy);
        let group = group.map(|group| format!("pool {group}, ")).unwrap_or_default();
        ("Maximum", format!("{} ({group}{})", maximum.processes, maximum.at))
    }));
    facts
}

fn one_more(capacity: &Capacity) -> [String; 3] {
    let [peak, average, largest] =
        [capacity.peak, capacity.average, capacity.largest].map(long_size);
    if capacity.is_upper_bound {
        [
            format!("{peak} at most, at their peak (VmHWM + swap + page tables)"),
            format!("{average} at most, like the average (rss + swap + page tables)"),
            format!("{largest} at most, like the largest"),
        ]
    } else {
        [
            format!("{peak} at their peak (uss + swap + page tables + VmHWM beyond rss and swap)"),
            format!("{average} like the average (uss + swap + page tables)"),
            format!("{largest} like the largest (pss + swap + page tables)"),
        ]
    }
}

fn available(capacity: &Capacity) -> String {
    let headroom = &capacity.headroom;
    let bytes = long_size(headroom.bytes);
    match &headroom.group {
        None => format!("{bytes} (MemAvailable)"),
        Some(group) => format!(
            "{bytes} of {} in control group {}, which is less than MemAvailable ({})",
            long_size(group.limit),
            String::from_utf8_lossy(&group.path),
            long_size(headroom.machine)
        ),
    }
}

fn would_fit(capacity: &Capacity, now: u64, limit: Option<&WorkerLimit>) -> [String; 2] {
    let threads = limit.map_or(1, |limit| limit.threads);
    let more = |low: u64, high: u64| {
        let all = range(now + low, now + high);
        let mut text = format!("{} more: {all} in all", range(low, high));
        if threads > 1 {
            let requests = range((now + low) * threads, (now + high) * threads);
            text.push_str(&format!(", for {requests} requests at a time"));
        }
        text
    };
    let peak = capacity.more_peak();
    let mut at_peak = format!("{}, if all were at their peak at once", more(peak, peak));
    if capacity.growth > capacity.headroom.bytes {
        at_peak.push_str(", and not even these would fit");
    }
    let others = more(capacity.more_largest(), capacity.more_average());
    [at_peak, format!("{others}, as they are now")]
}

fn configured(limit: &WorkerLimit, pool: &Pool) -> String {
    let at = limit.at.as_deref().unwrap_or("the default");
    let mut text = match limit.threads {
        1 => format!("{} ({at})", limit.requests),
        threads => {
            format!("{}: {} processes of {threads} threads ({at})", limit.requests, limit.processes)
        }
    };
    let now = pool.workers().count() as u64;
    let fits = |more: fn(&Capacity) -> u64| {
        pool.capacity.as_ref().is_none_or(|found| limit.processes <= now + more(found))
    };
    if !fits(Capacity::more_average) {
        text.push_str(", which is more than would fit");
    } else if !fits(Capacity::more_largest) {
        text.push_str(", which is more than would fit if all became like the largest");
    } else if !fits(Capacity::more_peak) {
        text.push_str(", which is more than would fit at their peak");
    }
    text
}

fn range(low: u64, high: u64) -> String {
    if low == high { low.to_string() } else { format!("{low} to {high}") }
}

fn size(bytes: u64) -> String {
    written(|text| human::size(text, bytes))
}

fn long_size(bytes: u64) -> String {
    written(|text| human::long_size(text, bytes))
}

fn clock(seconds: f64) -> String {
    written(|text| human::clock(text, seconds))
}

fn duration(seconds: f64) -> String {
    written(|text| human::long_duration(text, seconds))
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut text = Vec::new();
    write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
