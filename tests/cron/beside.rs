//! What starts jobs beside cron: at(1) with a real atd, and timers under a real systemd.

use super::super::support::cron::{CronBox, soon};
use super::mentions;
use crate::cron_box;

/// Makes a box with a cron and an atd. Returns the pids of both.
#[track_caller]
pub fn with_atd(place: &CronBox) -> [u32; 2] {
    let cron = place.cron();
    place.shell(
        "cd /var/spool/cron; mkdir -m 1770 atjobs atspool; chown daemon:daemon atjobs atspool; \
         touch atjobs/.SEQ; chown daemon atjobs/.SEQ; atd",
    );
    soon("a pid file of atd", || place.exec("test -s /run/atd.pid").code() == 0);
    [cron, place.shell("cat /run/atd.pid").parse().expect("parsing a process id")]
}

/// Gives a job of a test to at(1), and returns the pid of its script.
#[track_caller]
fn at(place: &CronBox, name: &str) -> u32 {
    place.shell(&format!("echo 'sh /mnt/job {name}' | at now 2>/dev/null"));
    place.began(name)
}

#[test]
fn a_job_of_at_is_waited_for_and_no_new_one_starts() {
    let place = cron_box!(CronBox::needing(&["atd", "at"]));
    let [cron, atd] = with_atd(&place);
    let job = at(&place, "a");
    let run = place.begin_and_pause(&["--with", "at", "--", "sh", "-c", "ls /mnt >/mnt/seen"], atd);
    assert_eq!(place.state(cron), 'T');
    place.shell("echo 'touch /mnt/late' | at now 2>/dev/null");
    let outcome = place.finishes_after("a", run).exits(0);
    mentions(&outcome, &["waiting for", "at job 1", "is paused"]);
    assert!(!place.is_alive(job));
    let seen = place.read("seen");
    assert!(seen.contains("a.ended") && !seen.contains("late"), "{seen}");
    place.still_runs(cron);
    place.still_runs(atd);
    soon("the job that was given meanwhile", || place.has("late"));
    // Without the option, what runs is told in one line, and nothing is done to it.
    at(&place, "b");
    let outcome = place.graceful(&["--", "true"]).exits(0);
    mentions(&outcome, &["1 at job runs: --with at includes it"]);
    let list = place.list();
    assert_eq!(list["not_included"]["at_jobs"], 1, "{list:#}");
    assert!(!place.ended("b"));
    let text = place.graceful(&["--list", "--with", "at"]).exits(0);
    mentions(&text, &["at job 3", "/run/atd.pid"]);
    place.release("b");
}

#[test]
fn atd_is_stopped_with_cron_and_runs_on_whoever_of_ours_is_killed() {
    let place = cron_box!(CronBox::needing(&["atd", "at"]));
    let [cron, atd] = with_atd(&place);
    at(&place, "a");
    let run = place.begin_and_pause(&["--with", "all", "--", "true"], atd);
    place.kill("KILL", run.pid);
    soon("daemons that run on", || place.state(atd) != 'T' && place.state(cron) != 'T');
    run.finish();
    let run = place.begin_and_pause(&["--with", "at"], atd);
    place.finishes_after("a", run).exits(0);
    place.is_stopped(cron);
    assert!(!place.goes_on(atd));
}

#[test]
fn what_a_job_of_at_leaves_behind_is_a_job() {
    let place = cron_box!(CronBox::needing(&["atd", "at"]));
    let [_, atd] = with_atd(&place);
    place.shell("echo 'sh /mnt/job a >/dev/null 2>&1 &' | at now 2>/dev/null");
    place.began("a");
    soon("the end of its shell", || !place.processes().iter().any(|seen| seen.parent == atd));
    let run = place.begin_and_pause(&["--with", "at", "--", "true"], atd);
    mentions(&place.finishes_after("a", run).exits(0), &["waiting for"]);
}

/// A user may call a process atd, and it may have children.
#[test]
fn a_process_that_is_called_atd_is_not_touched() {
    let place = cron_box!();
    let cron = place.cron();
    place.shell("cp /bin/sleep /dev/shm/atd; setpriv --reuid=1 --clear-groups /dev/shm/atd 60 >/dev/null 2>&1 &");
    let named = |seen: &&super::super::support::place::Seen| seen.name == "atd";
    soon("a process", || place.processes().iter().any(|seen| named(&seen)));
    place.graceful(&["--with", "at"]).exits(0);
    place.is_stopped(cron);
    assert!(place.processes().iter().any(|seen| named(&seen)));
}

