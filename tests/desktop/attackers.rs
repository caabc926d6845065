//! Another user of the machine who wants to receive notifications of others, or to be run by the
//! superuser.

use super::super::support::desktop::{DesktopBox, User};
use super::super::support::place::{Seen, soon};
use crate::desktop_box;

/// The environment of an attacker's processes.
const FORGED: [&str; 8] = [
    "DISPLAY=:66",
    "XAUTHORITY=/tmp/evil/cookies",
    "WAYLAND_DISPLAY=/tmp/evil/wayland-0",
    "SWAYSOCK=/tmp/evil/wayland-0",
    "XDG_RUNTIME_DIR=/tmp/evil",
    "XDG_SESSION_ID=5",
    "XDG_CURRENT_DESKTOP=evil",
    "LANG=evil",
];

/// The addresses of buses in these environments.
const ADDRESSES: [&str; 4] = [
    "unix:path=/tmp/evil/bus",
    "unix:abstract=/tmp/evil",
    "unixexec:path=/usr/bin/touch,argv1=/tmp/evil/executed",
    "tcp:host=127.0.0.1,port=6666",
];

/// Starts three hundred processes of the attacker with this environment, and listeners that accept
/// everybody.
#[track_caller]
fn attack(attacker: &User<'_>) {
    attacker.shell("mkdir -m 777 /tmp/evil; touch /tmp/evil/cookies; chmod 666 /tmp/evil/cookies");
    let sockets =
        "/tmp/evil/bus @/tmp/evil /tmp/evil/wayland-0 /tmp/.X11-unix/X66 @/tmp/.X11-unix/X66 6666";
    attacker.listen("welcome", "/tmp/evil/log", sockets);
    let mut script = String::new();
    for address in ADDRESSES {
        let variables = FORGED.iter().map(|one| format!("'{one}'")).collect::<Vec<_>>().join(" ");
        script += &format!(
            "for n in $(seq 75); do env -i {variables} 'DBUS_SESSION_BUS_ADDRESS={address}' \
             /usr/bin/sleep infinity </dev/null >/dev/null 2>&1 & done\n"
        );
    }
    let count = || attacker.place.processes().into_iter().filter(Seen::sleeps).count();
    let before = count();
    attacker.shell(&script);
    soon("the attacker's processes", || count() == before + 300);
}

/// Checks that no client came, and nothing was executed.
#[track_caller]
fn has_got_nothing(place: &DesktopBox) {
    assert_eq!(place.shell("cat /tmp/evil/log; ls /tmp/evil/executed 2>/dev/null || true"), "");
}

/// Returns all outputs about a user that callers can see.
#[track_caller]
fn everything(place: &DesktopBox) -> Vec<String> {
    let user = place.user();
    let mut seen = Vec::new();
    for caller in [user, place.superuser()] {
        for words in
            [&["cat", "/proc/self/environ"][..], &["--print"], &["--list", "--json"], &["--list"]]
        {
            seen.push(caller.run(words).succeeds().text());
        }
    }
    seen
}

#[test]
fn an_attacker_with_hundreds_of_processes_changes_nothing() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let before = everything(&place);
    attack(&place.attacker());
    assert_eq!(everything(&place), before);
    has_got_nothing(&place);
}

#[test]
fn an_attacker_changes_nothing_of_a_session_that_logind_knows() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login_in_front("5", &user, user.program(&[]), "seat0");
    let before = everything(&place);
    attack(&place.attacker());
    assert_eq!(everything(&place), before);
    has_got_nothing(&place);
}

