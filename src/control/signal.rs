//! Signals by name and by number.

use std::fmt;

use super::kernel;
use crate::process::{REAL_TIME, signal_name};

/// A signal that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(rustix::process::Signal);

/// Names that are common besides those of `Display`, each with the latter.
const ALIASES: [(&str, &str); 3] = [("IOT", "ABRT"), ("CLD", "CHLD"), ("POLL", "IO")];

impl Signal {
    pub const CONT: Signal = Signal(rustix::process::Signal::CONT);
    pub const INT: Signal = Signal(rustix::process::Signal::INT);
    pub const KILL: Signal = Signal(rustix::process::Signal::KILL);
    pub const PIPE: Signal = Signal(rustix::process::Signal::PIPE);
    pub const STOP: Signal = Signal(rustix::process::Signal::STOP);
    pub const TERM: Signal = Signal(rustix::process::Signal::TERM);

    /// Returns the signal of this number, from 1 to 64.
    pub fn from_number(number: i32) -> Option<Signal> {
        kernel::signal(number).map(Signal)
    }

    /// Returns its number.
    pub fn number(self) -> i32 {
        self.0.as_raw()
    }

    /// Reports whether it only stops or continues a process. A stop signal cancels a pending CONT,
    /// and CONT cancels pending stop signals (prepare_signal in kernel/signal.c).
    pub fn is_job_control(self) -> bool {
        use rustix::process::Signal as Raw;
        [Raw::STOP, Raw::TSTP, Raw::TTIN, Raw::TTOU, Raw::CONT].contains(&self.0)
    }

    /// Reports whether no process can ignore, block or handle it (signal(7)).
    pub fn is_certain(self) -> bool {
        self == Signal::KILL || self == Signal::STOP
    }

    pub(super) fn raw(self) -> rustix::process::Signal {
        self.0
    }

    /// Parses a name, with or without SIG and in any case, or a number.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse() {
            return Signal::from_number(number);
        }
        let name = text.to_ascii_uppercase();
        let name = name.strip_prefix("SIG").unwrap_or(&name);
        if let Some(number) = real_time(name) {
            return Signal::from_number(number);
        }
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
        all().find(|signal| signal.to_string() == name)
    }
}

/// Returns the number of a real-time signal: `RTMIN+2`, or `RTMAX-2` as bash names the upper half.
fn real_time(name: &str) -> Option<i32> {
    let (first, last) = REAL_TIME;
    match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
        (Some(above), _) => Some(first + distance(above)?),
        (_, Some(below)) => Some(last - distance(below)?),
        _ => None,
    }
}

/// Parses the distance of a real-time signal from the first or the last one. It is all digits: a
/// second sign, as in `RTMIN++1`, is a mistake.
fn distance(text: &str) -> Option<i32> {
    let (first, last) = REAL_TIME;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|distance| *distance <= last - first)
}

/// Writes its name without SIG, such as `TERM` or `RTMIN+2`.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&signal_name(self.number()))
    }
}

/// Returns every signal that has a name, by number.
pub fn all() -> impl Iterator<Item = Signal> {
    (1..REAL_TIME.0 - 2).chain(REAL_TIME.0..=REAL_TIME.1).filter_map(Signal::from_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigterm", 15),
            ("hup", 1),
            ("9", 9),
            ("32", 32),
            ("CLD", 17),
            ("IOT", 6),
            ("STKFLT", 16),
            ("RTMIN", 34),
            ("RTMIN+3", 37),
            ("RTMIN+0", 34),
            ("RTMIN+30", 64),
            ("SIGRTMAX", 64),
            ("RTMAX-0", 64),
            ("rtmax-14", 50),
            ("RTMAX-30", 34),
        ] {
            assert_eq!(Signal::parse(text).map(Signal::number), Some(number), "{text}");
        }
        for bad in [
            "", "0", "65", "-9", "NOSUCH", "SIG", "RTMIN+31", "RTMIN+", "RTMAX-31", "RTMAX-",
            "RTMIN-1", "RTMAX+1", "RTMIN++1", "9x",
        ] {
            assert_eq!(Signal::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_signal_of_the_list_is_found_by_its_name() {
        let names: Vec<String> = all().map(|signal| signal.to_string()).collect();
        assert_eq!((names.len(), &*names[0], &*names[30]), (62, "HUP", "SYS"));
        assert!(all().all(|signal| Signal::parse(&signal.to_string()) == Some(signal)));
    }
}
