//! A ranking of all programs by their memory: as a table and as JSON.

use crate::apache::{Consumer, RankBy};
use crate::output::json::{bytes, key, member};
use crate::output::{Terminal, human, number, put, text};

/// Returns the title of the column of names, and the word for processes without one.
fn words(by: RankBy) -> (&'static str, &'static str) {
    match by {
        RankBy::Program => ("program", "(no name)"),
        RankBy::Unit => ("unit", "(no unit)"),
        RankBy::Container => ("container", "(no container)"),
    }
}

/// Appends the largest consumers as a table, and the sum of all.
pub fn table(
    lines: &mut Vec<u8>,
    consumers: &[Consumer],
    most: usize,
    by: RankBy,
    terminal: &Terminal,
) {
    let (title, none) = words(by);
    let (bold, plain) = terminal.bold();
    let heading = title.to_ascii_uppercase();
    put(
        lines,
        format_args!(
            "{bold}{:>7} {:>7} {:>7} {:>7} {:>9} {heading}{plain}\n",
            "PSS", "USS", "SWAP", "PEAK", "PROCESSES"
        ),
    );
    for consumer in consumers.iter().take(most) {
        let name = consumer.name.as_deref().unwrap_or(none.as_bytes());
        // A process chooses its name, and must not forge lines.
        row(lines, consumer, text::escaped(name).as_bytes(), terminal);
    }
    let all = sum(consumers);
    let label = format!("all ({})", consumers.len());
    row(lines, &all, label.as_bytes(), terminal);
}

fn row(lines: &mut Vec<u8>, consumer: &Consumer, name: &[u8], terminal: &Terminal) {
    // A number that is not exact is marked.
    let mark = if consumer.approximate > 0 { "~" } else { "" };
    let [pss, uss, swap, peak] =
        [consumer.pss, consumer.uss, consumer.swap, consumer.peak].map(size);
    let [pss, uss, peak] = [pss, uss, peak].map(|text| format!("{mark}{text}"));
    let mut line =
        format!("{pss:>7} {uss:>7} {swap:>7} {peak:>7} {:>9} ", consumer.processes).into_bytes();
    line.extend_from_slice(name);
    if let Some(columns) = terminal.width {
        text::cut(&mut line, columns, terminal.cut_mark());
    }
    line.push(b'\n');
    lines.append(&mut line);
}

/// Returns the sum of all.
fn sum(consumers: &[Consumer]) -> Consumer {
    consumers.iter().fold(Consumer::default(), |sum, each| Consumer {
        name: None,
        processes: sum.processes + each.processes,
        threads: sum.threads.saturating_add(each.threads),
        pss: sum.pss.saturating_add(each.pss),
        uss: sum.uss.saturating_add(each.uss),
        swap: sum.swap.saturating_add(each.swap),
        peak: sum.peak.saturating_add(each.peak),
        approximate: sum.approximate + each.approximate,
    })
}

/// Appends one consumer as JSON.
pub fn json(text: &mut Vec<u8>, consumer: &Consumer, by: RankBy) {
    text.push(b'{');
    key(text, words(by).0);
    match &consumer.name {
        Some(name) => bytes(text, name),
        None => text.extend_from_slice(b"null"),
    }
    let numbers = [
        ("processes", consumer.processes as u64),
        ("threads", consumer.threads),
        ("pss", consumer.pss),
        ("uss", consumer.uss),
        ("swap", consumer.swap),
        ("peak", consumer.peak),
        ("approximate", consumer.approximate as u64),
    ];
    for (name, value) in numbers {
        member(text, name, Some(value), number);
    }
    text.push(b'}');
}

fn size(bytes: u64) -> String {
    let mut text = Vec::new();
    human::size(&mut text, bytes);
    String::from_utf8_lossy(&text).into_owned()
}
