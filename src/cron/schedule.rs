//! The times of a line in a crontab, read as Debian's cron and cronie read them (crontab(5)).
//!
//! No library agrees with them: where a day of the month and a day of the week are both given, a
//! day needs only one of them, but both where one of the two begins with a star, as in `*/2`.

use jiff::civil::DateTime;

/// The times at which a job is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// When the daemon starts.
    Reboot,
    /// At the minutes that match.
    Times(Times),
}

/// Sets of minutes, hours, days of the month, months and days of the week: one bit for each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// `true` if minutes or hours begin with a star: then the time is not fixed.
    is_wildcard: bool,
    /// `true` if a day must be in both sets of days.
    needs_both_days: bool,
}

/// The reason why a schedule cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it has fewer than five times")]
    TooShort,
    #[error("'@' is followed by no word that cron knows")]
    UnknownWord,
    #[error("a number, name, range or step is wrong")]
    Wrong,
    #[error("a time in it is random")]
    Random,
}

/// A field of a schedule: its values, and their names from `first` on.
struct Field {
    values: (u32, u32),
    names: &'static [&'static str],
    first_name: u32,
}

const MINUTES: Field = Field { values: (0, 59), names: &[], first_name: 0 };
const HOURS: Field = Field { values: (0, 23), names: &[], first_name: 0 };
const DAYS: Field = Field { values: (1, 31), names: &[], first_name: 0 };
const MONTHS: Field = Field {
    values: (1, 12),
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    first_name: 1,
};
/// Both 0 and 7 are Sunday.
const WEEKDAYS: Field = Field {
    values: (0, 7),
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    first_name: 0,
};

/// The words that stand for five fields.
const WORDS: [(&str, &str); 7] = [
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
    ("monthly", "0 0 1 * *"),
    ("weekly", "0 0 * * 0"),
    ("daily", "0 0 * * *"),
    ("midnight", "0 0 * * *"),
    ("hourly", "0 * * * *"),
];

/// Reads the schedule at the beginning of a line. Returns it with the rest of the line.
pub fn read(line: &[u8]) -> Result<(Schedule, &[u8]), Unreadable> {
    if let Some(line) = line.strip_prefix(b"@") {
        let (word, rest) = word(line).ok_or(Unreadable::UnknownWord)?;
        if word.eq_ignore_ascii_case(b"reboot") {
            return Ok((Schedule::Reboot, rest));
        }
        let known = WORDS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known.as_bytes()));
        let (_, fields) = known.ok_or(Unreadable::UnknownWord)?;
        return Ok((read(fields.as_bytes())?.0, rest));
    }
    let mut fields = [""; 5];
    let mut rest = line;
    for field in &mut fields {
        let found;
        (found, rest) = word(rest).ok_or(Unreadable::TooShort)?;
        *field = std::str::from_utf8(found).map_err(|_| Unreadable::Wrong)?;
    }
    Ok((Schedule::Times(Times::read(fields)?), rest))
}

/// Returns the first word of a line and what follows it.
pub fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = line.trim_ascii_start();
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    (!word.is_empty()).then(|| (word, rest.trim_ascii_start()))
}

impl Times {
    fn read([minutes, hours, days, months, weekdays]: [&str; 5]) -> Result<Times, Unreadable> {
        let has_star = |field: &str| field.starts_with('*');
        let mut week = WEEKDAYS.read(weekdays)?;
        if week >> 7 & 1 == 1 {
            week |= 1;
        }
        Ok(Times {
            minutes: MINUTES.read(minutes)?,
            hours: HOURS.read(hours)?,
            days: DAYS.read(days)?,
            months: MONTHS.read(months)?,
            weekdays: week,
            is_wildcard: has_star(minutes) || has_star(hours),
            needs_both_days: has_star(days) || has_star(weekdays),
        })
    }

    /// Reports whether a job is due in this minute.
    pub fn match_minute(&self, time: DateTime) -> bool {
        let has = |set: u64, value: i8| set >> value & 1 == 1;
        let is_day = has(self.days, time.day());
        let is_weekday = has(self.weekdays, time.weekday().to_sunday_zero_offset());
        has(self.minutes, time.minute())
            && has(self.hours, time.hour())
            && has(self.months, time.month())
            && if self.needs_both_days { is_day && is_weekday } else { is_day || is_weekday }
    }

    /// Reports whether minutes or hours begin with a star. Cron makes up for missed jobs only at
    /// fixed times.
    pub fn is_wildcard(&self) -> bool {
        self.is_wildcard
    }
}

impl Field {
    /// Reads a list of numbers, names, ranges and steps as a set.
    fn read(&self, text: &str) -> Result<u64, Unreadable> {
        if text.contains('~') {
            return Err(Unreadable::Random);
        }
        text.split(',').try_fold(0, |set, part| Ok(set | self.part(part)?))
    }

