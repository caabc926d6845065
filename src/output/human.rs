//! Formats numbers for people: sizes, durations, dates. `json` has the exact ones for programs.

use jiff::Timestamp;

use super::{number, put};
use crate::zone;

const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];

/// Appends a size in units of 1024, with at least two digits: `812`, `1.5K`, `12M`.
pub(super) fn size(line: &mut Vec<u8>, bytes: u64) {
    let unit = scaled(line, bytes);
    line.extend_from_slice(UNITS[unit].as_bytes());
}

/// Appends a size with its unit written out: `812 bytes`, `1.5 KiB`, `12 MiB`.
pub(super) fn long_size(line: &mut Vec<u8>, bytes: u64) {
    match scaled(line, bytes) {
        0 => line.extend_from_slice(b" bytes"),
        unit => put(line, format_args!(" {}iB", UNITS[unit])),
    }
}

/// Appends the number and returns the index of its unit. It avoids floating point, which costs more
/// than reading the size.
fn scaled(line: &mut Vec<u8>, bytes: u64) -> usize {
    let mut unit = 0;
    // In 1024ths of the unit.
    let mut fraction = u128::from(bytes) << 10;
    // 1023.5 would be printed as 1024.
    while fraction >= (1024 << 10) - 512 && unit + 1 < UNITS.len() {
        fraction >>= 10;
        unit += 1;
    }
    let tenths = ((fraction as u64) * 10 + 512) >> 10;
    if unit > 0 && tenths < 100 {
        number(line, tenths / 10);
        line.extend_from_slice(&[b'.', b'0' + (tenths % 10) as u8]);
    } else {
        number(line, ((fraction as u64) + 512) >> 10);
    }
    unit
}

/// Appends a duration in seconds as ps shows elapsed time: `[[days-]hours:]minutes:seconds`.
pub(super) fn clock(line: &mut Vec<u8>, seconds: f64) {
    let (days, hours, minutes, seconds) = parts(seconds);
    match (days, hours) {
        (0, 0) => put(line, format_args!("{minutes:02}:{seconds:02}")),
        (0, _) => put(line, format_args!("{hours:02}:{minutes:02}:{seconds:02}")),
        _ => put(line, format_args!("{days}-{hours:02}:{minutes:02}:{seconds:02}")),
    }
}

/// Appends a duration in seconds in its two largest units: `0.42 s`, `3 min 20 s`, `2 days 4 h`.
pub(super) fn long_duration(line: &mut Vec<u8>, duration: f64) {
    let (days, hours, minutes, seconds) = parts(duration);
    let plural = if days == 1 { "" } else { "s" };
    match (days, hours, minutes) {
        (0, 0, 0) => put(line, format_args!("{duration:.2} s")),
        (0, 0, _) => put(line, format_args!("{minutes} min {seconds} s")),
        (0, _, _) => put(line, format_args!("{hours} h {minutes} min")),
        _ => put(line, format_args!("{days} day{plural} {hours} h")),
    }
}

fn parts(seconds: f64) -> (u64, u64, u64, u64) {
    let whole = seconds as u64;
    (whole / 86400, whole / 3600 % 24, whole / 60 % 60, whole % 60)
}

/// Appends a date and a time, in seconds since the epoch, with a separator between the two; the
/// bare number if it is no possible date.
pub(super) fn date(line: &mut Vec<u8>, seconds: f64, separator: &str) {
    match Timestamp::from_second(seconds as i64) {
        Ok(time) => {
            let time = time.to_zoned(zone::local());
            put(
                line,
                format_args!(
                    "{}{separator}{}",
                    time.strftime("%Y-%m-%d"),
                    time.strftime("%H:%M:%S")
                ),
            );
        }
        Err(_) => put(line, format_args!("{seconds}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T>(write: impl Fn(&mut Vec<u8>, T), value: T) -> String {
        let mut line = Vec::new();
        write(&mut line, value);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn sizes() {
        for (bytes, short, long) in [
            (0, "0", "0 bytes"),
            (1023, "1023", "1023 bytes"),
            (1024, "1.0K", "1.0 KiB"),
            (10 * 1024 - 1, "10K", "10 KiB"),
            (1024 * 1024 - 1, "1.0M", "1.0 MiB"),
            (25_174_016, "24M", "24 MiB"),
            (u64::MAX, "16E", "16 EiB"),
        ] {
            assert_eq!(text(size, bytes), short);
            assert_eq!(text(long_size, bytes), long);
        }
    }

    #[test]
    fn durations() {
        for (seconds, short, long) in [
            (0.42, "00:00", "0.42 s"),
            (200.0, "03:20", "3 min 20 s"),
            (7261.0, "02:01:01", "2 h 1 min"),
            (90000.0, "1-01:00:00", "1 day 1 h"),
            (864_000.0, "10-00:00:00", "10 days 0 h"),
        ] {
            assert_eq!(text(clock, seconds), short);
            assert_eq!(text(long_duration, seconds), long);
        }
    }

    #[test]
    fn dates_and_what_is_none() {
        let date_text = text(|line, seconds| date(line, seconds, "T"), 1_763_934_363.5);
        assert_eq!((date_text.len(), &date_text[..8], &date_text[10..11]), (19, "2025-11-", "T"));
        assert_eq!(
            text(|line, seconds| date(line, seconds, "T"), 1e30),
            "1000000000000000000000000000000"
        );
    }
}
