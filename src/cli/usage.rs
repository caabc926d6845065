//! Messages about a wrong command line, one line each. clap writes paragraphs.

use crate::exit::Refusal;

/// Returns a mistake that clap found as a refusal, in one line.
pub fn refusal(name: &str, error: &clap::Error) -> Refusal {
    Refusal::usage(one_line(name, &error.render().to_string()))
}

/// Returns the explanation of a mistake that clap found, in one line.
pub fn explanation(error: &clap::Error) -> String {
    joined(&error.render().to_string())
}

fn one_line(name: &str, rendered: &str) -> String {
    format!("{}: try '{name} --help'", joined(rendered))
}

/// Joins clap's paragraphs into one line, without its usage and its hint at the help.
fn joined(rendered: &str) -> String {
    let paragraphs = rendered
        .split("\n\n")
        .take_while(|text| !text.starts_with("Usage:") && !text.starts_with("For more"));
    let text: Vec<String> = paragraphs
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .map(|text| text.trim_start_matches("error: ").trim_start_matches("tip: ").to_owned())
        .collect();
    text.join("; ")
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn paragraphs_become_one_line() {
        let rendered = "error: unexpected argument '--exee' found\n\n  tip: a similar argument \
        exists: '--exe'\n\nUsage: x\n\nFor more";
        assert_eq!(
            one_line("proctool find", rendered),
            "unexpected argument '--exee' found; a similar argument exists: '--exe': try 'proctool \
            find --help'"
        );
    }
}
