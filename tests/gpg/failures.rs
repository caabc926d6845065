//! Agents that are unavailable: not installed, stopped, or failing.

use super::super::support::Case;
use super::super::support::gpg::{GpgBox, User};
use crate::gpg_box;

/// Takes gpg-agent away from all of the box.
fn uninstall(place: &GpgBox) {
    place.shell(
        "mkdir -p /run/upper /run/worked && mount -t overlay overlay -o \
         lowerdir=/usr/bin,upperdir=/run/upper,workdir=/run/worked /usr/bin && rm \
         /usr/bin/gpg-agent",
    );
}

/// Checks that the command is not run, and one line says why.
#[track_caller]
fn fails(user: &User<'_>, words: &[&str], why: &str) {
    for last in [&["touch", "/tmp/ran"][..], &["--print"], &["--json"]] {
        user.run(&[words, last].concat()).refuses(125, why);
    }
    user.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn not_installed_is_noticed_and_the_command_runs() {
    let place = gpg_box!();
    uninstall(&place);
    for user in [place.user(), place.superuser()] {
        let outcome = user
            .run(&["sh", "-c", "echo ${GPG_AGENT_INFO-unset}; exit 42"])
            .exits(42)
            .says("not installed");
        assert_eq!(outcome.text(), "unset\n");
        assert!(outcome.errors().starts_with("with-gpg-agent: "), "{}", outcome.report());
    }
}

#[test]
fn not_installed_is_not_noticed_when_quiet() {
    let place = gpg_box!();
    uninstall(&place);
    assert_eq!(place.user().run(&["-q", "echo", "it ran"]).succeeds().text(), "it ran\n");
}

#[test]
fn not_installed_leaves_nothing_to_print() {
    let place = gpg_box!();
    uninstall(&place);
    place.user().run(&["--print"]).refuses(1, "not installed");
    place.user().run(&["--json"]).refuses(1, "not installed");
}

#[test]
fn not_installed_but_running_is_used() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.start_agent();
    uninstall(&place);
    assert_eq!(user.given().pid, agent);
    assert_eq!(user.info().pid, agent);
}

#[test]
fn a_stopped_agent_is_not_waited_for_longer_than_wanted() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let agent = user.start_agent();
        place.kill("STOP", agent);
        fails(&user, &["--timeout", "0.5"], "does not answer");
        assert_eq!(place.agents(), [agent]);
        place.kill("CONT", agent);
        assert_eq!(user.given().pid, agent);
        place.end("KILL", agent);
    }
}

#[test]
fn an_agent_that_goes_on_in_time_is_used() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.start_agent();
    place.kill("STOP", agent);
    let run =
        super::super::support::running::Running::start(user.tool(&["printenv", "GPG_AGENT_INFO"]));
    super::super::support::place::soon("a run that waits", || {
        place.of_the_program().iter().any(|seen| seen.state == 'S')
    });
    place.kill("CONT", agent);
    assert!(run.finish().succeeds().text().contains(&format!(":{agent}:")));
}

#[test]
fn an_agent_that_cannot_serve_is_told_with_its_complaint() {
    for (case, script, words, why) in [
        (
            "it fails with a complaint",
            "#!/bin/sh\necho first >&2\necho 'gpg-agent: the disk is on fire' >&2\nexit 2\n",
            &[][..],
            "the disk is on fire",
        ),
        (
            "it fails without a word",
            "#!/bin/sh\nexit 2\n",
            &["--timeout", "4"],
            "could not be started",
        ),
        (
            "it dies by a signal",
            "#!/bin/sh\nkill -KILL $$\n",
            &["--timeout", "4"],
            "could not be started",
        ),
        (
            "it never stops talking",
            "#!/bin/sh\nexec yes 'gpg-agent: and then' >&2\n",
            &["--timeout", "2"],
            "and then",
        ),
        (
            "it never listens",
            "#!/bin/sh\necho 'gpg-agent: gone to sleep' >&2\nexit 0\n",
            &["--timeout", "2"],
            "gone to sleep",
        ),
        (
            "it cannot be executed",
            "#!/none/interpreter\n",
            &["--timeout", "0.5"],
            "could not be started",
        ),
    ] {
        let _case = Case(case);
        let place = gpg_box!();
        place.program("gpg-agent", script);
        fails(&place.user(), words, why);
    }
}

#[test]
fn an_agent_that_hangs_is_not_waited_for_longer_than_wanted() {
    let place = gpg_box!();
    place.program("gpg-agent", "#!/bin/sh\necho 'looking for my keys' >&2\nexec sleep 1000\n");
    let user = place.user();
    for words in [&["touch", "/tmp/ran"][..], &["--print"]] {
        user.run(&[&["--timeout", "0.5"], words].concat()).refuses(125, "could not be started");
    }
    user.shell("[ ! -e /tmp/ran ]");
}

#[test]
fn an_agent_that_hangs_is_told_with_its_complaint() {
    let place = gpg_box!();
    place.program("gpg-agent", "#!/bin/sh\necho 'looking for my keys' >&2\nexec sleep 1000\n");
    place.user().run(&["--timeout", "2", "true"]).refuses(125, "looking for my keys");
}

#[test]
fn nothing_is_left_of_an_agent_that_hangs() {
    let place = gpg_box!();
    place.program("gpg-agent", "#!/bin/sh\nexec sleep 1001\n");
    place.user().run(&["--timeout", "0.5", "true"]).exits(125);
    let left: Vec<_> = place
        .processes()
        .into_iter()
        .filter(|seen| seen.name == "sleep" && seen.parent == 1)
        .collect();
    // The box has one of its own.
    assert!(left.len() == 1, "{left:?}");
}

#[test]
fn an_agent_that_says_too_much_does_not_block() {
    let place = gpg_box!();
    place.program(
        "gpg-agent",
        "#!/bin/sh\nyes 'gpg-agent: much to say' | head -c 1000000 >&2\nexec /usr/bin/gpg-agent \
        \"$@\"\n",
    );
    let user = place.user();
    user.owns(&user.given());
}

#[test]
fn warnings_of_an_agent_do_not_matter() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 755 ~/.gnupg");
    user.owns(&user.given());
}

#[test]
fn an_agent_that_needs_a_moment_is_awaited() {
    let place = gpg_box!();
    place.program("gpg-agent", "#!/bin/sh\nsleep 0.3\nexec /usr/bin/gpg-agent \"$@\"\n");
    let user = place.user();
    user.owns(&user.given());
}

/// The agent of another user, whose socket it replaced, takes the new one away at its own end.
#[test]
fn an_agent_that_ends_again_is_started_once_more() {
    let place = gpg_box!();
    place.program(
        "gpg-agent",
        "#!/bin/sh\n[ -e /tmp/2 ] && exec /usr/bin/gpg-agent \"$@\"\n\
         [ -e /tmp/1 ] && exec touch /tmp/2\nexec touch /tmp/1\n",
    );
    let user = place.user();
    user.owns(&user.given());
}

#[test]
fn relative_directories_of_the_path_do_not_count() {
    let place = gpg_box!();
    let user = place.user();
    user.shell(
        "printf '#!/bin/sh\\ntouch /tmp/lured\\n' >/tmp/gpg-agent; chmod 755 /tmp/gpg-agent",
    );
    user.with(&["PATH=.:/mnt/bin:/usr/bin:/bin"]).run(&["true"]).succeeds();
    user.with(&["PATH=:/mnt/bin:/usr/bin:/bin"]).run(&["true"]).succeeds();
    user.shell("[ ! -e /tmp/lured ]");
}
