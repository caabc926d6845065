//! `--list` and `--dry-run`: they work at once, for any user, and touch nothing.

use std::time::{Duration, Instant};

use super::super::support::cron::{CronBox, job, soon};
use super::{entry, mentions};
use crate::cron_box;

/// Returns all processes of the box except the program, and whether they run on.
fn picture(place: &CronBox) -> Vec<(u32, bool)> {
    place.settles();
    let mut picture: Vec<_> =
        place.processes().into_iter().map(|seen| (seen.pid, place.goes_on(seen.pid))).collect();
    picture.sort_unstable();
    picture
}

#[test]
fn listing_and_a_dry_run_return_at_once_and_touch_nothing() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    soon("a box at rest", || place.processes().iter().all(|seen| seen.state == 'S'));
    let before = picture(&place);
    let job = place.seen(script).expect("finding the script").parent;
    for option in ["--list", "--dry-run", "-n"] {
        let began = Instant::now();
        let outcome = place.graceful(&[option]).succeeds();
        assert!(began.elapsed() < Duration::from_secs(15), "{option}: {:?}", began.elapsed());
        mentions(&outcome, &[&daemon.to_string(), &job.to_string(), "sh /mnt/job a"]);
        assert_eq!(picture(&place), before, "{option} has touched something");
    }
    assert!(!place.ended("a"));
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_not_run_the_command() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let outcome = place.graceful(&["--dry-run", "--", "touch", "/mnt/ran"]).exits(0);
    assert!(!place.has("ran"), "it has run the command");
    mentions(&outcome, &["touch"]);
    let outcome = place.graceful(&["--dry-run", "--json"]).succeeds();
    assert_eq!(outcome.json()["outcome"], "dry run", "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn a_dry_run_tells_what_would_be_waited_for_from_what_would_not() {
    let place = cron_box!();
    place.crontab(&[&job("a"), &format!("(setsid {} &); {}", job("b"), job("a"))]);
    let daemon = place.cron();
    place.began("a");
    let detached = place.began("b");
    soon("a daemon", || place.seen(detached).is_some_and(|seen| seen.parent == 1));
    place.shell(&format!("kill -STOP {daemon}"));
    let outcome = place.graceful(&["-n", "--json"]).exits(0);
    let jobs = outcome.json();
    let outcome = place.graceful(&["-n"]).exits(0);
    let text = outcome.text();
    let (would, not) = text.split_once("would not wait for:\n").unwrap_or((&text, ""));
    assert!(would.contains("would wait for:\n"), "{}", outcome.report());
    let is_daemon = entry(&jobs, "left", detached)["why"] == "daemon";
    assert!(is_daemon && not.contains(&detached.to_string()), "{}{jobs:#}", outcome.report());
    assert!(!would.contains(&format!(" {detached} ")), "{}", outcome.report());
    mentions(&outcome, &[&format!("cron ({daemon}) is paused already")]);
    assert!(!text.contains("would pause"), "{}", outcome.report());
    place.shell(&format!("kill -CONT {daemon}"));
}

#[test]
fn a_list_in_json_has_everything_about_the_daemon() {
    let place = cron_box!();
    let daemon = place.cron();
    let list = place.list();
    let found = entry(&list, "daemons", daemon);
    assert!(
        found["name"] == "cron" && found["stopped"] == false && found["unit"].is_null(),
        "{list:#}"
    );
    assert!(found["exe_path"].as_str().is_some_and(|path| path.ends_with("/cron")), "{list:#}");
    assert!(!found["evidence"].is_null(), "{list:#}");
    assert_eq!(list["jobs"].as_array().expect("finding a list").len(), 0, "{list:#}");
}

#[test]
fn a_list_of_nothing_is_empty_and_a_success() {
    let place = cron_box!();
    let list = place.list();
    assert!(
        super::pids(&list, "daemons").is_empty() && super::pids(&list, "jobs").is_empty(),
        "{list:#}"
    );
    place.graceful(&["--list"]).exits(0);
}

