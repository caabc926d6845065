//! What is wrong with a command line, in one line.

use crate::exit::Refusal;

/// A mistake that clap found.
pub fn refusal(name: &str, error: &clap::Error) -> Refusal {
    Refusal::usage(one_line(name, &error.render().to_string()))
}

/// clap's paragraphs, less its usage and its way of saying where help is.
fn one_line(name: &str, rendered: &str) -> String {
    let paragraphs = rendered
        .split("\n\n")
        .take_while(|text| !text.starts_with("Usage:") && !text.starts_with("For more"));
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
        let rendered = "error: unexpected argument '--exee' found\n\n  tip: a similar argument \
        exists: '--exe'\n\nUsage: x\n\nFor more";
        assert_eq!(
            one_line("proctool find", rendered),
            "unexpected argument '--exee' found; a similar argument exists: '--exe': try 'proctool \
            find --help'"
        );
    }
}
