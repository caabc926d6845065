//! `--where`: expressions over properties, such as `rss > 1G and not state = D`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::quantity;
use crate::cli::nearest::hint;
use crate::cli::{parse, pattern};
use crate::exit::Refusal;
use crate::process::{Property, ValueKind, all_properties, property};
use crate::select::{Comparison, Expression, Operand, Operator, Test};

/// The option with an expression.
#[derive(Args)]
pub struct ExpressionOptions {
    /// An expression holds, such as 'rss > 1G and not user = root'
    #[arg(long = "where", value_name = "EXPRESSION", help_heading = "Selection")]
    expressions: Vec<OsString>,
}

/// The language of expressions, for the help.
pub const EXPRESSIONS: &str = "\
Expressions:
  --where takes comparisons, FIELD OPERATOR VALUE, joined by 'and', 'or', 'not' and parentheses. \
The fields are those of --fields, which find --help lists.
  = != < <= > >=  compare numbers and times as such, and text by its bytes
  ~               matches a regular expression
  Sizes have units of 1024 (10k, 512M, 1G). Durations are 10s or 1h30m. Times are 2026-11-28 or \
'2026-11-28 10:00'. Flags are yes or no. A value with blanks stands in quotes. A list compares so \
if one of its items does. What a process does not have, such as a unit, is equal to nothing; != \
and 'not' then hold. If a value that decides cannot be read, the process is not selected.";

impl ExpressionOptions {
    /// Returns the expressions as tests; those that 'and' joins are several. Errors: usage.
    pub fn tests(&self) -> Result<Vec<Test>, Refusal> {
        let mut tests = Vec::new();
        for typed in &self.expressions {
            match expression(typed)? {
                Expression::All(parts) => tests.extend(parts.into_iter().map(Test::Where)),
                other => tests.push(Test::Where(other)),
            }
        }
        Ok(tests)
    }
}

/// Parses an expression. Errors: usage, with the column of the mistake.
fn expression(typed: &OsStr) -> Result<Expression, Refusal> {
    let text = typed.as_bytes();
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.whole().map_err(|mistake| {
        let before = String::from_utf8_lossy(&text[..mistake.at]);
        Refusal::usage(format!(
            "--where '{}', column {}: {}",
            typed.to_string_lossy(),
            before.chars().count() + 1,
            mistake.why
        ))
    })
}

/// A mistake in an expression: where it is, and what is wrong.
struct Mistake {
    at: usize,
    why: String,
}

type Parsed<T> = Result<T, Mistake>;

/// A reader of one expression: it has one function for each level of the grammar.
struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    /// Number of open parentheses and of `not`.
    depth: usize,
}

impl<'t> Parser<'t> {
    fn whole(&mut self) -> Parsed<Expression> {
        let expression = self.alternatives()?;
        match self.rest() {
            [] => Ok(expression),
            [b')', ..] => Err(self.mistake("this parenthesis was not opened")),
            _ => Err(self.mistake("'and', 'or' or the end is wanted here")),
        }
    }

    fn alternatives(&mut self) -> Parsed<Expression> {
        let mut parts = vec![self.conditions()?];
        while self.takes_word(b"or") {
            parts.push(self.conditions()?);
        }
        Ok(Expression::any(parts))
    }

    fn conditions(&mut self) -> Parsed<Expression> {
        let mut parts = vec![self.condition()?];
        while self.takes_word(b"and") {
            parts.push(self.condition()?);
        }
        Ok(Expression::all(parts))
    }

