//! Conclusions from conditions that may be unknown.

use crate::process::{ReadError, ReadResult, Unavailable};

/// Reports whether all conditions are met. One that is not met decides, whatever is unknown beside
/// it. A process that lacks the thing in question does not meet the condition.
pub fn all(conditions: impl Iterator<Item = ReadResult<bool>>) -> ReadResult<bool> {
    let mut unknown = None;
    for condition in conditions {
        match condition {
            Ok(true) => {}
            Ok(false) | Err(ReadError::Unavailable(Unavailable::Absent(_))) => return Ok(false),
            Err(ReadError::Unavailable(reason)) => unknown = unknown.or(Some(reason)),
            Err(error) => return Err(error),
        }
    }
    unknown.map_or(Ok(true), |reason| Err(reason.into()))
}

/// Reports whether one of the conditions is met, which decides whatever is unknown beside it.
pub fn any(conditions: impl Iterator<Item = ReadResult<bool>>) -> ReadResult<bool> {
    not(all(conditions.map(not)))
}

/// Inverts a condition. What is unknown stays unknown.
pub fn not(condition: ReadResult<bool>) -> ReadResult<bool> {
    match condition {
        Err(ReadError::Unavailable(Unavailable::Absent(_))) => Ok(true),
        condition => condition.map(|holds| !holds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: ReadResult<bool> = Ok(true);
    const NO: ReadResult<bool> = Ok(false);
    const UNKNOWN: ReadResult<bool> = Err(ReadError::DENIED);
    const LACKING: ReadResult<bool> = Err(ReadError::absent("it has none"));

    #[test]
    fn what_is_unknown_is_unknown_unless_another_condition_decides() {
        for (conditions, every, some) in [
            (&[][..], YES, NO),
            (&[YES, YES], YES, YES),
            (&[YES, NO], NO, YES),
            (&[UNKNOWN, NO], NO, UNKNOWN),
            (&[UNKNOWN, YES], UNKNOWN, YES),
            (&[YES, LACKING], NO, YES),
            (&[LACKING, LACKING], NO, NO),
            (&[NO, Err(ReadError::Exited)], NO, Err(ReadError::Exited)),
        ] {
            let copies = || conditions.iter().copied();
            assert_eq!((all(copies()), any(copies())), (every, some), "{conditions:?}");
        }
        assert_eq!((not(YES), not(UNKNOWN), not(LACKING)), (NO, UNKNOWN, YES));
    }
}
