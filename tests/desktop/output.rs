//! Printed variables, and commands in every session in turn.

use serde_json::json;

use super::super::support::desktop::DesktopBox;
use super::super::support::place::soon;
use crate::desktop_box;

/// Makes a box with two users who have a bus each.
fn with_two() -> Result<DesktopBox, String> {
    let place = DesktopBox::new()?;
    place.user().start_bus();
    place.other().start_bus();
    Ok(place)
}

#[test]
fn a_table_has_a_row_for_each_session() {
    let place = desktop_box!(with_two());
    let lines = place.superuser().run(&["--list"]).succeeds().lines();
    let rows: Vec<Vec<&str>> = lines.iter().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["SESSION", "USER", "TYPE", "SEAT", "STATE", "DISPLAY"]);
    assert_eq!(rows[1..], [["-", "pt1", "-", "-", "-", "-"], ["-", "pt2", "-", "-", "-", "-"]]);
}

#[test]
fn a_table_has_what_logind_says() {
    let place = desktop_box!(DesktopBox::needing(&["weston", "wayland-info"]));
    let (user, other) = (place.user(), place.other());
    user.start_weston("wayland-1");
    other.start_bus();
    place.login_in_front("12", &user, user.program(&[]), "seat0");
    place.login("c3", &other, other.program(&[]), &["SEAT", "TYPE=wayland"]);
    place.login("12", &user, user.program(&[]), &["TYPE=wayland", "STATE=active"]);
    let lines = place.superuser().run(&["--list"]).succeeds().lines();
    let mut rows: Vec<Vec<&str>> =
        lines.iter().skip(1).map(|line| line.split_whitespace().collect()).collect();
    rows.sort();
    let expected = [
        ["12", "pt1", "wayland", "seat0", "foreground", "wayland-1"],
        ["c3", "pt2", "wayland", "-", "background", "-"],
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_list_as_json_has_everything() {
    let place = desktop_box!(with_two());
    let (user, other) = (place.user(), place.other());
    let list = place.superuser().list();
    let of = |uid: u32, name: &str| {
        json!({
            "session": null, "uid": uid, "user": name, "type": null, "seat": null, "foreground": false, "leader": null,
            "variables": {
                "DBUS_SESSION_BUS_ADDRESS": format!("unix:path=/run/user/{uid}/bus"),
                "XDG_RUNTIME_DIR": format!("/run/user/{uid}"),
            },
        })
    };
    let without_locale: Vec<_> = list
        .into_iter()
        .map(|mut session| {
            session["variables"]
                .as_object_mut()
                .expect("reading variables as a JSON object")
                .remove("LANG");
            session
        })
        .collect();
    assert_eq!(without_locale, [of(7001, "pt1"), of(7002, "pt2")]);
    assert_eq!((user.uid, other.uid), (7001, 7002));
}

#[test]
fn a_list_as_json_has_what_logind_says() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let leader = user.program(&["XDG_CURRENT_DESKTOP=GNOME"]);
    place.login_in_front("12", &user, leader, "seat0");
    for caller in [user, place.superuser()] {
        let list = caller.list();
        let [session] = &list[..] else { panic!("{list:?}") };
        for (key, value) in [
            ("session", json!("12")),
            ("uid", json!(7001)),
            ("user", json!("pt1")),
            ("type", json!("x11")),
            ("seat", json!("seat0")),
            ("foreground", json!(true)),
            ("leader", json!(leader)),
        ] {
            assert_eq!(session[key], value, "{key}");
        }
        let variables = &session["variables"];
        assert_eq!(variables["XDG_SESSION_ID"], "12");
        assert_eq!(variables["XDG_CURRENT_DESKTOP"], "GNOME");
    }
}

#[test]
fn an_ordinary_user_lists_the_own_session_only() {
    let place = desktop_box!(with_two());
    for user in [place.user(), place.other()] {
        let list = user.list();
        assert_eq!(list.len(), 1);
        assert_eq!(list[0]["user"], user.name);
        let lines = user.run(&["--list"]).succeeds().lines();
        assert!(lines.len() == 2 && lines[1].contains(user.name), "{lines:?}");
    }
    place.user().run(&["--list", "--user", "pt2"]).refuses(1, "not yours");
    place.attacker().run(&["--list"]).refuses(1, "nobody is logged in graphically");
}

#[test]
fn a_list_of_nobody_is_empty() {
    let place = desktop_box!();
    for caller in [place.user(), place.superuser()] {
        caller.run(&["--list"]).refuses(1, "nobody is logged in graphically");
        let outcome =
            caller.run(&["--list", "--json"]).exits(1).says("nobody is logged in graphically");
        assert_eq!(outcome.json(), json!([]));
    }
}

#[test]
fn a_list_of_a_user_or_a_session_has_that_only() {
    let place = desktop_box!(with_two());
    let root = place.superuser();
    let names = |options: &[&str]| -> Vec<String> {
        let json = root.run(&[&["--list", "--json"], options].concat()).succeeds().json();
        json.as_array()
            .expect("finding an array")
            .iter()
            .map(|one| one["user"].as_str().expect("finding a name").to_owned())
            .collect()
    };
    assert_eq!(names(&["--user", "pt2"]), ["pt2"]);
    for (id, user) in [("1", place.user()), ("2", place.other())] {
        place.login(id, &user, user.program(&[]), &[]);
    }
    assert_eq!(names(&[]), ["pt1", "pt2"]);
    assert_eq!(names(&["--session", "2"]), ["pt2"]);
    root.run(&["--list", "--user", "none"]).refuses(1, "'none'");
    root.run(&["--list", "--session", "9"]).refuses(1, "'9'");
}

#[test]
fn what_is_printed_is_for_a_shell() {
    let place = desktop_box!(with_two());
    let user = place.user();
    for (caller, options) in [(user, ""), (place.superuser(), "--user pt1")] {
        for shell in ["sh", "bash"] {
            let script = format!(
                "{shell} -c 'eval \"$(with-gui-environment {options} --print)\"; \
                 printenv DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR'"
            );
            assert_eq!(caller.shell(&script), "unix:path=/run/user/7001/bus\n/run/user/7001");
        }
        let lines =
            caller.exec(&format!("with-gui-environment {options} --print")).succeeds().lines();
        let expected = "XDG_RUNTIME_DIR=/run/user/7001; export XDG_RUNTIME_DIR;";
        assert!(lines.iter().any(|line| line == expected), "{lines:?}");
        assert!(lines.iter().all(|line| line.ends_with(';')), "{lines:?}");
    }
}

#[test]
fn what_is_printed_of_odd_values_is_for_a_shell() {
    let place = desktop_box!();
    let user = place.user();
    user.make_runtime();
    for (at, odd) in
        ["/tmp/a b", "/tmp/$(touch lured)", "/tmp/it's", "/tmp/a\"b`id`\\x"].into_iter().enumerate()
    {
        let name = format!("/tmp/s{at}");
        user.listen("silent", "/tmp/log", &name);
        // The bus is there only so that there is a session.
        if at == 0 {
            user.start_bus();
        }
        place.shell(&format!("mv {name} \"$(cat <<'END'\n{odd}\nEND\n)\""));
        let program = user.shell(&format!(
            "v=$(cat <<'END'\nSWAYSOCK={odd}\nEND\n); \
             env -i \"$v\" setsid sleep infinity </dev/null >/dev/null 2>&1 & echo $!"
        ));
        let script = "cd /tmp; eval \"$(with-gui-environment --print)\"; printenv SWAYSOCK";
        soon("the odd value", || user.exec(script).text().trim_end() == odd);
        user.shell("[ ! -e /tmp/lured ]");
        place.end("KILL", program.parse().expect("parsing a pid"));
    }
}

#[test]
fn what_is_printed_as_json_is_an_object_of_texts() {
    let place = desktop_box!(with_two());
    for (caller, options) in [(place.user(), &[][..]), (place.superuser(), &["--user", "pt1"])] {
        let json = caller.run(&[options, &["--print", "--json"]].concat()).succeeds().json();
        assert_eq!(json["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/run/user/7001/bus");
        assert_eq!(json["XDG_RUNTIME_DIR"], "/run/user/7001");
        assert!(
            json.as_object().expect("finding an object").values().all(serde_json::Value::is_string),
            "{json}"
        );
    }
}

#[test]
fn where_it_is_not_clear_who_is_meant_nothing_is_printed() {
    let place = desktop_box!(with_two());
    place.superuser().run(&["--print"]).refuses(1, "pt2");
    place.superuser().run(&["--print", "--json"]).refuses(1, "pt2");
    place.superuser().run(&["--print", "--user", "root"]).refuses(1, "root");
}

#[test]
fn output_that_cannot_be_written_is_told() {
    let place = desktop_box!(with_two());
    for words in ["--print", "--print --json", "--list", "--list --json"] {
        let outcome =
            place.user().exec(&format!("with-gui-environment {words} >/dev/full")).exits(3);
        assert_eq!(outcome.errors().lines().count(), 1, "{}", outcome.report());
    }
}

#[test]
fn all_sessions_get_the_command_in_turn() {
    let place = desktop_box!(with_two());
    let script = "echo $(id -un) $DBUS_SESSION_BUS_ADDRESS begins; sleep 0.1; echo ends";
    let outcome = place.superuser().run(&["--all", "sh", "-c", script]).succeeds();
    outcome.prints(
        "pt1 unix:path=/run/user/7001/bus begins\nends\npt2 \
    unix:path=/run/user/7002/bus begins\nends\n",
    );
}

#[test]
fn all_sessions_that_logind_knows_get_the_command() {
    let place = desktop_box!(with_two());
    let (user, other) = (place.user(), place.other());
    place.login_in_front("1", &user, user.program(&[]), "seat0");
    place.login("2", &other, other.program(&[]), &[]);
    place.login("3", &other, other.program(&[]), &["IS_DISPLAY=0"]);
    let words = ["--all", "sh", "-c", "echo $(id -un) $XDG_SESSION_ID"];
    let mut lines = place.superuser().run(&words).succeeds().lines();
    lines.sort();
    assert_eq!(lines, ["pt1 1", "pt2 2", "pt2 3"]);
    // Both sessions of one user are listed.
    let mut lines =
        place.superuser().run(&[&["--user", "pt2"], &words[..]].concat()).succeeds().lines();
    lines.sort();
    assert_eq!(lines, ["pt2 2", "pt2 3"]);
    let mut lines = other.run(&words).succeeds().lines();
    lines.sort();
    assert_eq!(lines, ["pt2 2", "pt2 3"]);
}

#[test]
fn all_is_0_when_all_succeeded_and_64_when_some_did_and_1_when_none() {
    let place = desktop_box!(with_two());
    let root = place.superuser();
    root.run(&["--all", "true"]).succeeds();
    root.run(&["--all", "sh", "-c", "[ $(id -un) = pt1 ]"]).exits(64);
    root.run(&["--all", "sh", "-c", "[ $(id -un) = pt2 ]"]).exits(64);
    root.run(&["--all", "sh", "-c", "kill -9 $$"]).exits(1);
    root.run(&["--all", "false"]).exits(1);
    root.run(&["--all", "no-such-program"]).exits(1);
    place.user().run(&["--all", "id", "-un"]).succeeds().prints("pt1\n");
    place.user().run(&["--all", "false"]).exits(1);
}

#[test]
fn all_goes_on_after_a_session_that_is_not_usable() {
    let place = desktop_box!(with_two());
    let (user, other) = (place.user(), place.other());
    place.login("1", &user, user.program(&[]), &[]);
    place.login("2", &other, other.program(&[]), &[]);
    place.shell("rm /run/user/7001/bus");
    let outcome = place.superuser().run(&["--all", "id", "-un"]).exits(64);
    assert_eq!(outcome.text(), "pt2\n", "{}", outcome.report());
    assert!(outcome.errors().contains("pt1"), "{}", outcome.report());
    // In a list it is told.
    let outcome = place.superuser().run(&["--list"]).exits(0);
    assert!(
        outcome.errors().contains("not usable") && outcome.lines().len() == 3,
        "{}",
        outcome.report()
    );
}

#[test]
fn all_runs_each_as_its_user_with_nothing_of_ours() {
    let place = desktop_box!(with_two());
    let script = "exec 9</etc/shadow; SECRET=x with-gui-environment --all sh -c 'id -un; id -Gn; \
    env; ls /proc/self/fd'";
    let outcome = place.superuser().exec(script).succeeds();
    let text = outcome.text();
    assert!(!text.contains("SECRET") && !text.lines().any(|line| line == "9"), "{text}");
    assert!(text.contains("pt1 watch sound\n") && text.contains("pt2 watch\n"), "{text}");
}

#[test]
fn quiet_says_nothing_and_verbose_more() {
    let place = desktop_box!(with_two());
    let user = place.user();
    user.run(&["-q", "true"]).succeeds();
    user.run(&["true"]).succeeds();
    let outcome = user.run(&["-vv", "echo", "x"]).exits(0).prints("x\n");
    assert!(!outcome.stderr.is_empty(), "{}", outcome.report());
    let outcome = user.run(&["-vv", "--print"]).exits(0);
    assert!(outcome.lines().iter().all(|line| line.ends_with(';')), "{}", outcome.report());
    user.run(&["-q", "no-such-program"]).refuses(127, "was not found");
}

#[test]
fn who_ends_it_ends_the_command_of_all_too() {
    let place = desktop_box!(with_two());
    let script = "with-gui-environment --all sh -c 'touch /tmp/begun; exec sleep 12345' & P=$!
        while [ ! -e /tmp/begun ]; do sleep 0.01; done
        kill -TERM $P; wait $P; echo $?; ! pgrep -f '^sleep 12345'";
    place.superuser().exec(script).succeeds().prints("143\n");
}
