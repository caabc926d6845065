//! The place of the agent's socket: as gpgconf says, for any home directory.

use super::super::support::gpg::{GpgBox, User, info};
use crate::gpg_box;

/// Returns a home directory whose path is longer than that of a socket may be.
fn long_home() -> String {
    format!("/home/pt1/{}", "a-long-name-".repeat(10))
}

/// Makes home directories.
fn make_homes(user: &User<'_>) {
    user.shell(&format!("mkdir -m 700 ~/gh ~/x {} && ln -s gh ~/link", long_home()));
}

/// Checks that we look where gpgconf says, and that an agent is there, with and without a runtime
/// directory.
#[track_caller]
fn agrees(place: &GpgBox, user: User<'_>, variables: &[&str], before: &str) {
    let user = user.with(variables);
    let script = "gpgconf --list-dirs agent-socket; with-gpg-agent --timeout 10 --print";
    let shown = user.exec(&format!("{before}\n{script} || exit")).exits(0).lines();
    let [ref expected, ref found] = shown[..] else { panic!("{variables:?}: {shown:?}") };
    let found = found
        .strip_prefix("GPG_AGENT_INFO=")
        .and_then(|found| found.strip_suffix("; export GPG_AGENT_INFO;"));
    let found = info(found.expect("finding GPG_AGENT_INFO").trim_matches('\''));
    assert_eq!(found.socket, expected.replace("%25", "%").replace("%3a", ":"), "{variables:?}");
    user.owns(&found);
    place.end("KILL", found.pid);
}

const HOMES: &[&[&str]] = &[
    &[],
    &["GNUPGHOME=/home/pt1/gh"],
    &["GNUPGHOME=/home/pt1/gh/"],
    &["GNUPGHOME=/home/pt1/gh///"],
    &["GNUPGHOME=../home/pt1/gh"],
    &["GNUPGHOME=~/x"],
    &["GNUPGHOME=~/x/"],
    &["GNUPGHOME=/home/pt1/.gnupg"],
    &["GNUPGHOME=/home/pt1/.gnupg/"],
    &["GNUPGHOME=/home/pt1/link"],
    &["GNUPGHOME="],
    &["HOME"],
    &["HOME", "GNUPGHOME=/home/pt1/gh"],
    &["HOME=/home/pt1/gh"],
];

#[test]
fn gpgconf_agrees_without_a_runtime_directory() {
    let place = gpg_box!();
    let user = place.user();
    make_homes(&user);
    for variables in HOMES {
        agrees(&place, user, variables, "mkdir -m 700 -p ~/.gnupg");
    }
}

#[test]
fn gpgconf_agrees_with_a_runtime_directory() {
    let place = gpg_box!();
    let user = place.user();
    make_homes(&user);
    user.make_runtime();
    for variables in HOMES {
        agrees(&place, user, variables, "");
    }
}

#[test]
fn gpgconf_agrees_for_the_superuser() {
    let place = gpg_box!();
    let user = place.superuser();
    user.shell("mkdir -m 700 ~/gh");
    let homes: [&[&str]; 4] = [&[], &["GNUPGHOME=/root/gh"], &["HOME"], &["GNUPGHOME=~/gh"]];
    for variables in homes {
        agrees(&place, user, variables, "");
    }
    user.make_runtime();
    for variables in homes {
        agrees(&place, user, variables, "");
    }
}

#[test]
fn gpgconf_agrees_about_relative_homes() {
    let place = gpg_box!();
    let user = place.user();
    make_homes(&user);
    for variables in [
        ["GNUPGHOME=gh"],
        ["GNUPGHOME=./gh"],
        ["GNUPGHOME=gh/"],
        ["GNUPGHOME=x/../gh"],
        ["GNUPGHOME=.gnupg"],
    ] {
        agrees(&place, user, &variables, "mkdir -m 700 -p ~/.gnupg; cd ~");
    }
    user.make_runtime();
    for variables in [
        ["GNUPGHOME=gh"],
        ["GNUPGHOME=./gh"],
        ["GNUPGHOME=gh/"],
        ["GNUPGHOME=x/../gh"],
        ["GNUPGHOME=.gnupg"],
    ] {
        agrees(&place, user, &variables, "cd ~");
    }
}

#[test]
fn gpgconf_agrees_about_the_default_written_otherwise() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 ~/.gnupg");
    user.make_runtime();
    for variables in [
        &["GNUPGHOME=/home/pt1//.gnupg"][..],
        &["GNUPGHOME=/home/pt1/./.gnupg"],
        &["HOME=/home/pt1/", "GNUPGHOME=/home/pt1/.gnupg"],
        &["GNUPGHOME=~/.gnupg"],
    ] {
        agrees(&place, user, variables, "");
    }
}

#[test]
fn gpgconf_agrees_about_a_tilde_alone() {
    let place = gpg_box!();
    let user = place.user();
    agrees(&place, user, &["GNUPGHOME=~"], "");
    user.make_runtime();
    agrees(&place, user, &["GNUPGHOME=~"], "");
}

#[test]
fn gpgconf_agrees_about_odd_homes() {
    let place = gpg_box!();
    let user = place.user();
    for _ in 0..2 {
        for variables in [["GNUPGHOME=/home/pt1/a b"], ["GNUPGHOME=/home/pt1/100%"]] {
            agrees(&place, user, &variables, "mkdir -m 700 -p \"$GNUPGHOME\"");
        }
        user.make_runtime();
    }
}

