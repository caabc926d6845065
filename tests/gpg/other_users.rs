//! Agents of other users, and processes that only claim to be one.

use super::super::support::gpg::GpgBox;
use super::super::support::place::soon;
use crate::gpg_box;

/// Opens the home directories of a box to all users.
fn open_homes(place: &GpgBox) {
    place.shell("chmod 711 /home/pt1 /home/pt2");
}

#[test]
fn an_agent_of_another_user_at_our_place_is_named_and_not_used() {
    let place = gpg_box!();
    let (user, other) = (place.user(), place.other());
    other.serve("/tmp/shared/S.gpg-agent", "supervised");
    place.shell("chmod 711 /tmp/shared; chmod 666 /tmp/shared/S.gpg-agent");
    user.shell("mkdir -m 700 ~/.gnupg; ln -s /tmp/shared/S.gpg-agent ~/.gnupg/S.gpg-agent");
    for words in [&["touch", "/tmp/ran"][..], &["--print"], &["--json"]] {
        let outcome = user.run(words).refuses(125, "pt2");
        assert!(outcome.errors().contains(&user.socket()), "{}", outcome.report());
    }
    user.shell("[ ! -e /tmp/ran ]");
    assert_eq!(place.agents().len(), 1);
}

#[test]
fn the_superuser_does_not_use_an_agent_of_the_user_whose_home_it_has() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.start_agent();
    place.superuser().with(&["HOME=/home/pt1"]).run(&["touch", "/tmp/ran"]).refuses(125, "pt1");
    place
        .superuser()
        .with(&["GNUPGHOME=/home/pt1/.gnupg"])
        .run(&["touch", "/tmp/ran"])
        .refuses(125, "pt1");
    place.shell("[ ! -e /tmp/ran ]");
    assert_eq!(place.agents(), [agent]);
}

#[test]
fn a_user_does_not_use_an_agent_of_the_superuser() {
    let place = gpg_box!();
    let user = place.user();
    place.superuser().serve("/tmp/shared/S.gpg-agent", "supervised");
    place.shell("chmod 711 /tmp/shared; chmod 666 /tmp/shared/S.gpg-agent");
    user.shell("mkdir -m 700 ~/.gnupg; ln -s /tmp/shared/S.gpg-agent ~/.gnupg/S.gpg-agent");
    user.run(&["true"]).refuses(125, "root");
}

/// One `sudo -E gpg` leaves a socket of the superuser in the user's directory. gpg unlinks it and
/// starts an agent.
#[test]
fn a_socket_that_the_superuser_left_in_our_directory_is_no_agent() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 ~/.gnupg");
    let start = "gpg-agent --daemon >/dev/null 2>&1";
    let ends: [&dyn Fn(u32); 2] = [&|agent| place.end("KILL", agent), &|_| {}];
    for end in ends {
        place.superuser().with(&["HOME=/home/pt1"]).shell(start);
        let agent = place.agent();
        end(agent);
        let info = user.given();
        assert_eq!(info.socket, user.socket());
        user.owns(&info);
        // Where the superuser's agent takes its time to end, it may take the new one with it.
        place.agents().into_iter().for_each(|agent| _ = place.exec(&format!("kill -KILL {agent}")));
        soon("the end of the agents", || place.agents().is_empty());
    }
    // In a directory of somebody else it is not ours to replace.
    place.other().serve("/tmp/shared/S.gpg-agent", "supervised");
    place.shell("chmod 711 /tmp/shared; chmod 600 /tmp/shared/S.gpg-agent");
    user.with(&["GNUPGHOME=/tmp/shared"]).run(&["true"]).refuses(125, "ermission denied");
}

/// gpg warns of unsafe ownership. An agent of the superuser there would keep the user from his own.
#[test]
fn the_superuser_starts_no_agent_in_the_home_of_a_user_unless_told() {
    let place = gpg_box!();
    let user = place.user();
    for variables in [&["HOME=/home/pt1"][..], &["GNUPGHOME=/home/pt1/.gnupg"]] {
        for existing in [false, true] {
            if existing {
                user.shell("mkdir -m 700 -p ~/.gnupg");
            }
            let root = place.superuser().with(variables);
            let outcome = root.run(&["touch", "/tmp/ran"]).refuses(125, "belongs to pt1");
            assert!(outcome.errors().contains("--foreign-home"), "{}", outcome.report());
            place.shell("[ ! -e /tmp/ran ]");
            assert!(place.agents().is_empty());
            let files = place.shell("find /home/pt1 -uid 0");
            assert_eq!(files, "", "files of root's in the home of a user");
        }
        user.shell("rm -rf ~/.gnupg");
    }
    let root = place.superuser().with(&["HOME=/home/pt1"]);
    root.run(&["--foreign-home", "true"]).exits(0);
    place.end("KILL", place.agent());
}

#[test]
fn a_closed_home_of_another_user_is_told() {
    let place = gpg_box!();
    place.other().start_agent();
    place.user().with(&["HOME=/home/pt2"]).run(&["true"]).refuses(125, "ermission denied");
}

