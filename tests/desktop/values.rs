//! The variables that the command gets: those that were tried, not those that a process only
//! claims.

use super::super::support::desktop::{DesktopBox, User};
use crate::{desktop_box, skip};

/// The variables that are the session's.
const NAMES: [&str; 10] = [
    "DISPLAY",
    "XAUTHORITY",
    "DBUS_SESSION_BUS_ADDRESS",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_SESSION_ID",
    "XDG_CURRENT_DESKTOP",
    "SWAYSOCK",
    "I3SOCK",
];

/// Checks that the user and the superuser get the same variables of the session: exactly these.
#[track_caller]
fn is_told(user: &User<'_>, expected: &[(&str, &str)]) {
    for caller in [*user, user.place.superuser()] {
        let found = caller.environment(&["--user", user.name]);
        let found: Vec<(&str, &str)> =
            NAMES.iter().filter_map(|name| Some((*name, found.get(*name)?.as_str()))).collect();
        let mut expected = expected.to_vec();
        expected.sort_by_key(|(name, _)| NAMES.iter().position(|known| known == name));
        assert_eq!(found, expected, "as {}", caller.name);
    }
}

/// Checks that the user and the superuser get the bus at its usual place, and nothing else of the
/// session.
#[track_caller]
fn is_told_of_the_bus(user: &User<'_>) {
    let bus = user.bus();
    is_told(user, &[("DBUS_SESSION_BUS_ADDRESS", &bus), ("XDG_RUNTIME_DIR", &user.runtime())]);
}

#[test]
fn a_bus_at_its_usual_place_needs_nobody_who_says_so() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    is_told_of_the_bus(&user);
}

#[test]
fn a_bus_elsewhere_is_found_by_who_says_so() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.start_bus_at("unix:path=/tmp/mine,guid=00112233445566778899aabbccddeeff");
    user.start_bus_at("unix:path=/tmp/mine");
    user.program(&[
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/mine,guid=00112233445566778899aabbccddeeff",
    ]);
    is_told(
        &user,
        &[
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/tmp/mine"),
            ("XDG_RUNTIME_DIR", "/run/user/7001"),
        ],
    );
}

#[test]
fn an_abstract_bus_is_found_by_who_says_so() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.start_bus_at("unix:abstract=/tmp/dbus-Aq9");
    user.program(&["DBUS_SESSION_BUS_ADDRESS=unix:abstract=/tmp/dbus-Aq9,guid=00112233445566778899aabbccddeeff"]);
    is_told(
        &user,
        &[
            ("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=/tmp/dbus-Aq9"),
            ("XDG_RUNTIME_DIR", "/run/user/7001"),
        ],
    );
}

#[test]
fn a_bus_that_is_said_and_dead_is_not_believed() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.shell("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"/tmp/stale\")'");
    user.shell("touch /tmp/file; mkfifo /tmp/fifo");
    for path in
        ["/tmp/stale", "/tmp/none", "/tmp/file", "/tmp/fifo", "/tmp", "/dev/null", "relative", ""]
    {
        user.program(&[&format!("DBUS_SESSION_BUS_ADDRESS=unix:path={path}")]);
    }
    for odd in [
        "",
        "x",
        "unix:",
        "unix:path",
        "autolaunch:",
        "unix:runtime=yes",
        "unix:path=/a,path=/b",
        ";;;",
        "unix:path=%",
    ] {
        user.program(&[&format!("DBUS_SESSION_BUS_ADDRESS={odd}")]);
    }
    is_told_of_the_bus(&user);
}

#[test]
fn a_bus_that_only_can_be_reached_otherwise_is_not_believed() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.listen("welcome", "/tmp/tcp", "7777");
    for address in [
        "unixexec:path=/usr/bin/touch,argv1=/tmp/lured",
        "tcp:host=127.0.0.1,port=7777",
        "autolaunch:",
    ] {
        user.program(&[&format!("DBUS_SESSION_BUS_ADDRESS={address}")]);
    }
    is_told_of_the_bus(&user);
    assert_eq!(place.shell("cat /tmp/tcp; ls /tmp/lured 2>/dev/null || true"), "");
}

