//! Values in the text format of GLib (g_variant_parse), as the type `variant` of notify-send's hints
//! has them: `uint32 5`, `['a', 'b']`, `{'x': <true>}`, `@as []`. What is written tells a [`Form`],
//! the form gives the type, and the type makes the value.

use zbus::wire::StructureBuilder;
use zbus::{Array, Dict, ObjectPath, Signature, Variant};

use super::variant_text::{self, Written};

/// Parses a value. Errors: a text for the user.
pub fn parse(text: &str) -> Result<Variant<'static>, String> {
    value(variant_text::parse(text)?)
}

fn value(written: Written) -> Result<Variant<'static>, String> {
    let signature = Form::of(&written)?.signature()?;
    value_of(written, &signature)
}

/// What a written value tells of its type.
#[derive(Debug, PartialEq)]
enum Form {
    /// Nothing: it is the element of an empty list.
    Any,
    /// A number of any type.
    Number,
    /// A text, an object path or a signature.
    Text,
    /// A type that is not made of others.
    Exact(Signature),
    Array(Box<Form>),
    Tuple(Vec<Form>),
    Dictionary(Box<Form>, Box<Form>),
}

impl Form {
    fn of(written: &Written) -> Result<Form, String> {
        Ok(match written {
            Written::Flag(_) => Form::Exact(Signature::Bool),
            Written::Number(text) if is_real(text) => Form::Exact(Signature::F64),
            Written::Number(_) => Form::Number,
            Written::Text(_) => Form::Text,
            Written::Bytes(_) => Form::Array(Box::new(Form::Exact(Signature::U8))),
            Written::Variant(_) => Form::Exact(Signature::Variant),
            Written::Typed(signature, _) => signature.into(),
            Written::Array(elements) => Form::Array(Box::new(Form::of_all(elements.iter())?)),
            Written::Tuple(fields) => {
                Form::Tuple(fields.iter().map(Form::of).collect::<Result<_, _>>()?)
            }
            Written::Dictionary(entries) => Form::Dictionary(
                Box::new(Form::of_all(entries.iter().map(|(key, _)| key))?),
                // The type of the first value is that of all, as in GLib.
                Box::new(Form::of_all(entries.iter().take(1).map(|(_, value)| value))?),
            ),
        })
    }

    /// Returns the form that values of the same type have in common.
    fn of_all<'w>(written: impl Iterator<Item = &'w Written>) -> Result<Form, String> {
        written.map(Form::of).try_fold(Form::Any, |all, form| {
            all.and(form?).ok_or_else(|| "values of a list have no type in common".to_owned())
        })
    }

    /// Returns what two values of the same type tell together.
    fn and(self, other: Form) -> Option<Form> {
        let both = |one: Form, other: Form| one.and(other).map(Box::new);
        Some(match (self, other) {
            (Form::Any, form) | (form, Form::Any) => form,
            (Form::Exact(exact), Form::Number) | (Form::Number, Form::Exact(exact))
                if is_number(&exact) =>
            {
                Form::Exact(exact)
            }
            (Form::Exact(exact), Form::Text) | (Form::Text, Form::Exact(exact))
                if is_text(&exact) =>
            {
                Form::Exact(exact)
            }
            (Form::Array(one), Form::Array(other)) => Form::Array(both(*one, *other)?),
            // An empty dictionary may be written as an empty array.
            (Form::Array(element), dictionary @ Form::Dictionary(..))
            | (dictionary @ Form::Dictionary(..), Form::Array(element))
                if *element == Form::Any =>
            {
                dictionary
            }
            (Form::Tuple(one), Form::Tuple(other)) if one.len() == other.len() => {
                let pairs = one.into_iter().zip(other);
                Form::Tuple(pairs.map(|(one, other)| one.and(other)).collect::<Option<_>>()?)
            }
            (Form::Dictionary(key, value), Form::Dictionary(other_key, other_value)) => {
                Form::Dictionary(both(*key, *other_key)?, both(*value, *other_value)?)
            }
            (one, other) if one == other => one,
            _ => return None,
        })
    }

    /// Returns the type of a value of this form, which is the usual one where several are possible.
    fn signature(&self) -> Result<Signature, String> {
        Ok(match self {
            Form::Any => return Err("an empty list needs a type, such as @as []".to_owned()),
            Form::Number => Signature::I32,
            Form::Text => Signature::Str,
            Form::Exact(signature) => signature.clone(),
            Form::Array(element) => Signature::array(element.signature()?),
            Form::Tuple(fields) if fields.is_empty() => {
                return Err("a message has no place for an empty tuple".to_owned());
            }
            Form::Tuple(fields) => Signature::structure(
                fields.iter().map(Form::signature).collect::<Result<Vec<_>, _>>()?,
            ),
            Form::Dictionary(key, value) => Signature::dict(key.signature()?, value.signature()?),
        })
    }
}

