//! The examples of the manual and of README: each of them is run where it can work.

use std::collections::BTreeSet;

use serde_json::Value;

use super::support::apache::ApacheBox;
use super::support::command::{finish, run};
use super::support::cron::CronBox;
use super::support::desktop::DesktopBox;
use super::support::desktop_systemd::{Machine, SEAT0};
use super::support::gpg::GpgBox;
use super::support::namespace;
use crate::{apache_box, cron_box, desktop_box, gpg_box, skip};

/// The place where an example is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Among a few processes, where it ends with this status.
    Processes(i32),
    Cron,
    /// Beside a cron whose job fails.
    CronJobs,
    Apache,
    Gpg,
    Desktop,
    Notification,
    /// Nowhere in this file, for this reason.
    Elsewhere(&'static str),
}

use Place::{Apache, Cron, CronJobs, Desktop, Elsewhere, Gpg, Notification, Processes};

const BUILD: &str = "it builds, installs or tests this tree, as what runs this test has done";
const MACHINES: &str = "it needs other machines";
const FLEET: &str = "tests/fleet.rs runs it";

/// All examples.
const EXAMPLES: &[(&str, Place)] = &[
    ("proctool find -a sshd", Processes(0)),
    ("proctool find --exe cron --fields pid,user,runtime,cmdline", Processes(0)),
    ("proctool find --grandchildren-of cron --json", Processes(0)),
    // No process there is so old.
    ("proctool find --user www-data --older 1h --count", Processes(1)),
    ("proctool find --file /var/log/syslog --fields pid,user,name", Processes(0)),
    ("proctool find --deleted --fields pid,unit,deleted_libraries", Processes(0)),
    // There is no cron.service, and nothing takes so much memory.
    ("proctool find --unit cron --not exe=cron --newer 1h", Processes(1)),
    ("proctool find --where 'rss > 1G and state != D' --fields pid,rss,name", Processes(1)),
    // Nothing is in that unit.
    ("proctool kill --signal USR1 --queue 7 --require-handler --unit web", Processes(1)),
    ("proctool kill 1234", Processes(0)),
    ("proctool kill --tree --exe runaway", Processes(0)),
    ("proctool kill --signal HUP --exe rsyslogd", Processes(0)),
    ("proctool kill --list", Processes(0)),
    ("proctool resume 1234", Processes(0)),
    ("proctool resume --tree --exe backup", Processes(0)),
    ("proctool resume --user build --runstates T", Processes(0)),
    ("proctool show 1", Processes(0)),
    ("proctool show --fields exe_path,cwd,rss,uss self", Processes(0)),
    ("proctool show --json 1 | jq '.[0].capabilities'", Processes(0)),
    ("proctool suspend 1234", Processes(0)),
    ("proctool suspend --tree --exe backup", Processes(0)),
    ("proctool suspend --user build --dry-run", Processes(0)),
    ("proctool terminate 1234", Processes(0)),
    ("proctool terminate --tree --timeout 1m --exe backup", Processes(0)),
    ("proctool terminate --descendants-of 1234 --dry-run", Processes(0)),
    ("proctool terminate --no-kill $(cat backup.pid) --exe backup --user root", Processes(0)),
    ("proctool tree", Processes(0)),
    ("proctool tree --exe cron", Processes(0)),
    ("proctool tree -s -a 1234", Processes(0)),
    ("proctool tree --user www-data --depth 1 --json", Processes(0)),
    ("proctool wait 1234 && shutdown now", Processes(0)),
    ("proctool wait --status --jsonl --descendants-of 1234", Processes(0)),
    ("proctool wait --timeout 1h --exe backup", Processes(0)),
    (
        "id=$(proctool find --json --fields id --newest --exe backup |\n  jq -r '.[0].id')\n\
         proctool wait \"$id\"",
        Processes(0),
    ),
    ("source <(proctool completions bash)", Processes(0)),
    (
        "proctool completions fish proctool \\\n  > ~/.config/fish/completions/proctool.fish",
        Processes(0),
    ),
    ("proctool tree --exe cron -u -a", Processes(0)),
    ("proctool tree -s --exe sshd", Processes(0)),
    ("proctool find --grandchildren-of cron --fields pid,user,runtime,rss,cmdline", Processes(0)),
    ("proctool show --fields name,exe_path,user,rss,uss,starttime,unit 19", Processes(0)),
    ("proctool tree --comm backup -a", Processes(0)),
    ("proctool terminate --tree --pattern backup", Processes(0)),
    ("proctool kill --signal HUP 1 1203; echo $?", Processes(0)),
    ("proctool wait --status --timeout 1h --descendants-of 1209", Processes(0)),
    (
        "proctool find --json --fields pid,exe_path,uss --user www-data | jq 'map(.uss) | add'",
        Processes(0),
    ),
    ("proctool find -q --exe cron --user root || echo 'cron is not running'", Processes(0)),
    (
        "proctool wait --jsonl --status --children-of 2100 | jq -c 'select(.exit_status != 0)'",
        Processes(0),
    ),
    (
        "proctool terminate --json $(cat backup.pid) --exe backup --user root    \
         # not whatever else has that number by now",
        Processes(0),
    ),
    (
        "proctool find --fields pid,name --jsonl | jq -c 'select(.name | type == \"object\")'   \
         # names that are not UTF-8",
        Processes(0),
    ),
    ("cron-graceful --list", Cron),
    ("cron-graceful", Cron),
    ("cron-graceful --timeout 1h --on-timeout terminate", Cron),
    ("cron-graceful -- apt-get upgrade", Cron),
    ("cron-graceful --with all -- apt-get upgrade", Cron),
    ("cron-graceful --hold --lease 30m --timeout 10m", Cron),
    ("cron-graceful --list --summary", Cron),
    (
        "cron-graceful --list --openmetrics \\\n  \
         --output /var/lib/prometheus/node-exporter/cron.prom",
        Cron,
    ),
    ("cron-graceful --release", Cron),
    ("cron-graceful --start", Cron),
    ("cron-graceful -- sv down /etc/service/cron", Cron),
    ("cron-graceful -- s6-svc -wd -d /run/service/cron", Cron),
    ("cron-graceful -- svc -d /etc/service/cron", Cron),
    ("cron-graceful -- supervisorctl stop cron", Cron),
    ("cron-graceful -- rc-service cron stop", Cron),
    ("cron-jobs", CronJobs),
    ("cron-jobs --quiet", CronJobs),
    (
        "cron-jobs --jsonl \\\n  | jq -c 'select(.event == \"ended\" and .exit_status != 0)'",
        CronJobs,
    ),
    (
        "cron-jobs --jsonl | jq -c 'select(.exit_signal) | {command, exit_signal, seconds}'",
        CronJobs,
    ),
    (
        "cron-jobs --openmetrics \\\n  --output /var/lib/prometheus/node-exporter/cron-jobs.prom",
        CronJobs,
    ),
    ("apache-mem", Apache),
    ("apache-mem --workers --interval 10s", Apache),
    ("apache-mem --json | jq '.[].more_workers.peak'", Apache),
    ("apache-mem --exe php-fpm", Apache),
    ("apache-mem --top 10 --by unit", Apache),
    ("apache-mem --top 3", Apache),
    (
        "apache-mem --openmetrics \\\n  --output /var/lib/prometheus/node-exporter/apache.prom",
        Apache,
    ),
    ("apache-mem --dashboard >apache-mem.json", Apache),
    (
        "* * * * * root /usr/local/bin/apache-mem -q --openmetrics --output \
         /var/lib/prometheus/node-exporter/apache.prom",
        Apache,
    ),
    ("with-gpg-agent gpg --batch --clearsign message", Gpg),
    ("with-gpg-agent --ssh rsync -a backup: /srv/backup", Gpg),
    ("eval \"$(with-gpg-agent --print)\"", Gpg),
    ("eval \"$(with-gpg-agent --print --ssh)\"", Gpg),
    ("echo $GPG_AGENT_INFO $SSH_AUTH_SOCK", Gpg),
    ("with-gui-environment xdg-open https://example.org/", Desktop),
    ("with-gui-environment --user alice zenity --info --text='Down at six'", Desktop),
    ("with-gui-environment --all \\\n  sh -c 'loginctl lock-session \"$XDG_SESSION_ID\"'", Desktop),
    ("with-gui-environment --list", Desktop),
    ("found=$(with-gui-environment --print) && eval \"$found\"", Desktop),
    ("with-gui-environment id -un", Desktop),
    ("with-gui-environment --user alice sh -c 'wayland-info | head -1'", Desktop),
    ("notify-send-headless -u critical 'Backup failed' 'See the log'", Notification),
    ("notify-send-headless -u critical 'Backup failed' 'See /var/log/backup.log'", Notification),
    ("PROCTOOL_USER=alice notify-send-headless 'Your job is done'", Notification),
    ("@daily root test -d /srv/www || /usr/local/bin/notify-send-headless gone", Notification),
    ("cargo run --release -- tree         # build it and look at the processes", Elsewhere(BUILD)),
    (
        "tests/run                           # run all tests, ten minutes (as root on Debian, it installs \
         what they need)",
        Elsewhere(BUILD),
    ),
    ("./install.sh", Elsewhere(BUILD)),
    (
        "apt install rustc-web cargo-web rust-web-src musl-tools libunwind-14-dev binutils",
        Elsewhere(BUILD),
    ),
    (
        "cargo build --release --locked && ./install.sh --binary target/release/proctool",
        Elsewhere(BUILD),
    ),
    ("./install.sh --binary ~/.cargo/bin/proctool --prefix ~/.local", Elsewhere(BUILD)),
    ("tar -tzf proctool-0.2.0-x86_64.tar.gz | (cd / && xargs rm)", Elsewhere(BUILD)),
    (".ci/release /tmp/release", Elsewhere(BUILD)),
    (
        "ansible -i hosts web -m unarchive -a \
         'src=/tmp/release/proctool-0.2.0-x86_64.tar.gz dest=/'",
        Elsewhere(MACHINES),
    ),
    ("clush -w @jobs -b -S cron-graceful --summary --timeout 10m", Elsewhere(FLEET)),
    ("ansible-playbook -i hosts maintenance.yml", Elsewhere(FLEET)),
    (
        "clush -f 1000 -w @jobs -S 'cron-graceful -q --hold --lease 1h --timeout 10m' && \
         migrate-database",
        Elsewhere(FLEET),
    ),
    ("clush -f 1000 -w @jobs -S cron-graceful -q --release", Elsewhere(FLEET)),
    ("ansible-playbook -i hosts -f 1000 together.yml", Elsewhere(FLEET)),
    ("clush -w web1,web2 -S 'proctool find -q --exe cron --user root'; echo $?", Elsewhere(FLEET)),
    (
        "clush -w web1,web2 -b proctool find --exe apache2 --user root --fields \
         pid,user,rss,cmdline",
        Elsewhere(FLEET),
    ),
    (
        "clush -w web1,web2 \"proctool find --json --fields uss --exe apache2 | jq 'map(.uss) | \
         add'\"",
        Elsewhere(FLEET),
    ),
    (
        "promtool query instant http://localhost:9090 'sum by (instance) \
         (proctool_pool_pss_bytes)'",
        Elsewhere(MACHINES),
    ),
];

