//! What is wrong with a command line, in one line.

use std::io::Write;

use crate::exit::Exit;
use crate::output::message::message;

/// Help and version go to standard output, anything else is a mistake.
pub fn report(name: &str, error: &clap::Error) -> Exit {
    if error.use_stderr() {
        message(name, one_line(name, &error.render().to_string()));
        return Exit::Usage;
    }
    match std::io::stdout().lock().write_all(error.render().to_string().as_bytes()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            message(name, format_args!("cannot write the help: {error}"));
            Exit::Fatal
        }
    }
}

/// clap's paragraphs, less its usage and its way of saying where help is.
fn one_line(name: &str, rendered: &str) -> String {
    let paragraphs =
        rendered.split("\n\n").take_while(|text| !text.starts_with("Usage:") && !text.starts_with("For more"));
    let text: Vec<String> = paragraphs
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .map(|text| text.trim_start_matches("error: ").trim_start_matches("tip: ").to_owned())
        .collect();
    format!("{}: try '{name} --help'", text.join("; "))
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn paragraphs_become_one_line() {
        let rendered = "error: unexpected argument '--exee' found\n\n  tip: a similar argument exists: '--exe'\n\nUsage: x\n\nFor more";
        assert_eq!(
            one_line("proctool find", rendered),
            "unexpected argument '--exee' found; a similar argument exists: '--exe': try 'proctool find --help'"
        );
    }
}
