//! The results as Markdown tables, made to be pasted.

use crate::contest::{Outcome, Standing};
use crate::question::Question;
use crate::waiting::Waiting;
use anyhow::Result;
use std::io::Write;
use std::time::Duration;

/// The measurements of one question at one size.
pub struct Measurement {
    /// The question.
    pub question: &'static Question,
    /// The number of processes in the load.
    pub size: usize,
    /// Times; the first standing is the limit, the second proctool.
    pub outcome: Outcome,
    /// System calls of a whole run of proctool, where strace is installed.
    pub system_calls: Option<u64>,
    /// Instructions of a whole run of proctool, where valgrind is installed.
    pub instructions: Option<u64>,
    /// Resident memory of proctool, KiB.
    pub peak: u64,
}

/// Growth beyond linear that is still accepted.
const GROWTH: f64 = 1.2;
/// KiB that a streaming output may take.
const MEMORY: f64 = 2.0 * 1024.0;
/// Milliseconds in which the exit of a process must be noticed.
const LATENCY: f64 = 2.0;

/// Writes the date, the machine and the versions.
pub fn heading(out: &mut impl Write) -> Result<()> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cpus = std::thread::available_parallelism()?;
    let today = jiff::Zoned::now().date();
    writeln!(
        out,
        "proctool {}, {today}, Linux {}, {cpus} CPUs.",
        env!("CARGO_PKG_VERSION"),
        kernel.trim()
    )?;
    Ok(writeln!(
        out,
        "Times are medians of whole processes run in turn, with the output going to /dev/null."
    )?)
}

/// Writes the cost of start-up beside a program that does nothing.
pub fn start_up(out: &mut impl Write, outcome: &Outcome, instructions: Option<u64>) -> Result<()> {
    title(out, "Start-up", &["command", "ms", "CPU ms", "to `true`"])?;
    for standing in &outcome.standings {
        row(out, &times(standing, &outcome.standings[0]))?;
    }
    let count = instructions
        .map_or("not measured, valgrind is not installed".to_owned(), |count| number(count as f64));
    Ok(writeln!(out, "\nUser instructions: {count} (aim: 350,000 in the static build).")?)
}

/// Writes the table of one contest.
pub fn contest(out: &mut impl Write, measurement: &Measurement) -> Result<()> {
    let Measurement { question, size, outcome, .. } = measurement;
    let [limit, ours, ..] = &outcome.standings[..] else { return Ok(()) };
    let heading = format!("{}, {} processes", question.title, number(*size as f64));
    title(out, &heading, &["command", "ms", "CPU ms", "to the limit", "proctool / it", "aim", ""])?;
    for standing in &outcome.standings {
        let share = quotient(ours.wall, standing.wall);
        let bound = standing.bound.filter(|bound| *size >= bound.from).map(|bound| bound.ratio);
        let shown = if std::ptr::eq(standing, ours) { String::new() } else { number(share) };
        row(out, &[&times(standing, limit)[..], &[shown], &judged(share, bound)].concat())?;
    }
    if !outcome.left_out.is_empty() {
        writeln!(out, "\nLeft out: {}.", outcome.left_out.join(", "))?;
    }
    Ok(())
}

/// Writes the cost of one more process: the slope between the smallest and the largest load,
/// without the start.
pub fn costs(out: &mut impl Write, all: &[Measurement]) -> Result<()> {
    let pairs = extremes(all, 0);
    if pairs.is_empty() {
        return Ok(writeln!(out, "\nCosts a process and growth: not measured, needs two sizes.")?);
    }
    title(
        out,
        "Costs a process",
        &["command", "system calls", "aim", "", "user instructions", "aim", ""],
    )?;
    for (first, last) in pairs {
        let question = last.question;
        // A tenth for getdents and the writes, which are one call for many processes.
        let calls = (
            slope(first, last, |one| one.system_calls),
            question.system_calls() as f64 + 0.1,
            "strace",
        );
        let instructions = (
            slope(first, last, |one| one.instructions),
            f64::from(question.instructions),
            "valgrind",
        );
        let mut cells = vec![ours(question)];
        for (measured, aim, program) in [calls, instructions] {
            cells.push(measured.map_or_else(|| format!("needs {program}"), number));
            cells.extend(judged(measured.unwrap_or(f64::NAN), measured.map(|_| aim)));
        }
        row(out, &cells)?;
    }
    Ok(())
}

fn slope(
    first: &Measurement,
    last: &Measurement,
    count: impl Fn(&Measurement) -> Option<u64>,
) -> Option<f64> {
    Some((count(last)? as f64 - count(first)? as f64) / (last.size - first.size) as f64)
}

