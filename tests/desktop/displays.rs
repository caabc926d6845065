//! Real screens: X servers with a cookie and dunst, compositors with mako.

use serde_json::Value;

use super::super::support::command::finish;
use super::super::support::desktop::{DesktopBox, User};
use super::super::support::place::soon;
use crate::desktop_box;

/// Programs of a desktop with X.
const X11: [&str; 3] = ["Xvfb", "xauth", "xdpyinfo"];

/// Programs of a desktop with X and notifications.
const DUNST: [&str; 6] = ["Xvfb", "xauth", "xdpyinfo", "dunst", "dunstctl", "notify-send"];

/// Programs of a desktop with Wayland.
const WAYLAND: [&str; 2] = ["sway", "wayland-info"];

/// Programs of a desktop with Wayland and notifications.
const MAKO: [&str; 5] = ["sway", "wayland-info", "mako", "makoctl", "notify-send"];

/// Starts a desktop of X with a cookie at an unusual place, which a program of it knows. Returns
/// the pid of the server.
#[track_caller]
fn start_x_desktop(user: &User<'_>, number: u32) -> u32 {
    user.start_bus();
    let cookie = cookie_of(user);
    let server = user.start_x(number, &cookie);
    user.program(&[&format!("DISPLAY=:{number}"), &format!("XAUTHORITY={cookie}")]);
    server
}

/// Returns the path of the cookie of a desktop.
fn cookie_of(user: &User<'_>) -> String {
    format!("{}/cookie", user.home())
}

/// Starts a compositor with a command in it, and a message bus. Returns its pid.
#[track_caller]
fn start_sway(user: &User<'_>, command: &str) -> u32 {
    user.start_bus();
    start_sway_without_bus(user, command)
}

/// Starts sway without a message bus.
#[track_caller]
fn start_sway_without_bus(user: &User<'_>, command: &str) -> u32 {
    user.make_runtime();
    let (runtime, home) = (user.runtime(), user.home());
    let before = user.shell(&format!("ls {runtime}"));
    user.shell(&format!("printf 'xwayland disable\n{command}\n' >{home}/sway"));
    let headless = "WLR_BACKENDS=headless WLR_LIBINPUT_NO_DEVICES=1 WLR_RENDERER=pixman";
    let environment =
        format!("env XDG_RUNTIME_DIR={runtime} DBUS_SESSION_BUS_ADDRESS={} {headless}", user.bus());
    let pid = user.start(&format!("{environment} sway -c {home}/sway"));
    soon("a compositor", || {
        let names = user.shell(&format!("ls {runtime}"));
        let name = names.lines().find(|name| {
            name.starts_with("wayland-") && !name.ends_with(".lock") && !before.contains(name)
        });
        name.is_some_and(|name| {
            user.exec(&format!("XDG_RUNTIME_DIR={runtime} WAYLAND_DISPLAY={name} wayland-info"))
                .code()
                == 0
        })
    });
    pid
}

/// Returns the value of a variable that a command gets.
#[track_caller]
fn given(caller: &User<'_>, name: &str) -> Option<String> {
    caller.environment(&[]).remove(name)
}

/// Starts a notification service at a screen of X.
#[track_caller]
fn start_dunst(user: &User<'_>, number: u32) {
    let (bus, cookie) = (user.bus(), cookie_of(user));
    let screen = format!("DISPLAY=:{number} XAUTHORITY={cookie} DBUS_SESSION_BUS_ADDRESS={bus}");
    user.start(&format!("env {screen} dunst -conf /dev/null"));
    soon("dunst", || dunstctl(user, "is-paused").is_some());
}

/// Returns a box whose user has a desktop of X with dunst on it.
fn with_dunst() -> Result<DesktopBox, String> {
    let place = DesktopBox::needing(&DUNST)?;
    start_x_desktop(&place.user(), 77);
    start_dunst(&place.user(), 77);
    Ok(place)
}

/// Returns the answer of dunst, if it runs.
fn dunstctl(user: &User<'_>, words: &str) -> Option<String> {
    let outcome = user.exec(&format!("DBUS_SESSION_BUS_ADDRESS={} dunstctl {words}", user.bus()));
    Some(outcome)
        .filter(|outcome| outcome.code() == 0)
        .map(|outcome| outcome.text().trim_end().to_owned())
}

/// Waits until dunst shows this number of notifications.
#[track_caller]
fn await_shown(user: &User<'_>, count: u32) {
    soon("a notification", || {
        dunstctl(user, "count displayed").is_some_and(|shown| shown == count.to_string())
    });
}