#[test]
fn an_ordinary_user_sees_the_daemon_and_its_jobs() {
    let place = cron_box!();
    let (daemon, script) = place.cron_with_job();
    let list = place.graceful_as_nobody(&["--list", "--json"]).exits(0).json();
    entry(&list, "daemons", daemon);
    let job = place.seen(script).expect("finding the script").parent;
    assert_eq!(entry(&list, "jobs", job)["command"], "sh /mnt/job a", "{list:#}");
    let outcome = place.graceful_as_nobody(&["--dry-run"]).exits(0);
    mentions(&outcome, &[&daemon.to_string()]);
    place.still_runs(daemon);
}

/// The environments of the superuser's processes are hidden from an ordinary user.
#[test]
fn an_ordinary_user_is_told_that_there_may_be_more_jobs() {
    let place = cron_box!();
    let daemon = place.cron();
    for words in ["--list", "--dry-run"] {
        mentions(&place.graceful_as_nobody(&[words]).exits(0), &["as far as an ordinary user"]);
        let outcome = place.graceful(&[words]).exits(0);
        assert!(!outcome.text().contains("ordinary"), "{}", outcome.report());
    }
    place.still_runs(daemon);
}

#[test]
fn where_processes_are_hidden_a_list_says_so() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    let pid = daemon.to_string();
    for hidden in ["invisible", "noaccess"] {
        place.shell(&format!("mount -o remount,hidepid={hidden} /proc"));
        place.graceful_as_nobody(&[]).exits(1);
        for options in
            [&["--list"][..], &["--list", "--json"], &["--dry-run"], &["--list", "--pid", &pid]]
        {
            let outcome = place.graceful_as_nobody(options).exits(1);
            mentions(&outcome, &[", as far as known: ", ": try as root"]);
            if options.contains(&"--json") {
                assert_eq!(outcome.json()["outcome"], "refused", "{}", outcome.report());
            } else {
                outcome.prints("");
            }
        }
    }
    place.still_runs(daemon);
}

#[test]
fn hidden_processes_do_not_stop_the_superuser() {
    let place = cron_box!();
    let (daemon, _) = place.cron_with_job();
    place.shell("mount -o remount,hidepid=2 /proc");
    super::stops(&place, place.waits_for("a", &[], daemon), daemon);
}

#[test]
fn a_command_that_is_not_text_is_listed_escaped_and_whole_in_json() {
    let place = cron_box!();
    let command = b"@reboot root : caf\xe9 \x1b[31m; sh /mnt/job a\n";
    std::fs::write(place.root("/etc/cron.d/jobs"), [&b"MAILTO=\"\"\n"[..], command].concat())
        .expect("writing a crontab");
    let daemon = place.cron();
    let shell = place.seen(place.began("a")).expect("finding the script").parent;
    let list = place.list();
    let command = &entry(&list, "jobs", shell)["command"];
    assert!(command["bytes"].is_string(), "{list:#}");
    let outcome = place.graceful(&["--list"]).succeeds();
    assert!(outcome.text().contains("caf\\xe9 \\x1b[31m"), "{}", outcome.report());
    place.still_runs(daemon);
}

#[test]
fn help_is_for_everybody() {
    let place = cron_box!();
    let daemon = place.cron();
    for option in ["-h", "--help"] {
        let outcome = place.graceful_as_nobody(&[option]).succeeds();
        mentions(&outcome, &["Usage: cron-graceful", "--timeout"]);
    }
    place.still_runs(daemon);
}

/// A job chooses its arguments, and lists are read in pipes, mails and logs.
#[test]
fn a_job_forges_no_lines_of_a_list() {
    let place = cron_box!(CronBox::needing(&["perl"]));
    place.program(
        "forge.pl",
        "open my $file, '>', '/mnt/forge.began'; print $file \"$$\\n\"; close $file; \
         exec { '/bin/sleep' } \"x\\nno cron job is running\\n\\e[2J\", '1000'",
    );
    place.crontab(&["exec perl /mnt/bin/forge.pl"]);
    let daemon = place.cron();
    place.began("forge");
    soon("the forged arguments", || place.exec("cron-graceful --list").text().contains("x\\n"));
    for words in [&["--list"][..], &["-n"], &["--timeout", "0.3"]] {
        let outcome = place.graceful(words);
        let forged = outcome.text().lines().any(|line| line == "no cron job is running");
        assert!(!forged && !outcome.text().contains('\x1b'), "{words:?}\n{}", outcome.report());
    }
    place.still_runs(daemon);
}
