//! Values in the text format of GLib (g_variant_parse), as the type `variant` of notify-send's hints
//! has them: `uint32 5`, `['a', 'b']`, `{'x': <true>}`, `@as []`.

use zbus::wire::StructureBuilder;
use zbus::{Array, Dict, ObjectPath, Signature, Variant};

/// Most values in one another. D-Bus allows 64 containers, 32 of them arrays.
const DEEPEST: usize = 16;

/// The types that a word before a value names.
const TYPES: [(&str, Signature); 13] = [
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
    ("variant", Signature::Variant),
];

/// Parses a value. Errors: a text for the user.
pub fn parse(text: &str) -> Result<Variant<'static>, String> {
    let mut rest = Rest { text, depth: 0 };
    let value = rest.value(None)?;
    rest.skip_blanks();
    if rest.text.is_empty() { Ok(value) } else { Err(rest.unexpected()) }
}

/// What is not read yet.
struct Rest<'t> {
    text: &'t str,
    depth: usize,
}

impl<'t> Rest<'t> {
    /// Reads a value. `wanted` is its type, where that is known from what is around it.
    fn value(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        if self.depth == DEEPEST {
            return Err("it is too deep".to_owned());
        }
        self.depth += 1;
        let value = self.any(wanted)?;
        self.depth -= 1;
        match wanted {
            Some(wanted) if wanted != value.value_signature() => {
                Err(format!("a value is not of type {wanted}"))
            }
            _ => Ok(value),
        }
    }

    fn any(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        self.skip_blanks();
        match self.text.chars().next() {
            Some('@') => {
                self.text = &self.text[1..];
                let name = self.take(|byte| !byte.is_ascii_whitespace());
                let named =
                    Signature::try_from(name).ok().filter(|named| *named != Signature::Unit);
                let named = named.ok_or_else(|| format!("'{name}' is no type"))?;
                self.value(Some(&named))
            }
            Some('[') => self.array(wanted),
            Some('(') => self.structure(wanted),
            Some('{') => self.dictionary(wanted),
            Some('<') => {
                self.text = &self.text[1..];
                let value = self.value(None)?;
                self.expect('>')?;
                Ok(Variant::Variant(Box::new(value)))
            }
            Some('\'' | '"') => self.string(wanted),
            Some(first) if first.is_ascii_digit() || "+-.".contains(first) => self.number(wanted),
            Some(_) => self.word(),
            None => Err("a value is missing".to_owned()),
        }
    }