/// Closes the notification that dunst shows, and returns it without the fields that differ from one
/// to the next.
#[track_caller]
fn closed(user: &User<'_>) -> Value {
    await_shown(user, 1);
    dunstctl(user, "close-all").expect("asking dunst");
    await_shown(user, 0);
    let history: Value = serde_json::from_str(&dunstctl(user, "history").expect("asking dunst"))
        .expect("parsing JSON");
    let mut last = history["data"][0][0].clone();
    last.as_object_mut()
        .expect("reading a notification as a JSON object")
        .retain(|name, _| !["id", "timestamp"].contains(&&**name));
    last
}

#[test]
fn an_x_server_lets_the_command_in() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    start_x_desktop(&user, 77);
    // The server refuses clients without the cookie, and other users.
    assert_ne!(user.with(&["DISPLAY=:77"]).exec("xdpyinfo").code(), 0);
    assert_ne!(root.with(&["DISPLAY=:77"]).exec("xdpyinfo").code(), 0);
    for caller in [root, user] {
        let outcome = caller.run(&["xdpyinfo"]).succeeds();
        assert!(outcome.text().contains("name of display:    :77\n"), "{}", outcome.report());
        let environment = caller.environment(&[]);
        let value = |name: &str| environment.get(name).map_or("", String::as_str);
        assert_eq!(
            (value("DISPLAY"), value("XAUTHORITY")),
            (":77", "/home/pt1/cookie"),
            "{environment:?}"
        );
        assert_eq!(
            (value("XDG_SESSION_TYPE"), value("WAYLAND_DISPLAY")),
            ("x11", ""),
            "{environment:?}"
        );
    }
}

#[test]
fn an_x_server_lets_the_command_in_that_the_user_runs_with_no_environment() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let user = place.user();
    start_x_desktop(&user, 77);
    let outcome =
        user.exec("exec env -i /mnt/bin/with-gui-environment /usr/bin/xdpyinfo").succeeds();
    assert!(outcome.text().contains("name of display:    :77\n"), "{}", outcome.report());
}

#[test]
fn an_x_server_with_the_cookie_at_home_needs_no_hint() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let user = place.user();
    user.make_runtime();
    user.start_x(78, "/home/pt1/.Xauthority");
    for caller in [place.superuser(), user] {
        let outcome = caller.run(&["xdpyinfo"]).succeeds();
        assert!(outcome.text().contains("name of display:    :78\n"), "{}", outcome.report());
    }
}

#[test]
fn an_x_server_makes_a_session_without_a_bus() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.make_runtime();
    user.start_x(77, "/home/pt1/.Xauthority");
    assert_eq!(given(&root, "DISPLAY").as_deref(), Some(":77"));
    assert_eq!(given(&root, "DBUS_SESSION_BUS_ADDRESS"), None);
    // That bus has no notification service.
    let outcome = root.notify(&["hello"]).exits(1);
    assert_eq!(
        (outcome.errors().lines().count(), outcome.stdout.len()),
        (1, 0),
        "{}",
        outcome.report()
    );
}

#[test]
fn a_cookie_that_does_not_fit_is_not_passed_on() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    user.start_x(77, "/home/pt1/cookie");
    user.shell("xauth -q -f /home/pt1/wrong add :77 . $(mcookie) 2>/dev/null");
    let program = user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/wrong"]);
    let environment = root.environment(&[]);
    assert!(
        !environment.contains_key("DISPLAY") && !environment.contains_key("XAUTHORITY"),
        "{environment:?}"
    );
    // The cookie in the home directory fits, and no variable names it.
    user.shell("cp /home/pt1/cookie /home/pt1/.Xauthority");
    root.run(&["xdpyinfo"]).succeeds();
    assert_eq!(
        (given(&root, "DISPLAY").as_deref(), given(&root, "XAUTHORITY")),
        (Some(":77"), None)
    );
    place.end("KILL", program);
    root.run(&["xdpyinfo"]).succeeds();
}

#[test]
fn a_cookie_that_only_another_program_knows_is_found() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    user.start_x(77, "/home/pt1/cookie");
    user.program(&["DISPLAY=:77"]);
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/none"]);
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/cookie"]);
    user.program(&["DISPLAY=:77", "XAUTHORITY="]);
    root.run(&["xdpyinfo"]).succeeds();
    assert_eq!(given(&root, "XAUTHORITY").as_deref(), Some("/home/pt1/cookie"));
}

