//! System calls that fail: no crash, no hang, no success that is none, and nothing is left stopped.

use serde_json::Value;

use crate::skip;
use crate::support::command::{Outcome, finish};
use crate::support::namespace;
use crate::support::place::missing;

/// A place for files, and for cron daemons that must not run anything of the machine.
const BOX: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/lock /run/user && mount -t tmpfs none /dev/shm || exit 77
mount -t tmpfs none /etc/cron.d && : >/run/crontab && mount --bind /run/crontab /etc/crontab || exit 77
mount -t tmpfs -o mode=755 none /var/spool/cron && install -d -g crontab -m 1730 /var/spool/cron/crontabs || exit 77
[ ! -S /dev/log ] || mount --bind /dev/null /dev/log
# Both before /mnt is covered: they may be there.
exec 3<"$SUPPORT/deny.py"
mount -t tmpfs none /run/lock && cp "$P" /run/lock/proctool && mount -t tmpfs none /mnt && ulimit -c 0 || exit 77
"#;

fn in_box(script: &str) -> Option<Outcome> {
    if !namespace::is_root() || missing(&["strace", "cron", "python3"]).is_err() {
        return None;
    }
    let mut command = namespace::script(&format!("{BOX}{script}"))?;
    command.env("SUPPORT", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support"));
    Some(finish(command)).filter(|outcome| outcome.code() != 77)
}

const NO_BOX: &str = "it takes the superuser, strace, cron and private namespaces";

/// Denies the system calls of these scenarios of deny.py, one after the other.
#[track_caller]
fn swept(options: &str, scenarios: &[&str]) {
    let scenarios: String = scenarios.iter().map(|name| format!(" --scenario {name}")).collect();
    let script =
        format!("python3 -I -S /dev/fd/3 {options}{scenarios} /run/lock/proctool; exit $?");
    let Some(outcome) = in_box(&script) else { skip!(NO_BOX) };
    let outcome = outcome.exits(0);
    let reports: Vec<Value> = outcome
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("parsing JSON"))
        .collect();
    let faults: Vec<_> = reports.iter().filter(|report| report["fault"].is_string()).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let runs: u64 = reports.iter().filter_map(|report| report["runs"].as_u64()).sum();
    assert!(runs > 10, "{reports:?}");
}

#[test]
fn readers_fail_in_words() {
    swept(
        "--errors EPERM,ENOMEM,EIO",
        &["Tree", "TreeByName", "Find", "FindFull", "FindPort", "Children", "Show", "ApacheMem"],
    );
}

#[test]
fn what_sends_signals_fails_in_words_and_leaves_nobody_stopped() {
    swept("--errors EPERM,ENOMEM", &["Suspend", "Resume", "Terminate", "Kill", "Wait"]);
}

#[test]
fn who_seeks_files_fails_in_words() {
    swept("--errors EPERM,ENOMEM,EIO", &["FindFile"]);
}

#[test]
fn a_suspended_tree_that_fails_goes_on() {
    swept("--errors EPERM,EINTR", &["SuspendTree", "TerminateTree"]);
}

#[test]
fn a_killed_tree_that_fails_goes_on() {
    swept("--errors ENOMEM", &["KillTree"]);
}

#[test]
fn a_listing_of_cron_and_a_timeout_fail_in_words() {
    swept("--errors EPERM,EMFILE", &["CronList", "CronTimeout"]);
}

#[test]
fn a_cron_that_is_not_stopped_runs_on() {
    swept("--errors EIO", &["CronStop", "CronWindow"]);
}

#[test]
fn a_cron_whose_signal_is_denied_is_not_told_to_be_stopped() {
    swept(
        "--each --errors EIO,EPERM --calls pidfd_send_signal",
        &["CronStop", "CronTimeout", "CronWindow"],
    );
}

#[test]
fn wrappers_fail_in_words() {
    swept("--errors EPERM,EIO", &["GpgAgent", "Gui", "Notify", "Completions"]);
}

#[test]
fn whatever_file_of_a_process_is_denied_it_is_not_absent() {
    swept(
        "--each --errors EACCES,EPERM --calls openat,readlinkat,newfstatat,statx,read",
        &["CronList", "Find", "TreeByName", "Children", "ApacheMem"],
    );
}

