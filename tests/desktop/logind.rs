//! The session that is reached where logind's files say who is logged in.

use super::super::support::Case;
use super::super::support::desktop::{DesktopBox, User};
use super::super::support::place::soon;
use crate::desktop_box;

/// Logs in a user at a screen in the front and one in the background, each with a bus. Returns
/// their leaders.
#[track_caller]
fn two_at_a_seat<'place>(front: &User<'place>, back: &User<'place>) -> (u32, u32) {
    front.start_bus();
    back.start_bus();
    let (one, two) = (front.program(&[]), back.program(&[]));
    front.place.login_in_front("5", front, one, "seat0");
    front.place.login("3", back, two, &[]);
    (one, two)
}

#[test]
fn what_the_seat_shows_is_reached() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (one, two) = two_at_a_seat(&user, &other);
    user.is_reached_by(place.superuser(), &[]);
    place.login_in_front("3", &other, two, "seat0");
    place.login("5", &user, one, &[]);
    other.is_reached_by(place.superuser(), &[]);
}

#[test]
fn what_is_in_the_background_is_reached_by_name() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    two_at_a_seat(&user, &other);
    for options in [&["--user", "pt2"][..], &["--session", "3"], &["-s3", "-u", "7002"]] {
        other.is_reached_by(place.superuser(), options);
    }
    other.is_reached_by(other, &[]);
    other.is_reached_by(other, &["--session", "3"]);
}

#[test]
fn a_session_tells_the_command_what_it_is() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login_in_front("c7", &user, user.program(&[]), "seat0");
    place.login("c7", &user, user.program(&[]), &["STATE=active", "TYPE=wayland", "DESKTOP=sway"]);
    for caller in [user, place.superuser()] {
        let found = caller.environment(&[]);
        assert_eq!(found["XDG_SESSION_ID"], "c7");
        assert_eq!(found["XDG_SESSION_TYPE"], "wayland");
        assert_eq!(found["XDG_CURRENT_DESKTOP"], "sway");
        assert_eq!(found["DBUS_SESSION_BUS_ADDRESS"], user.bus());
    }
}

#[test]
fn a_session_of_another_user_is_refused() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    two_at_a_seat(&user, &other);
    other.refused(&["--session", "5"], "pt1");
    other.refused(&["--session", "5", "--user", "pt1"], "pt1");
    other.refused(&["--user", "pt1"], "pt1");
    user.refused(&["--session", "3"], "pt2");
    place.user().with(&["XDG_SESSION_ID=3"]).refused(&["--session", "3"], "pt2");
}

#[test]
fn a_user_and_a_session_that_contradict_are_told() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    two_at_a_seat(&user, &other);
    let outcome = place.superuser().refused(&["--user", "pt1", "--session", "3"], "'3'");
    assert!(outcome.errors().contains("pt1"), "{}", outcome.report());
    user.refused(&["--user", "pt1", "--session", "3"], "pt2");
}

#[test]
fn an_unknown_session_is_told() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    two_at_a_seat(&user, &other);
    place.shell("mkfifo -m 600 /run/systemd/sessions/5.ref");
    for id in ["4", "", "5.ref", "..", "../sessions/5", "/run/systemd/sessions/5", "./5", "05"] {
        for caller in [user, place.superuser()] {
            caller.refused(&["--session", id], &format!("'{id}'"));
        }
    }
}

#[test]
fn two_in_the_background_are_listed() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (one, _) = two_at_a_seat(&user, &other);
    place.login("5", &user, one, &[]);
    let outcome = place.superuser().refused(&[], "pt1");
    let errors = outcome.errors();
    assert!(
        ["pt2", "5", "3", "--session"].iter().all(|word| errors.contains(word)),
        "{}",
        outcome.report()
    );
}

#[test]
fn two_seats_that_show_two_users_are_listed() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (_, two) = two_at_a_seat(&user, &other);
    place.login_in_front("3", &other, two, "seat1");
    let outcome = place.superuser().refused(&[], "seat0");
    assert!(outcome.errors().contains("seat1"), "{}", outcome.report());
    other.is_reached_by(place.superuser(), &["--session", "3"]);
    user.is_reached_by(user, &[]);
}

#[test]
fn the_only_seat_that_shows_somebody_is_reached() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (_, two) = two_at_a_seat(&user, &other);
    // The other seat shows a session that is not there.
    place.login("3", &other, two, &["SEAT=seat1", "STATE=active", "ACTIVE=1"]);
    place.seat("seat1", "9", &other);
    user.is_reached_by(place.superuser(), &[]);
}