#[test]
fn a_cookie_as_display_managers_write_it_is_found_among_others() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    user.start_x(77, "/home/pt1/cookie");
    // The entry for any machine comes after those of another machine and of other displays.
    user.shell(
        "cd; for other in elsewhere/unix:77 :7 :177 elsewhere:77; do xauth -q -f many add $other . \
         $(mcookie); done 2>/dev/null; xauth -q -f cookie nlist | sed 's/^..../ffff/' | xauth -q \
         -f many nmerge -",
    );
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/many"]);
    root.run(&["xdpyinfo"]).succeeds();
    assert_eq!(given(&root, "XAUTHORITY").as_deref(), Some("/home/pt1/many"));
}

#[test]
fn a_cookie_for_another_machine_is_no_cookie() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    user.start_x(77, "/home/pt1/cookie");
    user.shell(
        "cd; xauth -q -f far add elsewhere/unix:77 . $(xauth -q -f cookie list | sed 's/.* \
    //') 2>/dev/null",
    );
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/far"]);
    // Programs would not accept this cookie, so it is of no use to them.
    assert_ne!(user.with(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/far"]).exec("xdpyinfo").code(), 0);
    assert_eq!((given(&root, "DISPLAY"), given(&root, "XAUTHORITY")), (None, None));
}

#[test]
fn a_cookie_that_the_user_may_not_read_is_not_passed_on() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    user.start_x(77, "/home/pt1/server");
    user.shell("cp /home/pt1/server /home/pt1/cookie");
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/cookie"]);
    place.shell("chown root /home/pt1/cookie");
    assert_eq!((given(&root, "DISPLAY"), given(&root, "XAUTHORITY")), (None, None));
    place.shell("chown pt1 /home/pt1/cookie");
    root.run(&["xdpyinfo"]).succeeds();
}

#[test]
fn a_screen_of_a_display_is_kept() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let user = place.user();
    user.start_bus();
    user.start_x(77, "/home/pt1/cookie");
    user.program(&["DISPLAY=:77.0", "XAUTHORITY=/home/pt1/cookie"]);
    let outcome = place.superuser().run(&["xdpyinfo"]).succeeds();
    assert!(outcome.text().contains("name of display:    :77.0\n"), "{}", outcome.report());
}

#[test]
fn a_display_that_is_gone_makes_way_for_one_that_lives() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    let server = start_x_desktop(&user, 77);
    place.end("KILL", server);
    assert_eq!(place.shell("ls /tmp/.X11-unix"), "X77");
    assert_eq!((given(&root, "DISPLAY"), given(&root, "XAUTHORITY")), (None, None));
    let stale = user.with(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/cookie"]);
    assert_eq!((given(&stale, "DISPLAY"), given(&stale, "XAUTHORITY")), (None, None));
    user.start_x(78, "/home/pt1/other");
    user.program(&["DISPLAY=:78", "XAUTHORITY=/home/pt1/other"]);
    for caller in [root, stale] {
        caller.run(&["xdpyinfo"]).succeeds();
        assert_eq!(given(&caller, "DISPLAY").as_deref(), Some(":78"));
        assert_eq!(given(&caller, "XAUTHORITY").as_deref(), Some("/home/pt1/other"));
    }
}

#[test]
fn a_dead_x_server_alone_is_nobody() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.make_runtime();
    let server = user.start_x(77, "/home/pt1/.Xauthority");
    user.program(&["DISPLAY=:77"]);
    user.is_reached_by(root, &[]);
    place.end("KILL", server);
    root.refused(&[], "nobody is logged in graphically");
    user.refused(&[], "nobody is logged in graphically");
}

#[test]
fn no_command_runs_without_the_display_of_an_x_server_that_hangs() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    let server = start_x_desktop(&user, 77);
    let record = user.record("plain");
    place.kill("STOP", server);
    for caller in [root, user] {
        caller.refused(&[], "the X server of display :77 does not answer");
    }
    // Who only wants to say something needs no screen.
    root.notify(&["up"]).succeeds();
    assert_eq!(place.recorded(&record).len(), 1);
    place.kill("CONT", server);
    root.run(&["xdpyinfo"]).succeeds();
}