#[test]
fn a_forged_socket_in_the_variable_is_not_passed_on() {
    let place = gpg_box!();
    let user = place.user();
    for (index, kind) in
        ["silent", "garbage", "claims 1", "claims 99999", "claims x"].iter().enumerate()
    {
        let socket = format!("/tmp/forged{index}/S.gpg-agent");
        user.serve(&socket, kind);
        let variable = format!("GPG_AGENT_INFO={socket}:1:1");
        let variables = [&variable[..]];
        let words = ["--timeout", "5", "printenv", "GPG_AGENT_INFO"];
        let outcome = user.with(&variables).run(&words);
        assert!(!outcome.text().contains("forged"), "{kind}\n{}", outcome.report());
        assert_eq!(
            outcome.exits(0).text(),
            format!("{}:{}:1\n", user.socket(), place.agent()),
            "{kind}"
        );
        place.end("KILL", place.agent());
    }
}

#[test]
fn what_is_no_socket_in_the_variable_is_not_passed_on() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir /tmp/directory; echo x >/tmp/file; mkfifo /tmp/pipe");
    for told in [
        "/tmp/directory:1:1",
        "/tmp/file:1:1",
        "/tmp/pipe:1:1",
        "/none:1:1",
        "x:1:1",
        "",
        ":",
        "::",
        "/dev/zero:1:1",
    ] {
        let variable = format!("GPG_AGENT_INFO={told}");
        let variables = [&variable[..]];
        let given = user.with(&variables).given();
        assert_eq!((&given.socket, given.pid), (&user.socket(), place.agent()), "{told}");
        place.end("KILL", given.pid);
    }
}

#[test]
fn an_agent_of_another_user_in_the_variable_is_not_passed_on() {
    let place = gpg_box!();
    let (user, other) = (place.user(), place.other());
    open_homes(&place);
    let agent = other.serve("/tmp/shared/S.gpg-agent", "supervised");
    place.shell("chmod 711 /tmp/shared; chmod 666 /tmp/shared/S.gpg-agent");
    let variable = format!("GPG_AGENT_INFO=/tmp/shared/S.gpg-agent:{agent}:1");
    for user in [user, place.superuser()] {
        let variables = [&variable[..]];
        let given = user.with(&variables).given();
        assert_eq!(given.socket, user.socket());
        user.owns(&given);
        place.end("KILL", given.pid);
    }
}

#[test]
fn one_that_claims_the_pid_of_an_agent_that_is_another_users_has_none() {
    let place = gpg_box!();
    let (user, other) = (place.user(), place.other());
    let agent = other.start_agent();
    user.serve(&user.socket(), &format!("claims {agent}"));
    assert_eq!(user.given().pid, 0);
}

#[test]
fn one_that_claims_the_pid_of_what_is_no_agent_has_none() {
    let place = gpg_box!();
    let user = place.user();
    let server = user.serve(&user.socket(), "claims $$");
    assert_eq!(user.given().pid, 0);
    place.end("KILL", server);
}

#[test]
fn a_variable_that_tells_of_nothing_living_is_replaced() {
    let place = gpg_box!();
    let user = place.user();
    let before = user.given();
    place.end("KILL", before.pid);
    let variable = format!("GPG_AGENT_INFO={}:{}:1", before.socket, before.pid);
    let variables = [&variable[..]];
    let after = user.with(&variables).given();
    assert_ne!(after.pid, before.pid);
    user.owns(&after);
}

#[test]
fn where_there_is_no_agent_the_variable_is_not_believed() {
    let place = gpg_box!();
    let user = place.user();
    user.serve("/tmp/forged/S.gpg-agent", "silent");
    place.shell("mkdir /tmp/none");
    let variables = ["GPG_AGENT_INFO=/tmp/forged/S.gpg-agent:1:1", "PATH=/tmp/none"];
    let words = ["--timeout", "0.5", "/usr/bin/printenv", "GPG_AGENT_INFO"];
    let mut command =
        user.with(&variables).command(&[&["/mnt/bin/with-gpg-agent"], &words[..]].concat());
    command.env("PATH", "/mnt/bin:/usr/bin:/bin");
    let outcome = super::super::support::command::finish(command);
    assert!(!outcome.text().contains("forged"), "{}", outcome.report());
}

#[test]
fn a_listener_of_ours_that_says_nothing_at_our_place_is_told() {
    let place = gpg_box!();
    let user = place.user();
    for kind in ["silent", "garbage", "full"] {
        let server = user.serve(&user.socket(), kind);
        let outcome = user.run(&["--timeout", "0.5", "touch", "/tmp/ran"]).exits(125);
        assert!(outcome.errors().contains(&user.socket()), "{kind}\n{}", outcome.report());
        assert_eq!(outcome.errors().lines().count(), 1, "{kind}\n{}", outcome.report());
        place.end("KILL", server);
        user.shell("rm ~/.gnupg/S.gpg-agent; [ ! -e /tmp/ran ]");
    }
    soon("no agent", || place.agents().is_empty());
}