#[test]
fn of_two_sessions_of_a_user_the_one_in_front_is_reached() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login("3", &user, user.program(&[]), &["IS_DISPLAY=1"]);
    place.login("5", &user, user.program(&[]), &["IS_DISPLAY=0", "STATE=active", "ACTIVE=1"]);
    place.seat("seat0", "5", &user);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["XDG_SESSION_ID"], "5");
    }
}

#[test]
fn of_two_sessions_of_a_user_in_the_background_the_main_one_is_reached() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login("3", &user, user.program(&[]), &["IS_DISPLAY=1"]);
    place.login("5", &user, user.program(&[]), &["IS_DISPLAY=0"]);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["XDG_SESSION_ID"], "3");
        assert_eq!(caller.environment(&["--session", "5"])["XDG_SESSION_ID"], "5");
    }
    for display in ["IS_DISPLAY=0", "IS_DISPLAY=", "IS_DISPLAY"] {
        place.login("3", &user, user.program(&[]), &[display]);
        let outcome = place.superuser().refused(&[], "3");
        assert!(outcome.errors().contains('5'), "{}", outcome.report());
        user.refused(&[], "3");
    }
}

#[test]
fn a_seat_decides_also_where_the_session_says_that_it_is_active() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (_, two) = two_at_a_seat(&user, &other);
    place.login("3", &other, two, &["STATE=active", "ACTIVE=1"]);
    user.is_reached_by(place.superuser(), &[]);
}

#[test]
fn sessions_that_do_not_count() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let leader = user.program(&[]);
    for (case, changes) in [
        ("a closing session", &["STATE=closing"][..]),
        ("a session that opens", &["STATE=opening"]),
        ("a session without a state", &["STATE"]),
        ("a greeter", &["CLASS=greeter"]),
        ("a lock screen", &["CLASS=lock-screen"]),
        ("a background session", &["CLASS=background"]),
        ("a service manager", &["CLASS=manager"]),
        ("a remote session", &["REMOTE=1", "REMOTE_HOST=example.org"]),
        ("a session on a text terminal", &["TYPE=tty", "TTY=tty1"]),
        ("a session of no type", &["TYPE=unspecified"]),
        ("a session without a leader", &["LEADER"]),
        ("a leader that is no number", &["LEADER=x"]),
        ("a leader that is no process", &["LEADER=4194303"]),
        ("a leader out of all bounds", &["LEADER=99999999999999999999"]),
        ("a leader of nobody", &["LEADER=0"]),
        ("a leader that began after the session", &["MONOTONIC=1000"]),
        ("a leader that the session does not mean", &["LEADER_PIDFDID=1"]),
        ("a session without a user", &["UID"]),
    ] {
        let _case = Case(case);
        place.login_in_front("5", &user, leader, "seat0");
        user.is_reached_by(place.superuser(), &[]);
        place.login("5", &user, leader, &[&["ACTIVE=1", "STATE=active"], changes].concat());
        place.superuser().refused(&[], "nobody is logged in graphically");
        place.superuser().refused(&["--session", "5"], "'5'");
        user.refused(&[], "nobody is logged in graphically");
    }
}

#[test]
fn sessions_that_count() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let leader = user.program(&[]);
    for (case, changes) in [
        ("an online session", &["STATE=online"][..]),
        ("a session on a seat without a file", &["SEAT=seat7", "STATE=active"]),
        ("an early session", &["CLASS=user-early"]),
        ("a light session", &["CLASS=user-light"]),
        ("a wayland session", &["TYPE=wayland"]),
        (
            "values in quotes and of newer versions",
            &[
                "TYPE=\"x11\"",
                "CLASS=\"user\"",
                "LEADER_FD_SAVED=1",
                "DEVICES=226:0 13:65",
                "SCOPE_JOB=",
                "FIFO",
            ],
        ),
        ("a session without the time of its beginning", &["MONOTONIC", "REALTIME"]),
    ] {
        let _case = Case(case);
        place.login("5", &user, leader, changes);
        for caller in [user, place.superuser()] {
            user.is_reached_by(caller, &[]);
            user.is_reached_by(caller, &["--session", "5"]);
        }
    }
}

#[test]
fn a_session_of_an_unknown_user_does_not_count() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login("5", &user, user.program(&[]), &["UID=7999"]);
    for options in [&[][..], &["--session", "5"]] {
        place.superuser().refused(
            options,
            "session 5 of 7999 on seat0: its user is unknown, or cannot be looked up now",
        );
    }
}