/// Anybody may listen at the abstract name of a display.
#[test]
fn a_stranger_at_a_display_without_a_server_keeps_nobody_up() {
    let place = desktop_box!();
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    user.program(&["DISPLAY=:50"]);
    let script = "import socket, time\n\
                  name = chr(0) + '/tmp/.X11-unix/X50'\n\
                  server = socket.socket(socket.AF_UNIX); server.bind(name); server.listen(0)\n\
                  full = []\n\
                  try:\n\
                  \x20   while True:\n\
                  \x20       full.append(socket.socket(socket.AF_UNIX))\n\
                  \x20       full[-1].setblocking(False); full[-1].connect(name)\n\
                  except BlockingIOError: open('/tmp/full', 'w')\n\
                  time.sleep(1000)\n";
    std::fs::write(place.path("squatter.py"), script).expect("writing a script");
    place.attacker().start("python3 /mnt/squatter.py");
    soon("a full queue", || place.root("/tmp/full").exists());
    for caller in [root, user] {
        user.is_reached_by(caller, &["--user", "pt1"]);
    }
}

#[test]
fn an_x_server_that_is_only_slow_is_waited_for() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    let server = start_x_desktop(&user, 77);
    // As while the server looks at a screen that was plugged in.
    place
        .shell(&format!("kill -STOP {server}; (sleep 2.5; kill -CONT {server}) >/dev/null 2>&1 &"));
    root.run(&["xdpyinfo"]).succeeds();
}

/// The compositor listens, and starts the server at the first connection.
#[test]
fn an_x_server_that_is_started_on_demand_is_waited_for() {
    let place =
        desktop_box!(DesktopBox::needing(&["Xwayland", "weston", "wayland-info", "xdpyinfo"]));
    let (user, root) = (place.user(), place.superuser());
    place.program("Xwayland", "#!/bin/sh\nsleep 2.5\nexec /usr/bin/Xwayland \"$@\"\n");
    let config = "[core]\nxwayland=true\n[xwayland]\npath=/mnt/bin/Xwayland\n";
    std::fs::write(place.path("weston.ini"), config).expect("writing a configuration");
    user.make_runtime();
    let runtime = format!("XDG_RUNTIME_DIR={}", user.runtime());
    user.start(&format!(
        "env {runtime} weston --backend=headless-backend.so -c /mnt/weston.ini --socket=wayland-7"
    ));
    soon("a compositor", || {
        user.exec(&format!("{runtime} WAYLAND_DISPLAY=wayland-7 wayland-info")).code() == 0
    });
    user.program(&["DISPLAY=:0", "WAYLAND_DISPLAY=wayland-7"]);
    let outcome = root.run(&["--user", "pt1", "sh", "-c", "echo $DISPLAY; xdpyinfo"]).succeeds();
    assert!(outcome.text().starts_with(":0\nname of display:"), "{}", outcome.report());
}

#[test]
fn beside_a_compositor_an_x_server_that_hangs_is_only_told() {
    let place = desktop_box!(DesktopBox::needing(&["Xvfb", "xauth", "xdpyinfo", "weston"]));
    let (user, root) = (place.user(), place.superuser());
    let server = start_x_desktop(&user, 77);
    user.start_weston("wayland-7");
    place.kill("STOP", server);
    let outcome = root.run(&["sh", "-c", "echo ${DISPLAY-none} $WAYLAND_DISPLAY"]).exits(0);
    outcome
        .says("the X server of display :77 does not answer: the command has no DISPLAY")
        .prints("none wayland-7\n");
    assert_eq!(root.run(&["--quiet", "true"]).succeeds().errors(), "");
}

#[test]
fn a_runtime_directory_elsewhere_is_taken_from_the_users_own_programs() {
    let place = desktop_box!(DesktopBox::needing(&["weston"]));
    let (user, root) = (place.user(), place.superuser());
    let runtime = "/tmp/7001-runtime";
    user.shell(&format!("mkdir -m 700 {runtime}"));
    user.start_bus_at(&format!("unix:path={runtime}/bus"));
    user.start(&format!(
        "env XDG_RUNTIME_DIR={runtime} weston --backend=headless-backend.so \
         --shell=fullscreen-shell.so --socket=wayland-3"
    ));
    soon("a compositor", || user.exec(&format!("[ -S {runtime}/wayland-3 ]")).code() == 0);
    let expected = format!("{runtime} wayland-3 unix:path={runtime}/bus\n");
    let script = "echo $XDG_RUNTIME_DIR $WAYLAND_DISPLAY $DBUS_SESSION_BUS_ADDRESS";
    root.run(&["--user", "pt1", "sh", "-c", script]).succeeds().prints(&*expected);
    user.run(&["sh", "-c", script]).succeeds().prints(&*expected);
    // A directory that others can enter is none.
    user.shell(&format!("chmod 755 {runtime}"));
    root.refused(&["--user", "pt1"], "nobody is logged in graphically");
}

