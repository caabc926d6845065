//! `find`: pgrep's letters, pgrep's statuses, and what goes beyond pgrep.

mod age;
mod file;
mod letters;
mod listing;
mod order;
mod pattern;
mod relations;
mod selection;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio, id};

use super::support::command::{Outcome, PROCTOOL, clean, finish, proctool, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::{Program, Target};
use crate::skip;

fn find(fake: &FakeProc, words: &[&str]) -> Outcome {
    run(&[&["find", &fake.option()], words].concat())
}

/// Checks the matches. A fake directory lists its processes in any order.
#[track_caller]
fn finds(fake: &FakeProc, words: &[&str], expected: &[u32]) {
    let outcome = find(fake, words).succeeds();
    let mut pids = outcome.pids();
    pids.sort_unstable();
    assert!(pids == expected, "expected {expected:?}\n{}", outcome.report());
}

#[track_caller]
fn finds_nothing(outcome: Outcome) {
    let outcome = outcome.exits(1).prints("");
    assert!(outcome.stderr.is_empty(), "expected no message\n{}", outcome.report());
}

/// Makes init - cron - two workers of cron, each with a shell, of which one runs a job.
fn cron() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, ppid, name, exe, uid, cmdline) in [
        (1, 0, "init", "/sbin/init", 0, "/sbin/init\0"),
        (10, 1, "cron", "/usr/sbin/cron", 0, "/usr/sbin/cron\0-f\0"),
        (20, 10, "cron", "/usr/sbin/cron", 0, "/usr/sbin/cron\0-f\0"),
        (21, 10, "cron", "/usr/sbin/cron", 0, "/usr/sbin/cron\0-f\0"),
        (30, 20, "sh", "/usr/bin/dash", 1000, "/bin/sh\0-c\0backup\0"),
        (31, 21, "sh", "/usr/bin/dash", 1000, "/bin/sh\0-c\0report\0"),
        (40, 30, "backup", "/opt/backup", 1000, "/opt/backup\0--all\0"),
    ] {
        let ids = format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        let status = format!("Name:\t{name}\nState:\tS (sleeping)\nPPid:\t{ppid}\n{ids}");
        fake.process(pid, ppid, name)
            .link("exe", exe)
            .file("cmdline", cmdline)
            .file("status", status);
    }
    fake
}

/// Returns a word that is in no other command line.
fn marker(name: &str) -> String {
    format!("{name}-of-{}", id())
}

/// Returns a command that runs a shell script, with `$P` for the program and `$M` for a word.
fn shell(script: &str, word: &str) -> Command {
    let mut command = clean("sh");
    command.args(["-c", script]).env("P", PROCTOOL).env("M", word);
    command
}

/// Copies a program, in another process: a file that a fork of ours holds open for writing cannot
/// be started.
fn copy_from(source: &Path, path: &Path) {
    assert!(Command::new("cp").arg(source).arg(path).status().expect("running cp").success());
}

