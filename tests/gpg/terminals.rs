//! Runs with and without a terminal.

use super::super::support::command::finish;
use super::super::support::gpg::{GpgBox, User};
use super::super::support::terminal::on_terminal;
use crate::gpg_box;

/// Returns the output of a script on a terminal of its own.
#[track_caller]
fn shown_on_terminal(user: &User<'_>, script: &str) -> String {
    let outcome = finish(user.command(&on_terminal(script))).exits(0);
    outcome.text().trim_end().replace('\r', "")
}

/// Returns what the agent knows about terminals.
fn known(user: &User<'_>) -> String {
    user.shell("gpg-connect-agent 'GETINFO std_startup_env' /bye")
}

#[test]
fn without_a_terminal_none_is_told() {
    let place = gpg_box!();
    let user = place.user();
    assert_eq!(user.run(&["sh", "-c", "echo ${GPG_TTY-unset}"]).succeeds().text(), "unset\n");
    let outcome = user.run(&["--json"]).succeeds();
    assert!(outcome.json()["GPG_TTY"].is_null(), "{}", outcome.report());
}

#[test]
fn without_a_terminal_an_inherited_one_is_left_alone() {
    let place = gpg_box!();
    let user = place.user().with(&["GPG_TTY=/dev/pts/77"]);
    assert_eq!(user.run(&["printenv", "GPG_TTY"]).succeeds().text(), "/dev/pts/77\n");
    assert!(user.run(&["--json"]).succeeds().json()["GPG_TTY"].is_null());
}

#[test]
fn a_terminal_is_told_to_the_command() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    for user in [place.user(), place.superuser()] {
        let shown = shown_on_terminal(&user, "tty; with-gpg-agent printenv GPG_TTY");
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines.len() == 2 && lines[0] == lines[1] && lines[0].starts_with("/dev/pts/"),
            "{shown}"
        );
    }
}

#[test]
fn a_terminal_takes_the_place_of_an_inherited_one() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user().with(&["GPG_TTY=/dev/pts/77"]);
    let shown = shown_on_terminal(&user, "tty; with-gpg-agent printenv GPG_TTY");
    assert_eq!(shown.lines().next(), shown.lines().nth(1), "{shown}");
}

#[test]
fn any_of_the_three_streams_may_be_the_terminal() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user();
    user.shell(": >/tmp/out");
    for streams in ["</dev/null 2>/dev/null", "2>/dev/null >/tmp/out", "</dev/null >/tmp/out"] {
        let shown = shown_on_terminal(
            &user,
            &format!("tty; with-gpg-agent printenv GPG_TTY {streams}; cat /tmp/out"),
        );
        assert_eq!(shown.lines().next(), shown.lines().nth(1), "{streams}: {shown}");
        user.shell(": >/tmp/out");
    }
}

#[test]
fn a_terminal_is_told_to_a_running_agent() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user();
    let agent = user.start_agent();
    assert!(!known(&user).contains("/dev/pts/"), "{}", known(&user));
    let terminal = shown_on_terminal(&user, "tty; TERM=vt220 with-gpg-agent true");
    let known = known(&user);
    assert!(
        known.contains(&format!("GPG_TTY={}", terminal.trim())) && known.contains("TERM=vt220"),
        "{known}"
    );
    assert_eq!(place.agents(), [agent]);
}

#[test]
fn a_terminal_is_told_to_a_new_agent() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user();
    let terminal = shown_on_terminal(&user, "tty; with-gpg-agent true");
    let known = known(&user);
    assert!(known.contains(&format!("GPG_TTY={}", terminal.trim())), "{known}");
}

#[test]
fn without_a_terminal_the_agent_keeps_what_it_knows() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user();
    shown_on_terminal(&user, "with-gpg-agent true");
    let before = known(&user);
    user.run(&["true"]).succeeds();
    assert_eq!(known(&user), before);
}

#[test]
fn a_terminal_is_printed() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user();
    let shown = shown_on_terminal(&user, "tty; with-gpg-agent --print");
    let terminal = shown.lines().next().expect("finding a terminal");
    assert!(shown.contains(&format!("GPG_TTY={terminal}; export GPG_TTY;")), "{shown}");
    // Standard output is no terminal here, as usual for eval, but standard input is.
    let shown =
        shown_on_terminal(&user, "tty; eval \"$(with-gpg-agent --print)\"; printenv GPG_TTY");
    assert_eq!(shown.lines().next(), shown.lines().nth(1), "{shown}");
}

#[test]
fn an_agent_that_hangs_up_on_terminals_is_used_all_the_same() {
    let place = gpg_box!(GpgBox::needing(&["script"]));
    let user = place.user();
    user.start_agent();
    let shown = shown_on_terminal(&user, "TERM=$(printf %01500d 0) with-gpg-agent echo it-ran");
    assert!(shown.contains("it-ran"), "{shown}");
}

/// An agent on another machine, behind a socket that ssh forwards, has a terminal there.
#[test]
fn an_agent_on_another_machine_is_not_told_our_terminal() {
    let place = gpg_box!(GpgBox::needing(&["script", "python3"]));
    let user = place.user();
    user.shell("mkdir -m 700 ~/.gnupg");
    // It answers everything, and no process here has its pid.
    let server = "import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(os.path.expanduser('~/.gnupg/S.gpg-agent'))
server.listen()
while True:
    client = server.accept()[0]
    client.sendall(b'OK there\\n')
    for line in client.makefile('rb'):
        open('/tmp/told', 'ab').write(line)
        client.sendall(b'D 99999\\nOK\\n' if b'pid' in line else b'OK\\n')
";
    std::fs::write(place.path("far.py"), server).expect("writing a script");
    user.shell("setsid python3 /mnt/far.py </dev/null >/dev/null 2>&1 &");
    super::super::support::place::soon("a socket", || {
        place.root("/home/pt1/.gnupg/S.gpg-agent").exists()
    });
    shown_on_terminal(&user, "with-gpg-agent true");
    let told = user.shell("cat /tmp/told");
    assert!(told.contains("GETINFO pid") && !told.contains("UPDATESTARTUPTTY"), "{told}");
}