#[test]
fn what_programs_of_the_session_need_is_passed_on() {
    let place = desktop_box!();
    let user = place.user();
    user.start_bus();
    let good = [
        "XDG_SESSION_DESKTOP=plasma",
        "DESKTOP_SESSION=plasmawayland",
        "XDG_DATA_DIRS=/home/pt1/.local/share/flatpak/exports/share:/usr/share",
        "KDE_FULL_SESSION=true",
        "KDE_SESSION_VERSION=6",
        "XMODIFIERS=@im=fcitx",
        "GTK_IM_MODULE=fcitx",
        "QT_IM_MODULE=fcitx",
        "SDL_IM_MODULE=fcitx",
        "CLUTTER_IM_MODULE=fcitx",
        "NIRI_SOCKET=/run/user/7001/niri.sock",
        "HYPRLAND_INSTANCE_SIGNATURE=a1_2_3",
    ];
    user.shell("mkdir -p /run/user/7001/hypr/a1_2_3");
    let sockets = "/run/user/7001/niri.sock /run/user/7001/hypr/a1_2_3/.socket.sock";
    let listener = user.listen("silent", "/tmp/silent.log", sockets);
    let pid = user.program(&good);
    for caller in [place.superuser(), user] {
        let given = caller.environment(&[]);
        for variable in good {
            let (name, value) = variable.split_once('=').expect("a variable");
            assert_eq!(given.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
    // Programs of the superuser's shell would load what is below XDG_DATA_DIRS.
    let script = "with-gui-environment --print";
    let printed = |caller: User<'_>| caller.shell(script);
    assert!(printed(user).contains("XDG_DATA_DIRS"));
    let of_root = printed(place.superuser());
    assert!(of_root.contains("DBUS_SESSION_BUS_ADDRESS"), "{of_root}");
    for variable in good {
        let name = variable.split('=').next().expect("a name");
        assert!(!of_root.contains(name), "{name}: {of_root}");
    }
    place.end("KILL", pid);
    place.end("KILL", listener);
    user.program(&[
        "XDG_DATA_DIRS=/usr/share:../up",
        "XMODIFIERS=@im=$(touch /tmp/ran)",
        "NIRI_SOCKET=/run/user/7001/niri.sock",
        "HYPRLAND_INSTANCE_SIGNATURE=../hypr/a1_2_3",
    ]);
    let given = place.superuser().environment(&[]);
    for name in ["XDG_DATA_DIRS", "XMODIFIERS", "NIRI_SOCKET", "HYPRLAND_INSTANCE_SIGNATURE"] {
        assert_eq!(given.get(name), None, "{name}");
    }
}

#[test]
fn an_x_server_of_the_superuser_is_taken_from_the_users_own_programs() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, root) = (place.user(), place.superuser());
    user.start_bus();
    // A display manager starts its server in this way.
    root.start_x(77, "/root/cookie");
    place.shell("install -m 600 -o pt1 -g pt1 /root/cookie /home/pt1/cookie");
    assert_eq!(given(&root, "DISPLAY"), None);
    user.program(&["DISPLAY=:77", "XAUTHORITY=/home/pt1/cookie"]);
    for caller in [root, user] {
        caller.run(&["xdpyinfo"]).succeeds();
        assert_eq!(given(&caller, "XAUTHORITY").as_deref(), Some("/home/pt1/cookie"));
    }
}

#[test]
fn an_x_server_of_somebody_else_is_not_used() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, attacker, root) = (place.user(), place.attacker(), place.superuser());
    user.start_bus();
    attacker.start("Xvfb :99 -ac -nolisten tcp");
    soon("an X server that lets anybody in", || {
        user.with(&["DISPLAY=:99"]).exec("xdpyinfo").code() == 0
    });
    user.program(&["DISPLAY=:99"]);
    for caller in [root, user, user.with(&["DISPLAY=:99"])] {
        assert_eq!(given(&caller, "DISPLAY"), None);
        user.is_reached_by(caller, &[]);
    }
}

