//! Processes that end in the middle of everything, thousands of times.

use super::support::command::finish;
use super::support::namespace;
use crate::skip;

/// Forks and ends processes in two loops while the applets run; prints what should not be, then how
/// much there was.
const SCRIPT: &str = r#"
    export LANG=C
    churn() { while :; do /bin/true & /bin/true & (exec /bin/sleep 0) & wait; done; }
    churn 2>/dev/null & churn 2>/dev/null &
    first=$(cut -d' ' -f5 /proc/loadavg)
    check() {
        name=$1; shift
        "$P" "$@" >/mnt/out 2>/mnt/err; status=$?
        case $status in 0|1|64) ;; *) echo "$name: status $status: $(head -c 300 /mnt/err)";; esac
        grep -vE ': (there is no process [0-9]+|process [0-9]+ ended while it was read|no process matches)$' /mnt/err |
            sed "s/^/$name: unexpected message: /"
        [ "$name" != json ] || python3 -c 'import json,sys; json.load(open("/mnt/out"))' || echo "$name: no JSON"
    }
    mount -t tmpfs none /mnt
    for round in $(seq ROUNDS); do
        # On a machine that is busy, fewer have to do.
        [ $SECONDS -lt 60 ] || break
        check tree tree -agutS
        check find find --fields pid,ppid,comm,exe_name,user,cmdline,cwd,rss,uss,id,fd_count,cgroup
        check newest find -n true
        check related find --descendants-of 1 -a
        check show show $(seq $(cut -d' ' -f5 /proc/loadavg) | tail -n 30)
        [ $((round % 10)) != 0 ] || check json tree --json
        [ $((round % 10)) != 5 ] || check json show --json 1 $(seq $(cut -d' ' -f5 /proc/loadavg) | tail -n 30)
    done
    echo "forks $(($(cut -d' ' -f5 /proc/loadavg) - first))"
"#;

#[test]
fn processes_may_end_at_any_moment() {
    let Some(command) = namespace::script(&SCRIPT.replace("ROUNDS", "150")) else {
        skip!("no private namespaces")
    };
    let outcome = finish(command).exits(0);
    let lines = outcome.lines();
    let forks = lines.last().and_then(|line| line.strip_prefix("forks ")?.parse::<u32>().ok());
    assert_eq!(lines.len(), 1, "{}", outcome.report());
    assert!(
        forks.is_some_and(|forks| forks > 2000),
        "too little happened to mean anything\n{}",
        outcome.report()
    );
}
