//! The session that is reached without logind: that of a user with a runtime directory and a living
//! server in it.

use super::super::support::desktop::DesktopBox;
use crate::desktop_box;

#[test]
fn the_superuser_reaches_the_only_user_with_a_message_bus() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.is_reached_by(place.superuser(), &[]);
}

#[test]
fn a_user_reaches_the_own_session_from_an_empty_environment() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    user.is_reached_by(user, &[]);
    let outcome = user.exec("env -i /mnt/bin/with-gui-environment /usr/bin/env").succeeds();
    let lines = outcome.lines();
    assert!(
        lines.contains(&format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus())),
        "{}",
        outcome.report()
    );
    assert!(lines.contains(&format!("XDG_RUNTIME_DIR={}", user.runtime())), "{}", outcome.report());
}

#[test]
fn a_user_reaches_the_own_session_from_inside_of_it() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let variables = [
        &format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus())[..],
        &format!("XDG_RUNTIME_DIR={}", user.runtime()),
        "MINE=kept",
    ];
    let user = user.with(&variables);
    let found = user.environment(&[]);
    for variable in variables {
        let (name, value) = variable.split_once('=').expect("finding NAME=VALUE");
        assert_eq!(found.get(name).map(String::as_str), Some(value));
    }
}

#[test]
fn a_user_reaches_the_own_session_by_name_and_number() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    for caller in [user, place.superuser()] {
        for options in [&["--user", "pt1"][..], &["-u", "pt1"], &["--user=7001"], &["-u7001"]] {
            user.is_reached_by(caller, options);
        }
    }
}

#[test]
fn the_superuser_who_has_to_choose_of_two_users_runs_nothing() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    user.start_bus();
    other.start_bus();
    let outcome = place.superuser().refused(&[], "pt1");
    assert!(
        outcome.errors().contains("pt2") && outcome.errors().contains("--user"),
        "{}",
        outcome.report()
    );
    user.is_reached_by(place.superuser(), &["--user", "pt1"]);
    other.is_reached_by(place.superuser(), &["--user", "pt2"]);
    user.is_reached_by(user, &[]);
    other.is_reached_by(other, &[]);
}

#[test]
fn the_session_of_another_user_is_refused() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    user.start_bus();
    other.start_bus();
    for name in ["pt2", "7002", "root", "0"] {
        user.refused(&["--user", name], "not yours");
    }
    user.is_reached_by(user, &["--user", "pt1"]);
}

#[test]
fn the_session_of_another_user_is_refused_whatever_the_environment_says() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    other.start_bus();
    place.shell("chmod 711 /run/user/7002");
    let variables = [
        "USER=pt2",
        "LOGNAME=pt2",
        "HOME=/home/pt2",
        "XDG_RUNTIME_DIR=/run/user/7002",
        "PROCTOOL_USER=pt2",
    ];
    user.with(&variables).refused(&[], "nobody is logged in graphically");
}

#[test]
fn an_unknown_user_is_told() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    for caller in [user, place.superuser()] {
        for name in ["none", "7999", "", "4294967295", "99999999999", "pt1 "] {
            caller.refused(&["--user", name], &format!("'{name}'"));
        }
    }
}

#[test]
fn a_session_by_name_where_there_is_no_logind_is_told() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    for caller in [user, place.superuser()] {
        for id in ["1", "none", "", "../1", "/etc/passwd"] {
            caller.refused(&["--session", id], &format!("'{id}'"));
        }
    }
}