#[test]
fn every_user_has_the_own_display() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let (user, other, root) = (place.user(), place.other(), place.superuser());
    start_x_desktop(&user, 77);
    start_x_desktop(&other, 78);
    root.refused(&[], "pt1");
    for (name, display) in [("pt1", ":77"), ("pt2", ":78")] {
        let outcome = root.run(&["--user", name, "xdpyinfo"]).succeeds();
        assert!(
            outcome.text().contains(&format!("name of display:    {display}\n")),
            "{}",
            outcome.report()
        );
    }
    let all = root.run(&["--all", "sh", "-c", "xdpyinfo >/dev/null && echo $DISPLAY"]).succeeds();
    all.prints(":77\n:78\n");
    let shown = |line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let table: Vec<_> = root.run(&["--list"]).succeeds().lines().iter().map(shown).collect();
    assert_eq!(
        table[1..],
        [["-", "pt1", "x11", "-", "-", ":77"], ["-", "pt2", "x11", "-", "-", ":78"]]
    );
}

#[test]
fn what_is_printed_leads_to_the_screen() {
    let place = desktop_box!(DesktopBox::needing(&X11));
    let user = place.user();
    start_x_desktop(&user, 77);
    user.shell("eval \"$(with-gui-environment --print)\" && xdpyinfo");
    let json = user.run(&["--print", "--json"]).succeeds().json();
    assert_eq!(
        (&json["DISPLAY"], &json["XAUTHORITY"]),
        (&":77".into(), &"/home/pt1/cookie".into()),
        "{json}"
    );
}

#[test]
fn dunst_shows_what_notify_send_would_have_shown() {
    let place = desktop_box!(with_dunst());
    let (user, root) = (place.user(), place.superuser());
    let words = [
        "-u",
        "critical",
        "-a",
        "caf\u{e9}",
        "-i",
        "dialog-warning",
        "-c",
        "device",
        "-h",
        "int:value:7",
    ];
    let words = [&words[..], &["-t", "60000", "sch\u{f6}n <b>", "Zeile & \u{1f600}"]].concat();
    let inside = user.with(&["DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/7001/bus"]);
    finish(inside.command(&[&["notify-send"], &words[..]].concat())).succeeds();
    let first = closed(&user);
    for is_there in [true, false] {
        if !is_there {
            place.uninstall("notify-send");
        }
        for caller in [root, user] {
            caller.notify(&words).succeeds().prints("");
            assert_eq!(closed(&user), first);
        }
    }
    let field = |name: &str| first[name]["data"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (field("appname"), field("summary")),
        ("caf\u{e9}".to_owned(), "sch\u{f6}n <b>".to_owned()),
        "{first}"
    );
    assert_eq!(
        (field("category"), field("body")),
        ("device".to_owned(), "Zeile & \u{1f600}".to_owned()),
        "{first}"
    );
    assert_eq!(
        (&first["progress"]["data"], &first["timeout"]["data"]),
        (&7.into(), &60_000_000.into()),
        "{first}"
    );
}

#[test]
fn dunst_tells_who_waits_that_it_was_closed() {
    let place = desktop_box!(with_dunst());
    let (user, root) = (place.user(), place.superuser());
    for is_there in [true, false] {
        if !is_there {
            place.uninstall("notify-send");
        }
        place.shell("rm -f /tmp/ended");
        root.start("sh -c 'notify-send-headless -w hello; echo $? >/tmp/ended'");
        await_shown(&user, 1);
        assert!(!place.root("/tmp/ended").exists());
        closed(&user);
        soon("the end of the wait", || place.exec("cat /tmp/ended").text() == "0\n");
    }
}

#[test]
fn dunst_replaces_what_it_has_shown() {
    let place = desktop_box!(with_dunst());
    let (user, root) = (place.user(), place.superuser());
    for is_there in [true, false] {
        if !is_there {
            place.uninstall("notify-send");
        }
        let id = root.notify(&["-p", "before"]).succeeds().text();
        let number: u32 = id.trim_end().parse().expect("parsing a number");
        root.notify(&["-p", "-r", &number.to_string(), "behind"]).succeeds().prints(&id);
        let shown = closed(&user);
        assert_eq!(shown["summary"]["data"], "behind", "{shown}");
    }
}

#[test]
fn dunst_gives_back_the_action_that_was_chosen() {
    let place = desktop_box!(with_dunst());
    let (user, root) = (place.user(), place.superuser());
    for is_there in [true, false] {
        if !is_there {
            place.uninstall("notify-send");
        }
        place.shell("rm -f /tmp/chosen /tmp/ended");
        root.start(
            "sh -c 'notify-send-headless -A default=Yes hello >/tmp/chosen; echo $? >/tmp/ended'",
        );
        await_shown(&user, 1);
        dunstctl(&user, "action").expect("asking dunst");
        soon("the end of the wait", || place.exec("cat /tmp/ended").text() == "0\n");
        assert_eq!(place.shell("cat /tmp/chosen"), "default");
    }
}

