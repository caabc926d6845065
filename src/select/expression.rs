//! Expressions over the properties of a process, such as `rss > 1G and state = D`.
//! `crate::cli::selection::expression` parses them.

use regex::bytes::Regex;

use super::logic::{all, any, not};
use crate::process::{Files, Process, Property, ReadResult, Value, items};

/// An expression.
#[derive(Debug)]
pub enum Expression {
    /// All of these hold.
    All(Vec<Expression>),
    /// One of these holds.
    Any(Vec<Expression>),
    /// This does not hold.
    Not(Box<Expression>),
    /// A property compares so with a value.
    Is(Comparison),
}

/// The comparison of a property with a value.
pub struct Comparison {
    /// The property.
    pub property: &'static Property,
    /// The way in which it is compared.
    pub operator: Operator,
    /// The value that it is compared with.
    pub operand: Operand,
}

/// A way to compare. A list compares so if one of its items does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    /// The property matches a pattern.
    Matches,
}

/// A value that a user typed, in the unit of the property.
#[derive(Clone, Debug)]
pub enum Operand {
    Number(f64),
    Flag(bool),
    Text(Vec<u8>),
    Pattern(Regex),
    /// A value for the items of a list, which may be texts or numbers.
    Item {
        text: Vec<u8>,
        number: Option<f64>,
    },
}

impl Expression {
    /// Joins expressions that must all hold. The cheapest one is tried first.
    pub fn all(parts: Vec<Expression>) -> Expression {
        joined(parts, Expression::All)
    }

    /// Joins expressions of which one must hold. The cheapest one is tried first.
    pub fn any(parts: Vec<Expression>) -> Expression {
        joined(parts, Expression::Any)
    }

    /// Returns the rank among conditions by their cost: that of the most expensive property.
    pub fn cost(&self) -> u8 {
        match self {
            Expression::All(parts) | Expression::Any(parts) => {
                parts.iter().map(Expression::cost).max().unwrap_or(0)
            }
            Expression::Not(part) => part.cost(),
            Expression::Is(comparison) => comparison.property.cost.rank(),
        }
    }

    /// Returns the files that are read in any case.
    pub fn certain_files(&self) -> Files {
        match self {
            Expression::All(parts) | Expression::Any(parts) => {
                parts.first().map_or(Files::NONE, Expression::certain_files)
            }
            Expression::Not(part) => part.certain_files(),
            Expression::Is(comparison) => comparison.property.cost.certain(),
        }
    }

    /// Reports whether it holds for a process.
    pub fn holds(&self, process: &Process<'_>) -> ReadResult<bool> {
        match self {
            Expression::All(parts) => all(parts.iter().map(|part| part.holds(process))),
            Expression::Any(parts) => any(parts.iter().map(|part| part.holds(process))),
            Expression::Not(part) => not(part.holds(process)),
            Expression::Is(Comparison { property, operator, operand }) => {
                Ok(compares(&(property.get)(process)?, *operator, operand))
            }
        }
    }
}

fn joined(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    parts.sort_by_key(Expression::cost);
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            join(parts)
        }
        None => join(parts),
    }
}

/// Reports whether a value, or one item of a list, compares so.
fn compares(value: &Value<'_>, operator: Operator, operand: &Operand) -> bool {
    let text = |text: &[u8]| compares_text(text, operator, operand);
    let number = |number: f64| compares_number(number, operator, operand);
    match value {
        Value::Number(found) | Value::Size(found) => number(*found as f64),
        Value::Signed(found) => number(*found as f64),
        Value::Seconds(found) | Value::Time(found) | Value::Percent(found) => number(*found),
        Value::Flag(found) => matches!(operand, Operand::Flag(wanted) if wanted == found),
        Value::Bytes(found) => text(found),
        Value::Name(found) => text(found.as_bytes()),
        Value::Items(found) | Value::Environment(found) => items(found).any(text),
        Value::Fields(found) => {
            found.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).any(text)
        }
        Value::Paths(found) => found.iter().any(|path| text(path)),
        Value::Login(found) => text(found.user.as_bytes()),
        Value::Names(found) => found.iter().any(|name| text(name.as_bytes())),
        Value::Numbers(found) => found.iter().any(|&found| number(found as f64)),
        Value::Ids(found) => found.iter().any(|&found| number(found.into())),
        Value::Records(found) => {
            found.iter().flatten().any(|(_, value)| compares(value, operator, operand))
        }
    }
}

fn compares_number(found: f64, operator: Operator, operand: &Operand) -> bool {
    match operand {
        Operand::Number(wanted) | Operand::Item { number: Some(wanted), .. } => {
            found.partial_cmp(wanted).is_some_and(|order| operator.accepts(order))
        }
        Operand::Pattern(_) => compares_text(found.to_string().as_bytes(), operator, operand),
        Operand::Item { number: None, .. } | Operand::Flag(_) | Operand::Text(_) => false,
    }
}

fn compares_text(found: &[u8], operator: Operator, operand: &Operand) -> bool {
    match operand {
        Operand::Text(wanted) | Operand::Item { text: wanted, .. } => {
            operator.accepts(found.cmp(wanted))
        }
        Operand::Pattern(pattern) => pattern.is_match(found),
        Operand::Number(_) | Operand::Flag(_) => false,
    }
}

impl Operator {
    /// Reports whether this order of the found and the wanted value is meant.
    fn accepts(self, order: std::cmp::Ordering) -> bool {
        match self {
            Operator::Equal => order.is_eq(),
            Operator::Less => order.is_lt(),
            Operator::AtMost => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::AtLeast => order.is_ge(),
            Operator::Matches => false,
        }
    }
}

impl std::fmt::Debug for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?} {:?}", self.property.name, self.operator, self.operand)
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[test]
    fn values_are_compared_by_their_kind() {
        let text = |text: &str| Operand::Text(text.as_bytes().to_vec());
        let item = |text: &str| Operand::Item {
            text: text.as_bytes().to_vec(),
            number: text.parse().ok(),
        };
        let pattern = |text: &str| Operand::Pattern(Regex::new(text).unwrap());
        use Operator::*;
        let bytes = Value::Bytes(Cow::Borrowed(b"cron"));
        let environment = Value::Environment(b"A=1\0B=2\0");
        let limits = Value::Records(vec![vec![("soft", Value::Number(5))]]);
        for (value, operator, operand, holds) in [
            (Value::Size(1024), Equal, Operand::Number(1024.0), true),
            (Value::Size(1024), Less, Operand::Number(1024.0), false),
            (Value::Signed(-5), AtMost, Operand::Number(-5.0), true),
            (Value::Seconds(1.5), Greater, Operand::Number(1.0), true),
            (Value::Flag(true), Equal, Operand::Flag(false), false),
            (bytes.clone(), Equal, text("cron"), true),
            (bytes.clone(), AtLeast, text("cro"), true),
            (bytes.clone(), Less, text("d"), true),
            (bytes, Matches, pattern("^cr"), true),
            (environment.clone(), Equal, item("B=2"), true),
            (environment, Equal, item("B"), false),
            (Value::Ids([0, 7, 0, 0]), Equal, item("7"), true),
            (Value::Ids([0, 7, 0, 0]), Greater, item("7"), false),
            (Value::Ids([0, 7, 0, 0]), Matches, pattern("^7$"), true),
            (Value::Ids([0, 7, 0, 0]), Equal, item("root"), false),
            (limits, AtLeast, item("5"), true),
        ] {
            assert_eq!(compares(&value, operator, &operand), holds, "{value:?} {operand:?}");
        }
    }
}
