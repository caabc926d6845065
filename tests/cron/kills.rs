//! Whoever of ours is killed, at whatever moment and in whatever order: cron runs on, nothing of
//! ours is left, and the next run works.

use std::thread;
use std::time::Duration;

use super::super::support::cron::{CronBox, Run, soon};
use crate::cron_box;

/// Number of kills of each kind, unless `$PROCTOOL_KILLS` has another one.
const KILLS: usize = 30;

/// The latest moment of a kill, in milliseconds after the start. By then cron is paused.
const LATEST: u64 = 150;

/// The times between two kills, in milliseconds.
const GAPS: [u64; 6] = [0, 1, 2, 5, 10, 20];

fn kills() -> usize {
    std::env::var("PROCTOOL_KILLS").map_or(KILLS, |text| text.parse().expect("a number"))
}

/// Random numbers, the same ones in each run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Returns these in any order.
    fn shuffled(&mut self, mut pids: Vec<u32>) -> Vec<u32> {
        for at in (1..pids.len()).rev() {
            pids.swap(at, self.below(at as u64 + 1) as usize);
        }
        pids
    }

    fn moment(&mut self) -> Duration {
        Duration::from_millis(self.below(LATEST))
    }
}

/// Returns the guardians of a run.
fn guardians(place: &CronBox, tool: u32) -> Vec<u32> {
    let all = place.of_the_program().into_iter();
    all.filter(|seen| seen.parent == tool && seen.state != 'Z').map(|seen| seen.pid).collect()
}

/// Kills these with a gap between each and the next one.
fn kill_all(place: &CronBox, pids: &[u32], gap: u64) {
    let kill = |pid: &u32| format!("kill -KILL {pid} 2>&-");
    let pause = format!("; read -r -t 0.{gap:03} -u 9; ");
    let pause = if gap == 0 { "; " } else { &pause };
    // A wait inside the shell takes no longer than the gap, unlike sleep(1).
    let kills = pids.iter().map(kill).collect::<Vec<_>>().join(pause);
    place.shell(&format!("exec 9<> <(:); {kills}; true"));
}

/// Checks that cron runs on, and that nothing of ours does.
fn runs_on(place: &CronBox, daemon: u32, how: &str) {
    soon(&format!("a cron that runs on after {how}"), || !"Tt".contains(place.state(daemon)));
    soon(&format!("the end of all of ours after {how}"), || place.of_the_program().is_empty());
    assert!(!"Tt".contains(place.state(daemon)), "it was stopped again after {how}");
}

/// Kills runs that wait for a job, and checks after each one that cron runs on.
fn kill_runs(mut kill: impl FnMut(&CronBox, &mut Dice, &Run, u32) -> String, place: &CronBox) {
    let (daemon, _) = place.cron_with_job();
    let mut dice = Dice(2_463_534_242);
    for _ in 0..kills() {
        let run = place.begin(&["--timeout", "25s"]);
        let how = kill(place, &mut dice, &run, daemon);
        run.finish();
        runs_on(place, daemon, &how);
    }
    place.release("a");
    place.graceful(&[]).exits(0);
    place.is_stopped(daemon);
}

#[test]
fn a_run_that_ends_at_any_moment_leaves_cron_running() {
    for signal in ["KILL", "TERM"] {
        let place = cron_box!();
        let kill = |place: &CronBox, dice: &mut Dice, run: &Run, _| {
            let moment = dice.moment();
            thread::sleep(moment);
            place.kill(signal, run.pid);
            format!("{signal} after {moment:?}")
        };
        kill_runs(kill, &place);
    }
}

#[test]
fn a_run_and_its_guardian_may_be_killed_in_any_order() {
    let place = cron_box!();
    let kill = |place: &CronBox, dice: &mut Dice, run: &Run, daemon| {
        place.await_pause(run, daemon);
        let mut ours = guardians(place, run.pid);
        ours.push(run.pid);
        let ours = dice.shuffled(ours);
        let gap = GAPS[dice.below(GAPS.len() as u64) as usize];
        kill_all(place, &ours, gap);
        format!("KILL of {ours:?}, of which {} was the run, every {gap} ms", run.pid)
    };
    kill_runs(kill, &place);
}

#[test]
fn a_guardian_that_is_killed_at_any_moment_changes_nothing() {
    let place = cron_box!();
    let kill = |place: &CronBox, dice: &mut Dice, run: &Run, daemon| {
        place.await_pause(run, daemon);
        for guardian in guardians(place, run.pid) {
            place.kill("KILL", guardian);
        }
        let moment = dice.moment();
        thread::sleep(moment);
        assert_eq!(place.state(daemon), 'T');
        place.kill("KILL", run.pid);
        format!("KILL of the guardian, and of the run {moment:?} later")
    };
    kill_runs(kill, &place);
}

/// Nobody of ours needs to be left to see the end of the others.
#[test]
fn a_holder_and_its_guardian_may_be_killed_in_any_order() {
    let place = cron_box!();
    let daemon = place.cron();
    let mut dice = Dice(88_172_645_463_325_252);
    for _ in 0..kills() {
        place.graceful(&["-q", "--hold", "--lease", "60s"]).exits(0);
        let ours = place.of_the_program().iter().map(|seen| seen.pid).collect();
        let ours = dice.shuffled(ours);
        let gap = GAPS[dice.below(GAPS.len() as u64) as usize];
        assert_eq!(place.state(daemon), 'T');
        kill_all(&place, &ours, gap);
        runs_on(&place, daemon, &format!("KILL of {ours:?} every {gap} ms"));
    }
}

/// A shell stands for sshd: it has the other ends of both pipes.
#[test]
fn a_connection_that_is_killed_at_any_moment_lets_cron_run_on() {
    let place = cron_box!();
    let daemon = place.cron();
    let mut dice = Dice(521_288_629);
    for number in 0..kills() {
        let file = format!("connection.{number}");
        let script = format!("coproc cron-graceful --hold; echo $$ >/mnt/{file}; wait");
        let mut command = place.inside(&["bash", "-c", &script]);
        let mut connection = command.spawn().expect("starting a shell");
        soon("a connection", || !place.read(&file).is_empty());
        // It may hold cron already, or still look for jobs.
        let moment = dice.moment();
        thread::sleep(moment);
        place.kill("KILL", place.read(&file));
        connection.wait().expect("reaping a shell");
        runs_on(&place, daemon, &format!("KILL of the connection after {moment:?}"));
    }
    place.graceful(&[]).exits(0);
    place.is_stopped(daemon);
}