/// Returns the examples of a place, with names of users who exist there.
fn examples(place: Place) -> impl Iterator<Item = String> {
    let there = EXAMPLES.iter().filter(move |(_, own)| *own == place);
    there.map(|(text, _)| text.replace("alice", "pt1"))
}

/// Returns the examples in the help of all applets.
fn of_manual() -> Vec<String> {
    let mut found = Vec::new();
    for applet in run(&["--list"]).succeeds().lines() {
        let help = run(&["help", &applet]).succeeds().text();
        let Some((_, section)) = help.split_once("\nExamples:\n") else { continue };
        let lines: Vec<&str> = section.lines().take_while(|line| line.starts_with("  ")).collect();
        let mut example = String::new();
        for line in lines {
            let line = line.strip_prefix("  ").expect("an indented line");
            example.push_str(line);
            // The second line of `id=$(...)` and its use belong together.
            if line.ends_with(['\\', '|']) || line.ends_with("id')") {
                example.push('\n');
            } else {
                found.push(std::mem::take(&mut example));
            }
        }
    }
    found
}

/// Returns the commands in README: what stands behind a prompt, or in a block for a shell.
fn of_readme() -> Vec<String> {
    let (mut found, mut block) = (Vec::new(), None);
    for line in include_str!("../README.md").lines() {
        match (line.strip_prefix("```"), block) {
            (Some(_), Some(_)) => block = None,
            (Some(kind), None) => block = Some(kind),
            (None, Some("sh" | "crontab")) => found.push(line.to_owned()),
            (None, Some("console")) => {
                let command = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "));
                found.extend(command.map(str::to_owned));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn every_example_has_a_place() {
    let written: BTreeSet<String> = of_manual().into_iter().chain(of_readme()).collect();
    let known: BTreeSet<String> = EXAMPLES.iter().map(|(text, _)| (*text).to_owned()).collect();
    let missing: Vec<_> = written.difference(&known).collect();
    let gone: Vec<_> = known.difference(&written).collect();
    assert!(missing.is_empty() && gone.is_empty(), "new: {missing:#?}\ngone: {gone:#?}");
    for (text, place) in EXAMPLES {
        assert!(*place != Elsewhere(""), "{text}");
    }
}

/// Processes of the names and numbers of the examples. The example itself is in a file, because
/// `--pattern` would find it in the arguments of the shell.
const PROCESSES: &str = r#"
    mount -t tmpfs none /mnt && mount -t tmpfs none /run && mount -t tmpfs none /var/log || exit 77
    cd /mnt; mkdir -p bin home/.config/fish/completions
    cp "$P" bin/proctool; cp /etc/passwd passwd; echo build:x:7777:7777::/:/bin/sh >>passwd
    mount --bind passwd /etc/passwd
    printf '#!/bin/sh\n' >bin/shutdown; chmod 755 bin/shutdown
    for name in sshd rsyslogd runaway replaced; do cp "$(command -v sleep)" bin/$name; done
    for name in cron backup; do cp "$(readlink -f /bin/sh)" bin/$name; done
    export PATH=/mnt/bin:$PATH HOME=/mnt/home
    at() { number=$1; shift; echo $((number - 1)) >/proc/sys/kernel/ns_last_pid; "$@" & }
    two='sleep 1000 & sleep 1000 & wait'
    # No child of it takes a number that another is to have.
    settled() { until [ "$(pgrep -c -P $number)" = 2 ]; do :; done; }
    at 19 sleep 1000
    at 1203 true
    at 1209 backup -c "$two"; settled
    at 2100 sh -c "$two"; settled
    at 1234 backup -c "$two"; settled
    echo 1234 >backup.pid
    sshd 1000 & rsyslogd 1000 3>/var/log/syslog & runaway 1000 &
    replaced 1000 & until [ "$(readlink "/proc/$!/exe")" = /mnt/bin/replaced ]; do :; done; rm bin/replaced
    cron -c 'sh -c "sleep 1000; true"; true' &
    setpriv --reuid 33 --clear-groups sleep 1000 &
    setpriv --reuid 7777 --clear-groups sleep 1000 & stopped=$!
    until [ "$(pgrep -c -x sleep)" -ge 10 ]; do :; done
    kill -STOP $stopped
    case $EXAMPLE in *'proctool wait'*)
        (until waiter=$(pgrep -of '^proctool wait') &&
               [ "$(sed 's/.*) //' /proc/$waiter/stat | cut -c1)" = S ]; do :; done
         pkill -x sleep; pkill -x backup) & ;;
    esac
    printf '%s\n' "$EXAMPLE" >example
    bash example
    echo "status $?"
    exit 0"#;

#[test]
fn the_examples_for_processes_work() {
    if !namespace::is_root() {
        skip!("not root");
    }
    for (text, place) in EXAMPLES {
        let Processes(status) = place else { continue };
        let Some(mut command) = namespace::script(PROCESSES) else { skip!("no namespaces") };
        command.env("EXAMPLE", text);
        let outcome = finish(command).exits(0);
        let last = outcome.lines().pop().unwrap_or_default();
        assert_eq!(last, format!("status {status}"), "{text}\n{}", outcome.report());
        let is_refused = outcome.errors().contains("try '") || outcome.errors().contains("unknown");
        assert!(!is_refused, "{text}\n{}", outcome.report());
    }
}

#[test]
fn the_examples_for_cron_work() {
    for text in examples(Cron) {
        let place = cron_box!(CronBox::new());
        for program in ["apt-get", "sv", "s6-svc", "svc", "supervisorctl", "rc-service"] {
            place.program(program, "#!/bin/sh\necho \"$@\" >/mnt/ran\n");
        }
        place.shell(
            "mkdir -p /run/prometheus/node-exporter /var/lib/prometheus
             mount --bind /run/prometheus /var/lib/prometheus",
        );
        let daemon = place.cron();
        if text.contains("--release") {
            place.exec("cron-graceful --hold --lease 30m").exits(0);
        }
        if text.contains("--start") {
            place.graceful(&[]).exits(0);
        }
        let outcome = place.exec(&text).exits(0);
        let is_command = text.contains(" -- ");
        assert_eq!(place.has("ran"), is_command, "{text}\n{}", outcome.report());
        let runs_on =
            is_command || ["list", "hold", "release"].iter().any(|word| text.contains(word));
        assert_eq!(place.is_alive(daemon), runs_on, "{text}\n{}", outcome.report());
        if text.contains("--start") {
            place.still_runs(place.locked());
        }
    }
}

#[test]
fn the_examples_for_cron_jobs_work() {
    for text in examples(CronJobs) {
        let place = cron_box!(CronBox::new());
        place.shell(
            "ln -s cron-graceful /mnt/bin/cron-jobs; mkdir -p /run/prometheus/node-exporter
             mount -t tmpfs none /var/lib; mkdir /var/lib/prometheus
             mount --bind /run/prometheus /var/lib/prometheus",
        );
        // Each example shows a job that ends in this way.
        place.crontab(&["sleep 3; kill -KILL $$"]);
        let daemon = place.cron();
        place.program("example", &format!("#!/bin/bash\n{text}\n"));
        let output = "/var/lib/prometheus/node-exporter/cron-jobs.prom";
        place.shell(&format!(
            "example >/mnt/out 2>/mnt/errors & example=$!
             until [ -z \"$(cat /proc/{daemon}/task/{daemon}/children)\" ]; do :; done
             until follower=$(pgrep -x cron-jobs); do :; done
             kill $follower; wait $example
             grep -q -e KILL -e '_exit_status{{.*}} 137' /mnt/out {output}"
        ));
        // A start has no exit status.
        assert!(!text.contains(".exit_status") || !place.read("out").contains("\"started\""));
    }
}

/// Returns a command that runs a job as cron does: with a short $PATH, by sh. The program is below
/// /usr/local.
fn as_cron(job: &str) -> String {
    format!(
        "mount -t tmpfs none /usr/local && ln -s /mnt/bin /usr/local/bin &&
         env -i HOME=/root LOGNAME=root PATH=/usr/bin:/bin /bin/sh -c '{job}'"
    )
}

#[test]
fn the_examples_for_apache_work() {
    let place = apache_box!(ApacheBox::new());
    place.prefork();
    place.shell(
        "ln -s proctool /mnt/bin/apache-mem; cp $(command -v perl) /mnt/bin/php-fpm
         mkdir -p /run/prometheus/node-exporter /var/lib/prometheus
         mount --bind /run/prometheus /var/lib/prometheus
         setsid php-fpm -e 'fork for 1, 2; sleep 1000' </dev/null >/dev/null 2>&1 &",
    );
    let metrics = "/var/lib/prometheus/node-exporter/apache.prom";
    for text in examples(Apache) {
        place.shell(&format!("rm -f {metrics}"));
        if let Some(job) = text.strip_prefix("* * * * * root ") {
            let outcome = place.exec(&as_cron(job)).exits(0);
            assert!(outcome.text().is_empty(), "cron would send mail: {}", outcome.report());
            assert!(!place.shell(&format!("cat {metrics}")).is_empty());
            continue;
        }
        // The next lines of this one come later.
        let ends = text.replace("--interval 10s", "--interval 10ms | head -40");
        let outcome = place.exec(&format!("set -e; cd /mnt; PATH=/mnt/bin:$PATH; {ends}")).exits(0);
        let is_printed = !text.contains("--output") && !text.contains('>');
        assert_eq!(!outcome.stdout.is_empty(), is_printed, "{text}\n{}", outcome.report());
        let is_written = place.exec(&format!("test -s {metrics}")).status.code() == Some(0);
        assert_eq!(is_written, text.contains("--output"), "{text}");
    }
    assert!(!place.shell("cat /mnt/apache-mem.json").is_empty());
}

#[test]
fn the_examples_for_gpg_work() {
    let place = gpg_box!(GpgBox::needing(&["gpg"]));
    let user = place.user();
    user.shell(
        "cd; mkdir -p bin; echo text >message; gpg --batch --passphrase '' --quick-gen-key x@y \
         2>/dev/null; printf '#!/bin/sh\\n[ -S \"$SSH_AUTH_SOCK\" ]\\n' >bin/rsync; chmod 755 bin/rsync",
    );
    for text in examples(Gpg) {
        let before =
            if text.starts_with("echo") { "eval \"$(with-gpg-agent --print --ssh)\"" } else { "" };
        let after = "${GPG_AGENT_INFO+[ -S ${GPG_AGENT_INFO%%:*} ]}";
        let script = format!("set -e; cd; PATH=$HOME/bin:$PATH; {before}\n{text}\n{after}");
        let outcome = user.exec(&script).exits(0);
        if text.starts_with("echo") {
            assert!(outcome.text().contains("S.gpg-agent.ssh"), "{}", outcome.report());
        }
    }
    assert!(user.shell("cat ~/message.asc").contains("BEGIN PGP SIGNED MESSAGE"));
}

#[test]
fn the_examples_for_desktops_work() {
    let machine = desktop_box!(Machine::needing(&["xdg-open"]));
    machine.log_in("pt1", "wayland", &SEAT0, "exec sleep infinity");
    // Programs that a user of the session finds, and that have no screen here.
    machine.shell(
        "mount -t tmpfs none /usr/local && mkdir -m 755 /usr/local/bin && cd /usr/local/bin
         for name in zenity www-browser wayland-info; do
             printf '#!/bin/sh\\necho \"$(id -un) ${0##*/} $*\" >>/tmp/programs\\n' >$name
             chmod 755 $name
         done; install -m 666 /dev/null /tmp/programs",
    );
    for text in examples(Desktop) {
        let outcome = machine.exec(&format!("set -e; {text}")).exits(0);
        let words = if text.contains("--list") { "pt1" } else { "" };
        assert!(outcome.text().contains(words), "{}", outcome.report());
    }
    let programs = machine.shell("cat /tmp/programs");
    for line in ["pt1 zenity --info --text=Down at six", "pt1 www-browser https://example.org/"] {
        assert!(programs.contains(line), "{programs}");
    }
}

#[test]
fn the_examples_for_notifications_work() {
    let place = desktop_box!(DesktopBox::recording());
    place.user().start_bus();
    let file = place.user().record("");
    for text in examples(Notification) {
        let before = place.recorded(&file).len();
        match text.strip_prefix("@daily root ") {
            Some(job) => place.superuser().exec(&as_cron(job)),
            None => place.superuser().exec(&text),
        }
        .exits(0);
        let arrived: Vec<Value> = place.recorded(&file).split_off(before);
        assert_eq!(arrived.len(), 1, "{text}: {arrived:?}");
    }
}
