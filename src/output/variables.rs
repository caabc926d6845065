//! Prints environment variables, for a shell or as JSON.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::{Colour, Output, json};

/// Prints variables on standard output. Errors: `InvalidData` for a value with a zero byte.
pub fn print<'v>(
    variables: impl Iterator<Item = (&'v str, &'v OsStr)>,
    is_json: bool,
) -> io::Result<()> {
    let mut text = Vec::new();
    if is_json {
        as_json(&mut text, variables);
    } else {
        for_shell(&mut text, variables)?;
    }
    let mut output = Output::stdout(Colour::Never);
    output.write_all(&text)?;
    output.finish()
}

/// Appends lines that set and export the variables when a POSIX shell evaluates them (eval).
fn for_shell<'v>(
    text: &mut Vec<u8>,
    variables: impl Iterator<Item = (&'v str, &'v OsStr)>,
) -> io::Result<()> {
    for (name, value) in variables {
        let quoted = shlex::bytes::try_quote(value.as_bytes());
        let quoted = quoted.map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("${name}: {error}"))
        })?;
        text.extend_from_slice(
            &[name.as_bytes(), b"=", &quoted, b"; export ", name.as_bytes(), b";\n"].concat(),
        );
    }
    Ok(())
}

/// Appends a JSON document: one object.
fn as_json<'v>(text: &mut Vec<u8>, variables: impl Iterator<Item = (&'v str, &'v OsStr)>) {
    object(text, variables);
    text.push(b'\n');
}

/// Appends a JSON object with a member for each variable.
pub fn object<'v>(text: &mut Vec<u8>, variables: impl Iterator<Item = (&'v str, &'v OsStr)>) {
    json::object_of(text, variables, |text, (name, value)| {
        json::key(text, name);
        json::bytes(text, value.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_for_a_shell() {
        let mut text = Vec::new();
        let value = OsStr::from_bytes(b"/run/a b'c$d\xff:1:1");
        for_shell(&mut text, [("GPG_AGENT_INFO", value)].into_iter()).unwrap();
        let script = [&text[..], b"printf %s \"$GPG_AGENT_INFO\""].concat();
        let shell = std::process::Command::new("sh")
            .arg("-c")
            .arg(OsStr::from_bytes(&script))
            .output()
            .unwrap();
        assert_eq!(shell.stdout, value.as_bytes());
    }
}
