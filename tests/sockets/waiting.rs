//! `wait --until listening`.

use super::*;

#[test]
fn it_waits_for_a_process_below_the_target() {
    let script = r#"
        mkfifo /mnt/go
        listen='python3 -I -S /mnt/sockets.py tcp:127.0.0.1:8080 > /mnt/out'
        bash -c "read -r _ < /mnt/go; $listen; true" & target=$!
        "$P" wait --until listening:8080 $target > /mnt/told & waiter=$!
        "$P" wait --until listening:tcp:127.0.0.1:8080 --pid $target > /mnt/more & other=$!
        "$P" wait --until listening:8081 --timeout 0.1 $target; echo $?
        echo > /mnt/go
        wait $waiter; echo $?; wait $other; echo $?
        listener=$("$P" find --port 8080)
        sed "s/^$listener /ID /" /mnt/told /mnt/more
        "$P" wait --until listening $target | sed "s/^$listener /ID /"
        "$P" wait --until listening:80 --dry-run $target | sed "s/^$target /ID /""#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    let listens = "ID python3: listens on tcp:127.0.0.1:8080\n";
    let outcome = outcome
        .prints(format!("124\n0\n0\n{listens}{listens}{listens}ID bash: would be waited for\n"));
    let told = outcome.errors();
    assert!(told.ends_with(": timed out before anything listened\n"), "{}", outcome.report());
}

#[test]
fn a_target_that_ends_first_gives_its_status() {
    let script = r#"
        mkfifo /mnt/go
        for status in 7 0; do
            bash -c "read -r _ < /mnt/go; exit $status" & target=$!
            "$P" wait --until listening $target & waiter=$!
            until [ "$(cat /proc/$waiter/fdinfo/* 2> /mnt/gone | grep -c ^tfd:)" = 2 ]; do :; done
            echo > /mnt/go
            wait $target; wait $waiter; echo $?
        done
        "$P" wait --until listening $target; echo $?
        "$P" wait --until listening --exe nosuch; echo $?"#;
    let Some(outcome) = inside(script) else { skip!(NO_NETWORK) };
    // Since Linux 6.15 the kernel tells how a process ended that is not our child.
    let (first, status) = if namespace::kernel() >= (6, 15) { (7, "status 7") } else { (1, "") };
    let outcome = outcome.prints(format!("{first}\n1\n1\n1\n"));
    let told = outcome.errors();
    assert!(
        told.contains(status)
            && told.matches("before anything listened").count() == 2
            && told.contains("gone before")
            && told.contains("no process matches"),
        "{}",
        outcome.report()
    );
}

#[test]
fn mistakes() {
    for (words, why) in [
        (&["--until", "ready"][..], "listening, or listening:PORT"),
        (&["--until", ""], "listening, or listening:PORT"),
        (&["--until", "listening:"], "a port is a number"),
        (&["--until", "listening:http"], "getent services http"),
        (&["--until", "listening", "--any"], "cannot be used with"),
        (&["--until", "listening", "--json"], "cannot be used with"),
    ] {
        run(&[&["wait", "1"], words].concat()).refuses(2, why);
    }
    run(&["wait", "--until", "listening"]).refuses(2, "no process is named");
}
