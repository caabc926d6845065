//! Many machines: the commands of README that make all of them stand still together, by ClusterShell
//! and by Ansible.

use std::process::Stdio;

use rustix::process::Signal;

use super::support::cron::{job, soon};
use super::support::fleet::Fleet;
use super::support::running::Running;
use crate::skip;

const README: &str = include_str!("../README.md");

/// The commands of README, in which a test waits for a shorter time.
const HOLD: &str = "clush -f 1000 -w @jobs -S 'cron-graceful -q --hold --lease 1h --timeout 10m' && \
                    migrate-database";
const RELEASE: &str = "clush -f 1000 -w @jobs -S cron-graceful -q --release";
const PLAY: &str = "ansible-playbook -i hosts -f 1000 together.yml";
const MAINTAIN: &str = "ansible-playbook -i hosts maintenance.yml";

#[test]
fn the_commands_are_those_of_readme() {
    for command in [HOLD, RELEASE, PLAY, MAINTAIN] {
        assert!(README.contains(&format!("\n$ {command}\n")), "{command}");
    }
}

/// Makes a fleet, or skips the test and says why there is none.
macro_rules! fleet {
    ($hosts:expr, $program:expr) => {
        match Fleet::new($hosts, &[$program]) {
            Ok(fleet) => fleet,
            Err(reason) => skip!(&reason),
        }
    };
}

/// The crons of a fleet.
struct Crons<'f> {
    fleet: &'f Fleet,
    daemons: Vec<u32>,
}

impl Crons<'_> {
    /// Starts a cron on each host. Each has a job that ends by itself, but the last one of a fleet that is
    /// `stuck`, whose job waits until it is released.
    fn start(fleet: &Fleet, is_stuck: bool) -> Crons<'_> {
        let start = |(at, host): (usize, &super::support::cron::CronBox)| {
            if is_stuck && at + 1 == fleet.hosts.len() {
                return host.cron_with_job().0;
            }
            host.crontab(&["sleep 1"]);
            host.cron()
        };
        let daemons = fleet.hosts.iter().enumerate().map(start).collect();
        let crons = Crons { fleet, daemons };
        // The work on what they share notes how many crons run meanwhile.
        let states = crons.each().map(|(host, daemon)| host.root(&format!("/proc/{daemon}/stat")));
        let states: Vec<String> = states.map(|path| path.display().to_string()).collect();
        let script = format!("#!/bin/sh\ngrep -Lc ') T ' {} | wc -l >>work\n", states.join(" "));
        fleet.program("migrate-database", &script);
        crons
    }

    fn each(&self) -> impl Iterator<Item = (&super::support::cron::CronBox, u32)> {
        self.fleet.hosts.iter().zip(self.daemons.iter().copied())
    }

    fn stopped(&self) -> usize {
        self.each().filter(|(host, daemon)| "Tt".contains(host.state(*daemon))).count()
    }

    /// Waits until all run, and none of ours does.
    fn run_on(&self) {
        soon("crons that all run on", || self.stopped() == 0);
        for (host, daemon) in self.each() {
            host.still_runs(daemon);
        }
    }

    /// Returns how many crons were running whenever the shared work was done.
    fn work(&self) -> String {
        std::fs::read_to_string(self.fleet.path("work")).unwrap_or_default()
    }
}

#[test]
fn thirty_machines_stand_still_while_the_work_is_done() {
    let fleet = fleet!(30, "clush");
    let crons = Crons::start(&fleet, false);
    let outcome = fleet.drive(HOLD).exits(0);
    assert_eq!((crons.work().as_str(), crons.stopped()), ("0\n", 30), "{}", outcome.report());
    let list = fleet.drive("clush -w @jobs cron-graceful --list").exits(0);
    assert_eq!(list.text().matches("paused: held until").count(), 30, "{}", list.report());
    fleet.drive(RELEASE).exits(0);
    crons.run_on();
    // Nobody holds them any more: a lease that was over would be seen by this.
    fleet.drive(RELEASE).exits(1);
}

