//! Timers of systemd that are odd, and users who mean harm.

use super::super::support::cron::{CronBox, soon};
use super::beside::{active, has_script, with_timer_of_user, with_timers};
use super::mentions;
use crate::cron_box;

/// Makes units, each with its text, and starts some of them.
#[track_caller]
fn units(place: &CronBox, texts: &[(&str, &str)], start: &str) {
    place.shell("mkdir -p /run/systemd/system");
    for (name, text) in texts {
        place.program(&format!("/run/systemd/system/{name}"), text);
    }
    place.shell(&format!("systemctl daemon-reload; systemctl start {start}"));
}

const SOON: &str = "[Timer]\nOnActiveSec=50ms\nAccuracySec=1ms\nOnUnitActiveSec=1h\n";

/// What asks a user's service manager has that user's rights, and she can trace it.
#[test]
fn what_has_a_users_rights_has_neither_our_terminal_nor_our_environment() {
    let place = cron_box!(CronBox::with_systemd());
    place.locked();
    with_timer_of_user(&place);
    place.began("mail");
    place.release("mail");
    place.program(
        "/usr/local/bin/systemctl",
        "#!/bin/sh\nif [ \"$(id -u)\" = 1234 ]; then { \
         echo \"tty $(ps -o tty= -p $$)\"; env; readlink /proc/$$/fd/*; \
         cat /proc/$PPID/environ | tr '\\0' '\\n'; } >>/mnt/seen; fi\n\
         exec /usr/bin/systemctl \"$@\"\n",
    );
    let run = "SECRET=x TERM=xterm script -qec 'cron-graceful --with timers -- true' /mnt/typed \
               </dev/null";
    place.exec(run).exits(0);
    let seen = place.read("seen");
    assert!(seen.contains("tty ?"), "{seen}");
    for word in ["SECRET", "pts/", "/mnt/typed", "TERM="] {
        assert!(!seen.contains(word), "{word}: {seen}");
    }
}

/// A user's process may keep the other end of a pipe open for ever.
#[test]
fn an_answer_counts_when_the_command_has_ended() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timers(&place);
    place.release("job");
    place.program("systemctl", "#!/bin/sh\nsleep 25 &\nexec /usr/bin/systemctl \"$@\"\n");
    place.graceful(&["--with", "timers", "--", "true"]).exits(0);
    place.still_runs(daemon);
}

/// A stop of the timer would stop the job with it.
#[test]
fn a_timer_whose_service_would_be_stopped_with_it_stays_active() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    let service = "[Unit]\nRequires=tied.timer\nAfter=tied.timer\n\
                   [Service]\nType=oneshot\nExecStart=/bin/sh /mnt/job tied\n";
    units(&place, &[("tied.service", service), ("tied.timer", SOON)], "tied.timer");
    place.began("tied");
    let script = ["--with", "timers", "--", "test", "-e", "/mnt/tied.ended"];
    let run = place.begin_and_pause(&script, daemon);
    let outcome = place.finishes_after("tied", run).exits(0);
    mentions(&outcome, &["tied.timer stays active"]);
    assert_eq!(active(&place), "tied.timer ");
}

#[test]
fn what_a_timer_starts_through_a_target_is_waited_for() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    let simple = "[Service]\nExecStart=/bin/sh /mnt/job through\n";
    let timer = format!("{SOON}Unit=group.target\n");
    let texts = [
        ("through.service", simple),
        ("group.target", "[Unit]\nWants=through.service\n"),
        ("group.timer", &timer),
    ];
    units(&place, &texts, "group.timer");
    place.began("through");
    let script = ["--with", "timers", "--", "test", "-e", "/mnt/through.ended"];
    let run = place.begin_and_pause(&script, daemon);
    place.finishes_after("through", run).exits(0);
}