#[test]
fn who_is_not_known_is_not_passed_over_for_somebody_in_the_background() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (one, _) = two_at_a_seat(&user, &other);
    // The directory service is down.
    place.login("5", &user, one, &["UID=7999", "ACTIVE=1", "STATE=active"]);
    place.superuser().refused(
        &[],
        "session 5 of 7999 on seat0: its user is unknown, or cannot be looked up now",
    );
    other.is_reached_by(place.superuser(), &["--user", "pt2"]);
    let listed = place.superuser().run(&["--list"]).exits(0);
    assert!(
        listed.text().contains("pt2") && listed.errors().contains("its user is unknown"),
        "{}",
        listed.report()
    );
}

#[test]
fn a_directory_service_that_fails_keeps_nobody_else_from_being_reached() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (_, two) = two_at_a_seat(&user, &other);
    place.login("3", &other, two, &["UID=7999"]);
    place.program("getent", "#!/bin/sh\nexit 1\n");
    user.is_reached_by(place.superuser(), &[]);
    place.superuser().refused(
        &["--session", "3"],
        "session 3 of 7999 on seat0: its user is unknown, or cannot be looked up now",
    );
}

#[test]
fn a_session_without_a_seat_counts_for_its_user_and_by_name() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (one, _) = two_at_a_seat(&other, &user);
    // Any user can make such a session and call it graphical.
    place.login("4", &user, one, &["STATE=active", "ACTIVE=1", "IS_DISPLAY=1", "SEAT", "TYPE=x11"]);
    place.shell("rm /run/systemd/sessions/3");
    other.is_reached_by(place.superuser(), &[]);
    place.login("5", &other, one, &["STATE=online", "ACTIVE=0"]);
    other.is_reached_by(place.superuser(), &[]);
    place.shell("rm /run/systemd/sessions/5");
    place.superuser().refused(&[], "it is not clear whom to reach: session 4");
    place.superuser().refused(&["--all"], "nobody is logged in graphically");
    user.is_reached_by(user, &[]);
    user.is_reached_by(place.superuser(), &["--session", "4"]);
    user.is_reached_by(place.superuser(), &["--user", "pt1"]);
}

#[test]
fn directories_of_systemd_alone_are_no_logind() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.shell("mkdir -p /run/systemd/sessions /run/systemd/seats");
    user.is_reached_by(place.superuser(), &[]);
}

#[test]
fn a_display_that_was_started_from_a_terminal_is_reached() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info"]));
    let user = place.user();
    user.start_bus();
    place.login_in_front("5", &user, user.program(&[]), "seat0");
    place.login("5", &user, user.program(&[]), &["TYPE=tty", "STATE=active", "ACTIVE=1"]);
    place.superuser().refused(&[], "nobody is logged in graphically");
    user.start_weston("wayland-1");
    for caller in [place.superuser(), user] {
        let found = caller.environment(&[]);
        assert_eq!(
            (&*found["WAYLAND_DISPLAY"], &*found["XDG_SESSION_TYPE"]),
            ("wayland-1", "wayland")
        );
        assert_eq!(found["XDG_SESSION_ID"], "5");
    }
}

#[test]
fn a_leader_that_the_session_means_counts() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let leader = user.program(&[]);
    let script = format!("python3 -c 'import os; print(os.fstat(os.pidfd_open({leader})).st_ino)'");
    place.login("5", &user, leader, &[&format!("LEADER_PIDFDID={}", place.shell(&script))]);
    for caller in [user, place.superuser()] {
        user.is_reached_by(caller, &[]);
    }
}

#[test]
fn a_leader_of_the_superuser_counts_also_where_processes_of_others_are_hidden() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    // Display managers keep a process of their own for each session.
    place.login_in_front(
        "5",
        &user,
        place.superuser().program(&["XDG_CURRENT_DESKTOP=evil"]),
        "seat0",
    );
    user.program(&["XDG_CURRENT_DESKTOP=KDE"]);
    for change in ["true", "mount -o remount,hidepid=invisible /proc"] {
        place.shell(change);
        for caller in [user, place.superuser()] {
            assert_eq!(caller.environment(&[])["XDG_CURRENT_DESKTOP"], "KDE");
        }
    }
}

