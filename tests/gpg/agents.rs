//! One living agent, whatever was there before.

use std::collections::BTreeSet;

use super::super::support::gpg::{Info, User, info};
use super::super::support::place::soon;
use super::super::support::running::Running;
use crate::gpg_box;

#[test]
fn without_an_agent_one_is_started() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let given = user.given();
        assert_eq!(given.socket, user.socket());
        user.owns(&given);
        assert_eq!(user.info(), given);
        assert_eq!(place.agent(), given.pid);
        place.end("KILL", given.pid);
    }
}

#[test]
fn without_an_agent_one_is_started_in_the_runtime_directory() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let runtime = user.make_runtime();
        let given = user.given();
        assert_eq!(given.socket, format!("{runtime}/gnupg/S.gpg-agent"));
        user.owns(&given);
        place.end("KILL", place.agent());
    }
}

#[test]
fn a_running_agent_is_used_and_none_is_started() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let agent = user.start_agent();
        for _ in 0..3 {
            assert_eq!(user.given(), Info { socket: user.socket(), pid: agent });
        }
        assert_eq!(place.agents(), [agent]);
        place.end("KILL", agent);
    }
}

#[test]
fn an_agent_that_was_started_serves_gpg_too() {
    let place = gpg_box!();
    let user = place.user();
    let given = user.given();
    assert!(
        user.shell("gpg-connect-agent 'GETINFO pid' /bye").contains(&format!("D {}\n", given.pid))
    );
    assert_eq!(place.agents(), [given.pid]);
}

#[test]
fn after_a_killed_agent_a_new_one_is_started() {
    let place = gpg_box!();
    for runtime in [false, true] {
        let user = place.user();
        if runtime {
            user.make_runtime();
        }
        let before = user.given();
        place.end("KILL", before.pid);
        assert!(place.root(&before.socket).symlink_metadata().is_ok(), "the socket is gone");
        let after = user.given();
        assert_eq!(after.socket, before.socket);
        assert_ne!(after.pid, before.pid);
        user.owns(&after);
        place.end("KILL", place.agent());
    }
}

#[test]
fn after_a_terminated_agent_a_new_one_is_started() {
    let place = gpg_box!();
    let user = place.user();
    let before = user.given();
    place.end("TERM", before.pid);
    user.owns(&user.given());
}

#[test]
fn in_place_of_an_agent_that_is_just_ending_a_new_one_is_started() {
    let place = gpg_box!();
    let user = place.user();
    user.serve(&user.socket(), "ending");
    user.owns(&user.given());
    for _ in 0..5 {
        let before = place.agent();
        // The agent is killed, and a client that comes now may still be let in.
        let words = format!("kill -KILL {before}; exec with-gpg-agent printenv GPG_AGENT_INFO");
        let after = info(&user.shell(&words));
        assert_ne!(after.pid, before);
        user.owns(&after);
    }
}

/// Starts runs all at once, and returns the agents that they name.
fn at_once(user: &User<'_>, runs: usize) -> BTreeSet<(String, u32)> {
    let commands = (0..runs).map(|_| user.tool(&["printenv", "GPG_AGENT_INFO"]));
    let running: Vec<Running> = commands.map(Running::start).collect();
    let infos = running.into_iter().map(|run| info(run.finish().succeeds().text().trim_end()));
    infos.map(|info| (info.socket, info.pid)).collect()
}

#[test]
fn five_runs_at_once_have_one_agent() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser(), place.user()] {
        let told = at_once(&user, 5);
        assert_eq!(told, BTreeSet::from([(user.socket(), place.agent())]));
        place.end("KILL", place.agent());
    }
}

#[test]
fn five_runs_at_once_after_a_killed_agent_have_one_agent() {
    let place = gpg_box!();
    let user = place.user();
    user.make_runtime();
    place.end("KILL", user.given().pid);
    let told = at_once(&user, 5);
    assert_eq!(told.into_iter().map(|(_, pid)| pid).collect::<Vec<u32>>(), [place.agent()]);
}

#[test]
fn five_runs_at_once_with_a_running_agent_have_that() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.start_agent();
    assert_eq!(at_once(&user, 5), BTreeSet::from([(user.socket(), agent)]));
    assert_eq!(place.agents(), [agent]);
}

