//! `--where`: expressions over the properties.

use super::*;

fn fake() -> FakeProc {
    let fake = FakeProc::new();
    for (pid, name, state, uid) in [(10, "cron", 'S', 0), (20, "sh", 'D', 1), (30, "sshd", 'S', 2)]
    {
        let ids = format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{uid}\t{uid}\t{uid}\t{uid}\n");
        fake.bare(pid)
            .stat(pid, 0, name.as_bytes(), state, 500)
            .link("exe", format!("/usr/bin/{name}"))
            .file("cmdline", format!("/usr/bin/{name}\0-D\0"))
            .file("cgroup", if pid == 10 { "0::/system.slice/cron.service\n" } else { "0::/\n" })
            .file("status", format!("Name:\t{name}\nState:\t{state} (x)\nPPid:\t0\n{ids}"));
    }
    fake.file("uptime", "10.00 0.00\n").file("stat", "btime 1700000000\n");
    fake
}

#[test]
fn every_kind_of_value_is_compared() {
    let fake = fake();
    for (expression, expected) in [
        ("pid = 10", &[10][..]),
        ("pid != 10", &[20, 30]),
        ("pid >= 20 and pid < 30", &[20]),
        ("state = D or user_ids = 2", &[20, 30]),
        ("not (state = D or user_ids = 2)", &[10]),
        ("name ~ ^ss?h", &[20, 30]),
        ("name > d", &[20, 30]),
        ("exe = '/usr/bin/sh'", &[20]),
        ("cmdline = -D and comm=cron", &[10]),
        ("cmdline ~ ^/usr/bin/s", &[20, 30]),
        ("rss >= 8k", &[10, 20, 30]),
        ("rss > 8k", &[]),
        ("vsize < 1G", &[10, 20, 30]),
        ("runtime > 4.5s and runtime < 1m", &[10, 20, 30]),
        ("starttime = 1700000005", &[10, 20, 30]),
        ("starttime > 2023-11-15", &[]),
        ("starttime > '2023-11-14 10:00'", &[10, 20, 30]),
        ("nice = 0 and cpu_time < 10", &[10, 20, 30]),
        ("kernel_thread = no", &[10, 20, 30]),
        ("is_alive != yes", &[]),
        ("unit = cron.service", &[10]),
        // What is in no unit is in none of this name either.
        ("unit != cron.service", &[20, 30]),
        ("not unit ~ .", &[20, 30]),
        ("unit ~ .", &[10]),
    ] {
        println!("{expression}");
        finds(&fake, &["--where", expression], expected);
    }
    finds(&fake, &["--where", "pid > 10", "--where", "pid < 30"], &[20]);
    finds(&fake, &["--where", "pid > 10", "--exe", "sshd"], &[30]);
    let inverse = find(&fake, &["-v", "--where", "pid > 10 and pid < 30"]).succeeds();
    assert_eq!(inverse.lines().len(), 2, "{}", inverse.report());
}

#[test]
fn mistakes_are_told_before_anything_is_read() {
    for (expression, message) in [
        ("", "--where '', column 1: a field is wanted here"),
        ("rsss > 1G", "column 1: there is no field 'rsss': did you mean 'rss'?"),
        ("rss > 1G and", "column 13: a field is wanted here"),
        ("rss > lots", "column 7: 'lots' is no size"),
        ("rss > -1", "column 7: '-1' is no size"),
        ("user ~ a(", "column 8: bad regular expression 'a(': unclosed group"),
        ("user = ''", "column 8: the value is empty"),
        ("user == root", "column 7: the operator is '='"),
        ("(rss > 1", "column 9: a closing parenthesis is wanted here"),
    ] {
        refuses(&["--where", expression], message);
    }
}

/// What cannot be read leaves the question open, unless something else decides it.
#[test]
fn what_is_kept_from_us_never_matches_unless_it_does_not_matter() {
    let script = r#"
        sleep 1000 & pid=$!
        run() { nobody find --pid $pid "$@" 2>/mnt/err; echo "$? $(cat /mnt/err)"; }
        run --where 'cwd = /'
        run --where 'not cwd = /'
        run --not where='cwd = /'
        run --where 'cwd = / and pid = 1'
        run --where "cwd = / or pid = $pid"
        kill $pid
    "#;
    let Some(command) = namespace::script_with_nobody(script) else { skip!("not root") };
    let outcome = finish(command);
    let text = outcome.text();
    let unknown = "1 proctool find: permission denied to examine 1 process";
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[..3].iter().all(|line| line.starts_with(unknown)), "{}", outcome.report());
    assert!(text.contains("\n1 \n"), "{}", outcome.report());
    assert_eq!(lines.last(), Some(&"0 "), "{}", outcome.report());
}

#[test]
fn a_list_is_equal_if_one_item_is() {
    let program = Program::new("listed");
    let target = program.start();
    let pid = format!("pid = {}", target.pid());
    for (expression, code) in [
        ("user_ids = 0 or user_ids != 0", 0),
        ("environ = NOSUCH=1", 1),
        ("not environ = NOSUCH=1", 0),
        ("limits = nofile", 0),
        ("limits = nosuch", 1),
        ("environ ~ ^PATH=", 0),
        ("capabilities = nosuch", 1),
    ] {
        run(&["find", "--where", &format!("{pid} and {expression}")]).exits(code);
    }
}