    fn condition(&mut self) -> Parsed<Expression> {
        // Each level takes stack.
        const DEEPEST: usize = 100;
        if self.depth == DEEPEST {
            return Err(self.mistake("this is nested too deeply"));
        }
        self.depth += 1;
        let condition = if self.takes_word(b"not") {
            Expression::Not(Box::new(self.condition()?))
        } else if self.takes(b"(") {
            let inner = self.alternatives()?;
            if !self.takes(b")") {
                return Err(self.mistake("a closing parenthesis is wanted here"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let property = self.property()?;
        let (operator, is_inverted) = self.operator(property)?;
        let at = self.skip_blanks();
        let value = self.value()?;
        let operand = operand(property, operator, &value).map_err(|why| Mistake { at, why })?;
        let comparison = Expression::Is(Comparison { property, operator, operand });
        Ok(if is_inverted { Expression::Not(Box::new(comparison)) } else { comparison })
    }

    fn property(&mut self) -> Parsed<&'static Property> {
        let at = self.skip_blanks();
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| is_word(**byte)).count();
        let name = String::from_utf8_lossy(&rest[..length]).into_owned();
        if name.is_empty() {
            return Err(
                self.mistake("a field is wanted here, such as rss: find --help has the list")
            );
        }
        let names = || all_properties().map(|property| property.name);
        let found = property(&name).ok_or_else(|| Mistake {
            at,
            why: format!("there is no field '{name}'{}", hint(&name, names())),
        })?;
        self.at += length;
        Ok(found)
    }

    /// Reads an operator, and whether it inverts the comparison.
    fn operator(&mut self, property: &Property) -> Parsed<(Operator, bool)> {
        // The longer ones first: `<` begins `<=`.
        const OPERATORS: [(&[u8], Operator, bool); 7] = [
            (b"!=", Operator::Equal, true),
            (b"<=", Operator::AtMost, false),
            (b">=", Operator::AtLeast, false),
            (b"=", Operator::Equal, false),
            (b"<", Operator::Less, false),
            (b">", Operator::Greater, false),
            (b"~", Operator::Matches, false),
        ];
        let at = self.skip_blanks();
        let found = OPERATORS.iter().find(|(spelling, ..)| self.takes(spelling));
        let &(spelling, operator, is_inverted) =
            found.ok_or_else(|| self.mistake("one of = != < <= > >= ~ is wanted here"))?;
        let why = match (property.kind, operator) {
            (ValueKind::Flag, Operator::Equal) | (ValueKind::Text | ValueKind::List, _) => None,
            (ValueKind::Flag, _) => Some("is a flag: only = and != compare it"),
            (_, Operator::Matches) => Some("is a number: patterns match text"),
            _ => None,
        };
        match why {
            Some(why) => Err(Mistake { at, why: format!("'{}' {why}", property.name) }),
            None if self.rest().first().is_some_and(|next| b"=<>!~".contains(next)) => {
                let spelling = String::from_utf8_lossy(spelling);
                Err(self.mistake(&format!(
                    "the operator is '{spelling}': a value that begins so stands in quotes"
                )))
            }
            None => Ok((operator, is_inverted)),
        }
    }

    /// Reads a value: in quotes, or up to a blank or a parenthesis that it has not opened.
    fn value(&mut self) -> Parsed<Vec<u8>> {
        let rest = self.rest();
        if let Some(quote) = rest.first().copied().filter(|first| b"'\"".contains(first)) {
            let inner = &rest[1..];
            let end = inner.iter().position(|byte| *byte == quote);
            let end = end.ok_or_else(|| self.mistake("this quote is not closed"))?;
            if end == 0 {
                return Err(self.mistake("the value is empty"));
            }
            self.at += end + 2;
            return Ok(inner[..end].to_vec());
        }
        let length = bare_length(rest);
        if length == 0 {
            return Err(self.mistake("a value is wanted here"));
        }
        self.at += length;
        Ok(rest[..length].to_vec())
    }

    fn skip_blanks(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at
    }

    /// Returns what is left, without the blanks at its beginning.
    fn rest(&mut self) -> &'t [u8] {
        let at = self.skip_blanks();
        &self.text[at..]
    }

    /// Takes a text that comes next, and reports whether it does.
    fn takes(&mut self, wanted: &[u8]) -> bool {
        let comes = self.rest().starts_with(wanted);
        self.at += if comes { wanted.len() } else { 0 };
        comes
    }

    /// Takes a word that comes next as a whole.
    fn takes_word(&mut self, wanted: &[u8]) -> bool {
        let next = self.rest().get(wanted.len());
        next.is_none_or(|next| !is_word(*next)) && self.takes(wanted)
    }

    fn mistake(&self, why: &str) -> Mistake {
        Mistake { at: self.at, why: why.to_owned() }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Returns the length of a value without quotes.
fn bare_length(text: &[u8]) -> usize {
    let mut open = 0usize;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'(' => open += 1,
            b')' if open == 0 => return at,
            b')' => open -= 1,
            byte if byte.is_ascii_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

/// Parses the value that a property is compared with. Errors: what is wrong with it.
fn operand(property: &Property, operator: Operator, value: &[u8]) -> Result<Operand, String> {
    if operator == Operator::Matches {
        let compiled = pattern::compile(OsStr::from_bytes(value), false, false);
        return compiled.map(Operand::Pattern).map_err(|refusal| refusal.message);
    }
    let text = String::from_utf8_lossy(value);
    match property.kind {
        ValueKind::Text => Ok(Operand::Text(value.to_vec())),
        ValueKind::List => Ok(Operand::Item { text: value.to_vec(), number: number(&text).ok() }),
        ValueKind::Number | ValueKind::Count => number(&text).map(Operand::Number),
        ValueKind::Percent => quantity::percent(&text).map(Operand::Number),
        ValueKind::Size => quantity::size(&text).map(Operand::Number),
        ValueKind::Seconds => parse::duration(&text)
            .map(Operand::Number)
            .map_err(|why| format!("'{text}' is no duration: {why}")),
        ValueKind::Time => quantity::moment(&text).map(Operand::Number),
        ValueKind::Flag => match &*text {
            "yes" | "true" => Ok(Operand::Flag(true)),
            "no" | "false" => Ok(Operand::Flag(false)),
            _ => Err(format!("'{text}' is neither yes nor no")),
        },
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse::<i128>()
        .map(|number| number as f64)
        .map_err(|_| format!("'{text}' is no whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an expression in one unambiguous way.
    fn shown(text: &str) -> String {
        fn write(expression: &Expression) -> String {
            let list = |parts: &[Expression]| parts.iter().map(write).collect::<Vec<_>>().join(" ");
            match expression {
                Expression::All(parts) => format!("(and {})", list(parts)),
                Expression::Any(parts) => format!("(or {})", list(parts)),
                Expression::Not(part) => format!("(not {})", write(part)),
                Expression::Is(comparison) => comparison.property.name.to_owned(),
            }
        }
        write(&expression(OsStr::new(text)).unwrap_or_else(|refusal| panic!("{refusal}")))
    }

    #[test]
    fn conditions_bind_in_the_usual_order() {
        for (text, expected) in [
            ("pid=1", "pid"),
            (" pid = 1 ", "pid"),
            ("pid != 1", "(not pid)"),
            ("pid=1 and rss>1G", "(and pid rss)"),
            ("pid=1 or rss>1G and state=D", "(or pid (and rss state))"),
            ("(pid=1 or rss>1G) and state=D", "(and (or pid rss) state)"),
            ("not pid=1 and rss>1", "(and (not pid) rss)"),
            ("not (pid=1 and rss>1)", "(not (and pid rss))"),
            ("not not pid=1", "(not (not pid))"),
            ("name~^(a|b)$ and pid>1", "(and pid name)"),
            ("(name ~ ^(a|b)$)", "name"),
            ("comm='a and b'", "comm"),
            ("comm=\"it's\"", "comm"),
            ("comm=and and pid>1", "(and pid comm)"),
            ("starttime > '2026-11-28 10:00' and runtime < 1h30m", "(and starttime runtime)"),
            ("kernel_thread=no and user_ids=0 and nice<-5", "(and kernel_thread nice user_ids)"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_column() {
        for (text, column, why) in [
            ("", 1, "a field is wanted"),
            ("rsss > 1G", 1, "there is no field 'rsss': did you mean 'rss'?"),
            ("pid=1 and zzzzzzzz=1", 11, "there is no field 'zzzzzzzz'"),
            ("rss", 4, "one of = != < <= > >= ~"),
            ("rss > ", 7, "a value is wanted"),
            ("rss > x", 7, "'x' is no size"),
            ("rss ~ 1", 5, "'rss' is a number"),
            ("pid=1x", 5, "'1x' is no whole number"),
            ("runtime > soon", 11, "'soon' is no duration"),
            ("starttime > soon", 13, "'soon' is no time"),
            ("is_alive = maybe", 12, "'maybe' is neither yes nor no"),
            ("is_alive > yes", 10, "'is_alive' is a flag"),
            ("state == D", 8, "the operator is '=': a value that begins so"),
            ("name =~ x", 7, "the operator is '='"),
            ("name ~ a(", 8, "bad regular expression 'a(': unclosed group"),
            ("comm = ''", 8, "the value is empty"),
            ("comm = 'x", 8, "this quote is not closed"),
            ("(pid=1", 7, "a closing parenthesis"),
            ("pid=1)", 6, "this parenthesis was not opened"),
            ("pid=1 rss>1", 7, "'and', 'or' or the end"),
            ("pid=1 and", 10, "a field is wanted"),
            ("comm='\u{e9}' & x", 10, "'and', 'or' or the end"),
        ] {
            let told = expression(OsStr::new(text)).unwrap_err().message;
            let expected = format!("column {column}: {why}");
            assert!(told.contains(&expected), "{text}: {told}");
        }
        let deep = "(".repeat(100_000);
        assert!(expression(OsStr::new(&deep)).is_err_and(|told| told.message.contains("deeply")));
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 4] = [
            b"rss > 1G and not (state = D or user != root)",
            b"name ~ '^(a|b)$' and starttime >= \"2026-11-28 10:00\"",
            b"runtime < 1h30m or nice <= -5 and is_alive = yes",
            b"environ = A=1 and user_ids = 0 and cmdline ~ caf\xe9",
        ];
        crate::fuzz::survives(&samples, |text| {
            let _ = expression(OsStr::from_bytes(text));
        });
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)
        ) {
            let _ = expression(OsStr::from_bytes(&text));
        }
    }
}