#[test]
fn a_display_that_logind_knows_is_reached_without_anybody_who_says_so() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    let user = place.user();
    place.superuser().start_x(0, "/root/cookies");
    place.shell("install -o 7001 -m 600 /root/cookies /home/pt1/.Xauthority");
    place.login_in_front("5", &user, place.superuser().program(&[]), "seat0");
    place.superuser().refused(&[], "not usable");
    place.login("5", &user, place.superuser().program(&[]), &["DISPLAY=:0", "STATE=active"]);
    for caller in [user, place.superuser()] {
        assert_eq!(caller.environment(&[])["DISPLAY"], ":0");
        caller.run(&["xdpyinfo"]).succeeds();
    }
}

#[test]
fn a_dead_leader_does_not_count() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let leader = user.program(&[]);
    place.login_in_front("5", &user, leader, "seat0");
    user.is_reached_by(place.superuser(), &[]);
    place.end("KILL", leader);
    place.superuser().refused(&[], "nobody is logged in graphically");
    user.refused(&[], "nobody is logged in graphically");
}

#[test]
fn a_dead_leader_that_nobody_has_waited_for_does_not_count() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let parent = user.start("sh -c 'sleep 0 & echo $! >/home/pt1/zombie; exec sleep infinity'");
    soon("a zombie", || {
        let pid = user.exec("cat ~/zombie").text().trim().parse().unwrap_or(0);
        place.state(pid) == 'Z' && place.name(parent) == "sleep"
    });
    let leader = user.shell("cat ~/zombie").parse().expect("parsing a pid");
    place.login_in_front("5", &user, leader, "seat0");
    place.superuser().refused(&[], "nobody is logged in graphically");
}

#[test]
fn of_two_users_the_one_who_has_logged_out_does_not_count() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (one, _) = two_at_a_seat(&user, &other);
    // This was seen on a real machine: still active at the seat, with remains that run on.
    place.login("5", &user, one, &["STATE=closing", "ACTIVE=1", "IS_DISPLAY=0"]);
    user.program(&[&format!("DBUS_SESSION_BUS_ADDRESS={}", user.bus())]);
    place.end("KILL", one);
    other.is_reached_by(place.superuser(), &[]);
    place.superuser().refused(&["--user", "pt1"], "nobody is logged in graphically");
    user.refused(&[], "nobody is logged in graphically");
}

#[test]
fn where_logind_knows_nobody_a_message_bus_is_no_session() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.has_logind();
    place.superuser().refused(&[], "nobody is logged in graphically");
    place.superuser().refused(&["--all"], "nobody is logged in graphically");
    // This is a session of ssh, with the user's service manager.
    place.superuser().refused(&["--user", "pt1"], "nobody is logged in graphically");
    user.refused(&[], "nobody is logged in graphically");
}

#[test]
fn where_logind_knows_nobody_a_display_of_the_named_user_is_reached() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info"]));
    let user = place.user();
    user.start_weston("wayland-1");
    place.has_logind();
    place.superuser().refused(&[], "nobody is logged in graphically");
    for (caller, options) in [(place.superuser(), &["--user", "pt1"][..]), (user, &[])] {
        let found = caller.environment(options);
        assert_eq!(found["WAYLAND_DISPLAY"], "wayland-1");
        assert!(!found.contains_key("XDG_SESSION_ID"), "{found:?}");
    }
}

#[test]
fn whom_logind_knows_at_a_terminal_only_is_not_reached() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login_in_front("5", &user, user.program(&[]), "seat0");
    place.login("5", &user, user.program(&[]), &["TYPE=tty", "STATE=active", "ACTIVE=1"]);
    place.superuser().refused(&[], "nobody is logged in graphically");
    place.superuser().refused(&["--user", "pt1"], "nobody is logged in graphically");
}

/// A user in the background is reached beside such a file in place of the session in front.
#[test]
fn files_that_are_no_sessions_are_passed_over() {
    for (case, make) in [
        ("a fifo", "mkfifo -m 644 5; mkfifo -m 600 5.ref"),
        ("a directory", "mkdir 5"),
        ("a socket", "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"5\")'"),
        ("a device", "mknod -m 644 5 c 1 5"),
        ("an empty file", ": >5"),
        (
            "a file of garbage",
            "head -c 5000 /dev/urandom >5; head -c 5000 /dev/urandom >7; printf \
        '=\\n==\\nLEADER==\\n\\0\\n' >8",
        ),
        ("half a file", "head -c 60 /run/saved >5"),
        ("a huge file", "cp /run/saved 5; truncate -s 4G 5"),
        ("a link", "ln -s /run/saved 5; ln -s 7 7; ln -s none 8; ln -s /dev/zero 9"),
        ("a file of somebody else", "cp /run/saved 5; chown 7001 5"),
        ("a file that others can write", "cp /run/saved 5; chmod 666 5"),
        (
            "names that are no sessions",
            "cp /run/saved .#5abc; cp /run/saved 5~; cp /run/saved '5 6'; cp /run/saved $'\\377'; cp \
        /run/saved .5",
        ),
    ] {
        let _case = Case(case);
        let place = desktop_box!();
        let (user, other) = (place.user(), place.other());
        two_at_a_seat(&user, &other);
        place.shell(&format!("cd /run/systemd/sessions; mv 5 /run/saved; {make}"));
        for caller in [other, place.superuser()] {
            other.is_reached_by(caller, &[]);
        }
        place.superuser().refused(&["--session", "5"], "'5'");
        user.refused(&["--session", "5"], "'5'");
    }
}