#[test]
fn an_attacker_receives_no_notification() {
    let place = desktop_box!(DesktopBox::recording());
    let (user, attacker) = (place.user(), place.attacker());
    user.start_bus();
    let file = user.record("");
    attacker.start_bus_at("unix:path=/tmp/evil.bus");
    let evil = attacker.record_at("unix:path=/tmp/evil.bus", "");
    for _ in 0..30 {
        attacker.program(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/evil.bus", "DISPLAY=:66"]);
    }
    attack(&attacker);
    for is_installed in [true, false] {
        if !is_installed {
            place.uninstall("notify-send");
        }
        for caller in [user, place.superuser()] {
            caller.notify(&["secret"]).succeeds();
        }
    }
    assert_eq!(place.recorded(&file).len(), 4);
    assert!(place.recorded(&evil).is_empty());
    has_got_nothing(&place);
}

#[test]
fn an_attacker_alone_is_nobody() {
    let place = desktop_box!();
    attack(&place.attacker());
    place.superuser().refused(&[], "nobody is logged in graphically");
    place.superuser().refused(&["--user", "pt1"], "nobody is logged in graphically");
    place.has_logind();
    place.superuser().refused(&[], "nobody is logged in graphically");
    place.superuser().refused(&["--user", "pt1"], "nobody is logged in graphically");
    place.superuser().refused(&["--session", "5"], "'5'");
    has_got_nothing(&place);
}

#[test]
fn an_attacker_does_not_take_the_place_of_who_has_gone() {
    let place = desktop_box!();
    let user = place.user();
    let bus = user.start_bus();
    let leader = user.program(&[]);
    place.login_in_front("5", &user, leader, "seat0");
    attack(&place.attacker());
    place.end("KILL", leader);
    place.end("KILL", bus);
    for options in [&[][..], &["--user", "pt1"]] {
        place.superuser().refused(options, "nobody is logged in graphically");
    }
    has_got_nothing(&place);
}

#[test]
fn sockets_of_an_attacker_where_the_user_looks_are_not_used() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth"]));
    let (user, attacker) = (place.user(), place.attacker());
    user.start_bus();
    user.start_x(77, "~/.Xauthority");
    // The user's own environment leads there: to servers that are gone, and to names that any user
    // can have.
    user.program(&[
        "DISPLAY=:99",
        "DBUS_SESSION_BUS_ADDRESS=unix:abstract=/tmp/dbus-gone",
        "WAYLAND_DISPLAY=/tmp/gone/wayland-0",
        "SWAYSOCK=/tmp/gone/sway",
    ]);
    user.program(&["DISPLAY=:98", "DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/gone/bus"]);
    let before = everything(&place);
    attacker.shell("mkdir -m 755 /tmp/gone");
    let sockets = "/tmp/.X11-unix/X99 @/tmp/.X11-unix/X98 @/tmp/dbus-gone /tmp/gone/bus \
    /tmp/gone/wayland-0 /tmp/gone/sway";
    attacker.listen("welcome", "/tmp/gone/log", sockets);
    assert_eq!(everything(&place), before);
    // The listeners have seen a connection, but no data and no cookie.
    let log = place.shell("cat /tmp/gone/log");
    assert!(log.lines().all(|line| line == "somebody"), "{log}");
}

#[test]
fn a_link_to_the_socket_of_an_attacker_is_not_used() {
    let place = desktop_box!();
    let (user, attacker) = (place.user(), place.attacker());
    user.make_runtime();
    attacker.shell("mkdir -m 755 /tmp/evil");
    attacker.listen("welcome", "/tmp/evil/log", "/tmp/evil/bus /tmp/evil/wayland-0");
    // Only the user, or the superuser by mistake, could make them there.
    place.shell(
        "ln -s /tmp/evil/bus /run/user/7001/bus; ln -s /tmp/evil/wayland-0 \
    /run/user/7001/wayland-0",
    );
    for caller in [user, place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn a_program_with_the_rights_of_another_is_not_heard() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.start_bus_at("unix:path=/tmp/second");
    let before = everything(&place);
    // A set-user-id program gets its environment from the user who starts it; the same holds for
    // one that will change its user.
    for ids in [
        "--ruid 7003 --euid 7001",
        "--ruid 7001 --euid 7003",
        "--ruid 7001 --euid 0",
        "--ruid 0 --euid 7001",
    ] {
        let variables =
            "DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/second XDG_CURRENT_DESKTOP=evil LANG=evil";
        let program = place.superuser().start(&format!(
            "env -i {variables} setpriv {ids} --regid 7001 --clear-groups /usr/bin/sleep infinity"
        ));
        soon("a program", || place.sleeps(program));
    }
    assert_eq!(everything(&place), before);
}

#[test]
fn an_attacker_who_leads_a_session_of_another_is_not_heard() {
    let place = desktop_box!();
    let (user, attacker) = (place.user(), place.attacker());
    user.start_bus();
    attack(&attacker);
    // A leader has the rights of the superuser, as login(1), or those of another user who has its
    // number by now.
    let leader = attacker
        .program(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/evil/bus", "XDG_CURRENT_DESKTOP=evil"]);
    place.login_in_front("5", &user, leader, "seat0");
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], user.bus());
        assert!(!found.contains_key("XDG_CURRENT_DESKTOP"), "{found:?}");
    }
    has_got_nothing(&place);
}