/// Makes a box with systemd and two timers. One of them starts a job of a test at once.
#[track_caller]
pub fn with_timers(place: &CronBox) {
    place.shell(
        "mkdir -p /run/systemd/system; cd /run/systemd/system; \
         for name in job other; do \
         printf '[Unit]\\nConditionPathExists=!/mnt/%s.began\\n' $name >$name.service; \
         printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh /mnt/job %s\\n' $name >>$name.service; \
         done; \
         printf '[Timer]\\nOnActiveSec=100ms\\nOnUnitActiveSec=1h\\nAccuracySec=1ms\\n' >job.timer; \
         printf '[Timer]\\nOnCalendar=2099-01-01\\n' >other.timer; \
         systemctl daemon-reload; systemctl start job.timer other.timer",
    );
    place.began("job");
}

/// Makes a user with a service manager of her own and a timer that starts a job of a test at once.
/// Returns the command that gives orders to that manager.
#[track_caller]
pub fn with_timer_of_user(place: &CronBox) -> &'static str {
    let own = "setpriv --reuid=1234 --regid=1234 --clear-groups \
               env XDG_RUNTIME_DIR=/run/user/1234 systemctl --user";
    place.shell(&format!(
        "useradd -m -u 1234 alice; cd /home/alice; mkdir -p .config/systemd/user /run/systemd/system; \
         printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh /mnt/job mail\\n' \
             >.config/systemd/user/mail.service; \
         printf '[Timer]\\nOnActiveSec=100ms\\nOnUnitActiveSec=1h\\nAccuracySec=1ms\\n' \
             >.config/systemd/user/mail.timer; \
         chown -R alice .; chmod 777 /mnt; install -d -o 1234 -m 700 /run/user/1234; \
         printf '[Service]\\nUser=1234\\nType=notify\\nDelegate=yes\\nExecStart=/lib/systemd/systemd \
                 --user\\nEnvironment=XDG_RUNTIME_DIR=/run/user/1234\\nSlice=user.slice\\n' \
             >/run/systemd/system/user@1234.service; \
         systemctl daemon-reload; systemctl start user@1234.service; {own} start mail.timer"
    ));
    own
}

/// Reports whether there is a script that starts timers.
pub fn has_script(place: &CronBox) -> bool {
    place.exec("ls /run/cron-graceful.timers.*").code() == 0
}

#[track_caller]
pub fn active(place: &CronBox) -> String {
    place
        .exec(
            "systemctl list-units --type=timer --state=active --plain --no-legend | cut -d' ' -f1",
        )
        .text()
        .replace('\n', " ")
}

#[test]
fn timers_are_stopped_for_a_window_and_their_services_are_waited_for() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timers(&place);
    assert_eq!(active(&place), "job.timer other.timer ");
    let outcome = place.graceful(&["--", "true"]).exits(0);
    mentions(&outcome, &["2 timers are active: --with timers includes them"]);
    let list = place.graceful(&["--list", "--with", "timers", "--json"]).exits(0).json();
    assert_eq!(list["timers"][0]["unit"], "job.timer", "{list:#}");
    assert_eq!(list["jobs"][0]["command"], "/bin/sh /mnt/job job", "{list:#}");
    let script = "systemctl is-active job.timer other.timer job.service >/mnt/states; \
                  test -e /mnt/job.ended";
    let run = place.begin_and_pause(&["--with", "timers", "--", "sh", "-c", script], daemon);
    let outcome = place.finishes_after("job", run).exits(0);
    mentions(
        &outcome,
        &["2 timers are stopped: job.timer, other.timer", "2 timers are active again"],
    );
    assert_eq!(place.read("states"), "inactive\ninactive\ninactive");
    assert_eq!(active(&place), "job.timer other.timer ");
    assert!(!has_script(&place));
    place.still_runs(daemon);
}