    fn part(&self, part: &str) -> Result<u64, Unreadable> {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => self.values,
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            // A step needs a range.
            None if step.is_some() => return Err(Unreadable::Wrong),
            None => (self.value(range)?, self.value(range)?),
        };
        let step = step.map_or(Ok(1), |step| step.parse::<usize>());
        let step = step.ok().filter(|step| *step > 0).ok_or(Unreadable::Wrong)?;
        if first > last {
            return Err(Unreadable::Wrong);
        }
        Ok((first..=last).step_by(step).fold(0, |set, value| set | 1 << value))
    }

    /// Reads a number or a name.
    fn value(&self, text: &str) -> Result<u32, Unreadable> {
        let name = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match name.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => at + self.first_name,
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| Unreadable::Wrong)?
            }
            None => return Err(Unreadable::Wrong),
        };
        let (least, most) = self.values;
        if (least..=most).contains(&value) { Ok(value) } else { Err(Unreadable::Wrong) }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn times(text: &str) -> Times {
        match read(text.as_bytes()) {
            Ok((Schedule::Times(times), b"")) => times,
            other => panic!("{text}: {other:?}"),
        }
    }

    /// The values of one field by the words of crontab(5), in the plainest way.
    fn values(text: &str, least: i8, most: i8, names: &[&str], first: i8) -> Vec<i8> {
        let number = |word: &str| {
            names.iter().position(|name| *name == word).map_or_else(
                || word.parse().expect("parsing a number"),
                |at| i8::try_from(at).expect("few names") + first,
            )
        };
        let mut all = Vec::new();
        for part in text.split(',') {
            let words: Vec<&str> = part.split('/').collect();
            let ends: Vec<&str> = words[0].split('-').collect();
            let from = if words[0] == "*" { least } else { number(ends[0]) };
            let to = if words[0] == "*" { most } else { number(ends[ends.len() - 1]) };
            let step = words.get(1).map_or(1, |step| step.parse::<i8>().expect("parsing a step"));
            all.extend((from..=to).filter(|value| (value - from) % step == 0));
        }
        all
    }

    fn field(least: u32, most: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
        let range = (least..=most)
            .prop_flat_map(move |first| (Just(first), first..=most))
            .prop_map(|(first, last)| format!("{first}-{last}"));
        let number = (least..=most).prop_map(|number| number.to_string());
        let name =
            move |at: usize| names.get(at).map_or_else(|| least.to_string(), |&n| n.to_owned());
        let part = prop_oneof![
            2 => number,
            2 => range.clone(),
            1 => (range, 1..9u32).prop_map(|(range, step)| format!("{range}/{step}")),
            1 => (0..names.len().max(1)).prop_map(name),
        ];
        let list = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join(","));
        prop_oneof![
            2 => Just("*".to_owned()),
            1 => (1..9u32).prop_map(|step| format!("*/{step}")),
            4 => list,
        ]
        .boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn a_thousand_expressions_mean_what_crontab_5_says(
            minute in field(0, 59, &[]), hour in field(0, 23, &[]), day in field(1, 31, &[]),
            month in field(1, 12, MONTHS.names), weekday in field(0, 7, WEEKDAYS.names),
            start in 0..500_000i64,
        ) {
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let times = times(&text);
            let has = |field: &str, value: i8, ends: (i8, i8), names: &[&str], first: i8| {
                values(field, ends.0, ends.1, names, first).contains(&value)
            };
            for step in 0..200i64 {
                let time = date(2026, 1, 1).at(0, 0, 0, 0) + (start + step * 61).minutes();
                let sunday = time.weekday().to_sunday_zero_offset();
                let in_week = has(&weekday, sunday, (0, 7), WEEKDAYS.names, 0)
                    || sunday == 0 && has(&weekday, 7, (0, 7), WEEKDAYS.names, 0);
                let in_month = has(&day, time.day(), (1, 31), &[], 0);
                let is_day = if day.starts_with('*') || weekday.starts_with('*') {
                    in_week && in_month
                } else {
                    in_week || in_month
                };
                let expected = is_day
                    && has(&minute, time.minute(), (0, 59), &[], 0)
                    && has(&hour, time.hour(), (0, 23), &[], 0)
                    && has(&month, time.month(), (1, 12), MONTHS.names, 1);
                prop_assert_eq!(times.match_minute(time), expected, "{} at {}", text, time);
            }
        }
    }

    #[test]
    fn words_stand_for_five_fields() {
        assert_eq!(times("@daily"), times("0 0 * * *"));
        assert_eq!(times("@Weekly"), times("0 0 * * sun"));
        assert!(times("@hourly").is_wildcard() && !times("@monthly").is_wildcard());
        assert_eq!(read(b"@reboot\troot \xff"), Ok((Schedule::Reboot, &b"root \xff"[..])));
    }

    #[test]
    fn a_fixed_time_has_no_star_in_minute_or_hour() {
        assert!(times("*/5 3 * * *").is_wildcard() && times("17 * * * *").is_wildcard());
        assert!(!times("0-59 3 * * *").is_wildcard() && !times("0 3 * * *").is_wildcard());
    }

    #[test]
    fn what_cron_refuses_is_refused() {
        for (line, why) in [
            ("60 * * * *", Unreadable::Wrong),
            ("5/15 * * * *", Unreadable::Wrong),
            ("5-1 * * * *", Unreadable::Wrong),
            ("*/0 * * * *", Unreadable::Wrong),
            ("+5 * * * *", Unreadable::Wrong),
            ("1,,2 * * * *", Unreadable::Wrong),
            ("* * 0 * *", Unreadable::Wrong),
            ("* * * * 8", Unreadable::Wrong),
            ("mon * * * *", Unreadable::Wrong),
            ("* * * *", Unreadable::TooShort),
            ("@often x", Unreadable::UnknownWord),
            ("0~30 * * * *", Unreadable::Random),
        ] {
            assert_eq!(read(line.as_bytes()), Err(why), "{line}");
        }
    }

    #[test]
    fn any_change_is_survived() {
        crate::fuzz::survives(&[b"*/5 1-7,9 * jan-mar sun x", b"@daily root x"], |line| {
            let _ = read(line);
        });
    }
}