#[test]
fn a_stale_bus_alone_is_nobody() {
    let place = desktop_box!();
    let user = place.user();
    let bus = user.start_bus();
    user.program(&[&format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus())]);
    place.end("KILL", bus);
    place.shell("[ -S /run/user/7001/bus ]");
    for caller in [user, place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn a_bus_that_does_not_go_on_is_not_waited_for() {
    let place = desktop_box!();
    let user = place.user();
    let bus = user.start_bus();
    for _ in 0..3 {
        user.program(&[&format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus())]);
    }
    place.kill("STOP", bus);
    for caller in [user, place.superuser()] {
        caller.refused(&[], "the desktop of pt1 is not usable");
    }
    place.kill("CONT", bus);
    user.is_reached_by(place.superuser(), &[]);
}

#[test]
fn listeners_that_never_answer_are_not_waited_for() {
    let place = desktop_box!();
    let user = place.user();
    user.make_runtime();
    user.program(&[
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/silent",
        "WAYLAND_DISPLAY=/tmp/silent",
        "DISPLAY=:50",
        "SWAYSOCK=/tmp/silent",
    ]);
    let sockets = "/tmp/silent /tmp/.X11-unix/X50 /run/user/7001/wayland-0 /run/user/7001/bus";
    user.listen("silent", "/tmp/silent.log", sockets);
    place.superuser().refused(&[], "the X server of display :50 does not answer");
}

#[test]
fn who_is_slow_is_not_passed_over_for_somebody_else() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let bus = user.start_bus();
    other.start_bus();
    place.superuser().refused(&[], "it is not clear whom to reach");
    place.kill("STOP", bus);
    place
        .superuser()
        .refused(&[], "it is not clear whom to reach: the desktop of pt1, the desktop of pt2");
    other.is_reached_by(place.superuser(), &["--user", "pt2"]);
    let outcome = place.superuser().run(&["--all", "id", "-un"]).exits(64);
    assert!(
        outcome.text() == "pt2\n" && outcome.errors().contains("pt1 is not usable"),
        "{}",
        outcome.report()
    );
}

#[test]
fn listeners_that_never_answer_do_not_hide_the_bus() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let sockets: Vec<String> = (0..6).map(|at| format!("/tmp/silent{at}")).collect();
    user.listen("silent", "/tmp/silent", &sockets.join(" "));
    for socket in &sockets {
        user.program(&[
            &format!("DBUS_SESSION_BUS_ADDRESS=unix:path={socket}"),
            &format!("WAYLAND_DISPLAY={socket}"),
        ]);
    }
    let found = place.superuser().environment(&[]);
    assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    assert!(!found.contains_key("WAYLAND_DISPLAY"), "{found:?}");
}

#[test]
fn compositors_and_x_servers_that_never_answer_do_not_hide_the_bus() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let sockets: Vec<String> = (0..6)
        .map(|at| format!("/run/user/7001/wayland-{at} /tmp/.X11-unix/X{}", 50 + at))
        .collect();
    user.listen("silent", "/tmp/silent", &sockets.join(" "));
    let found = place.superuser().environment(&["--user", "pt1"]);
    assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    assert!(!found.contains_key("WAYLAND_DISPLAY") && !found.contains_key("DISPLAY"), "{found:?}");
}

#[test]
fn a_listener_without_room_is_not_waited_for() {
    let place = desktop_box!();
    let user = place.user();
    user.make_runtime();
    user.listen("full", "/tmp/full", "/run/user/7001/bus /run/user/7001/wayland-0");
    place.superuser().refused(&[], "the desktop of pt1 is not usable");
}