#[test]
fn timers_are_active_again_whoever_of_ours_is_killed() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timers(&place);
    for signal in ["KILL", "TERM", "INT"] {
        let run = place.begin_and_pause(&["--with", "timers", "--", "true"], daemon);
        soon("stopped timers", || active(&place).is_empty());
        place.kill(signal, run.pid);
        soon("the same timers", || active(&place) == "job.timer other.timer ");
        soon("no script", || !has_script(&place));
        run.finish();
        soon("the end of all of ours", || place.of_the_program().is_empty());
        place.still_runs(daemon);
    }
    // Killed with its guardians, it leaves a script, which the next run finds.
    let run = place.begin_and_pause(&["--with", "timers", "--", "true"], daemon);
    soon("stopped timers", || active(&place).is_empty());
    let ours: Vec<String> =
        place.of_the_program().iter().map(|seen| seen.pid.to_string()).collect();
    // Stopped first, none of them acts on the end of another.
    let ours = ours.join(" ");
    place.shell(&format!("kill -STOP {ours}; kill -KILL {ours}"));
    run.finish();
    let list = place.graceful(&["--list"]).exits(0);
    mentions(&list, &["timers are stopped by a run that was killed: --resume starts them"]);
    let outcome = place.graceful(&["--resume"]).exits(0);
    mentions(&outcome, &["an earlier run had stopped"]);
    assert_eq!(active(&place), "job.timer other.timer ");
    place.still_runs(daemon);
}

#[test]
fn timers_that_somebody_starts_in_a_hold_are_stopped_too() {
    let place = cron_box!(CronBox::with_systemd());
    place.locked();
    with_timers(&place);
    place.shell("systemctl stop other.timer");
    place.release("job");
    place.graceful(&["--with", "timers", "--hold", "--lease", "60s"]).exits(0);
    assert_eq!(active(&place), "");
    place.shell("systemctl start other.timer");
    soon("no timer", || active(&place).is_empty());
    place.graceful(&["--release"]).exits(0);
    assert_eq!(active(&place), "job.timer other.timer ");
}

#[test]
fn timers_of_users_are_stopped_by_their_own_service_managers() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    let own = with_timer_of_user(&place);
    place.began("mail");
    let script =
        format!("{own} is-active mail.timer mail.service >/mnt/states; test -e /mnt/mail.ended");
    let run = place.begin_and_pause(&["--with", "timers", "--", "sh", "-c", &script], daemon);
    let outcome = place.finishes_after("mail", run).exits(0);
    mentions(&outcome, &["mail.timer", "active again"]);
    assert_eq!(place.read("states"), "inactive\ninactive");
    assert_eq!(place.exec(&format!("{own} is-active mail.timer")).text(), "active\n");
    // Nobody can hold up a window by a service manager that does not answer.
    place.shell("kill -STOP $(systemctl show --value --property MainPID user@1234)");
    let outcome = place.graceful(&["--with", "timers", "--", "true"]).exits(0);
    mentions(&outcome, &["the service manager of user 1234 does not answer"]);
    place.still_runs(daemon);
}

/// One that systemd-run has made is gone after a stop.
#[test]
fn a_timer_that_would_not_come_back_stays_active_and_is_told_of() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    place.shell("systemd-run --on-calendar=2099-01-01 --unit=once true");
    let outcome = place.graceful(&["--with", "timers", "--", "true"]).exits(0);
    mentions(&outcome, &["once.timer stays active"]);
    assert_eq!(active(&place), "once.timer ");
    place.still_runs(daemon);
}

/// Starts a timer whose service fails, and is started again two seconds later.
#[track_caller]
pub fn with_service_that_starts_again(place: &CronBox) {
    place.shell(
        "mkdir -p /run/systemd/system; cd /run/systemd/system; \
         printf '[Service]\\nExecStart=/bin/sh -c \"[ -e /mnt/ran ] || { touch /mnt/ran; exit 1; }\
                 ; touch /mnt/again\"\\nRestart=on-failure\\nRestartSec=2\\n' >again.service; \
         printf '[Timer]\\nOnActiveSec=50ms\\nAccuracySec=1ms\\nOnUnitActiveSec=1h\\n' >again.timer; \
         systemctl daemon-reload; systemctl start again.timer",
    );
    soon("the first run", || place.has("ran"));
}

/// systemd starts it again a while after its end, and until then no process of it runs.
#[test]
fn a_service_that_is_about_to_start_again_is_waited_for() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_service_that_starts_again(&place);
    let outcome = place.graceful(&["--with", "timers", "--", "ls", "/mnt/again"]).exits(0);
    mentions(&outcome, &["waiting for again.service, which systemd is about to start"]);
    place.still_runs(daemon);
}