#[test]
fn a_supervised_agent_is_used() {
    let place = gpg_box!();
    for (user, runtime) in [(place.user(), false), (place.superuser(), false), (place.user(), true)]
    {
        let socket = match runtime {
            true => format!("{}/gnupg/S.gpg-agent", user.make_runtime()),
            false => user.socket(),
        };
        let agent = user.serve(&socket, "supervised");
        // The process that made the socket, which the kernel names, has exited.
        assert_eq!(user.given(), Info { socket, pid: agent });
        assert_eq!(place.agents(), [agent]);
        place.end("KILL", agent);
    }
}

#[test]
fn a_zombie_is_not_taken_for_an_agent() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let zombie = user.serve(&user.socket(), "kept");
        place.kill("KILL", zombie);
        soon("a zombie", || place.state(zombie) == 'Z');
        let given = user.given();
        assert_ne!(given.pid, zombie);
        user.owns(&given);
        assert_eq!(place.state(zombie), 'Z');
        place.end("KILL", given.pid);
    }
}

#[test]
fn an_agent_that_claims_to_be_a_zombie_has_no_pid() {
    let place = gpg_box!();
    let user = place.user();
    let zombie = user.serve("/tmp/z/S.gpg-agent", "kept");
    place.kill("KILL", zombie);
    soon("a zombie", || place.state(zombie) == 'Z');
    user.serve(&user.socket(), &format!("claims {zombie}"));
    assert_eq!(user.given(), Info { socket: user.socket(), pid: 0 });
}

#[test]
fn a_file_in_place_of_the_socket_leads_to_it() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.serve("/tmp/elsewhere/socket", "supervised");
    user.shell(
        "mkdir -m 700 ~/.gnupg; printf '%%Assuan%%\\nsocket=/tmp/elsewhere/socket\\n' \
    >~/.gnupg/S.gpg-agent",
    );
    assert_eq!(user.given(), Info { socket: user.socket(), pid: agent });
    assert_eq!(place.agents(), [agent]);
}

#[test]
fn a_file_in_place_of_the_socket_may_name_variables() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.serve("/tmp/elsewhere/socket", "supervised");
    let text = "%%Assuan%%\\nsocket=${PLACE}/socket\\n";
    user.shell(&format!("mkdir -m 700 ~/.gnupg; printf '{text}' >~/.gnupg/S.gpg-agent"));
    let user = user.with(&["PLACE=/tmp/elsewhere"]);
    let answer = user.shell("gpg-connect-agent --no-autostart 'GETINFO pid' /bye");
    assert!(answer.contains(&format!("D {agent}\n")), "{answer}");
    assert_eq!(user.given(), Info { socket: user.socket(), pid: agent });
}

#[test]
fn a_link_in_place_of_the_socket_leads_to_it() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.serve("/tmp/elsewhere/socket", "supervised");
    user.shell("mkdir -m 700 ~/.gnupg; ln -s /tmp/elsewhere/socket ~/.gnupg/S.gpg-agent");
    assert_eq!(user.given(), Info { socket: user.socket(), pid: agent });
}

#[test]
fn a_first_run_makes_the_home_directory() {
    let place = gpg_box!();
    let user = place.user();
    assert!(place.root(&format!("{}/.gnupg", user.home())).symlink_metadata().is_err());
    user.given();
    assert_eq!(user.shell("stat -c '%a %u' ~/.gnupg"), "700 7001");
}

/// Whoever forwards an agent from another machine forbids a local one, which would take its socket.
#[test]
fn no_agent_is_started_where_the_settings_or_an_option_forbid_it() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 ~/.gnupg");
    for file in ["gpg.conf", "common.conf"] {
        user.shell(&format!("echo no-autostart >~/.gnupg/{file}"));
        let outcome = user.run(&["touch", "/tmp/ran"]).refuses(125, "no-autostart");
        assert!(outcome.errors().contains(file), "{}", outcome.report());
        user.shell(&format!("echo '# no-autostart' >~/.gnupg/{file}"));
    }
    user.run(&["--no-start", "touch", "/tmp/ran"]).refuses(125, "--no-start");
    user.shell("[ ! -e /tmp/ran ]");
    assert!(place.agents().is_empty());
    // One that is there is used.
    let agent = user.start_agent();
    user.shell("echo no-autostart >~/.gnupg/gpg.conf");
    for words in [&["true"][..], &["--no-start", "true"]] {
        user.run(words).exits(0);
    }
    assert_eq!(place.agents(), [agent]);
}