#[test]
fn who_logged_in_too_gets_nothing_of_the_other() {
    let place = desktop_box!();
    let (user, attacker) = (place.user(), place.attacker());
    user.start_bus();
    attacker.start_bus();
    place.login_in_front("5", &user, user.program(&[]), "seat0");
    attack(&attacker);
    let bus = format!("DBUS_SESSION_BUS_ADDRESS={}", attacker.bus());
    let leader = attacker.program(&[&bus, "XDG_SESSION_ID=5", "XDG_SEAT=seat0"]);
    place.login("6", &attacker, leader, &[]);
    user.is_reached_by(place.superuser(), &[]);
    assert_eq!(place.superuser().environment(&[])["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    attacker.refused(&["--session", "5"], "pt1");
    attacker.refused(&["--user", "pt1"], "not yours");
    has_got_nothing(&place);
}

#[test]
fn a_user_cannot_have_a_command_run_as_the_superuser() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    // The user's environment points at the superuser and at nobody, in all variables that are read.
    user.program(&[
        "USER=root",
        "LOGNAME=root",
        "HOME=/root",
        "UID=0",
        "SUDO_UID=0",
        "XDG_RUNTIME_DIR=/run/user/0",
    ]);
    for name in ["id -u", "printenv HOME", "printenv XDG_RUNTIME_DIR"] {
        let words: Vec<&str> = name.split(' ').collect();
        let text = place.superuser().run(&words).succeeds().text();
        assert!(["7001\n", "/home/pt1\n", "/run/user/7001\n"].contains(&&*text), "{text}");
    }
}

#[test]
fn files_that_a_user_points_to_are_read_with_the_rights_of_the_user() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth"]));
    let user = place.user();
    user.start_bus();
    // A server of the superuser, with a cookie of the superuser.
    place.superuser().start_x(0, "/root/cookies");
    user.program(&["DISPLAY=:0", "XAUTHORITY=/root/cookies"]);
    user.shell("ln -s /root/cookies ~/.Xauthority");
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert!(!found.contains_key("DISPLAY") && !found.contains_key("XAUTHORITY"), "{found:?}");
    }
}

#[test]
fn a_link_to_a_socket_of_the_superuser_in_the_place_of_an_x_server_is_not_used() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.superuser().listen("welcome", "/run/daemon.log", "/run/daemon");
    user.shell("ln -s /run/daemon /tmp/.X11-unix/X77");
    user.program(&["DISPLAY=:77"]);
    for caller in [place.superuser(), user] {
        assert!(!caller.environment(&[]).contains_key("DISPLAY"));
    }
    assert_eq!(place.shell("cat /run/daemon.log"), "", "nobody came");
}

#[test]
fn numbers_that_only_wrap_around_to_a_user_are_nobodys() {
    let place = desktop_box!();
    place.user().start_bus();
    // 7001 and 2 to the power of 32.
    for number in ["4294974297", "+7001", " 7001", "-7001"] {
        place
            .superuser()
            .run(&[&format!("--user={number}"), "true"])
            .refuses(1, "there is no user");
    }
}