/// PROCTOOL_KILLS is the number of kills, and the seed of their moments.
#[test]
fn the_same_timers_are_active_after_a_kill_at_any_moment() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timers(&place);
    place.release("job");
    let kills = std::env::var("PROCTOOL_KILLS").unwrap_or_else(|_| "10".to_owned());
    let outcome = place.exec(&format!(
        "seen() {{ systemctl list-units --type=timer --state=active --plain --no-legend | \
                   cut -d' ' -f1 | tr '\\n' ' '; }}
         RANDOM={kills}
         for turn in $(seq {kills}); do
             moment=$(printf 0.%03d $((RANDOM % 300 + 1)))
             timeout -s KILL $moment cron-graceful -q --with timers -- true 2>/dev/null
             for _ in $(seq 200); do
                 if [ \"$(seen)\" = 'job.timer other.timer ' ] &&
                    ! ls /run/cron-graceful.timers.[0-9]* >/dev/null 2>&1; then continue 2; fi
                 sleep 0.02
             done
             echo \"turn $turn, killed after $moment s: $(seen)\"
             exit 1
         done"
    ));
    outcome.exits(0);
    soon("the end of all of ours", || place.of_the_program().is_empty());
    place.still_runs(daemon);
}

/// A signal ends systemctl too, and that is no failure of systemd.
#[test]
fn an_interrupt_at_any_moment_is_one_and_the_timers_are_active_again() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timers(&place);
    let slow = "#!/bin/sh\ncase $* in *other.timer*) touch /mnt/asked; exec sleep 20;; esac\n\
                exec /usr/bin/systemctl \"$@\"\n";
    place.program("systemctl", slow);
    for signal in ["INT", "TERM"] {
        let run = place.begin(&["--with", "timers", "--", "touch", "/mnt/ran"]);
        soon("the order to stop", || place.has("asked"));
        place.kill(signal, run.pid);
        let outcome = run.finish();
        assert_eq!(outcome.code(), if signal == "INT" { 130 } else { 143 }, "{}", outcome.report());
        place.shell("rm /mnt/asked");
        soon("the same timers", || active(&place) == "job.timer other.timer ");
        place.still_runs(daemon);
    }
    // Nor is one that does not come in time during the wait an answer.
    place.shell("rm /mnt/bin/systemctl");
    let mut run = place.begin(&["--with", "timers", "--jsonl", "--", "sh", "-c", ":"]);
    run.event("job");
    place.program("systemctl", "#!/bin/sh\nexit 1\n");
    place.release("job");
    soon("the end of the job", || place.ended("job"));
    assert!(place.is_alive(run.pid));
    place.shell("rm /mnt/bin/systemctl");
    run.finish().exits(0);
    assert!(!place.has("ran"));
    assert_eq!(active(&place), "job.timer other.timer ");
}

#[test]
fn what_is_stopped_for_good_is_started_again_by_one_command() {
    let place = cron_box!(CronBox::with_systemd());
    let daemon = place.locked();
    with_timers(&place);
    let run = place.begin_and_pause(&["--with", "timers"], daemon);
    place.finishes_after("job", run).exits(0);
    assert_eq!(active(&place), "");
    // Another run does not take them for its own.
    place.graceful(&["--with", "timers", "--", "true"]).exits(0);
    assert_eq!(active(&place), "");
    let outcome = place.graceful(&["--start"]).exits(0);
    mentions(&outcome, &["timers are active again"]);
    // What runs again needs no word about what else runs.
    assert!(!outcome.errors().contains("--with"), "{}", outcome.report());
    assert!(!place.graceful(&["--resume"]).exits(0).errors().contains("--with"));
    assert_eq!(active(&place), "job.timer other.timer ");
    place.locked();
    assert!(!place.root("/run/cron-graceful.stopped").exists());
}

#[test]
fn atd_is_started_again_as_it_was() {
    let place = cron_box!(CronBox::needing(&["atd", "at"]));
    let [_, atd] = with_atd(&place);
    place.graceful(&["--with", "at"]).exits(0);
    assert!(!place.goes_on(atd));
    place.graceful(&["--start"]).exits(0);
    place.locked();
    at(&place, "a");
    place.release("a");
    let uids = "cut -f2,3,4 /proc/$(cat /run/atd.pid)/status | sed -n 's/^\\([0-9]*\\t.*\\)/\\1/p'";
    assert!(!place.shell(uids).is_empty());
}