#[test]
fn a_job_that_does_not_end_is_named_and_no_work_is_done() {
    let fleet = fleet!(6, "clush");
    let crons = Crons::start(&fleet, true);
    let outcome = fleet.drive(&HOLD.replace("10m", "2")).exits(124);
    assert!(outcome.text().contains("web6: ") && outcome.text().contains(&job("a")), "{outcome:?}");
    assert_eq!((crons.work().as_str(), crons.stopped()), ("", 5));
    let outcome = fleet.drive(RELEASE).exits(1);
    assert!(outcome.errors().contains("web6: "), "{}", outcome.report());
    crons.run_on();
}

/// Without a lease, the connection holds cron.
#[test]
fn all_machines_run_on_when_the_driver_is_killed() {
    let fleet = fleet!(6, "clush");
    let crons = Crons::start(&fleet, false);
    for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
        let mut command = fleet.driver("exec clush -w @jobs -S cron-graceful --hold");
        command.stdin(Stdio::piped());
        let driver = Running::start(command);
        soon("crons that are all held", || crons.stopped() == 6);
        driver.signal(signal);
        driver.finish();
        crons.run_on();
    }
}

/// Returns the first or the second playbook of README.
fn playbook(at: usize) -> String {
    let block = README.split("```yaml\n").nth(at).expect("finding a playbook");
    block.split("```").next().expect("finding its end").to_owned()
}

#[test]
fn ansible_holds_all_machines_while_the_work_is_done() {
    let fleet = fleet!(3, "ansible-playbook");
    let crons = Crons::start(&fleet, false);
    fleet.write("together.yml", &playbook(2));
    fleet.drive(&format!("{PLAY} --check")).exits(0);
    assert_eq!((crons.work().as_str(), crons.stopped()), ("", 0));
    let outcome = fleet.drive(PLAY).exits(0);
    assert_eq!(crons.work(), "0\n", "{}", outcome.report());
    crons.run_on();
}

#[test]
fn ansible_does_no_work_where_a_job_does_not_end() {
    let fleet = fleet!(3, "ansible-playbook");
    let crons = Crons::start(&fleet, true);
    fleet.write("together.yml", &playbook(2).replace("10m", "2"));
    let outcome = fleet.drive(PLAY).exits(2);
    let failed = outcome.lines().into_iter().find(|line| line.starts_with("fatal: [web3]"));
    assert!(failed.is_some_and(|line| line.contains(&job("a"))), "{}", outcome.report());
    assert_eq!(crons.work(), "", "{}", outcome.report());
    crons.run_on();
    // Nor where a machine cannot be reached.
    std::fs::remove_file(fleet.path("hosts.d/web3")).expect("removing a host");
    let outcome = fleet.drive(PLAY).exits(4);
    assert_eq!(crons.work(), "", "{}", outcome.report());
    crons.run_on();
}

#[test]
fn the_playbook_for_maintenance_stops_cron() {
    let fleet = fleet!(2, "ansible-playbook");
    let crons = Crons::start(&fleet, false);
    fleet.write("maintenance.yml", &playbook(1));
    fleet.drive(&format!("{MAINTAIN} --check")).exits(0);
    crons.run_on();
    let outcome = fleet.drive(MAINTAIN).exits(0);
    assert!(outcome.text().contains("changed: [web1]"), "{}", outcome.report());
    for (host, daemon) in crons.each() {
        host.is_stopped(daemon);
    }
}

#[test]
fn the_other_commands_for_clustershell_work() {
    let fleet = fleet!(2, "clush");
    let crons = Crons::start(&fleet, false);
    let commands = README.lines().filter_map(|line| line.strip_prefix("$ "));
    let commands: Vec<&str> = commands.filter(|line| line.starts_with("clush -w web1")).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let outcome = fleet.drive(command);
        let is_wrong = ["rror", "try '"].iter().any(|word| outcome.errors().contains(word));
        assert!(!is_wrong && outcome.text().lines().count() > 0, "{}", outcome.report());
    }
    crons.run_on();
}