#[test]
fn a_timer_that_was_removed_or_disabled_meanwhile_is_not_started_again() {
    let place = cron_box!(CronBox::with_systemd());
    place.locked();
    with_timers(&place);
    place.release("job");
    place.shell(
        "cd /etc/systemd/system; printf '[Timer]\nOnCalendar=2099-01-01\n[Install]\n\
         WantedBy=box.target\n' >off.timer; printf '[Service]\nExecStart=true\n' >off.service; \
         systemctl daemon-reload; systemctl enable --now off.timer",
    );
    let window = "rm /run/systemd/system/other.*; systemctl daemon-reload; \
                  systemctl disable --now off.timer";
    let outcome = place.graceful(&["--with", "timers", "--", "sh", "-c", window]).exits(0);
    mentions(&outcome, &["other.timer is not started again", "off.timer is not started again"]);
    assert_eq!(active(&place), "job.timer ");
    assert!(!has_script(&place));
    // What could not be started once is not tried for ever.
    place.shell("printf 'false\n' >/run/cron-graceful.timers.999999");
    let outcome = place.graceful(&["--", "true"]).exits(0);
    mentions(&outcome, &["/run/cron-graceful.timers.999999' could be started again"]);
    assert!(!place.graceful(&["--", "true"]).exits(0).errors().contains("999999"));
}

/// The file of the run is gone: it knows its timers all the same.
#[test]
fn the_timers_are_started_without_their_script() {
    let place = cron_box!(CronBox::with_systemd());
    place.locked();
    with_timers(&place);
    place.release("job");
    let window = "rm /run/cron-graceful.timers.*";
    place.graceful(&["--with", "timers", "--", "sh", "-c", window]).exits(0);
    assert_eq!(active(&place), "job.timer other.timer ");
}

/// A weekly maintenance may be a service that a timer starts.
#[test]
fn a_run_in_a_service_of_a_timer_does_not_wait_for_itself() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    let service = "[Service]\nType=oneshot\nEnvironment=PATH=/mnt/bin:/usr/sbin:/usr/bin\n\
                   ExecStart=/mnt/bin/cron-graceful --timeout 20 --with timers -- touch /mnt/ran\n";
    units(&place, &[("weekly.service", service), ("weekly.timer", SOON)], "weekly.timer");
    soon("the command", || place.has("ran"));
    soon("the timer", || active(&place) == "weekly.timer ");
    place.still_runs(daemon);
}

#[test]
fn a_hold_cannot_be_made_to_include_more() {
    let place = cron_box!();
    place.cron();
    place.graceful(&["--hold", "--lease", "60s"]).exits(0);
    let more = ["--hold", "--lease", "60s", "--with", "at"];
    place.graceful(&more).refuses(1, "not all that --with wants");
    place.graceful(&["--release"]).exits(0);
    place.graceful(&more).exits(0);
    place.graceful(&["--hold", "--lease", "90s"]).exits(0);
    assert_eq!(place.list()["held"]["with"], serde_json::json!(["at"]));
    place.graceful(&["--release"]).exits(0);
}

/// Whoever stops her service manager must not keep cron from running on in time.
#[test]
fn a_hung_service_manager_of_a_user_costs_some_seconds_at_most() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timer_of_user(&place);
    place.began("mail");
    place.release("mail");
    let fake = "#!/bin/sh\ncase \"$(id -u) $*\" in '1234 '*stop*) kill -STOP $$;; esac\n\
                exec /usr/bin/systemctl \"$@\"\n";
    place.program("/usr/local/bin/systemctl", fake);
    let outcome = place.graceful(&["--with", "timers", "--", "true"]).exits(0);
    mentions(&outcome, &["the service manager of user 1234 does not answer"]);
    place.still_runs(daemon);
}

/// Where no daemon has the name, there are timers all the same.
#[test]
fn timers_are_held_without_a_cron() {
    let place = cron_box!(CronBox::with_systemd());
    place.shell("systemctl stop cron");
    with_timers(&place);
    place.release("job");
    for name in [&[][..], &["--daemon", "nothing"]] {
        let hold = ["--hold", "--lease", "60s", "--with", "timers"];
        place.graceful(&[&hold[..], name].concat()).exits(0);
        assert_eq!(active(&place), "");
        place.graceful(&["--release"]).exits(0);
        assert_eq!(active(&place), "job.timer other.timer ");
    }
    place.graceful(&["--hold", "--lease", "60s"]).exits(4);
}
