//! Sessions of a real logind, with the users' own systemd and message buses.

use serde_json::Value;

use super::super::support::command::Outcome;
use super::super::support::desktop_systemd::{Login, Machine, SEAT0};
use super::super::support::place::soon;
use crate::desktop_box;

/// A command that prints the session that it runs in.
const WHO: &str = "sh -c 'echo $(id -un) $XDG_SESSION_ID'";

/// Checks that the command ran in a session of this user.
#[track_caller]
fn reaches(outcome: Outcome, user: &str, login: &Login) {
    outcome.succeeds().prints(format!("{user} {}\n", login.id));
}

/// Checks that no session was reached, and nothing ran.
#[track_caller]
fn is_nobody(outcome: Outcome) {
    outcome.refuses(1, "nobody is logged in graphically");
}

/// Returns the listed sessions, each with `true` if it is in the foreground.
#[track_caller]
fn listed(machine: &Machine) -> Vec<(String, bool)> {
    let list = machine.tool("--list --json").succeeds().json();
    let entry = |entry: &Value| {
        let session = entry["session"].as_str().unwrap_or_else(|| panic!("no session: {list}"));
        (session.to_owned(), entry["foreground"].as_bool().expect("finding a foreground"))
    };
    list.as_array().expect("finding an array").iter().map(entry).collect()
}

/// Makes this session the one that its seat shows.
#[track_caller]
fn activate(machine: &Machine, login: &Login) {
    machine.shell(&format!("loginctl activate {}", login.id));
    soon("another session in the foreground", || machine.state_of(login) == "active");
}

#[test]
fn whoever_the_seat_shows_is_reached() {
    let machine = desktop_box!(Machine::new());
    let first = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    reaches(machine.tool(WHO), "pt1", &first);
    let second = machine.log_in("pt2", "wayland", &SEAT0, "exec sleep infinity");
    activate(&machine, &second);
    reaches(machine.tool(WHO), "pt2", &second);
    assert_eq!(listed(&machine), [(first.id.clone(), false), (second.id.clone(), true)]);
    activate(&machine, &first);
    reaches(machine.tool(WHO), "pt1", &first);
    assert_eq!(listed(&machine), [(first.id.clone(), true), (second.id.clone(), false)]);
    // A session that is named is reached behind it, too.
    reaches(machine.tool(&format!("--user pt2 {WHO}")), "pt2", &second);
    reaches(machine.tool(&format!("--session {} {WHO}", second.id)), "pt2", &second);
}

#[test]
fn two_users_without_a_seat_are_listed_and_nothing_runs() {
    let machine = desktop_box!(Machine::new());
    let first = machine.log_in("pt1", "x11", &[], "exec sleep infinity");
    let second = machine.log_in("pt2", "x11", &[], "exec sleep infinity");
    let outcome = machine.tool("touch /tmp/ran").exits(1);
    for (login, user) in [(&first, "pt1"), (&second, "pt2")] {
        let errors = outcome.errors();
        assert!(errors.contains(&login.id) && errors.contains(user), "{}", outcome.report());
    }
    assert!(
        !machine.root("/tmp/ran").exists() && outcome.stdout.is_empty(),
        "{}",
        outcome.report()
    );
    reaches(machine.tool(&format!("--user 7002 {WHO}")), "pt2", &second);
}