#[test]
fn a_listener_that_talks_nonsense_is_nobody() {
    let place = desktop_box!();
    let user = place.user();
    user.make_runtime();
    user.listen("garbage", "/tmp/garbage", "/run/user/7001/bus /run/user/7001/wayland-0");
    user.program(&["SWAYSOCK=/run/user/7001/bus"]);
    for caller in [user, place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn a_display_needs_its_cookie() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    let user = place.user();
    user.start_bus();
    user.start_x(77, "~/cookies");
    // No variable names the cookie.
    let bus = user.bus();
    is_told_of_the_bus(&user);
    user.program(&["DISPLAY=:77"]);
    is_told_of_the_bus(&user);
    // A variable names it.
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/cookies"]);
    is_told(
        &user,
        &[
            ("DISPLAY", ":77"),
            ("XAUTHORITY", "/home/pt1/cookies"),
            ("DBUS_SESSION_BUS_ADDRESS", &bus),
            ("XDG_RUNTIME_DIR", "/run/user/7001"),
            ("XDG_SESSION_TYPE", "x11"),
        ],
    );
    for caller in [user, place.superuser()] {
        caller.run(&["xdpyinfo"]).succeeds();
    }
}

#[test]
fn a_display_with_its_cookie_at_the_usual_place_needs_no_variable() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    let user = place.user();
    user.start_bus();
    user.start_x(77, "~/.Xauthority");
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["DISPLAY"], ":77");
        caller.run(&["xdpyinfo"]).succeeds();
    }
}

#[test]
fn a_cookie_that_cannot_be_read_is_not_passed_on() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth"]));
    let user = place.user();
    user.start_bus();
    user.start_x(77, "~/.Xauthority");
    place.shell(
        "cp /home/pt1/.Xauthority /root/cookies; cp /home/pt1/.Xauthority /tmp/closed; \
    chmod 600 /tmp/closed",
    );
    user.shell(
        "mkfifo ~/fifo; mkdir ~/directory; echo garbage >~/garbage; : >~/empty; ln -s loop ~/loop",
    );
    let bus = user.bus();
    let expected = [
        ("DISPLAY", ":77"),
        ("DBUS_SESSION_BUS_ADDRESS", &*bus),
        ("XDG_RUNTIME_DIR", "/run/user/7001"),
        ("XDG_SESSION_TYPE", "x11"),
    ];
    for path in [
        "/root/cookies",
        "/tmp/closed",
        "/none",
        "/home/pt1/fifo",
        "/home/pt1/directory",
        "/home/pt1/garbage",
        "/home/pt1/loop",
        "/dev/zero",
        "/dev/tty",
    ] {
        let program = user.program(&["DISPLAY=:77", &format!("XAUTHORITY={path}")]);
        let found = user.environment(&[]);
        assert_eq!(found.get("DISPLAY").map(String::as_str), Some(":77"), "{path}");
        assert_ne!(found.get("XAUTHORITY").map(String::as_str), Some(path));
        place.end("KILL", program);
    }
    user.program(&["DISPLAY=:77", "XAUTHORITY=/tmp/closed"]);
    is_told(&user, &expected);
}

#[test]
fn a_cookie_of_another_display_is_not_mixed_with_this_one() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    let user = place.user();
    user.start_bus();
    let first = user.start_x(77, "~/one");
    user.start_x(78, "~/two");
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/two"]);
    user.program(&["DISPLAY=:78", "XAUTHORITY=/home/pt1/one"]);
    user.program(&["DISPLAY=:78", "XAUTHORITY=/home/pt1/two"]);
    user.program(&["DISPLAY=:77"]);
    place.end("KILL", first);
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!((&*found["DISPLAY"], &*found["XAUTHORITY"]), (":78", "/home/pt1/two"));
        caller.run(&["xdpyinfo"]).succeeds();
    }
}

#[test]
fn displays_that_are_not_here_are_not_passed_on() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.listen("welcome", "/tmp/tcp", "6010");
    for display in [
        "localhost:10.0",
        "127.0.0.1:10",
        ":99",
        "",
        "x",
        "unix:99",
        "/tmp/sock:0",
        ":-1",
        ":99999999999",
        ":",
    ] {
        user.program(&[&format!("DISPLAY={display}")]);
    }
    is_told_of_the_bus(&user);
    assert_eq!(place.shell("cat /tmp/tcp"), "");
}

