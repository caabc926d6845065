//! Printed variables, and the place that they are printed to.

use super::super::support::gpg::info;
use crate::gpg_box;

/// Names of home directories that a shell would change, quoted for the shell.
const ODD: [&str; 6] = [
    "'/home/pt1/a b'",
    "\"/home/pt1/it's\"",
    "'/home/pt1/a\"b$HOME`id`\\x'",
    "$'/home/pt1/a\\nb'",
    "$'/home/pt1/\\377x'",
    "'/home/pt1/a*?[x]~!#&;|<>()'",
];

#[test]
fn what_is_printed_is_for_a_shell() {
    let place = gpg_box!();
    let user = place.user();
    user.run(&["true"]).succeeds();
    let text = user.run(&["--print"]).succeeds().text();
    let expected = format!("{}:{}:1", user.socket(), place.agent());
    assert_eq!(
        text.trim_end().replace('\'', ""),
        format!("GPG_AGENT_INFO={expected}; export GPG_AGENT_INFO;")
    );
    assert!(text.ends_with('\n'));
    for shell in ["sh", "bash"] {
        let script =
            format!("{shell} -c 'eval \"$(with-gpg-agent --print)\"; printenv GPG_AGENT_INFO'");
        assert_eq!(user.shell(&script), expected);
    }
}

#[test]
fn what_is_printed_of_odd_homes_is_for_a_shell() {
    let place = gpg_box!();
    let user = place.user();
    for home in ODD {
        let script = format!(
            "export GNUPGHOME={home}; mkdir -m 700 \"$GNUPGHOME\" && sh -c 'eval \
             \"$(with-gpg-agent --timeout 10 --print)\"; printenv -0 GPG_AGENT_INFO' && printf \
             '%s/S.gpg-agent:%s:1\\0' \"$GNUPGHOME\" \"$(pgrep -x gpg-agent)\""
        );
        let outcome = user.exec(&script).exits(0);
        let parts: Vec<&[u8]> = outcome.stdout.split(|&byte| byte == 0).collect();
        assert!(parts.len() == 3 && parts[0] == parts[1], "{home}\n{}", outcome.report());
        place.end("KILL", place.agent());
    }
}

#[test]
fn json_is_an_object_of_texts() {
    let place = gpg_box!();
    let user = place.user();
    let outcome = user.run(&["--json", "--ssh"]).succeeds();
    let json = outcome.json();
    let object = json.as_object().expect("finding an object");
    assert_eq!(
        object.keys().map(String::as_str).collect::<Vec<_>>(),
        ["GPG_AGENT_INFO", "SSH_AUTH_SOCK"]
    );
    assert!(object.values().all(serde_json::Value::is_string), "{json}");
    assert_eq!(outcome.lines().len(), 1);
    user.owns(&info(json["GPG_AGENT_INFO"].as_str().expect("finding a text")));
}

#[test]
fn json_of_odd_homes_is_json() {
    let place = gpg_box!();
    let user = place.user();
    for home in ODD {
        let script = format!(
            "export GNUPGHOME={home}; mkdir -m 700 \"$GNUPGHOME\" && exec with-gpg-agent --timeout \
            10 --json"
        );
        let json = user.exec(&script).succeeds().json();
        // A value that is no JSON text has the form that it has everywhere in the program.
        let is_told = json["GPG_AGENT_INFO"].is_string() != home.contains("377");
        assert!(is_told && !json["GPG_AGENT_INFO"].is_null(), "{home}: {json}");
        place.end("KILL", place.agent());
    }
}

#[test]
fn a_new_agent_does_not_keep_the_pipe_of_the_caller() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        // The end of the pipe comes with the end of the run, or never: the agent lives on.
        let output = user.shell("output=$(with-gpg-agent echo out 2>&1); echo \"$output\"");
        assert_eq!(output, "out");
        place.end("KILL", place.agent());
        user.shell("output=$(with-gpg-agent --ssh --print 2>&1); [ \"$output\" ]");
        place.end("KILL", place.agent());
        user.shell("with-gpg-agent -v true 2>&1 | cat");
        place.end("KILL", place.agent());
    }
}

#[test]
fn a_new_agent_does_not_keep_other_descriptors_of_the_caller() {
    let place = gpg_box!();
    let user = place.user();
    // Scripts hold locks in this way: the agent would hold it for its whole life.
    user.shell("exec 9>/tmp/lock; flock -n 9; with-gpg-agent true");
    place.agent();
    user.shell("flock -n /tmp/lock true");
}

#[test]
fn output_that_cannot_be_written_is_told() {
    let place = gpg_box!();
    let user = place.user();
    for words in ["--print", "--json"] {
        let outcome = user.exec(&format!("with-gpg-agent {words} >/dev/full")).exits(3);
        assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
    }
}

#[test]
fn quiet_says_nothing_and_verbose_more() {
    let place = gpg_box!();
    let user = place.user();
    user.run(&["-q", "true"]).succeeds();
    user.run(&["true"]).succeeds();
    let outcome = user.run(&["-v", "echo", "x"]).exits(0).prints("x\n");
    let agent = place.agent().to_string();
    let lines = outcome.errors();
    assert!(lines.contains(&user.socket()) && lines.contains(&agent), "{}", outcome.report());
    let outcome = user.run(&["-v", "--print"]).exits(0);
    assert!(
        outcome.text().starts_with("GPG_AGENT_INFO=") && outcome.lines().len() == 1,
        "{}",
        outcome.report()
    );
}

#[test]
fn quiet_hides_no_failure() {
    let place = gpg_box!();
    let user = place.user();
    user.run(&["-q", "no-such-program"]).refuses(127, "was not found");
    user.with(&["GNUPGHOME=/none"]).run(&["-q", "true"]).refuses(125, "/none");
}
