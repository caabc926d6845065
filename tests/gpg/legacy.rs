//! Agents that GnuPG before 2.1 left somewhere.

use super::super::support::gpg::Info;
use crate::gpg_box;

/// The place of the socket of such an agent.
const SOCKET: &str = "/tmp/gpg-Ab12Cd/S.gpg-agent";

#[test]
fn an_agent_only_in_the_variable_is_found() {
    let place = gpg_box!();
    for (index, user) in [place.user(), place.superuser()].into_iter().enumerate() {
        // A name that nothing but the variable tells.
        let socket = format!("/tmp/gpg-{index}/socket");
        let agent = user.serve(&socket, "supervised");
        // The number in the variable is not the agent's own.
        let variable = format!("GPG_AGENT_INFO={socket}:1:1");
        let variables = [&variable[..]];
        assert_eq!(user.with(&variables).given(), Info { socket, pid: agent });
        assert_eq!(place.agents(), [agent]);
        place.end("KILL", agent);
    }
}

#[test]
fn an_agent_only_as_an_open_socket_is_found() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let agent = user.serve(SOCKET, "supervised");
        assert_eq!(user.given(), Info { socket: SOCKET.to_owned(), pid: agent });
        assert_eq!(user.info(), Info { socket: SOCKET.to_owned(), pid: agent });
        assert_eq!(place.agents(), [agent]);
        place.end("KILL", agent);
        place.shell("rm -r /tmp/gpg-*");
    }
}

#[test]
fn that_of_the_home_directory_comes_first() {
    let place = gpg_box!();
    let user = place.user();
    let own = user.start_agent();
    let earlier = user.serve(SOCKET, "supervised");
    let variable = format!("GPG_AGENT_INFO={SOCKET}:{earlier}:1");
    let variables = [&variable[..]];
    assert_eq!(user.with(&variables).given(), Info { socket: user.socket(), pid: own });
}

#[test]
fn that_in_the_variable_comes_before_an_open_socket() {
    let place = gpg_box!();
    let user = place.user();
    user.serve("/tmp/gpg-A/S.gpg-agent", "supervised");
    let told = user.serve("/tmp/gpg-B/S.gpg-agent", "supervised");
    let given = user.with(&["GPG_AGENT_INFO=/tmp/gpg-B/S.gpg-agent:1:1"]).given();
    assert_eq!(given, Info { socket: "/tmp/gpg-B/S.gpg-agent".to_owned(), pid: told });
}

#[test]
fn a_colon_in_the_variable_belongs_to_the_path() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.serve("/tmp/gpg:1:1/S", "supervised");
    let given = user.with(&["GPG_AGENT_INFO=/tmp/gpg:1:1/S:77:1"]).given();
    assert_eq!(given, Info { socket: "/tmp/gpg:1:1/S".to_owned(), pid: agent });
}

#[test]
fn one_of_another_home_is_not_used() {
    let place = gpg_box!();
    for runtime in [false, true] {
        let user = place.user();
        if runtime {
            user.make_runtime();
        }
        user.shell("mkdir -m 700 -p ~/gh");
        let foreign = user.with(&["GNUPGHOME=/home/pt1/gh"]).given();
        assert_ne!(user.given().pid, foreign.pid);
        let own = user.info();
        place.end("KILL", own.pid);
        let variable = format!("GPG_AGENT_INFO={}:{}:1", foreign.socket, foreign.pid);
        let variables = [&variable[..]];
        let given = user.with(&variables).given();
        assert!(given.pid != foreign.pid && given.socket == own.socket, "{given:?}");
        place.end("KILL", given.pid);
        place.end("KILL", foreign.pid);
    }
}

#[test]
fn the_agent_of_the_default_home_is_not_used_for_another() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 -p ~/gh");
    let usual = user.given();
    let variable = format!("GPG_AGENT_INFO={}:{}:1", usual.socket, usual.pid);
    let variables = ["GNUPGHOME=/home/pt1/gh", &variable];
    let given = user.with(&variables).given();
    assert_eq!(given.socket, "/home/pt1/gh/S.gpg-agent");
    assert_ne!(given.pid, usual.pid);
}

#[test]
fn one_with_a_socket_that_does_not_answer_is_passed_over() {
    let place = gpg_box!();
    let user = place.user();
    let stopped = user.serve(SOCKET, "supervised");
    place.kill("STOP", stopped);
    let outcome = user.run(&["--timeout", "5", "printenv", "GPG_AGENT_INFO"]).exits(0);
    assert!(outcome.text().starts_with(&user.socket()), "{}", outcome.report());
    place.kill("KILL", stopped);
}

#[test]
fn one_of_another_user_as_an_open_socket_is_passed_over() {
    let place = gpg_box!();
    place.other().serve(SOCKET, "supervised");
    place.shell("chmod 711 /tmp/gpg-*; chmod 666 /tmp/gpg-*/S.gpg-agent");
    for user in [place.user(), place.superuser()] {
        let given = user.given();
        assert_eq!(given.socket, user.socket());
        user.owns(&given);
    }
}