/// The shell of the namespace and some sleepers, each question asked of both. Files instead of
/// pipes and `$( )`, so that no other process comes and goes.
const AS_PGREP: &str = r#"
    mount -t tmpfs none /mnt && cd /mnt || exit
    for name in alpha Beta gamma; do cp "$(command -v sleep)" $name; done
    asleep() { local line=; until [[ $line == "$1 ($2) S "* ]]; do read -r line < /proc/$1/stat; done; }
    ./alpha 1000 & alpha=$!
    ./alpha 1001 & asleep $! alpha
    ./Beta 1000 & beta=$!
    setsid ./gamma 1000 & gamma=$!
    # Not possible in a user namespace with root alone.
    as_other='setpriv --reuid 1 --regid 1 --clear-groups'; $as_other true 2> /dev/null || as_other=
    $as_other ./gamma 1001 & other=$!
    # The child ends when nobody can wait for it any more.
    (own=$BASHPID; (name=; until [ "$name" = alpha ]; do read -r name < /proc/$own/comm; done) & exec ./alpha 1002) &
    parent=$!
    asleep $alpha alpha; asleep $beta Beta; asleep $gamma gamma; asleep $other gamma; asleep $parent alpha
    until "$P" find -q -r Z -P $parent; do :; done
    kill -STOP $beta
    until "$P" find -q -r T; do :; done
    echo $gamma > pidfile
    compared=0
    ask() {
        pgrep "$@" > theirs 2> complaints; local status=$?
        "$P" find "$@" > ours 2> messages; local own=$?
        compared=$((compared + 1))
        [ -s complaints ] || [ ! -s messages ] && [ $own = $status ] && cmp -s theirs ours && return
        echo "find $*: status $own, pgrep $status"
        diff theirs ours
        cat complaints messages
    }
    ask alpha; ask '^al'; ask 'a$'; ask '[bB]eta|gamma'; ask nosuch; ask .; ask 'a{1}l.*a'
    ask -x alph; ask -x alpha; ask -x 'alpha|gamma'
    ask -f 'alpha 100[01]'; ask -f -x './alpha 1000'; ask -x -f alpha; ask -f -x './gamma.*'
    ask -i BETA; ask BETA; ask -i -x beta; ask -i -f './BETA'
    ask -v alpha; ask -v -x gamma; ask -v -P $$; ask -v -u 1
    ask -c alpha; ask -c nosuch; ask -c -v alpha
    ask -l alpha; ask -l -x true; ask -a -x 'alpha|gamma'; ask -d , alpha; ask -d ' and ' -l alpha; ask -d '' alpha
    ask -n alpha; ask -o alpha; ask -n .; ask -o .; ask -n nosuch; ask -l -n gamma; ask -c -o alpha
    ask -O 100000; ask -O 100000 alpha
    ask -P $$; ask -P 1,$parent; ask -P $parent; ask -P $$ alpha
    ask -g 0; ask -g $gamma; ask -g 0,$gamma; ask -s 0; ask -s $gamma; ask -s 0 -v
    ask -u 0; ask -u root; ask -u 1; ask -u 0,1; ask -U root; ask -U 1; ask -u 54321; ask -U 0 alpha
    ask -G 0; ask -G root; ask -G 1; ask -G 54321
    ask -r T; ask -r Z; ask -r S,T '^[aBg]'; ask -r S alpha; ask -r D; ask -r T -v
    ask -t '?'; ask -t '?,pts/7' alpha; ask -t ''; ask -t pts/77; ask -t tty1
    ask -F pidfile; ask -F pidfile alpha; ask -F pidfile gamma
    ask -A .; ask -A alpha; ask -A -v alpha
    ask --ns $$; ask --ns $$ alpha; ask --ns $$ --nslist pid,uts alpha
    ask -w alpha; ask -w -l alpha; ask -w -d , alpha; ask -w nosuch; ask -w -v alpha
    ask -L -F pidfile; ask -L; ask -L -F nosuch
    ask -P $$ -u 0 -x -v alpha; ask -g 0 -u root -r S -i BETA
    ask 'a('; ask '*('; ask -u nosuchuser; ask -n -o alpha; ask --nosuch; ask alpha beta; ask -F nosuch
    ask '[[:alpha:]]+'; ask 'alph[[:lower:]]$'; ask '[]a]lpha'; ask '[^]a]lpha'; ask '[a-]lpha'; ask '\<al'; ask 'al\>'
    ask '\w+ta'; ask 'alpha|'; ask '()alpha'; ask 'a**'; ask 'a{2,1}'; ask '[b-a]'; ask '\'; ask 'a{2'; ask '{'
    ask -l -f 1000; ask -a -f '^./gamma'; ask -c -n alpha; ask -x -v alpha; ask -l -r Z; ask -fl -d '|' alpha
    ask -lf '1000$'
    ask -P 0; ask -g 1; ask -s 1; ask -P abc; ask -P ''; ask -u ''; ask -g ''; ask -t -
    ask --cgroup /; ask --cgroup /nosuch; ask -F pidfile -v; ask -c -d , alpha; ask -d '\n' alpha; ask -uroot -P1 al
    ask --count alpha; ask --inverse alpha; ask --delimiter : alpha; ask --list-name alpha; ask --list-full -x alpha
    ask --euid 1; ask --uid 1; ask --group 1; ask --session $gamma; ask --pgroup $gamma; ask --terminal tty9
    ask --ignore-case ALPHA; ask --exact alpha; ask --newest alpha; ask --oldest alpha; ask --full 1002; ask --parent 1
    ask --ignore-ancestors .; ask --older 0 nosuch; ask --older=100000 .; ask --runstates T; ask --pidfile pidfile
    echo compared $compared
"#;

#[test]
fn it_answers_as_pgrep_does() {
    if clean("pgrep").arg("--version").output().is_err() {
        skip!("pgrep is missing");
    }
    let Some(command) = namespace::script(AS_PGREP) else { skip!("no private namespaces") };
    let outcome = finish(command);
    assert!(
        outcome.lines().last().is_some_and(|line| line.starts_with("compared ")),
        "{}",
        outcome.report()
    );
    let differences = outcome.lines().into_iter().filter(|line| !line.starts_with("compared "));
    assert_eq!(differences.count(), 0, "{}", outcome.report());
    outcome.succeeds();
}