impl From<&Signature> for Form {
    fn from(signature: &Signature) -> Form {
        match signature {
            Signature::Array(element) => Form::Array(Box::new(element.signature().into())),
            Signature::Structure(fields) => Form::Tuple(fields.iter().map(Form::from).collect()),
            Signature::Dict { key, value } => Form::Dictionary(
                Box::new(key.signature().into()),
                Box::new(value.signature().into()),
            ),
            simple => Form::Exact(simple.clone()),
        }
    }
}

/// Reports whether a number is none of the whole types.
fn is_real(text: &str) -> bool {
    let is_hexadecimal = text.starts_with("0x");
    ["inf", "nan", "."].iter().any(|part| text.contains(part))
        || !is_hexadecimal && text.contains('e')
}

fn is_number(signature: &Signature) -> bool {
    *signature == Signature::F64 || is_whole(signature)
}

fn is_whole(signature: &Signature) -> bool {
    matches!(
        signature,
        Signature::U8
            | Signature::I16
            | Signature::U16
            | Signature::I32
            | Signature::U32
            | Signature::I64
            | Signature::U64
    )
}

fn is_text(signature: &Signature) -> bool {
    matches!(signature, Signature::Str | Signature::ObjectPath | Signature::Signature)
}

/// Makes a value of this type.
fn value_of(written: Written, signature: &Signature) -> Result<Variant<'static>, String> {
    match (written, signature) {
        // The type outside counts, as in GLib.
        (Written::Typed(_, inner), _) => value_of(*inner, signature),
        (Written::Flag(flag), Signature::Bool) => Ok(Variant::Bool(flag)),
        (Written::Bytes(bytes), Signature::Array(element))
            if *element.signature() == Signature::U8 =>
        {
            Ok(Variant::from(bytes))
        }
        (Written::Variant(inner), Signature::Variant) => {
            Ok(Variant::Variant(Box::new(value(*inner)?)))
        }
        (Written::Number(text), Signature::F64) => real(&text).map(Variant::F64),
        (Written::Number(text), _) if is_whole(signature) => whole(&text, signature),
        (Written::Text(text), _) if is_text(signature) => text_value(text, signature),
        (Written::Array(elements), Signature::Array(element)) => {
            array(elements, element.signature())
        }
        (Written::Tuple(fields), Signature::Structure(types)) if fields.len() == types.len() => {
            let mut builder = StructureBuilder::new();
            for (field, signature) in fields.into_iter().zip(types.iter()) {
                builder.push_value(value_of(field, signature)?);
            }
            builder.build().map(Variant::Structure).map_err(|error| error.to_string())
        }
        (Written::Dictionary(entries), Signature::Dict { key, value }) => {
            dictionary(entries, key.signature(), value.signature())
        }
        (Written::Array(elements), Signature::Dict { key, value }) if elements.is_empty() => {
            dictionary(Vec::new(), key.signature(), value.signature())
        }
        _ => Err(format!("a value is not of type {signature}")),
    }
}

fn array(elements: Vec<Written>, signature: &Signature) -> Result<Variant<'static>, String> {
    let mut array = Array::new(signature);
    for element in elements {
        array.append(value_of(element, signature)?).map_err(|error| error.to_string())?;
    }
    Ok(Variant::Array(array))
}

