//! Waiting until some of them have ended.

use super::*;

#[test]
fn any_is_the_first_one_that_ends() {
    let (first, second) = (sleeper(), sleeper());
    let (one, two) = (pid(&first), pid(&second));
    let running = waiting(&["--any", &one, &two]);
    drop(second);
    running.finish().succeeds().prints(format!("{two} sh: ended\n"));
    let running = waiting(&["--any", "--json", &one, &vanished()]);
    drop(first);
    let shown = running.finish().succeeds().json();
    let states: Vec<_> = outcomes(&shown).into_iter().map(|(_, outcome)| outcome).collect();
    assert!(
        states.contains(&"ended".to_owned()) && states.contains(&"gone before".to_owned()),
        "{shown:#}"
    );
}

#[test]
fn a_count_is_as_many_as_must_end() {
    let (first, second, third) = (sleeper(), sleeper(), sleeper());
    let [one, two, three] = [&first, &second, &third].map(pid);
    let mut running = waiting(&["--count", "2", "--jsonl", &one, &two, &three]);
    drop(third);
    assert!(running.line().contains(&format!("\"pid\":{three},")));
    let running = running.watching();
    drop(first);
    let rest = objects(&running.finish().succeeds());
    assert_outcomes(&rest.into(), &[(&one, "ended"), (&two, "still running")]);
}

#[test]
fn a_count_is_reached_by_those_that_end_and_those_that_have() {
    let (first, second, third) = (sleeper(), sleeper(), zombie());
    let [one, two, three] = [&first, &second, &third].map(pid);
    let running = waiting(&["--count", "2", "--json", &one, &two, &three]);
    drop(first);
    let shown = running.finish().succeeds().json();
    assert_outcomes(&shown, &[(&one, "ended"), (&two, "still running"), (&three, "ended")]);
}

#[test]
fn a_count_that_cannot_be_reached_is_refused() {
    let target = sleeper();
    let pid = pid(&target);
    wait(&["--count", "2", &pid])
        .refuses(2, "--count 2 is more than there are processes to wait for (1)");
    wait(&["--count", "0", &pid]).refuses(2, "invalid value '0'");
    wait(&["--count", "1", "--any", &pid]).refuses(2, "cannot be used with");
    // The same process, however it is called, ends once.
    wait(&["--count", "2", &pid, &pid]).refuses(2, "--count 2 is more than");
    if let Some(identity) = identity(target.pid()) {
        wait(&["--count", "2", "--timeout", "0.2", &pid, &identity])
            .refuses(2, "--count 2 is more than");
    }
}