#[test]
fn a_compositor_lets_the_command_in() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, root) = (place.user(), place.superuser());
    start_sway(&user, "");
    assert_ne!(user.exec("wayland-info").code(), 0);
    assert_ne!(user.with(&["XDG_RUNTIME_DIR=/run/user/7001"]).exec("wayland-info").code(), 0);
    for caller in [root, user] {
        let outcome = caller.run(&["wayland-info"]).succeeds();
        assert!(outcome.text().contains("wl_compositor"), "{}", outcome.report());
        let environment = caller.environment(&[]);
        let value = |name: &str| environment.get(name).map_or("", String::as_str);
        assert_eq!(
            (value("WAYLAND_DISPLAY"), value("XDG_RUNTIME_DIR")),
            ("wayland-1", "/run/user/7001")
        );
        assert_eq!(
            (value("XDG_SESSION_TYPE"), value("DISPLAY")),
            ("wayland", ""),
            "{environment:?}"
        );
    }
    user.exec("exec env -i /mnt/bin/with-gui-environment /usr/bin/wayland-info").succeeds();
    // Other names of its socket that programs of it have.
    user.program(&["WAYLAND_DISPLAY=/run/user/7001/wayland-1"]);
    root.run(&["wayland-info"]).succeeds();
}

#[test]
fn a_compositor_makes_a_session_without_a_bus() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, root) = (place.user(), place.superuser());
    start_sway_without_bus(&user, "");
    user.is_reached_by(root, &[]);
    assert_eq!(given(&root, "DBUS_SESSION_BUS_ADDRESS"), None);
    let outcome = root.notify(&["hello"]).exits(1);
    assert_eq!(
        (outcome.errors().lines().count(), outcome.stdout.len()),
        (1, 0),
        "{}",
        outcome.report()
    );
}

#[test]
fn the_compositors_own_socket_is_passed_on_if_it_answers() {
    let place = desktop_box!(DesktopBox::needing(&["sway", "swaymsg", "wayland-info"]));
    let (user, root) = (place.user(), place.superuser());
    start_sway(&user, "exec sleep infinity");
    soon("a program of the compositor", || {
        place.processes().iter().any(|seen| seen.name == "sleep")
    });
    assert_ne!(user.with(&["SWAYSOCK=/none"]).exec("swaymsg -t get_version").code(), 0);
    for caller in [root, user, user.with(&["SWAYSOCK=/none", "I3SOCK=/none"])] {
        let outcome = caller.run(&["swaymsg", "-t", "get_version"]).succeeds();
        assert!(outcome.text().contains("sway"), "{}", outcome.report());
    }
}

#[test]
fn a_compositor_that_has_ended_is_not_used() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, root) = (place.user(), place.superuser());
    let compositor = start_sway(&user, "exec sleep infinity");
    user.program(&["WAYLAND_DISPLAY=wayland-1", "SWAYSOCK=/run/user/7001/sway-ipc.7001.1.sock"]);
    place.end("KILL", compositor);
    assert!(place.root("/run/user/7001/wayland-1").exists());
    let stale = user.with(&["WAYLAND_DISPLAY=wayland-1"]);
    for caller in [root, user, stale] {
        let environment = caller.environment(&[]);
        let names = ["WAYLAND_DISPLAY", "SWAYSOCK", "I3SOCK", "XDG_SESSION_TYPE"];
        assert!(names.iter().all(|name| !environment.contains_key(*name)), "{environment:?}");
    }
}

#[test]
fn a_compositor_that_has_ended_is_nobody_without_a_bus() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, root) = (place.user(), place.superuser());
    let compositor = start_sway_without_bus(&user, "");
    user.program(&["WAYLAND_DISPLAY=wayland-1"]);
    place.end("KILL", compositor);
    root.refused(&[], "nobody is logged in graphically");
    user.refused(&[], "nobody is logged in graphically");
}

#[test]
fn a_compositor_that_hangs_holds_nobody_up() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, root) = (place.user(), place.superuser());
    let compositor = start_sway(&user, "");
    place.kill("STOP", compositor);
    assert_eq!(given(&root, "WAYLAND_DISPLAY"), None);
    place.kill("CONT", compositor);
    assert_eq!(given(&root, "WAYLAND_DISPLAY").as_deref(), Some("wayland-1"));
}