    /// Reads a value that begins with a word: a boolean, an infinite number, or a type.
    fn word(&mut self) -> Result<Variant<'static>, String> {
        let before = self.text;
        match self.take(|byte| byte.is_ascii_alphanumeric()) {
            "true" => Ok(Variant::Bool(true)),
            "false" => Ok(Variant::Bool(false)),
            "inf" => Ok(Variant::F64(f64::INFINITY)),
            "nan" => Ok(Variant::F64(f64::NAN)),
            "b" if self.text.starts_with(['\'', '"']) => {
                let mut bytes = self.quoted()?.into_bytes();
                bytes.push(0);
                Ok(Variant::from(bytes))
            }
            word => match TYPES.iter().find(|(name, _)| *name == word) {
                Some((_, named)) => self.value(Some(named)),
                None => {
                    self.text = before;
                    Err(self.unexpected())
                }
            },
        }
    }

    fn number(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        let text = self.take(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let whole = integer(text);
        let is_real = wanted == Some(&Signature::F64) || wanted.is_none() && whole.is_none();
        if is_real {
            // `inf` has no digits, and is a word.
            let real: Option<f64> = text.parse().ok().or(whole.map(|whole| whole as f64));
            let real = real.filter(|real| real.is_finite());
            return real.map(Variant::F64).ok_or_else(|| format!("'{text}' is no number"));
        }
        let fit = || format!("'{text}' is no number of type {}", name_of(wanted));
        let whole = whole.ok_or_else(fit)?;
        let value = match wanted {
            None | Some(Signature::I32) => i32::try_from(whole).map(Variant::I32),
            Some(Signature::U8) => u8::try_from(whole).map(Variant::U8),
            Some(Signature::I16) => i16::try_from(whole).map(Variant::I16),
            Some(Signature::U16) => u16::try_from(whole).map(Variant::U16),
            Some(Signature::U32) => u32::try_from(whole).map(Variant::U32),
            Some(Signature::I64) => i64::try_from(whole).map(Variant::I64),
            Some(Signature::U64) => u64::try_from(whole).map(Variant::U64),
            Some(_) => return Err(fit()),
        };
        value.map_err(|_| fit())
    }

    fn string(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        let text = self.quoted()?;
        match wanted {
            Some(Signature::ObjectPath) => ObjectPath::try_from(text.clone())
                .map(Variant::ObjectPath)
                .map_err(|_| format!("'{text}' is no object path")),
            Some(Signature::Signature) => Signature::try_from(text.as_str())
                .map(Variant::Signature)
                .map_err(|_| format!("'{text}' is no signature")),
            _ => Ok(Variant::from(text)),
        }
    }

    /// Reads a text in quotes, and resolves its escapes.
    fn quoted(&mut self) -> Result<String, String> {
        let mut characters = self.text.chars();
        let quote = characters.next();
        let mut text = String::new();
        loop {
            match characters.next() {
                end if end == quote => break,
                Some('\\') => {
                    let escape = characters.next().ok_or("a quote is missing")?;
                    let mut code = |digits: usize| {
                        let digits: String = characters.by_ref().take(digits).collect();
                        u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)
                    };
                    let resolved = match escape {
                        'a' => Some('\x07'),
                        'b' => Some('\x08'),
                        'f' => Some('\x0c'),
                        'n' => Some('\n'),
                        'r' => Some('\r'),
                        't' => Some('\t'),
                        'v' => Some('\x0b'),
                        'u' => code(4),
                        'U' => code(8),
                        other => Some(other),
                    };
                    let resolved = resolved.filter(|&resolved| resolved != '\0');
                    text.push(resolved.ok_or("an escape is no character")?);
                }
                Some(other) => text.push(other),
                None => return Err("a quote is missing".to_owned()),
            }
        }
        self.text = characters.as_str();
        Ok(text)
    }

    fn array(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        let wanted = match wanted {
            Some(Signature::Array(child)) => Some(child.signature().clone()),
            Some(other) => return Err(format!("an array is not of type {other}")),
            None => None,
        };
        let (before, depth) = (self.text, self.depth);
        match self.elements(wanted.clone()) {
            // The whole numbers before a real one are real too.
            Err(error) if wanted.is_none() => {
                (self.text, self.depth) = (before, depth);
                match self.elements(Some(Signature::F64)) {
                    Ok(Variant::Array(reals)) if !reals.is_empty() => Ok(Variant::Array(reals)),
                    _ => Err(error),
                }
            }
            array => array,
        }
    }

    fn elements(&mut self, wanted: Option<Signature>) -> Result<Variant<'static>, String> {
        let (mut known, mut elements) = (wanted, Vec::new());
        self.list('[', ']', |rest| {
            let element = rest.value(known.as_ref())?;
            known.get_or_insert_with(|| element.value_signature().clone());
            elements.push(element);
            Ok(())
        })?;
        let mut array = Array::new(&known.ok_or("an empty array needs a type, such as @as []")?);
        for element in elements {
            array.append(element).map_err(|error| error.to_string())?;
        }
        Ok(Variant::Array(array))
    }

    fn structure(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        let fields: Option<Vec<Signature>> = match wanted {
            Some(Signature::Structure(fields)) => Some(fields.iter().cloned().collect()),
            Some(other) => return Err(format!("a tuple is not of type {other}")),
            None => None,
        };
        let (mut builder, mut number) = (StructureBuilder::new(), 0);
        self.list('(', ')', |rest| {
            let wanted = fields.as_ref().and_then(|fields| fields.get(number));
            builder.push_value(rest.value(wanted)?);
            number += 1;
            Ok(())
        })?;
        builder.build().map(Variant::Structure).map_err(|error| error.to_string())
    }

    fn dictionary(&mut self, wanted: Option<&Signature>) -> Result<Variant<'static>, String> {
        let mut known = match wanted {
            Some(Signature::Dict { key, value }) => {
                Some((key.signature().clone(), value.signature().clone()))
            }
            Some(other) => return Err(format!("a dictionary is not of type {other}")),
            None => None,
        };
        let mut entries = Vec::new();
        self.list('{', '}', |rest| {
            let key = rest.value(known.as_ref().map(|(key, _)| key))?;
            rest.expect(':')?;
            let value = rest.value(known.as_ref().map(|(_, value)| value))?;
            known.get_or_insert_with(|| {
                (key.value_signature().clone(), value.value_signature().clone())
            });
            entries.push((key, value));
            Ok(())
        })?;
        let (key, value) = known.ok_or("an empty dictionary needs a type, such as @a{sv} {}")?;
        if matches!(key, Signature::Array(_) | Signature::Dict { .. } | Signature::Structure(_))
            || key == Signature::Variant
        {
            return Err("a key of a dictionary is no simple value".to_owned());
        }
        let mut dictionary = Dict::new(&key, &value);
        for (key, value) in entries {
            dictionary.append(key, value).map_err(|error| error.to_string())?;
        }
        Ok(Variant::Dict(dictionary))
    }

    /// Reads a list with commas. Only a tuple may have one behind the last element too, as `(1,)`.
    fn list(
        &mut self,
        open: char,
        close: char,
        mut element: impl FnMut(&mut Rest<'t>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.expect(open)?;
        let mut may_end = true;
        loop {
            self.skip_blanks();
            if let Some(rest) = self.text.strip_prefix(close).filter(|_| may_end) {
                self.text = rest;
                return Ok(());
            }
            element(self)?;
            self.skip_blanks();
            let is_last = self.text.starts_with(close);
            if !is_last {
                self.expect(',')?;
            }
            may_end = is_last || open == '(';
        }
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

fn name_of(signature: Option<&Signature>) -> String {
    signature.unwrap_or(&Signature::I32).to_string()
}

/// Parses a whole number as C does: in octal after `0`, and in hexadecimal after `0x`.
pub fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    Some(sign * i128::from(number.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the value of a text, as the library shows it.
    #[track_caller]
    fn is(text: &str, signature: &str, shown: &str) {
        let value = parse(text).expect("parsing a value");
        assert_eq!(value.value_signature().to_string(), signature, "{text}");
        assert_eq!(value.to_string(), shown, "{text}");
    }

    #[test]
    fn values_have_the_types_of_glib() {
        is("5", "i", "5");
        is(" -0x10 ", "i", "-16");
        is("010", "i", "8");
        is("1.5", "d", "1.5");
        is("true", "b", "true");
        is("uint32 7", "u", "uint32 7");
        is("byte 0xff", "y", "byte 0xff");
        is("int64 -9000000000", "x", "int64 -9000000000");
        is("@t 18446744073709551615", "t", "uint64 18446744073709551615");
        is("double 3", "d", "3.");
        is("'a\\'\\u00e9'", "s", "\"a'é\"");
        is("\"it's\"", "s", "\"it's\"");
        is("objectpath '/a/b'", "o", "objectpath \"/a/b\"");
        is("['a', 'b']", "as", "[\"a\", \"b\"]");
        is("[1, 2.5]", "ad", "[1., 2.5]");
        is("[byte 1, 2]", "ay", "[byte 0x01, 0x02]");
        is("b'ab'", "ay", "b\"ab\"");
        is("@as []", "as", "@as []");
        is("(1, 'x', true)", "(isb)", "(1, \"x\", true)");
        is("(1,)", "(i)", "(1,)");
        is("{'k': <uint32 2>}", "a{sv}", "{\"k\": <uint32 2>}");
        is("<'x'>", "v", "<\"x\">");
        is("@(yas) (1, [])", "(yas)", "(byte 0x01, @as [])");
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "",
            "firefox",
            "'x",
            "5 6",
            "byte 256",
            "uint32 -1",
            "3000000000",
            "[]",
            "[1, 'x']",
            "()",
            "{}",
            "{1: 2, 'x': 3}",
            "{[1]: 2}",
            "@z 5",
            "@s 5",
            "@ 5",
            "@as {}",
            "(1",
            "(1 2)",
            "objectpath 'x'",
            "just 5",
            "nothing",
            "'\\u0000'",
            "'\\ud800'",
            "é",
            "<",
            "1e",
            "1e400",
            "[1,]",
            "-",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&"<".repeat(100_000)).is_err() && parse(&"[".repeat(100_000)).is_err());
    }
}
