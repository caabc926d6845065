//! The text format of GLib for values (GVariant Text Format in its manual), as it is written: the
//! types come later, in `variant`.

use std::str::Chars;

use zbus::Signature;

/// Most values in one another. D-Bus allows 64 containers, 32 of them arrays.
const DEEPEST: usize = 16;

/// The types that a word before a value names.
const TYPES: [(&str, Signature); 12] = [
    ("boolean", Signature::Bool),
    ("byte", Signature::U8),
    ("int16", Signature::I16),
    ("uint16", Signature::U16),
    ("int32", Signature::I32),
    ("uint32", Signature::U32),
    ("int64", Signature::I64),
    ("uint64", Signature::U64),
    ("double", Signature::F64),
    ("string", Signature::Str),
    ("objectpath", Signature::ObjectPath),
    ("signature", Signature::Signature),
];

/// A value as it is written.
pub enum Written {
    Flag(bool),
    /// A number of any type.
    Number(String),
    /// A text, also of an object path or a signature.
    Text(String),
    /// `b'TEXT'`, with a zero byte at its end.
    Bytes(Vec<u8>),
    /// `<VALUE>`
    Variant(Box<Written>),
    /// A value behind its type: `uint32 VALUE` or `@u VALUE`.
    Typed(Signature, Box<Written>),
    Array(Vec<Written>),
    Tuple(Vec<Written>),
    Dictionary(Vec<(Written, Written)>),
}

/// Parses a text. Errors: a text for the user.
pub fn parse(text: &str) -> Result<Written, String> {
    let mut rest = Rest { text, depth: 0 };
    let value = rest.value()?;
    rest.skip_blanks();
    if rest.text.is_empty() { Ok(value) } else { Err(rest.unexpected()) }
}

/// What is not read yet.
struct Rest<'t> {
    text: &'t str,
    depth: usize,
}

impl<'t> Rest<'t> {
    fn value(&mut self) -> Result<Written, String> {
        if self.depth == DEEPEST {
            return Err("it is too deep".to_owned());
        }
        self.depth += 1;
        let value = self.any()?;
        self.depth -= 1;
        Ok(value)
    }

    fn any(&mut self) -> Result<Written, String> {
        self.skip_blanks();
        match self.text.chars().next() {
            Some('@') => {
                self.text = &self.text[1..];
                let name = self.take(|byte| !byte.is_ascii_whitespace());
                let named =
                    Signature::try_from(name).ok().filter(|named| *named != Signature::Unit);
                let named = named.ok_or_else(|| format!("'{name}' is no type"))?;
                Ok(Written::Typed(named, Box::new(self.value()?)))
            }
            Some('[') => self.values('[', ']').map(Written::Array),
            Some('(') => self.values('(', ')').map(Written::Tuple),
            Some('{') => self.dictionary(),
            Some('<') => {
                self.text = &self.text[1..];
                let value = self.value()?;
                self.expect('>')?;
                Ok(Written::Variant(Box::new(value)))
            }
            Some('\'' | '"') => Ok(Written::Text(text_of(self.quoted()?)?)),
            Some(first) if first.is_ascii_digit() || "+-.".contains(first) => {
                let number =
                    self.take(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
                Ok(Written::Number(number.to_owned()))
            }
            Some(_) => self.word(),
            None => Err("a value is missing".to_owned()),
        }
    }

    /// Reads a value that begins with a word: a boolean, a number without digits, or a type.
    fn word(&mut self) -> Result<Written, String> {
        let before = self.text;
        match self.take(|byte| byte.is_ascii_alphanumeric()) {
            "true" => Ok(Written::Flag(true)),
            "false" => Ok(Written::Flag(false)),
            number @ ("inf" | "nan") => Ok(Written::Number(number.to_owned())),
            "b" if self.text.starts_with(['\'', '"']) => {
                Ok(Written::Bytes(bytes_of(self.quoted()?)))
            }
            word => match TYPES.iter().find(|(name, _)| *name == word) {
                Some((_, named)) => Ok(Written::Typed(named.clone(), Box::new(self.value()?))),
                None => {
                    self.text = before;
                    Err(self.unexpected())
                }
            },
        }
    }

    /// Takes a text in quotes, with its escapes as they are.
    fn quoted(&mut self) -> Result<&'t str, String> {
        let mut characters = self.text.chars();
        let quote = characters.next();
        let begin = characters.as_str();
        loop {
            let length = begin.len() - characters.as_str().len();
            match characters.next() {
                end if end == quote => {
                    self.text = characters.as_str();
                    return Ok(&begin[..length]);
                }
                Some('\\') => _ = characters.next(),
                Some(_) => {}
                None => return Err("a quote is missing".to_owned()),
            }
        }
    }