#[test]
fn gpgconf_agrees_about_a_colon_in_a_home() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 ~/a:b");
    // Without a runtime directory, gpg-agent has no socket for this home directory.
    user.with(&["GNUPGHOME=/home/pt1/a:b"]).run(&["true"]).refuses(125, "socket name");
    user.make_runtime();
    agrees(&place, user, &["GNUPGHOME=/home/pt1/a:b"], "");
}

#[test]
fn gpgconf_agrees_about_an_empty_home() {
    let place = gpg_box!();
    // The superuser would make a directory in the root of the machine.
    let user = place.user();
    user.make_runtime();
    agrees(&place, user, &["HOME="], "");
}

#[test]
fn gpgconf_agrees_about_a_runtime_directory_of_somebody_else() {
    let place = gpg_box!();
    let user = place.user();
    user.make_runtime();
    place.shell("chown 7002 /run/user/7001");
    agrees(&place, user, &[], "");
}

#[test]
fn gpgconf_agrees_about_a_runtime_directory_that_is_open_to_others() {
    let place = gpg_box!();
    let user = place.user();
    user.make_runtime();
    user.shell("mkdir -m 755 /run/user/7001/gnupg");
    agrees(&place, user, &[], "");
    user.shell("rmdir /run/user/7001/gnupg && chmod 755 /run/user/7001");
    agrees(&place, user, &[], "");
}

#[test]
fn a_runtime_directory_serves_a_long_home() {
    let place = gpg_box!();
    let user = place.user();
    make_homes(&user);
    user.make_runtime();
    agrees(&place, user, &[&format!("GNUPGHOME={}", long_home())], "");
    agrees(&place, user, &[&format!("HOME={}", long_home())], "");
}

#[test]
fn a_home_that_is_too_long_for_a_socket_is_told() {
    let place = gpg_box!();
    let user = place.user();
    make_homes(&user);
    let home = format!("GNUPGHOME={}", long_home());
    let variables = [&home[..]];
    let outcome = user.with(&variables).run(&["true"]).refuses(125, "too long");
    assert!(outcome.errors().contains(&long_home()), "{}", outcome.report());
    assert!(place.agents().is_empty());
}

#[test]
fn without_a_home_that_of_the_user_counts() {
    let place = gpg_box!();
    for user in [place.user(), place.superuser()] {
        let given = user.with(&["HOME"]).given();
        assert_eq!(given.socket, user.socket());
        assert_eq!(user.given(), given);
        place.end("KILL", given.pid);
    }
}

#[test]
fn without_any_home_that_is_said() {
    let place = gpg_box!();
    let words = [
        "setpriv",
        "--reuid",
        "7999",
        "--clear-groups",
        "env",
        "-u",
        "HOME",
        "with-gpg-agent",
        "true",
    ];
    let outcome = super::super::support::command::finish(place.inside(&words));
    outcome.refuses(125, "HOME");
}

#[test]
fn a_home_that_is_not_there_is_told() {
    let place = gpg_box!();
    let user = place.user();
    user.with(&["GNUPGHOME=/home/pt1/none"]).run(&["true"]).refuses(125, "/home/pt1/none");
    user.with(&["HOME=/home/none"]).run(&["true"]).refuses(125, "/home/none");
    user.with(&["GNUPGHOME=/root"]).run(&["true"]).refuses(125, "/root");
}

#[test]
fn another_home_is_another_agent() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 ~/gh");
    let one = user.given();
    let two = user.with(&["GNUPGHOME=/home/pt1/gh"]).given();
    assert_ne!(one.pid, two.pid);
    assert_eq!(two.socket, "/home/pt1/gh/S.gpg-agent");
    assert_eq!((user.given(), user.with(&["GNUPGHOME=/home/pt1/gh"]).given()), (one, two));
    assert_eq!(place.agents().len(), 2);
}

/// A file beside gpgconf sets another directory for sockets, since GnuPG 2.3. This gpgconf does what
/// that one does.
#[test]
fn gpgconf_is_asked_where_a_file_beside_it_sets_other_places() {
    let place = gpg_box!();
    let user = place.user();
    user.shell("mkdir -m 700 ~/.gnupg /tmp/sockets");
    place.program("gpgconf", "#!/bin/sh\necho /tmp/sockets/S.gpg%25agent\n");
    let server = user.serve("/tmp/sockets/S.gpg%agent", "supervised");
    // Without the file, the rules of GnuPG hold.
    user.run(&["--no-start", "true"]).refuses(125, "--no-start");
    place.shell("echo 'socketdir = /tmp/sockets' >/mnt/bin/gpgconf.ctl");
    let info = user.given();
    assert_eq!((&*info.socket, info.pid), ("/tmp/sockets/S.gpg%agent", server));
    // An agent of another home directory there is none of an earlier GnuPG.
    user.serve("/tmp/sockets/S.gpg-agent", "supervised");
    user.shell("mkdir -m 700 /tmp/sockets/d.x");
    place.program("gpgconf", "#!/bin/sh\necho /tmp/sockets/d.x/S.gpg-agent\n");
    user.run(&["--no-start", "true"]).refuses(125, "--no-start");
}
