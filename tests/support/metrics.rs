//! Checks of metrics, by the tools of Prometheus and by the order of their lines.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::Stdio;

use super::command::clean;

/// Checks the text with promtool, which must find no fault, and the order of its lines.
#[track_caller]
pub fn is_clean(text: &[u8]) {
    let mut command = clean("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("starting promtool");
    child.stdin.take().expect("taking its input").write_all(text).expect("writing metrics");
    let output = child.wait_with_output().expect("waiting for its output");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.is_empty(),
        "promtool: {said}\n{}",
        String::from_utf8_lossy(text)
    );
    has_order(&String::from_utf8_lossy(text));
    if let Some(said) = parsing(text) {
        assert_eq!(said, "", "{}", String::from_utf8_lossy(text));
    }
}

/// Returns what the OpenMetrics parser of Prometheus' Python client finds wrong; `None` where that
/// is not installed.
pub fn parsing(text: &[u8]) -> Option<String> {
    let mut parser = clean("/usr/bin/python3");
    parser.args(["-c", PARSER]).stdin(Stdio::piped());
    let mut child = parser.spawn().expect("starting Python");
    // Without the package, it ends before it reads.
    let written = child.stdin.take().expect("taking its input").write_all(text);
    let output = child.wait_with_output().expect("waiting for its output");
    if output.status.code() == Some(NOT_INSTALLED) {
        return None;
    }
    written.expect("writing metrics");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    Some(said)
}

/// The exit status of [`PARSER`] without the package.
const NOT_INSTALLED: i32 = 77;

const PARSER: &str = "
import sys
try:
    from prometheus_client.openmetrics import parser
except ImportError:
    sys.exit(77)
for family in parser.text_string_to_metric_families(sys.stdin.read()):
    assert family.samples and family.documentation, family.name
    end = family.name.split('_')[-1]
    assert family.unit == (end if end in ('bytes', 'seconds') else ''), family
";

/// Checks that every metric is described once and before its samples, no sample is there twice, and
/// the end is marked.
#[track_caller]
fn has_order(text: &str) {
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1, "{text}");
    let (mut helps, mut types, mut samples) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut last = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(helps.insert(rest.split(' ').next()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let unit = last.rsplit('_').next().unwrap_or_default();
            assert_eq!(rest, format!("{last} {unit}"), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("finding a type");
            assert!(kind == "gauge" && types.insert(name), "{line}");
            last = name;
        } else if line != "# EOF" {
            let name = line.split(['{', ' ']).next().expect("finding a name");
            let (labels, value) = line.rsplit_once(' ').expect("finding a value");
            assert!(name == last, "{line} is not with its kind:\n{text}");
            assert!(samples.insert(labels), "{line} is there twice:\n{text}");
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        }
    }
    let described: BTreeSet<Option<&str>> = types.into_iter().map(Some).collect();
    assert_eq!(helps, described, "{text}");
}

/// Returns the value of the only sample of this name with all of these labels.
#[track_caller]
pub fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is_it = |line: &&str| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with(['{', ' ']));
        rest.is_some_and(|rest| labels.iter().all(|label| rest.contains(label)))
    };
    let found: Vec<&str> = text.lines().filter(is_it).collect();
    assert!(found.len() == 1, "expected one {name} {labels:?}, not {found:#?}:\n{text}");
    found[0].rsplit_once(' ').expect("finding a value").1.parse().expect("parsing a number")
}