#[test]
fn a_display_of_the_superuser_is_the_users_with_its_cookie() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    let user = place.user();
    user.start_bus();
    place.superuser().start_x(0, "/root/cookies");
    place.shell("install -o 7001 -m 600 /root/cookies /run/user/7001/cookies");
    user.program(&["DISPLAY=:0.0", "XAUTHORITY=/run/user/7001/cookies"]);
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!((&*found["DISPLAY"], &*found["XAUTHORITY"]), (":0.0", "/run/user/7001/cookies"));
        caller.run(&["xdpyinfo"]).succeeds();
    }
}

#[test]
fn a_compositor_is_found_with_and_without_who_says_so() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info"]));
    let user = place.user();
    user.start_weston("wayland-4");
    let expected = [
        ("WAYLAND_DISPLAY", "wayland-4"),
        ("XDG_RUNTIME_DIR", "/run/user/7001"),
        ("XDG_SESSION_TYPE", "wayland"),
    ];
    is_told(&user, &expected);
    user.program(&["WAYLAND_DISPLAY=wayland-9", "XDG_RUNTIME_DIR=/tmp"]);
    user.program(&["WAYLAND_DISPLAY=", "XDG_SESSION_TYPE=x11"]);
    user.program(&["WAYLAND_DISPLAY=../7001/bus"]);
    is_told(&user, &expected);
    for caller in [user, place.superuser()] {
        caller.run(&["wayland-info"]).succeeds();
    }
}

#[test]
fn a_compositor_at_an_odd_place_is_found_by_who_says_so() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info"]));
    let user = place.user();
    user.start_bus();
    user.start_weston("odd");
    user.program(&["WAYLAND_DISPLAY=odd"]);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["WAYLAND_DISPLAY"], "odd");
    }
    user.shell("mkdir /run/user/7001/d; mv /run/user/7001/odd /run/user/7001/d/moved");
    user.program(&["WAYLAND_DISPLAY=/run/user/7001/d/moved"]);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["WAYLAND_DISPLAY"], "/run/user/7001/d/moved");
        caller.run(&["wayland-info"]).succeeds();
    }
}

#[test]
fn the_desktop_is_what_the_session_says_unless_it_is_odd() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.program(&["XDG_CURRENT_DESKTOP=$(touch /tmp/lured)"]);
    user.program(&["XDG_CURRENT_DESKTOP=a\nb"]);
    assert!(!user.environment(&[]).contains_key("XDG_CURRENT_DESKTOP"));
    user.program(&["XDG_CURRENT_DESKTOP=ubuntu:GNOME"]);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["XDG_CURRENT_DESKTOP"], "ubuntu:GNOME");
    }
}

#[test]
fn sockets_of_window_managers_are_passed_on_when_they_answer() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.listen("silent", "/tmp/manager", "/run/user/7001/sway.sock");
    // The first path means something else for each process, the second one does not.
    user.program(&[
        "SWAYSOCK=run/user/7001/sway.sock",
        "I3SOCK=/proc/self/root/run/user/7001/sway.sock",
    ]);
    user.program(&["SWAYSOCK=/run/user/7001/sway.sock", "I3SOCK=/run/user/7001/none.sock"]);
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!(found["SWAYSOCK"], "/run/user/7001/sway.sock");
        assert!(!found.contains_key("I3SOCK"), "{found:?}");
    }
}

#[test]
fn a_stale_variable_of_the_caller_is_taken_away() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let stale = [
        "DISPLAY=:99",
        "XAUTHORITY=/none",
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/none",
        "WAYLAND_DISPLAY=wayland-99",
        "XDG_RUNTIME_DIR=/none",
        "XDG_SESSION_TYPE=x11",
        "XDG_SESSION_ID=99",
        "SWAYSOCK=/none",
        "I3SOCK=/none",
        "OTHER=kept",
    ];
    let found = user.with(&stale).environment(&[]);
    assert_eq!(found.get("OTHER").map(String::as_str), Some("kept"));
    assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    assert_eq!(found["XDG_RUNTIME_DIR"], user.runtime());
    for name in [
        "DISPLAY",
        "XAUTHORITY",
        "WAYLAND_DISPLAY",
        "XDG_SESSION_TYPE",
        "XDG_SESSION_ID",
        "SWAYSOCK",
        "I3SOCK",
    ] {
        assert!(!found.contains_key(name), "{name}: {found:?}");
    }
}

