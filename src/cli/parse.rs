//! Parsers for values that users type: process ids, durations, anchors, run states. Each returns a
//! message that says what is wrong with the value.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use crate::control::Signal;
use crate::process::Pid;
use crate::select::Anchor;

/// Upper bound of process ids: PID_MAX_LIMIT of Linux on 64-bit machines.
const PID_MAX_LIMIT: Pid = 4 * 1024 * 1024;

/// Parses a process id.
pub fn pid(text: &str) -> Result<Pid, String> {
    match text.parse::<i64>() {
        // In find(1), +5 means "more than 5".
        _ if text.starts_with('+') => Err("a process id is a number without a sign".to_owned()),
        Ok(0) => Err("process ids begin at 1".to_owned()),
        Ok(number) if number < 0 => Err("a process id is positive".to_owned()),
        Ok(number) => match Pid::try_from(number) {
            Ok(pid) if pid < PID_MAX_LIMIT => Ok(pid),
            _ => Err(format!("larger than any process id of Linux ({})", PID_MAX_LIMIT - 1)),
        },
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(format!("larger than any process id of Linux ({})", PID_MAX_LIMIT - 1))
        }
        Err(_) => Err("a process id is a number".to_owned()),
    }
}

/// Parses a process id, or 0 where it has a meaning: no visible parent, our own group or session.
pub fn pid_or_zero(text: &str) -> Result<Pid, String> {
    if text == "0" { Ok(0) } else { pid(text) }
}

/// Parses the anchor of a relation: a pid, or the name or the path of an executable.
pub fn anchor(typed: OsString) -> Result<Anchor, String> {
    match typed.to_str() {
        Some("") => Err("a process id or the name of an executable is wanted".to_owned()),
        Some(text) if text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()) => {
            pid(text).map(Anchor::Pid)
        }
        _ if typed.as_bytes().contains(&b'/') => Ok(Anchor::ExePath(typed.into_vec())),
        _ => Ok(Anchor::ExeName(typed.into_vec())),
    }
}

/// Parses a duration into seconds, as timeout(1) takes it: `10`, `1.5s`, `2m`, `1h`, `1d`; or as
/// people write it: `1h30m`, `500ms`, `2 days`.
pub fn duration(text: &str) -> Result<f64, String> {
    simple_duration(text).or_else(|| friendly_duration(text)).ok_or_else(|| {
        "a duration is a number with s, m, h or d, such as 1.5s or 2m, or several as in 1h30m, and \
        not negative"
            .to_owned()
    })
}

/// Parses the time between two looks. Errors: it is too short to be of use.
pub fn interval(text: &str) -> Result<Duration, String> {
    const SHORTEST: f64 = 0.01;
    match duration(text)? {
        seconds if seconds < SHORTEST => Err(format!("the shortest interval is {SHORTEST}s")),
        seconds => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
    }
}

fn simple_duration(text: &str) -> Option<f64> {
    let (number, seconds) = match text.char_indices().next_back() {
        Some((end, 's')) => (&text[..end], 1.0),
        Some((end, 'm')) => (&text[..end], 60.0),
        Some((end, 'h')) => (&text[..end], 3600.0),
        Some((end, 'd')) => (&text[..end], 86400.0),
        _ => (text, 1.0),
    };
    // f64 also parses "inf" and "nan", and makes infinity of numbers that are too large.
    let parsed =
        number.parse::<f64>().ok().filter(|parsed| parsed.is_finite() && *parsed >= 0.0)?;
    let has_digits =
        number.split(['e', 'E']).next()?.contains(|digit: char| ('1'..='9').contains(&digit));
    // A duration that is too small for f64 must not become 0, which can mean no limit. One that is
    // too large becomes the largest number.
    Some(if has_digits { (parsed * seconds).clamp(f64::MIN_POSITIVE, f64::MAX) } else { 0.0 })
}

/// Parses a duration such as `1h30m`. Refuses months and years, whose length varies.
fn friendly_duration(text: &str) -> Option<f64> {
    let span = SpanParser::new().parse_span(text.trim()).ok()?;
    let is_of_one_length = span.get_years() == 0 && span.get_months() == 0;
    let whole = [
        (i64::from(span.get_weeks()), 604_800),
        (i64::from(span.get_days()), 86_400),
        (i64::from(span.get_hours()), 3600),
        (span.get_minutes(), 60),
        (span.get_seconds(), 1),
    ];
    let parts = [
        (span.get_milliseconds(), 1e3),
        (span.get_microseconds(), 1e6),
        (span.get_nanoseconds(), 1e9),
    ];
    let seconds =
        whole.iter().map(|&(count, seconds)| count as f64 * f64::from(seconds)).sum::<f64>()
            + parts.iter().map(|&(count, parts)| count as f64 / parts).sum::<f64>();
    (is_of_one_length && !span.is_negative()).then_some(seconds)
}

