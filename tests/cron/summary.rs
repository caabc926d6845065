//! `--summary`: machines on which the same is true print the same, whatever pids and times they
//! have.

use super::super::support::command::{Outcome, finish};
use super::super::support::cron::{CronBox, job, soon};
use crate::cron_box;

/// Two boxes that differ in their pids.
struct Both([CronBox; 2]);

impl Both {
    fn new() -> Result<Both, String> {
        let both = Both([CronBox::new()?, CronBox::new()?]);
        both.0[1].shell("echo 5000 >/proc/sys/kernel/ns_last_pid");
        Ok(both)
    }

    /// Does something in both of them.
    fn each<T>(&self, act: impl Fn(&CronBox) -> T) -> [T; 2] {
        self.0.each_ref().map(act)
    }

    /// Checks what a run prints in both of them.
    #[track_caller]
    fn prints(&self, words: &[&str], code: i32, text: &str) -> String {
        self.gives(|place| place.graceful(&[&["--summary"], words].concat()), code, text)
    }

    /// Checks what both print on standard output, and returns what both say on standard error.
    #[track_caller]
    fn gives(&self, run: impl Fn(&CronBox) -> Outcome, code: i32, text: &str) -> String {
        let [one, other] = self.each(|place| run(place).exits(code));
        assert_eq!(one.text(), text, "{}", one.report());
        assert_eq!(other.text(), text, "{}", other.report());
        assert_eq!(one.errors(), other.errors());
        one.errors()
    }
}

#[test]
fn a_list_a_rehearsal_and_a_stop() {
    let both = cron_box!(Both::new());
    both.prints(&["--list"], 0, "no cron\n");
    assert_eq!(both.prints(&[], 0, "no cron\n"), "");
    both.each(|place| {
        place.crontab(&[&job("a"), &job("a"), &format!("nobody: {}", job("b"))]);
        place.cron();
        place.began("a");
        place.began("b");
    });
    let jobs =
        |heading: &str| format!("{heading}: nobody sh /mnt/job b\n{heading}: root sh /mnt/job a\n");
    both.prints(&["--list"], 0, &format!("cron: running\n{}", jobs("job")));
    both.prints(&["-n"], 0, &format!("cron: dry run\n{}", jobs("would wait for")));
    let late = format!("cron: timed out\n{}", jobs("left"));
    for words in [&["--timeout", "300ms"][..], &["--timeout", "300ms", "-q"]] {
        assert_eq!(both.prints(words, 124, &late), "");
    }
    both.prints(&["--timeout", "300ms", "--hold", "--lease", "1m"], 124, &late);
    let stop = ["--timeout", "300ms", "--on-timeout", "stop"];
    both.prints(&stop, 124, &format!("cron: timed out, stopped\n{}", jobs("left")));
    both.prints(&["--list"], 0, &format!("no cron\n{}", jobs("job")));
    assert_eq!(both.prints(&["--start", "-q"], 0, "cron: started\n"), "");
    both.prints(&["--start"], 0, "cron: running\n");
    both.prints(&["--timeout", "300ms", "--on-timeout", "terminate"], 0, "cron: terminated\n");
}

#[test]
fn a_hold_a_release_and_refusals() {
    let both = cron_box!(Both::new());
    both.prints(&["--hold", "--lease", "1m"], 4, "no cron\n");
    both.each(CronBox::cron);
    let hold = |lease: &'static str| {
        move |place: &CronBox| {
            let words = ["--summary", "-q", "--hold", "--lease", lease];
            place.graceful_by(&["env", "SUDO_USER=alice"], &words)
        }
    };
    assert_eq!(both.gives(hold("1m"), 0, "cron: held by alice\n"), "");
    assert_eq!(both.gives(hold("2m"), 0, "cron: held by alice\n"), "");
    both.prints(&["--list"], 0, "cron: held by alice\n");
    let refused = both.prints(&[], 1, "cron: refused: cron is held by alice: nothing was done\n");
    assert_eq!(refused, "cron-graceful: cron is held by alice: nothing was done\n");
    both.prints(&["--release"], 0, "cron: released\n");
    both.prints(&["--resume"], 0, "cron: not paused\n");
    let none = "cron: refused: nobody holds cron here: was the lease over? --list tells whether \
                it is paused\n";
    both.prints(&["--release"], 1, none);
    let busy = |place: &CronBox| {
        let script = "echo 31 >/run/cron-graceful.lock; \
                      flock /run/cron-graceful.lock cron-graceful --summary";
        finish(place.inside(&["timeout", "--foreground", "20", "bash", "-c", script]))
    };
    let lock =
        "another cron-graceful is at work and holds /run/cron-graceful.lock: nothing was done";
    let said = both.gives(busy, 1, &format!("cron: refused: {lock}\n"));
    assert_eq!(said, format!("cron-graceful: {lock}\n"));
    both.prints(&["--", "sh", "-c", "exit 7"], 7, "cron: ran, exit status 7\n");
    both.prints(&["--", "sh", "-c", "kill $$"], 143, "cron: ran, signal TERM\n");
    both.each(|place| place.shell("pkill -STOP -x cron; until pgrep -r T -x cron; do :; done"));
    both.prints(&["--list"], 0, "cron: paused\n");
    both.prints(&["--resume"], 0, "cron: resumed\n");
    both.each(CronBox::second_cron);
    let several = both.prints(&[], 1, "cron: not stopped\n");
    assert!(several.contains("there are several cron daemons"), "{several}");
    both.prints(&["--list"], 0, "cron: running\n");
}

#[test]
fn a_supervisor_is_named() {
    let both = cron_box!(Both::new());
    both.each(|place| {
        place.program("runsv", "#!/bin/bash\nwhile :; do cron -f; done\n");
        place.cron_by("mkdir /run/cron; cd /run/cron; setsid runsv </dev/null >/dev/null 2>&1 &");
    });
    let said = both.prints(&[], 5, "cron: supervised by runsv\n");
    assert!(
        said.contains("a process (cron) is run by runsv, which would start it again"),
        "{said}"
    );
    both.prints(&["-q"], 5, "cron: supervised by runsv\n");
    both.prints(&["-n"], 5, "cron: dry run, supervised by runsv\n");
}

/// Whoever reads the line knows that cron is held at this moment.
#[test]
fn a_hold_in_the_foreground_says_when_it_holds() {
    let place = cron_box!();
    place.cron();
    let mut command = place.inside(&["cron-graceful", "--summary", "--hold"]);
    command.stdin(std::process::Stdio::piped());
    let mut running = super::super::support::running::Running::start(command);
    assert_eq!(running.line(), "cron: held by root");
    running.close_stdin();
    running.finish().exits(0).prints("cron: released\n");
    soon("the end of all of ours", || place.of_the_program().is_empty());
}