#[test]
fn a_file_that_we_may_not_read_is_passed_over() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    two_at_a_seat(&user, &other);
    place.shell("chmod 600 /run/systemd/sessions/5");
    other.is_reached_by(other, &[]);
    // The file of the seat is unreadable too, and then shows no session.
    place.shell("chmod 600 /run/systemd/seats/seat0; chmod 644 /run/systemd/sessions/5");
    user.is_reached_by(user, &[]);
    place.shell("chmod 600 /run/systemd/sessions/5");
    user.refused(&[], "nobody is logged in graphically");
}

#[test]
fn odd_files_of_seats_show_nobody() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let seat = "/run/systemd/seats/seat0";
    for make in [
        "rm $S",
        "mkfifo $S.new; mv $S.new $S",
        "ln -sf /run/saved $S",
        "truncate -s 4G $S",
        "chown 7001 $S",
    ] {
        two_at_a_seat_again(&user, &other);
        place.shell(&format!("cp {seat} /run/saved; S={seat}; {make}"));
        let outcome = place.superuser().refused(&[], "pt1");
        assert!(outcome.errors().contains("pt2"), "{make}\n{}", outcome.report());
        place.shell(&format!("rm -f {seat}"));
    }
}

/// Starts the same two desktops, where their buses run already.
#[track_caller]
fn two_at_a_seat_again<'place>(front: &User<'place>, back: &User<'place>) {
    if front.exec("[ -S /run/user/$(id -u)/bus ]").code() != 0 {
        two_at_a_seat(front, back);
    }
    front.place.login_in_front("5", front, front.program(&[]), "seat0");
}

#[test]
fn a_seat_of_an_odd_name_leads_nowhere() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    let (one, _) = two_at_a_seat(&user, &other);
    place.shell("printf 'ACTIVE=5\\n' >/run/seat");
    for seat in ["SEAT=../../seat", "SEAT=/run/seat", "SEAT=.", "SEAT="] {
        place.login("5", &user, one, &["STATE=active", "ACTIVE=1", seat]);
        // This session is at no seat, and the other one is.
        other.is_reached_by(place.superuser(), &[]);
    }
}

#[test]
fn many_sessions_are_survived() {
    let place = desktop_box!();
    let (user, other) = (place.user(), place.other());
    two_at_a_seat(&user, &other);
    place.shell(
        "cd /run/systemd/sessions; for n in $(seq 100 400); do sed \
    s/LEADER=.*/LEADER=4194303/ 3 >$n; done",
    );
    user.is_reached_by(place.superuser(), &[]);
    other.is_reached_by(place.superuser(), &["--user", "pt2"]);
}

#[test]
fn a_session_of_which_nothing_answers_is_told() {
    let place = desktop_box!();
    let user = place.user();
    place.login_in_front("5", &user, user.program(&["DISPLAY=:0"]), "seat0");
    for caller in [user, place.superuser()] {
        let outcome = caller.refused(&[], "not usable");
        assert!(outcome.errors().contains("pt1"), "{}", outcome.report());
    }
    // The same holds with a runtime directory, and with another user whose session could be
    // reached.
    user.make_runtime();
    let other = place.other();
    other.start_bus();
    place.login("3", &other, other.program(&[]), &[]);
    place.superuser().refused(&[], "not usable");
}

#[test]
fn a_leader_that_is_hidden_is_alive() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    place.login_in_front("5", &user, place.superuser().program(&[]), "seat0");
    for hidden in ["noaccess", "invisible"] {
        place.shell(&format!("mount -o remount,hidepid={hidden} /proc"));
        user.is_reached_by(user, &[]);
    }
}