/// A time limit; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeLimit(pub Option<Duration>);

/// Parses a time limit: 0 is no limit, as in timeout(1).
pub fn limit(text: &str) -> Result<TimeLimit, String> {
    let seconds = duration(text)?;
    // A time that is too long for Duration is no limit. One that is too short for it still is a
    // limit.
    let limit =
        Duration::try_from_secs_f64(seconds).ok().map(|limit| limit.max(Duration::from_nanos(1)));
    Ok(TimeLimit(limit.filter(|_| seconds > 0.0)))
}

/// Parses a signal, by name or number.
pub fn signal(text: &str) -> Result<Signal, String> {
    match text {
        "0" => Err("signal 0 sends nothing: find tells whether a process is there".to_owned()),
        _ => Signal::parse(text).ok_or_else(|| "no such signal: kill --list names them".to_owned()),
    }
}

/// Letters of run states, as /proc/PID/stat has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct States(pub Vec<u8>);

/// Parses letters of run states, with commas or without.
pub fn states(text: &str) -> Result<States, String> {
    const LETTERS: &str = "RSDTtZXIWP";
    let letters: Vec<u8> = text.bytes().filter(|&byte| byte != b',').collect();
    match letters.iter().find(|letter| !LETTERS.as_bytes().contains(letter)) {
        None if !letters.is_empty() => Ok(States(letters)),
        _ => Err(format!("run states are letters of {LETTERS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids() {
        assert_eq!(pid("1"), Ok(1));
        assert_eq!(pid("4194303"), Ok(4_194_303));
        for bad in ["0", "-1", "4194304", "99999999999999999999", "x", "", "1.0", " 1", "+1", "+0"]
        {
            assert!(pid(bad).is_err(), "{bad:?}");
        }
        assert_eq!(pid_or_zero("0"), Ok(0));
    }

    #[test]
    fn anchors() {
        let anchor = |text: &str| anchor(text.into());
        assert_eq!(anchor("12"), Ok(Anchor::Pid(12)));
        assert_eq!(anchor("cron"), Ok(Anchor::ExeName(b"cron".to_vec())));
        assert_eq!(anchor("/usr/sbin/cron"), Ok(Anchor::ExePath(b"/usr/sbin/cron".to_vec())));
        assert!(anchor("0").is_err() && anchor("").is_err() && anchor("-1").is_err());
    }

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("10", 10.0),
            ("1.5s", 1.5),
            ("2m", 120.0),
            ("1h", 3600.0),
            ("0", 0.0),
            ("1d", 86400.0),
        ] {
            assert_eq!(duration(text), Ok(seconds));
        }
        for (text, seconds) in [
            ("1h30m", 5400.0),
            ("500ms", 0.5),
            ("2 days", 172_800.0),
            ("1 s", 1.0),
            ("1d 12h", 129_600.0),
            ("1 week", 604_800.0),
        ] {
            assert_eq!(duration(text), Ok(seconds), "{text}");
        }
        assert_eq!(duration(&format!("{}d", "9".repeat(305))), Ok(f64::MAX));
        for tiny in ["1e-5000", "0.1e-400d", "0.00000000000000001ms"] {
            assert!(
                duration(tiny).is_ok_and(|seconds| seconds > 0.0) || tiny.ends_with("ms"),
                "{tiny}"
            );
        }
        for bad in [
            "", "s", "-1", "-1h", "1h ago", "2 months", "1y", "inf", "nan", "1e400", "1x", "\u{e9}",
        ] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(limit("1.5s"), Ok(TimeLimit(Some(Duration::from_millis(1500)))));
        assert_eq!((limit("0"), limit("1e300d")), (Ok(TimeLimit(None)), Ok(TimeLimit(None))));
        assert_eq!(limit("1e-5000"), Ok(TimeLimit(Some(Duration::from_nanos(1)))));
        assert!(limit("-1").is_err());
    }

    #[test]
    fn run_states() {
        assert_eq!(states("D,Z"), Ok(States(b"DZ".to_vec())));
        assert_eq!(states("DZ"), Ok(States(b"DZ".to_vec())));
        assert!(states("Q").is_err() && states("").is_err() && states(",").is_err());
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 8] = [
            b"1h30m",
            b"1.5s",
            b"1e-5000",
            b"2 days ago",
            b"RTMAX-14",
            b"SIGTERM",
            b"D,Z",
            b"4194303",
        ];
        crate::fuzz::survives(&samples, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            let _ = (
                duration(&text),
                limit(&text),
                signal(&text),
                states(&text),
                pid(&text),
                pid_or_zero(&text),
            );
            let _ = anchor(OsString::from_vec(bytes.to_vec()));
            assert!(
                duration(&text).is_ok_and(|seconds| seconds.is_finite() && seconds >= 0.0)
                    || duration(&text).is_err()
            );
        });
    }
}