#[test]
fn without_anybody_nothing_runs() {
    let place = desktop_box!();
    for caller in [place.user(), place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
        caller.refused(&["--all"], "nobody is logged in graphically");
    }
    place.superuser().refused(&["--user", "pt1"], "pt1");
    place.user().refused(&["--user", "pt1"], "pt1");
    // These runtime directories have no living server.
    place.user().make_runtime();
    place.other().make_runtime();
    for caller in [place.user(), place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn where_nobody_has_ever_logged_in_nothing_runs() {
    let place = desktop_box!();
    place.shell("rmdir /run/user /tmp/.X11-unix");
    for caller in [place.user(), place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn programs_make_no_session() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth"]));
    let user = place.user();
    // An X server of the superuser, like that of a display manager before a login.
    place.superuser().start_x(77, "/root/authority");
    place.shell("cp /root/authority /tmp/authority; chmod 644 /tmp/authority");
    for _ in 0..5 {
        user.program(&["DISPLAY=:77", "XAUTHORITY=/tmp/authority", "XDG_SESSION_TYPE=x11"]);
        place.superuser().program(&[
            "DISPLAY=:77",
            "XAUTHORITY=/tmp/authority",
            "XDG_SESSION_TYPE=x11",
        ]);
    }
    place.superuser().refused(&[], "nobody is logged in graphically");
}

#[test]
fn a_compositor_makes_a_session() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info"]));
    let user = place.user();
    user.start_weston("wayland-3");
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!(found["WAYLAND_DISPLAY"], "wayland-3");
        assert_eq!(found["XDG_RUNTIME_DIR"], user.runtime());
        assert_eq!(found["XDG_SESSION_TYPE"], "wayland");
        assert!(
            !found.contains_key("DBUS_SESSION_BUS_ADDRESS") && !found.contains_key("DISPLAY"),
            "{found:?}"
        );
    }
}

#[test]
fn an_x_server_makes_a_session() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    let user = place.user();
    user.make_runtime();
    user.start_x(77, "~/.Xauthority");
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!((&*found["DISPLAY"], &*found["XDG_SESSION_TYPE"]), (":77", "x11"));
        caller.run(&["xdpyinfo"]).succeeds();
    }
}

#[test]
fn an_x_server_that_has_ended_makes_no_session() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth"]));
    let user = place.user();
    user.make_runtime();
    let server = user.start_x(77, "~/.Xauthority");
    place.end("KILL", server);
    place.shell("[ -S /tmp/.X11-unix/X77 ]");
    for caller in [user, place.superuser()] {
        caller.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn a_runtime_directory_of_somebody_else_makes_no_session() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.shell("chown 7002 /run/user/7001");
    place.superuser().refused(&[], "nobody is logged in graphically");
    place.shell("chown 7001 /run/user/7001");
    user.is_reached_by(place.superuser(), &[]);
}

#[test]
fn a_runtime_directory_that_is_open_to_others_makes_no_session() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    for mode in ["701", "710", "722", "777"] {
        place.shell(&format!("chmod {mode} /run/user/7001"));
        place.superuser().refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn a_link_to_a_runtime_directory_makes_no_session() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.shell("mv /run/user/7001 /run/real; ln -s /run/real /run/user/7001");
    place.superuser().refused(&[], "nobody is logged in graphically");
}

#[test]
fn where_anybody_may_make_runtime_directories_they_count_for_nothing() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    for change in ["chmod 1777 /run/user", "chmod 755 /run/user; chown 7002 /run/user"] {
        place.shell(change);
        place.superuser().refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn a_user_whom_the_machine_does_not_know_is_not_passed_over() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.shell(
        "install -d -m 700 -o 7999 -g 7999 /run/user/7999; mkdir -m 700 /run/user/odd \
        /run/user/-1; touch /run/user/7",
    );
    user.is_reached_by(place.superuser(), &[]);
    place.shell(
        "cd /run/user/7999; setsid setpriv --reuid 7999 --regid 7999 --clear-groups \
         python3 /mnt/desktop_listener.py welcome /tmp/7999 /run/user/7999/bus >/dev/null",
    );
    place
        .superuser()
        .refused(&[], "it is not clear whom to reach: the desktop of pt1, the desktop of 7999");
    user.is_reached_by(place.superuser(), &["--user", "pt1"]);
}

#[test]
fn the_superuser_has_a_session_too() {
    let place = desktop_box!();
    let root = place.superuser();
    root.start_bus();
    let variables = ["MINE=kept"];
    let found = root.with(&variables).environment(&[]);
    assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], root.bus());
    // The user has not changed.
    assert_eq!(found["MINE"], "kept");
    // The bus belongs to one of two users.
    place.user().start_bus();
    root.refused(&[], "root");
    root.is_reached_by(root, &["--user", "root"]);
}

#[test]
fn a_name_that_is_the_number_of_another_is_not_taken_for_it() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.shell("echo '7001:x:7003:7003::/home/pt3:/bin/sh' >>/etc/passwd");
    place.superuser().run(&["--all", "id", "-un"]).succeeds().prints("pt1\n");
}