/// Writes the peak memory, beside that of a start that does nothing.
pub fn memory(out: &mut impl Write, all: &[Measurement], idle: u64) -> Result<()> {
    title(out, "Peak memory", &["command", "processes", "KiB", "aim", ""])?;
    row(
        out,
        &[
            "`proctool --version`".to_owned(),
            String::new(),
            number(idle as f64),
            String::new(),
            String::new(),
        ],
    )?;
    for one in all {
        let peak = one.peak as f64;
        let cells = [ours(one.question), number(one.size as f64), number(peak)];
        row(out, &[&cells[..], &judged(peak, one.question.streams.then_some(MEMORY))].concat())?;
    }
    for (first, last) in extremes(all, 0).into_iter().filter(|(first, _)| !first.question.streams) {
        let bytes =
            slope(first, last, |one| Some(one.peak * 1024)).map_or_else(String::new, number);
        writeln!(
            out,
            "\n{} takes {bytes} bytes a process (aim: 64 and its names).",
            ours(last.question)
        )?;
    }
    Ok(())
}

/// Writes how soon the exit of a process is noticed.
pub fn waiting(out: &mut impl Write, all: &[Waiting]) -> Result<()> {
    let columns = [
        "processes",
        "median ms",
        "99 % within ms",
        "aim",
        "",
        "CPU ticks and wake-ups in an idle second",
    ];
    title(
        out,
        "`proctool wait`, from the kill to the line",
        &[&columns[..], &["CPU ticks while they ended"]].concat(),
    )?;
    for one in all {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let p99 = millis(one.p99);
        let mut cells = vec![number(one.size as f64), number(millis(one.median)), number(p99)];
        cells.extend(judged(p99, (one.size <= 1_000).then_some(LATENCY)));
        cells.extend([
            format!("{}, {}", one.idle_ticks, one.idle_switches),
            one.busy_ticks.to_string(),
        ]);
        row(out, &cells)?;
    }
    Ok(())
}

/// Writes the time of the largest load divided by that of 1,000 processes; linear growth is 1.
pub fn growth(out: &mut impl Write, all: &[Measurement]) -> Result<()> {
    let pairs = extremes(all, 1_000);
    let Some((first, last)) = pairs.first() else { return Ok(()) };
    let linear = last.size as f64 / first.size as f64;
    let sizes = format!("{} to {} processes", number(first.size as f64), number(last.size as f64));
    title(out, &format!("Growth, {sizes}"), &["command", "times", "to linear", "aim", ""])?;
    for (first, last) in pairs {
        for (index, after) in last.outcome.standings.iter().enumerate() {
            let same = |before: &&Standing| before.label == after.label;
            let Some(before) = first.outcome.standings.iter().find(same) else { continue };
            let times = quotient(after.wall, before.wall);
            let cells = [after.label.clone(), number(times), number(times / linear)];
            row(
                out,
                &[&cells[..], &judged(times / linear, (index == 1).then_some(GROWTH))].concat(),
            )?;
        }
    }
    Ok(())
}

/// Returns, for each question, its smallest measurement from this size on and its largest, where
/// they differ. Measurements come by ascending size.
fn extremes(all: &[Measurement], from: usize) -> Vec<(&Measurement, &Measurement)> {
    let largest = all.iter().filter(|one| all.last().is_some_and(|last| last.size == one.size));
    let pairs = largest.filter_map(|last| {
        let same = |one: &&Measurement| one.question.name == last.question.name && one.size >= from;
        all.iter().find(same).filter(|first| first.size < last.size).map(|first| (first, last))
    });
    pairs.collect()
}

fn title(out: &mut impl Write, title: &str, columns: &[&str]) -> Result<()> {
    writeln!(out, "\n**{title}**\n\n| {} |", columns.join(" | "))?;
    Ok(writeln!(out, "| --- |{}", " ---: |".repeat(columns.len() - 1))?)
}

fn row(out: &mut impl Write, cells: &[String]) -> Result<()> {
    Ok(writeln!(out, "| {} |", cells.join(" | "))?)
}

fn times(standing: &Standing, yardstick: &Standing) -> [String; 4] {
    let millis = |duration: Duration| number(duration.as_secs_f64() * 1e3);
    let ratio = number(quotient(standing.wall, yardstick.wall));
    [standing.label.clone(), millis(standing.wall), millis(standing.cpu), ratio]
}

fn ours(question: &Question) -> String {
    format!("`proctool {}`", question.arguments.join(" "))
}

fn judged(value: f64, aim: Option<f64>) -> [String; 2] {
    let verdict = |aim| if value <= aim { "met" } else { "missed" }.to_owned();
    aim.map_or_else(Default::default, |aim| [format!("<= {}", number(aim)), verdict(aim)])
}

fn quotient(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

/// Formats a number with three or four digits, which is all that a measurement has.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        100.0..1_000.0 => format!("{value:.0}"),
        _ => {
            let digits = format!("{value:.0}");
            let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
            groups.collect::<Vec<_>>().join(",")
        }
    }
}