#[test]
fn the_language_is_that_of_the_session_for_who_becomes_the_user() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let root =
        place.superuser().with(&["LANG=tlh_XX.UTF-8", "LC_ALL=tlh_XX.UTF-8", "LANGUAGE=tlh"]);
    let found = root.environment(&[]);
    assert_eq!(found["LANG"], "C.UTF-8");
    assert!(!found.contains_key("LC_ALL") && !found.contains_key("LANGUAGE"), "{found:?}");
    user.program(&[
        "LANG=de_AT.UTF-8",
        "LC_TIME=C",
        "LANGUAGE=de:en",
        "LC_EVIL=$(touch /tmp/lured)",
    ]);
    let found = root.environment(&[]);
    assert_eq!(
        (&*found["LANG"], &*found["LC_TIME"], &*found["LANGUAGE"]),
        ("de_AT.UTF-8", "C", "de:en")
    );
    assert!(!found.contains_key("LC_EVIL") && !found.contains_key("LC_ALL"), "{found:?}");
    assert_eq!(user.with(&["LANG=fr_FR.UTF-8"]).environment(&[])["LANG"], "fr_FR.UTF-8");
}

#[test]
fn who_leads_the_session_is_heard_first() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    for name in ["one", "two"] {
        user.start_bus_at(&format!("unix:path=/tmp/{name}"));
    }
    for _ in 0..20 {
        user.program(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/one"]);
    }
    let leader = user.program(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/two"]);
    place.login_in_front("5", &user, leader, "seat0");
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/tmp/two");
    }
}

#[test]
fn who_says_to_be_of_another_session_is_not_heard() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.start_bus_at("unix:path=/tmp/one");
    place.login_in_front("5", &user, user.program(&[]), "seat0");
    user.program(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/one", "XDG_SESSION_ID=4"]);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    }
}

#[test]
fn a_large_environment_is_survived() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let large = "x".repeat(30_000);
    user.program(&[
        &format!("LARGE={large}"),
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/none",
        "XDG_CURRENT_DESKTOP=sway",
    ]);
    user.program(&[&format!("DISPLAY={large}"), &format!("XAUTHORITY={large}")]);
    user.program(&[
        &format!("WAYLAND_DISPLAY={large}"),
        &format!("DBUS_SESSION_BUS_ADDRESS=unix:path=/{large}"),
    ]);
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], user.bus());
        assert!(!found.contains_key("DISPLAY") && !found.contains_key("WAYLAND_DISPLAY"));
    }
}

#[test]
fn what_is_said_outside_of_a_session_comes_after_what_it_has_itself() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.start_bus_at("unix:path=/tmp/elsewhere");
    place.login_in_front("5", &user, place.superuser().start("sleep 1000"), "seat0");
    user.program(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/elsewhere"]);
    for caller in [place.superuser(), user] {
        assert_eq!(caller.environment(&[])["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    }
}

#[test]
fn a_file_system_that_never_answers_is_left_behind() {
    let place = desktop_box!(DesktopBox::needing(&["python3"]));
    let user = place.user();
    user.start_bus();
    place.shell("mkdir /tmp/mounted");
    if place.exec("python3 /mnt/desktop_fuse.py /tmp/mounted").code() != 0 {
        skip!("no file systems of users (FUSE)");
    }
    user.program(&["DISPLAY=:50", "XAUTHORITY=/tmp/mounted/x"]);
    place.superuser().refused(&[], "what belongs to user 'pt1' did not answer in time");
}
