//! Sizes and points in time that users type.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::zone;

/// Parses a size into bytes: a number, or one with K, M, G, T or P, in units of 1024.
pub fn size(text: &str) -> Result<f64, String> {
    const UNITS: &str = "KMGTP";
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let power = match unit.strip_suffix("IB").unwrap_or(&unit) {
        "" => Some(0),
        letter if letter.len() == 1 => UNITS.find(letter).map(|at| at as i32 + 1),
        _ => None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = digits.parse::<f64>().ok().filter(|number| is_number && number.is_finite());
    number.zip(power).map(|(number, power)| number * 1024f64.powi(power)).ok_or_else(|| {
        format!("'{text}' is no size: a size is a number of bytes, or one with K, M, G or T")
    })
}

/// Parses a percentage: a number, with a sign of percent behind it or not.
pub fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse::<f64>().ok();
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("'{text}' is no percentage: it is a number such as 12.5 or 50%"))
}

/// Parses a point in time into seconds since the epoch: such a number, a date, or a date and a
/// time of day in the zone of the user.
pub fn moment(text: &str) -> Result<f64, String> {
    let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
    let instant = || text.parse::<Timestamp>().ok();
    let local = || text.parse::<DateTime>().ok()?.to_zoned(zone::local()).ok();
    let seconds = |instant: Timestamp| instant.as_millisecond() as f64 / 1000.0;
    number()
        .or_else(|| instant().map(seconds))
        .or_else(|| local().map(|local| seconds(local.timestamp())))
        .ok_or_else(|| {
            format!(
                "'{text}' is no time: a time is 2026-11-28, '2026-11-28 10:00', or a number of \
                seconds since the epoch"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_may_have_their_sign() {
        assert_eq!((percent("12.5"), percent("50%")), (Ok(12.5), Ok(50.0)));
        for text in ["", "%", "nan", "x", "5k"] {
            assert!(percent(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, bytes) in [
            ("0", 0.0),
            ("512", 512.0),
            ("10k", 10_240.0),
            ("1.5K", 1536.0),
            ("512M", 536_870_912.0),
            ("1G", 1_073_741_824.0),
            ("1GiB", 1_073_741_824.0),
            ("2t", 2_199_023_255_552.0),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "k", "-1", "1x", "1kb", "1 G", "inf", "nan", "1e3", "1.1.1", "G1", "é"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn points_in_time() {
        assert_eq!(moment("1700000000"), Ok(1_700_000_000.0));
        assert_eq!(moment("2023-11-14T22:13:20Z"), Ok(1_700_000_000.0));
        let day = moment("2023-11-14").unwrap();
        assert_eq!(moment("2023-11-14 01:30"), Ok(day + 5400.0));
        assert_eq!(moment("2023-11-14T01:30:00"), Ok(day + 5400.0));
        for bad in ["", "10:00", "yesterday", "2023-13-01", "inf"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