#[test]
fn of_two_compositors_the_one_that_answers_is_used() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, root) = (place.user(), place.superuser());
    let first = start_sway(&user, "");
    start_sway_without_bus(&user, "");
    user.program(&["WAYLAND_DISPLAY=wayland-1"]);
    assert_eq!(given(&root, "WAYLAND_DISPLAY").as_deref(), Some("wayland-1"));
    place.end("KILL", first);
    assert_eq!(given(&root, "WAYLAND_DISPLAY").as_deref(), Some("wayland-2"));
    root.run(&["wayland-info"]).succeeds();
}

#[test]
fn a_compositor_of_somebody_else_is_not_used() {
    let place = desktop_box!(DesktopBox::needing(&WAYLAND));
    let (user, attacker, root) = (place.user(), place.attacker(), place.superuser());
    user.start_bus();
    start_sway_without_bus(&attacker, "");
    place.shell("chmod 755 /run/user/7003; chmod 777 /run/user/7003/wayland-1");
    let elsewhere = ["WAYLAND_DISPLAY=/run/user/7003/wayland-1", "XDG_RUNTIME_DIR=/run/user/7003"];
    let lured = user.with(&elsewhere);
    assert_eq!(lured.exec("wayland-info").code(), 0);
    user.program(&elsewhere);
    for caller in [root, user, lured] {
        let environment = caller.environment(&["--user", "pt1"]);
        assert!(!environment.contains_key("WAYLAND_DISPLAY"), "{environment:?}");
        assert_eq!(environment.get("XDG_RUNTIME_DIR").map(String::as_str), Some("/run/user/7001"));
    }
}

#[test]
fn an_x_server_beside_a_compositor_is_used_if_its_programs_say_so() {
    let place = desktop_box!(DesktopBox::needing(&[&WAYLAND[..], &X11].concat()));
    let (user, root) = (place.user(), place.superuser());
    start_sway(&user, "");
    user.start_x(77, "/home/pt1/cookie");
    assert_eq!(given(&root, "WAYLAND_DISPLAY").as_deref(), Some("wayland-1"));
    user.program(&["WAYLAND_DISPLAY=wayland-1", "DISPLAY=:77", "XAUTHORITY=/home/pt1/cookie"]);
    root.run(&["sh", "-c", "wayland-info && xdpyinfo"]).succeeds();
    assert_eq!(given(&root, "XDG_SESSION_TYPE").as_deref(), Some("wayland"));
}

#[test]
fn mako_shows_what_was_sent() {
    let place = desktop_box!(DesktopBox::needing(&MAKO));
    let (user, root) = (place.user(), place.superuser());
    start_sway(&user, "exec mako");
    let listed = || root.run(&["makoctl", "list"]);
    soon("mako", || listed().code() == 0);
    let words =
        ["-u", "critical", "-a", "caf\u{e9}", "-c", "device", "sch\u{f6}n <b>", "& \u{1f600}"];
    root.notify(&words).succeeds().prints("");
    user.notify(&words).succeeds().prints("");
    place.uninstall("notify-send");
    root.notify(&words).succeeds().prints("");
    user.notify(&words).succeeds().prints("");
    let list = listed().succeeds().json();
    let shown = list["data"][0].as_array().expect("finding notifications");
    assert_eq!(shown.len(), 4, "{list}");
    for entry in shown {
        let field = |name: &str| entry[name]["data"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (field("app-name"), field("summary")),
            ("caf\u{e9}".to_owned(), "sch\u{f6}n <b>".to_owned()),
            "{entry}"
        );
        assert_eq!(
            (field("category"), field("body")),
            ("device".to_owned(), "& \u{1f600}".to_owned()),
            "{entry}"
        );
    }
}

#[test]
fn mako_is_reached_from_an_empty_environment_only_by_its_user() {
    let place = desktop_box!(DesktopBox::needing(&MAKO));
    let (user, other, root) = (place.user(), place.other(), place.superuser());
    start_sway(&user, "exec mako");
    soon("mako", || root.run(&["makoctl", "list"]).code() == 0);
    user.exec("exec env -i /mnt/bin/notify-send-headless hello").succeeds().prints("");
    other.with(&["PROCTOOL_USER=pt1"]).notify(&["secret"]).refuses(1, "pt1");
    other.notify(&["secret"]).refuses(1, "nobody is logged in graphically");
    let text = root.run(&["makoctl", "list"]).succeeds().text();
    assert!(text.contains("hello") && !text.contains("secret"), "{text}");
}