#[test]
fn a_session_is_listed_with_what_logind_knows() {
    let machine = desktop_box!(Machine::new());
    let login = machine.log_in("pt1", "wayland", &SEAT0, "exec sleep infinity");
    let leader: u32 = machine
        .shell(&format!("loginctl show-session -P Leader {}", login.id))
        .parse()
        .expect("parsing a pid");
    let list = machine.tool("--list --json").succeeds().json();
    let entry = &list[0];
    assert_eq!(entry["session"], login.id.as_str(), "{list}");
    assert_eq!((&entry["uid"], &entry["user"]), (&7001.into(), &"pt1".into()), "{list}");
    assert_eq!((&entry["type"], &entry["seat"]), (&"wayland".into(), &"seat0".into()), "{list}");
    assert_eq!((&entry["foreground"], &entry["leader"]), (&true.into(), &leader.into()), "{list}");
    assert_eq!(entry["variables"]["XDG_SESSION_ID"], login.id.as_str(), "{list}");
    assert_eq!(
        entry["variables"]["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/run/user/7001/bus",
        "{list}"
    );
    let table = machine.tool("--list").succeeds().lines();
    let cells = |at: usize| table[at].split_whitespace().collect::<Vec<_>>();
    assert_eq!(cells(0), ["SESSION", "USER", "TYPE", "SEAT", "STATE", "DISPLAY"]);
    assert_eq!(cells(1), [&*login.id, "pt1", "wayland", "seat0", "foreground", "-"]);
    assert_eq!(table.len(), 2, "{table:?}");
}

#[test]
fn what_a_session_left_behind_as_it_closed_is_not_used() {
    let machine = desktop_box!(Machine::new());
    // The leader exits, and another process of the session stays.
    let left = "setsid sleep infinity & exec sleep infinity";
    let login = machine.log_in("pt1", "x11", &SEAT0, left);
    reaches(machine.tool(WHO), "pt1", &login);
    machine.log_out(&login);
    soon("a session that closes", || machine.state_of(&login) == "closing");
    let file = machine.shell(&format!("cat /run/systemd/sessions/{}", login.id));
    assert!(file.contains("STATE=closing"), "{file}");
    for words in ["touch /tmp/ran", "--user pt1 touch /tmp/ran", "--all touch /tmp/ran"] {
        is_nobody(machine.tool(words));
    }
    machine.tool(&format!("--session {} touch /tmp/ran", login.id)).refuses(1, &login.id);
    is_nobody(machine.tool_as("pt1", "touch /tmp/ran"));
    assert!(!machine.root("/tmp/ran").exists());
    // The remains of a session do not block another one.
    let other = machine.log_in("pt2", "wayland", &SEAT0, "exec sleep infinity");
    reaches(machine.tool(WHO), "pt2", &other);
    assert_eq!(listed(&machine), [(other.id, true)]);
}

#[test]
fn who_has_logged_out_is_not_reached_by_the_bus_that_remains() {
    let machine = desktop_box!(Machine::needing(&["gdbus"]));
    let login = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    machine
        .tool("gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetId")
        .succeeds();
    machine.log_out(&login);
    soon("the end of a session", || machine.state_of(&login).is_empty());
    // The user's systemd stays a while, in case of another login.
    machine.shell("test -S /run/user/7001/bus && systemctl is-active user@7001.service");
    is_nobody(machine.tool("--user pt1 true"));
    is_nobody(machine.tool("true"));
}

#[test]
fn a_user_with_services_but_no_screen_is_nobody() {
    let machine = desktop_box!(Machine::new());
    machine.shell("loginctl enable-linger pt1");
    soon("the user's bus", || machine.exec("test -S /run/user/7001/bus").code() == 0);
    for words in ["true", "--user pt1 true", "--all true"] {
        is_nobody(machine.tool(words));
    }
    is_nobody(machine.tool_as("pt1", "true"));
    machine.tool("--list --json").exits(1).prints("[]\n");
    machine
        .exec("PROCTOOL_USER=pt1 notify-send-headless hello")
        .refuses(1, "nobody is logged in graphically");
}

#[test]
fn only_people_at_a_screen_are_reached() {
    let machine = desktop_box!(Machine::new());
    let seat = SEAT0[0];
    let of_class = |class: &str| format!("--setenv=XDG_SESSION_CLASS={class}");
    // These sessions are at a terminal of unknown kind, at a prompt for a password, and in the
    // background.
    for (kind, class) in
        [("tty", "user"), ("unspecified", "user"), ("x11", "greeter"), ("wayland", "background")]
    {
        machine.log_in("pt1", kind, &[seat, &of_class(class)], "exec sleep infinity");
        is_nobody(machine.tool("true"));
    }
    machine.tool("--list --json").exits(1).prints("[]\n");
    let person = machine.log_in("pt2", "x11", &SEAT0, "exec sleep infinity");
    reaches(machine.tool(WHO), "pt2", &person);
}

#[test]
fn the_lock_screen_does_not_hide_the_session_behind_it() {
    let machine = desktop_box!(Machine::new());
    let person = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    let settings = [SEAT0[0], "--setenv=XDG_SESSION_CLASS=greeter"];
    let greeter = machine.log_in("pt2", "x11", &settings, "exec sleep infinity");
    activate(&machine, &greeter);
    reaches(machine.tool(WHO), "pt1", &person);
    assert_eq!(listed(&machine), [(person.id, false)]);
}

#[test]
fn of_two_sessions_of_one_user_the_main_one_is_reached() {
    let machine = desktop_box!(Machine::new());
    let logins: Vec<Login> =
        (0..2).map(|_| machine.log_in("pt1", "x11", &[], "exec sleep infinity")).collect();
    machine.tool("touch /tmp/ran").refuses(1, "it is not clear whom to reach");
    let main = machine.shell("loginctl show-user -P Display pt1");
    let login = logins.iter().find(|login| login.id == main).expect("finding a main session");
    reaches(machine.tool(&format!("--user pt1 {WHO}")), "pt1", login);
    reaches(machine.tool_as("pt1", WHO), "pt1", login);
    for login in &logins {
        reaches(machine.tool(&format!("--session {} {WHO}", login.id)), "pt1", login);
    }
    assert_eq!(listed(&machine).len(), 2);
}

#[test]
fn a_session_is_told_by_its_own_processes_only() {
    let machine = desktop_box!(Machine::new());
    let desktop = |name: &str| format!("--setenv=XDG_CURRENT_DESKTOP={name}");
    let open = |name: &str| {
        machine.log_in("pt1", "x11", &[&desktop(name)], "sleep infinity & exec sleep infinity")
    };
    let (first, second) = (open("FIRST"), open("SECOND"));
    for (login, name) in [(&first, "FIRST"), (&second, "SECOND")] {
        let words = format!("--session {} printenv XDG_CURRENT_DESKTOP", login.id);
        machine.tool(&words).succeeds().prints(format!("{name}\n"));
    }
    // Where its own processes say nothing, those of another session do not count.
    let third = machine.log_in("pt1", "x11", &[], "exec sleep infinity");
    machine
        .tool(&format!("--session {} printenv XDG_CURRENT_DESKTOP", third.id))
        .exits(1)
        .prints("");
}

#[test]
fn the_desktop_is_what_logind_says_where_nobody_else_does() {
    let machine = desktop_box!(Machine::new());
    let settings = [&SEAT0[..], &["--setenv=XDG_SESSION_DESKTOP=sway"]].concat();
    machine.log_in("pt1", "wayland", &settings, "exec sleep infinity");
    machine
        .tool("printenv XDG_CURRENT_DESKTOP XDG_SESSION_TYPE")
        .succeeds()
        .prints("sway\nwayland\n");
}

#[test]
fn a_user_reaches_the_own_session_and_no_others() {
    let machine = desktop_box!(Machine::new());
    let own = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    let other = machine.log_in("pt2", "x11", &SEAT0, "exec sleep infinity");
    activate(&machine, &other);
    reaches(machine.tool_as("pt1", WHO), "pt1", &own);
    reaches(machine.tool_as("pt1", &format!("--user pt1 {WHO}")), "pt1", &own);
    reaches(machine.tool_as("pt1", &format!("--session {} {WHO}", own.id)), "pt1", &own);
    machine.tool_as("pt1", "--user pt2 touch /tmp/ran").refuses(1, "pt2");
    machine.tool_as("pt1", &format!("--session {} touch /tmp/ran", other.id)).exits(1);
    machine.tool_as("pt1", "--session nosuch touch /tmp/ran").refuses(1, "nosuch");
    let contradiction = format!("--user pt1 --session {} touch /tmp/ran", other.id);
    machine.tool(&contradiction).refuses(1, &other.id);
    assert!(!machine.root("/tmp/ran").exists());
    let list = machine.tool_as("pt1", "--list --json").succeeds().json();
    assert_eq!(
        (list.as_array().map(Vec::len), &list[0]["session"]),
        (Some(1), &own.id.as_str().into()),
        "{list}"
    );
}

#[test]
fn a_process_of_the_session_is_in_it() {
    let machine = desktop_box!(Machine::new());
    let script = format!(
        "with-gui-environment {WHO} >/tmp/inside; env -i /mnt/bin/with-gui-environment {WHO} \
        >>/tmp/inside"
    );
    let settings = [&SEAT0[..], &["--setenv=PATH=/mnt/bin:/usr/bin:/bin"]].concat();
    let login = machine.log_in(
        "pt1",
        "x11",
        &settings,
        &format!("{script}; touch /tmp/done; exec sleep infinity"),
    );
    soon("the end of the script", || machine.root("/tmp/done").exists());
    assert_eq!(machine.shell("cat /tmp/inside"), format!("pt1 {0}\npt1 {0}", login.id));
}

#[test]
fn from_within_a_session_in_the_background_it_is_reached_and_not_the_one_in_front() {
    let machine = desktop_box!(Machine::new());
    let script = format!(
        "while [ ! -e /tmp/go ]; do sleep 0.01; done; with-gui-environment {WHO} >/tmp/inside"
    );
    let settings = [&SEAT0[..], &["--setenv=PATH=/mnt/bin:/usr/bin:/bin"]].concat();
    let behind = machine.log_in(
        "pt1",
        "x11",
        &settings,
        &format!("{script}; touch /tmp/done; exec sleep infinity"),
    );
    let front = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    activate(&machine, &front);
    reaches(machine.tool_as("pt1", WHO), "pt1", &front);
    machine.shell("touch /tmp/go");
    soon("the end of the script", || machine.root("/tmp/done").exists());
    assert_eq!(machine.shell("cat /tmp/inside"), format!("pt1 {}", behind.id));
}

#[test]
fn from_a_session_at_a_terminal_the_one_with_the_screen_is_reached() {
    let machine = desktop_box!(Machine::new());
    let screen = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    // A session of ssh: what its environment says about itself is not about the screen.
    let script = format!(
        "with-gui-environment {WHO} >/tmp/inside; with-gui-environment env >>/tmp/inside; touch \
        /tmp/done"
    );
    let settings = ["--setenv=PATH=/mnt/bin:/usr/bin:/bin", "--setenv=DISPLAY=localhost:10.0"];
    machine.log_in("pt1", "tty", &settings, &format!("{script}; exec sleep infinity"));
    soon("the end of the script", || machine.root("/tmp/done").exists());
    let inside = machine.shell("cat /tmp/inside");
    let lines: Vec<&str> = inside.lines().collect();
    assert_eq!(lines[0], format!("pt1 {}", screen.id), "{inside}");
    assert!(lines.contains(&"XDG_SESSION_TYPE=x11") && !inside.contains("DISPLAY="), "{inside}");
}

#[test]
fn the_superusers_own_session_keeps_the_environment() {
    let machine = desktop_box!(Machine::new());
    let login = machine.log_in("root", "x11", &SEAT0, "exec sleep infinity");
    let shown = machine.exec(
        "MARK=kept DISPLAY=:99 with-gui-environment sh -c 'echo $MARK $(id -u) \
        ${DISPLAY-none} $XDG_SESSION_ID'",
    );
    shown.succeeds().prints(format!("kept 0 none {}\n", login.id));
}

#[test]
fn notifications_go_to_the_user_or_the_session_that_was_chosen() {
    let machine = desktop_box!(Machine::recording());
    let first = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    let second = machine.log_in("pt2", "x11", &SEAT0, "exec sleep infinity");
    activate(&machine, &second);
    machine.offer_recorder("pt1");
    machine.exec("PROCTOOL_USER=pt1 notify-send-headless by-user").succeeds().prints("");
    machine
        .exec(&format!("PROCTOOL_SESSION={} notify-send-headless by-session", first.id))
        .succeeds()
        .prints("");
    activate(&machine, &first);
    machine
        .exec("PROCTOOL_USER= PROCTOOL_SESSION= notify-send-headless in-front")
        .succeeds()
        .prints("");
    let summaries: Vec<Value> =
        machine.records("pt1").iter().map(|record| record["summary"].clone()).collect();
    assert_eq!(summaries, ["by-user", "by-session", "in-front"]);
    machine.exec("PROCTOOL_SESSION=nosuch notify-send-headless hello").refuses(1, "nosuch");
    machine.exec("PROCTOOL_USER=nosuch notify-send-headless hello").refuses(1, "nosuch");
    assert_eq!(machine.records("pt1").len(), 3);
}

#[test]
fn a_bus_that_nobody_starts_holds_nobody_up() {
    let machine = desktop_box!(Machine::new());
    let login = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    machine.shell("test -S /run/user/7001/bus");
    // The user's own systemd listens for the bus, and would start it.
    let systemd = machine.shell("systemctl show -P MainPID user@7001.service");
    machine.kill("STOP", &systemd);
    machine.tool("touch /tmp/ran").refuses(1, "is not usable");
    machine.exec("notify-send-headless hello").refuses(1, "is not usable");
    assert!(!machine.root("/tmp/ran").exists());
    let list = machine.tool("--list --json").exits(0);
    assert_eq!(list.json()[0]["session"], login.id.as_str(), "{}", list.report());
    machine.kill("CONT", &systemd);
    reaches(machine.tool(WHO), "pt1", &login);
}

#[test]
fn all_are_reached_in_turn() {
    let machine = desktop_box!(Machine::new());
    let first = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    let second = machine.log_in("pt2", "wayland", &SEAT0, "exec sleep infinity");
    let expected = format!("pt1 {}\npt2 {}\n", first.id, second.id);
    machine.tool(&format!("--all {WHO}")).succeeds().prints(expected);
    machine.tool("--all --quiet sh -c '[ $(id -un) = pt1 ]'").exits(64);
    machine.tool("--all --quiet false").exits(1);
}

#[test]
fn the_command_becomes_the_user_in_every_respect() {
    let machine = desktop_box!(Machine::new());
    machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    machine.shell("echo watch:x:7101:pt1 >>/etc/group");
    let status = machine.tool("cat /proc/self/status").succeeds().text();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("{name} {status}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!((&*field("Uid:"), &*field("Gid:")), ("7001 7001 7001 7001", "7001 7001 7001 7001"));
    assert_eq!(field("Groups:"), "7001 7101");
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
}

#[test]
fn a_bus_that_starts_only_now_delivers_a_notification() {
    let machine = desktop_box!(Machine::recording());
    machine.log_in("pt1", "wayland", &SEAT0, "exec sleep infinity");
    machine.offer_recorder("pt1");
    machine.shell("! pgrep -u pt1 dbus-daemon");
    machine
        .exec("notify-send-headless -u critical -a caf\u{e9} 'caf\u{e9} <b>' 'sch\u{f6}n & gut'")
        .succeeds()
        .prints("");
    machine.exec_as("pt1", "notify-send-headless again").succeeds().prints("");
    let records = machine.records("pt1");
    assert_eq!(records.len(), 2, "{records:?}");
    let first = &records[0];
    assert_eq!(
        (&first["summary"], &first["body"]),
        (&"caf\u{e9} <b>".into(), &"sch\u{f6}n & gut".into()),
        "{first}"
    );
    assert_eq!(
        (&first["app_name"], &first["sender"]),
        (&"caf\u{e9}".into(), &7001.into()),
        "{first}"
    );
    assert_eq!(records[1]["summary"], "again");
    // The bus lets no other user in.
    machine.exec_as("pt2", "PROCTOOL_USER=pt1 notify-send-headless hello").refuses(1, "pt1");
    machine
        .exec_as("pt2", "notify-send-headless hello")
        .refuses(1, "nobody is logged in graphically");
    assert_eq!(machine.records("pt1").len(), 2);
}

#[test]
fn without_the_program_the_message_is_the_same() {
    let machine = desktop_box!(Machine::recording());
    machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    machine.offer_recorder("pt1");
    let send = "notify-send-headless -u low -i dialog-warning -c device -h string:x:y -t 3000 \
    'caf\u{e9} <b>' 'a & b'";
    machine.exec(send).succeeds().prints("");
    machine.shell("mv /usr/bin/notify-send /usr/bin/notify-send.hidden");
    machine.exec(send).succeeds().prints("");
    let mut records = machine.records("pt1");
    assert_eq!(records.len(), 2, "{records:?}");
    for record in &mut records {
        record["hints"]
            .as_object_mut()
            .expect("reading hints as a JSON object")
            .remove("sender-pid")
            .expect("finding a sender-pid");
    }
    assert_eq!(records[0], records[1]);
}

#[test]
fn jobs_that_see_little_reach_the_session() {
    let machine = desktop_box!(Machine::new());
    let login = machine.log_in("pt1", "x11", &SEAT0, "exec sleep infinity");
    // Some distributions confine cron daemons in this way.
    let confined = "systemd-run --quiet --pipe --wait -p ProtectProc=invisible -p PrivateTmp=yes";
    for user in ["root", "pt1"] {
        let outcome =
            machine.exec(&format!("{confined} -p User={user} /mnt/bin/with-gui-environment {WHO}"));
        reaches(outcome, "pt1", &login);
    }
}

#[test]
fn an_x_server_of_a_session_is_found() {
    let machine = desktop_box!(Machine::needing(&["Xvfb", "xauth", "xdpyinfo"]));
    machine
        .exec_as("pt1", "xauth -q -f /home/pt1/cookie add :77 . 00112233445566778899aabbccddeeff")
        .exits(0);
    let server = "Xvfb :77 -nolisten tcp -noreset -auth /home/pt1/cookie & exec sleep infinity";
    let settings =
        [&SEAT0[..], &["--setenv=XAUTHORITY=/home/pt1/cookie", "--setenv=DISPLAY=:77"]].concat();
    machine.log_in("pt1", "x11", &settings, server);
    soon("an X server", || machine.tool("xdpyinfo").code() == 0);
    assert_ne!(
        machine.exec("setpriv --reuid 7001 --clear-groups env DISPLAY=:77 xdpyinfo").code(),
        0
    );
    machine.tool("printenv DISPLAY XAUTHORITY").succeeds().prints(":77\n/home/pt1/cookie\n");
    machine.tool_as("pt1", "xdpyinfo").succeeds();
    let confined = "systemd-run --quiet --pipe --wait -p ProtectProc=invisible -p PrivateTmp=yes";
    machine.exec(&format!("{confined} /mnt/bin/with-gui-environment xdpyinfo")).succeeds();
}

#[test]
fn a_compositor_of_a_session_is_found() {
    let machine = desktop_box!(Machine::needing(&["sway", "wayland-info"]));
    let headless = [
        "--setenv=WLR_BACKENDS=headless",
        "--setenv=WLR_LIBINPUT_NO_DEVICES=1",
        "--setenv=WLR_RENDERER=pixman",
    ];
    let login = machine.log_in(
        "pt1",
        "wayland",
        &[&SEAT0[..], &headless].concat(),
        "exec sway -c /dev/null",
    );
    soon("a compositor", || machine.tool("wayland-info").code() == 0);
    assert_ne!(machine.exec_as("pt1", "XDG_RUNTIME_DIR=/run/user/7001 wayland-info").code(), 0);
    let names = "WAYLAND_DISPLAY XDG_RUNTIME_DIR XDG_SESSION_TYPE XDG_SESSION_ID";
    let expected = format!("wayland-1\n/run/user/7001\nwayland\n{}\n", login.id);
    machine.tool(&format!("printenv {names}")).succeeds().prints(&expected);
    machine.tool_as("pt1", &format!("printenv {names}")).succeeds().prints(&expected);
}

#[test]
fn a_compositor_that_the_users_own_systemd_runs_is_found() {
    let machine = desktop_box!(Machine::needing(&["sway", "wayland-info"]));
    let login = machine.log_in("pt1", "wayland", &SEAT0, "exec sleep infinity");
    // Large desktops do this: the compositor is in no session of logind.
    let headless = "-E WLR_BACKENDS=headless -E WLR_LIBINPUT_NO_DEVICES=1 -E WLR_RENDERER=pixman";
    let start = format!(
        "systemd-run --user --quiet {headless} -E XDG_CURRENT_DESKTOP=Large:Desktop sway -c \
        /dev/null"
    );
    machine.exec_as("pt1", &format!("XDG_RUNTIME_DIR=/run/user/7001 {start}")).exits(0);
    soon("a compositor", || machine.tool("wayland-info").code() == 0);
    let names = "WAYLAND_DISPLAY XDG_SESSION_ID XDG_CURRENT_DESKTOP";
    let expected = format!("wayland-1\n{}\nLarge:Desktop\n", login.id);
    machine.tool(&format!("printenv {names}")).succeeds().prints(&expected);
    machine.tool_as("pt1", &format!("printenv {names}")).succeeds().prints(&expected);
}

#[test]
fn logind_is_asked_over_the_bus_and_its_files_are_read_where_it_does_not_answer() {
    let machine = desktop_box!(Machine::new());
    let login = machine.log_in("pt1", "wayland", &SEAT0, "exec sleep infinity");
    let listed_by = |source: &str| {
        let outcome = machine.tool("-v --list --json").exits(0);
        assert!(outcome.errors().contains(source), "{}", outcome.report());
        outcome.json()
    };
    let over_bus = "logind tells of them over the bus of the system";
    let list = listed_by(over_bus);
    assert_eq!(list[0]["session"], login.id.as_str(), "{list}");
    machine.shell("mv /run/systemd/sessions /run/systemd/sessions.away");
    assert_eq!(listed_by(over_bus), list);
    machine.shell("mv /run/systemd/sessions.away /run/systemd/sessions");
    machine.shell("mv /run/dbus/system_bus_socket /run/dbus/away");
    assert_eq!(listed_by("the files of logind tell of them"), list);
    reaches(machine.tool(WHO), "pt1", &login);
}