fn dictionary(
    entries: Vec<(Written, Written)>,
    key: &Signature,
    value: &Signature,
) -> Result<Variant<'static>, String> {
    if !(is_number(key) || is_text(key) || *key == Signature::Bool) {
        return Err("a key of a dictionary is no simple value".to_owned());
    }
    let mut dictionary = Dict::new(key, value);
    for (written_key, written_value) in entries {
        dictionary
            .append(value_of(written_key, key)?, value_of(written_value, value)?)
            .map_err(|error| error.to_string())?;
    }
    Ok(Variant::Dict(dictionary))
}

fn text_value(text: String, signature: &Signature) -> Result<Variant<'static>, String> {
    match signature {
        Signature::ObjectPath => ObjectPath::try_from(text.clone())
            .map(Variant::ObjectPath)
            .map_err(|_| format!("'{text}' is no object path")),
        Signature::Signature => Signature::try_from(text.as_str())
            .map(Variant::Signature)
            .map_err(|_| format!("'{text}' is no signature")),
        _ => Ok(Variant::from(text)),
    }
}

/// Parses a number with a point as C does (strtod).
fn real(text: &str) -> Result<f64, String> {
    let is_infinite = text.contains("inf") || text.contains("nan");
    let real: Option<f64> = text.parse().ok().or_else(|| integer(text).map(|whole| whole as f64));
    // A number that is too large is none.
    real.filter(|real| is_infinite || real.is_finite())
        .ok_or_else(|| format!("'{text}' is no number"))
}

fn whole(text: &str, signature: &Signature) -> Result<Variant<'static>, String> {
    let fit = || format!("'{text}' is no number of type {signature}");
    let whole = integer(text).ok_or_else(fit)?;
    let value = match signature {
        Signature::U8 => u8::try_from(whole).map(Variant::U8),
        Signature::I16 => i16::try_from(whole).map(Variant::I16),
        Signature::U16 => u16::try_from(whole).map(Variant::U16),
        Signature::U32 => u32::try_from(whole).map(Variant::U32),
        Signature::I64 => i64::try_from(whole).map(Variant::I64),
        Signature::U64 => u64::try_from(whole).map(Variant::U64),
        _ => i32::try_from(whole).map(Variant::I32),
    };
    value.map_err(|_| fit())
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
        is("b'\\377\\18\\n\\x'", "ay", "b\"\u{fffd}\\u{1}8\\nx\"");
        is("b'a\\0b'", "ay", "b\"a\"");
        is("'a\\\nb'", "s", "\"ab\"");
        is("[1, uint32 2]", "au", "[uint32 1, 2]");
        is("[[], ['x']]", "aas", "[@as [], [\"x\"]]");
        is(
            "[(1, []), (byte 2, [objectpath '/'])]",
            "a(yao)",
            "[(byte 0x01, @ao []), (0x02, [\"/\"])]",
        );
        is("[{}, {'x': <1>}]", "aa{sv}", "[@a{sv} {}, {\"x\": <1>}]");
        is("[[], {'x': 1}]", "aa{si}", "[@a{si} {}, {\"x\": 1}]");
        is("@a{sv} []", "a{sv}", "@a{sv} {}");
        is("[b'a', [1]]", "aay", "[b\"a\", [0x01]]");
        is("uint32 @i 5", "u", "uint32 5");
        is("[nan, 1]", "ad", "[NaN, 1.]");
        is("@d 0x10", "d", "16.");
        is("-inf", "d", "-inf");
        is("{1: 2, 1: 3}", "a{ii}", "{1: 3}");
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
            "(1)",
            "(1,2,)",
            "[[], []]",
            "['x', objectpath '/']",
            "[byte 1, uint32 2]",
            "[<1>, 2]",
            "@v 5",
            "@av [1]",
            "variant <5>",
            "byte 'a'",
            "0x",
            "08",
            "infinity",
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