    /// Reads the values of an array or of a tuple.
    fn values(&mut self, open: char, close: char) -> Result<Vec<Written>, String> {
        let mut values = Vec::new();
        self.list(open, close, |rest| {
            values.push(rest.value()?);
            Ok(())
        })?;
        Ok(values)
    }

    fn dictionary(&mut self) -> Result<Written, String> {
        let mut entries = Vec::new();
        self.list('{', '}', |rest| {
            let key = rest.value()?;
            rest.expect(':')?;
            entries.push((key, rest.value()?));
            Ok(())
        })?;
        Ok(Written::Dictionary(entries))
    }

    /// Reads a list with commas. The only field of a tuple has one behind it: `(1,)`.
    fn list(
        &mut self,
        open: char,
        close: char,
        mut element: impl FnMut(&mut Rest<'t>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(open)?;
        for count in 0.. {
            self.skip_blanks();
            let is_only_field = open == '(' && count == 1;
            if self.text.starts_with(close) && (count == 0 || is_only_field) {
                break;
            }
            element(self)?;
            self.skip_blanks();
            if self.text.starts_with(close) && (open != '(' || count > 0) {
                break;
            }
            self.expect(',')?;
        }
        self.expect(close)
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        self.skip_blanks();
        match self.text.strip_prefix(wanted) {
            Some(rest) => {
                self.text = rest;
                Ok(())
            }
            None => Err(format!("'{wanted}' is missing before '{}'", self.text)),
        }
    }

    /// Takes the bytes that are of a kind.
    fn take(&mut self, is_taken: impl Fn(u8) -> bool) -> &'t str {
        let taken = self.text.bytes().take_while(|&byte| byte.is_ascii() && is_taken(byte)).count();
        let (taken, rest) = self.text.split_at(taken);
        self.text = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        self.text = self.text.trim_ascii_start();
    }

    fn unexpected(&self) -> String {
        format!("'{}' is no value", self.text)
    }
}

/// Returns the control character that an escape of C stands for.
fn control(escape: char) -> Option<char> {
    Some(match escape {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

/// Resolves the escapes of a text: those of C, and characters by number behind `\u` or `\U`. A line
/// that ends in a backslash goes on.
fn text_of(quoted: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('u') => text.push(code(&mut characters, 4)?),
            Some('U') => text.push(code(&mut characters, 8)?),
            Some('\n') | None => {}
            Some(escape) => text.push(control(escape).unwrap_or(escape)),
        }
    }
    Ok(text)
}

/// Returns the character of this number of hexadecimal digits.
fn code(characters: &mut Chars<'_>, digits: usize) -> Result<char, String> {
    let digits: String = characters.take(digits).collect();
    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    code.filter(|&code| code != '\0').ok_or_else(|| "an escape is no character".to_owned())
}

/// Resolves the escapes of a text of bytes: those of C, and bytes in octal. It ends at a zero byte.
fn bytes_of(quoted: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = quoted;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        let mut add = |character: char| {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        };
        if first != '\\' {
            add(first);
            continue;
        }
        let digits = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        let escape = rest.chars().next();
        if let Ok(byte) = u16::from_str_radix(&rest[..digits], 8) {
            bytes.push(byte as u8);
            rest = &rest[digits..];
        } else if let Some(escape) = escape {
            rest = &rest[escape.len_utf8()..];
            if escape != '\n' {
                add(control(escape).unwrap_or(escape));
            }
        }
    }
    bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    bytes.push(0);
    bytes
}
