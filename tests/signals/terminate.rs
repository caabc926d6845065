//! Ending processes, with time limits and interruptions.

use super::*;

#[test]
fn terminate_ends_an_ordinary_target() {
    let program = Program::new("ends");
    let target = program.start();
    on(&target, "terminate", &[]).succeeds().prints(format!(
        "{} {}: ended\n",
        target.pid(),
        program.name
    ));
    assert_eq!(ending(&target), "15");
}

#[test]
fn a_target_that_ignores_term_is_killed_when_the_time_is_over() {
    let target = ignores_term();
    let outcome = on(&target, "terminate", &["--timeout", "0.3"]).exits(0);
    assert!(
        outcome.text() == format!("{} sh: killed: it ignores TERM\n", target.pid()),
        "{}",
        outcome.report()
    );
    assert_eq!(ending(&target), "9");
}

#[test]
fn a_target_that_ignores_term_is_left_alone_if_it_is_not_to_be_killed() {
    let target = ignores_term();
    let outcome =
        on(&target, "terminate", &["--timeout", "0.3", "--no-kill"]).exits(124).prints("");
    outcome.says(&format!("1 still running: {} (sh)", target.pid()));
    lives(&target);
    assert_eq!(
        becomes(
            &target,
            "terminate",
            &["--timeout", "0.1", "--no-kill"],
            124,
            "timed \
        out"
        )["signal"],
        "TERM"
    );
    lives(&target);
}

#[test]
fn terminate_does_not_wait_if_it_is_not_to() {
    let Some(slow) = Stubborn::start("") else { skip!("no python3") };
    let line = format!("{} python3: signalled with TERM\n", slow.target.pid());
    on(&slow.target, "terminate", &["--no-wait"]).succeeds().prints(line);
    until("it got TERM", || slow.has_heard());
    lives(&slow.target);
    run(&["terminate", "--no-wait", "--no-kill", "1"]).refuses(2, "cannot be used with");
}

/// A stopped process would not see TERM before it is continued, and KILL would come only after 10
/// seconds.
#[test]
fn a_stopped_target_is_continued_to_heed_term() {
    let Some(stopped) = Stubborn::start("os._exit(3)") else { skip!("no python3") };
    stop(&stopped.target);
    let begin = Instant::now();
    assert_eq!(becomes(&stopped.target, "terminate", &[], 0, "ended")["signal"], "TERM");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(stopped.has_heard());
    assert_eq!(ending(&stopped.target), (3 << 8).to_string());
}

#[test]
fn a_zombie_has_ended() {
    let mut zombie = Program::new("dead").start();
    zombie.become_zombie();
    becomes(&zombie, "terminate", &[], 0, "ended");
    becomes(&zombie, "terminate", &["--tree", "--no-wait"], 0, "ended");
    becomes(&zombie, "kill", &[], 0, "ended");
    for applet in ["suspend", "resume"] {
        becomes(&zombie, applet, &[], 1, "ended");
        let message = format!("proctool {applet}: process {} (", zombie.pid());
        let outcome = on(&zombie, applet, &[]);
        assert!(
            outcome.errors().contains("ended: it takes no signal any more"),
            "{}",
            outcome.report()
        );
        outcome.refuses(1, &message);
    }
}

#[test]
fn one_that_somebody_else_kills_meanwhile_has_ended() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let waiting =
        background(&["terminate", "--timeout", "0", "--json", &stubborn.target.pid().to_string()]);
    until("it got TERM", || stubborn.has_heard());
    send(&stubborn.target, Signal::KILL);
    let outcome = waiting.finish().succeeds();
    assert_eq!(row(&outcome)["outcome"], "ended", "{}", outcome.report());
}

/// nohup, and a shell without job control, leave signals to the programs that they start in this
/// way.
#[test]
fn a_signal_that_was_ignored_from_the_beginning_ends_no_wait() {
    let Some(stubborn) = Stubborn::start("") else { skip!("no python3") };
    let pid = stubborn.target.pid().to_string();
    let mut command = clean("env");
    command.args([
        "--ignore-signal=INT,HUP",
        PROCTOOL,
        "terminate",
        "--timeout",
        "0",
        "--json",
        &pid,
    ]);
    let waiting = Running::start(command);
    until("it got TERM", || stubborn.has_heard());
    waiting.signal(Signal::INT);
    waiting.signal(Signal::HUP);
    send(&stubborn.target, Signal::KILL);
    assert_eq!(row(&waiting.finish().succeeds())["outcome"], "ended");
}