/// Runs each command of the program with these calls failing with this error, in a box with a sleep
/// `$target`; `$traced` is the program with its calls denied.
fn without(calls: &str, error: &str, commands: &str) -> Option<Outcome> {
    in_box(&format!(
        r#"P=/run/lock/proctool
        sleep 1000 & target=$!
        traced="strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:error={error} $P"
        {commands}"#
    ))
}

#[test]
fn without_pidfds_nothing_is_sent_and_one_message_says_why() {
    for error in ["ENOSYS", "EPERM"] {
        for words in
            ["kill", "kill --tree", "terminate", "suspend", "resume", "wait", "kill --signal HUP"]
        {
            let outcome = without(
                "pidfd_open",
                error,
                &format!("$traced {words} $target; echo $?; kill -0 $target"),
            );
            let Some(outcome) = outcome else { skip!(NO_BOX) };
            let outcome = outcome.exits(0);
            assert_eq!(outcome.lines(), ["3"], "{words}: {outcome:?}");
            outcome.says(
                "this kernel is older than Linux 5.3, or a sandbox forbids pidfd_open(2): \
            nothing was done",
            );
        }
    }
}

#[test]
fn without_a_guardian_that_listens_cron_is_not_paused() {
    let commands = r#"/usr/sbin/cron -f & cron=$!
        until [ -s /run/crond.pid ]; do :; done
        strace -f -qq -o /dev/null -e trace=recvmsg -e inject=recvmsg:error=EIO:when=2+ $P cron-graceful -- touch /mnt/ran
        echo $?; grep -c 'State:.T' /proc/$cron/status; test -e /mnt/ran && echo ran; exec true"#;
    let Some(outcome) = in_box(&format!("P=/run/lock/proctool\n{commands}")) else { skip!(NO_BOX) };
    let outcome = outcome.exits(0);
    assert!(outcome.lines().ends_with(&["3".to_owned(), "0".to_owned()]), "{outcome:?}");
    let why = "cannot be kept paused safely: the process that would continue it is hindered by a \
    sandbox\n";
    assert!(outcome.errors().ends_with(why), "{outcome:?}");
}

#[test]
fn without_pidfds_cron_is_not_told_to_be_absent() {
    for error in ["ENOSYS", "EPERM"] {
        for words in ["", "--json", "--list", "-- touch /mnt/ran"] {
            let script = format!(
                r#"cron -f & cron=$!
                until [ -s /run/crond.pid ]; do sleep 0.02; done
                $traced cron-graceful {words}; echo $?
                sed 's/.*) //; s/ .*//' /proc/$cron/stat
                [ ! -e /mnt/ran ]"#
            );
            let Some(outcome) = without("pidfd_open", error, &script) else { skip!(NO_BOX) };
            let outcome = outcome.exits(0);
            let (documents, others): (Vec<String>, Vec<String>) =
                outcome.lines().into_iter().partition(|line| line.starts_with('{'));
            assert_eq!(others, ["3", "S"], "{words}: {outcome:?}");
            assert_eq!(documents.len(), usize::from(words == "--json"), "{outcome:?}");
            assert!(documents.iter().all(|document| document.contains("\"failed\"")));
            outcome.says("forbids pidfd_open(2): nothing was done");
        }
    }
}

#[test]
fn without_pidfds_reading_goes_on() {
    for error in ["ENOSYS", "EPERM"] {
        let outcome = without(
            "pidfd_open",
            error,
            r#"$traced find --exe sleep --fields pid,name --jsonl | grep -c "\"pid\":$target,"
            $traced find --children-of $$ | grep -cx $target
            $traced tree -p $target | grep -c "sleep($target)"
            $traced show --fields pid $target | grep -cw $target
            $traced apache-mem --exe sleep --json | grep -c "\"pid\":$target,"
            $traced with-gui-environment true 2>&1 | grep -c "nobody is logged in"
            $traced completions bash | grep -c '^complete' | sed 's/[0-9]*/1/'"#,
        );
        let Some(outcome) = outcome else { skip!(NO_BOX) };
        assert_eq!(outcome.lines(), ["1"; 7], "{outcome:?}");
    }
}
