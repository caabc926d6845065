//! Names that would do something to the user's terminal: escaped there, in every locale, and exact
//! elsewhere.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::support::command::{Outcome, PROCTOOL, clean, finish, run};
use super::support::fake::FakeProc;
use super::support::namespace;
use super::support::target::Program;
use super::support::terminal::{LOCALES, NO_TERMINAL, command, is_harmless, is_there};
use crate::skip;

/// CSI and OSC in 7 and in 8 bits, as bytes and as characters; characters that reorder, hide or
/// cannot be seen; characters that no charset of 8 bits has, or each has at another place; bytes
/// that are no characters.
const NASTY: [&[u8]; 18] = [
    b"\x1b[2J",
    b"\x1b]0;title\x07",
    b"\x1b]52;c;cm0=\x1b\\",
    b"\x9b31m",
    "\u{9b}31m\u{9d}0;x\u{9c}\u{90}\u{85}".as_bytes(),
    b"\x7f\x08\x08\r\x0b\x0c\x0e\x0f\x01",
    b"line\nline\r\nline\ttab",
    "\u{202e}live\u{202c}\u{2066}\u{2069}\u{200f}".as_bytes(),
    "a\u{200b}b\u{200d}c\u{2060}d\u{feff}e\u{ad}".as_bytes(),
    "\u{2028}\u{2029}\u{61c}\u{34f}\u{180e}".as_bytes(),
    "\u{115f}\u{3164}\u{ffa0}\u{fe0f}\u{fff9}".as_bytes(),
    "\u{e0041}\u{e0001}\u{e0100}\u{1d173}".as_bytes(),
    "caf\u{e9} \u{df}\u{a0}".as_bytes(),
    "\u{6f22}\u{5b57} \u{1f980}".as_bytes(),
    "\u{2591}\u{2514}\u{2500}\u{20ac}".as_bytes(),
    b"caf\xe9 \x80\x84\x90\x9c\xff",
    b"\xc2",
    b"\xe2\x80",
];

/// Makes processes that have each of these in everything that they choose.
fn nasty() -> FakeProc {
    let fake = FakeProc::new();
    fake.process(1, 0, "init").owner(0, 0);
    fake.file("uptime", "65.50 120.00\n").file("stat", "btime 1700000000\n");
    for (at, name) in NASTY.iter().enumerate() {
        let pid = at as u32 + 10;
        let process = fake.process(pid, 1, &name[..name.len().min(15)]).owner(0, 0);
        let path = [b"/tmp/", *name].concat();
        let process = process.link("exe", &path).link("cwd", &path).link("root", &path);
        let process =
            process.file("cmdline", [name, &b"\0--"[..], name, b"=\0", name, b"\0"].concat());
        let cgroup: Vec<u8> = name.iter().copied().filter(|&byte| byte != b'\n').collect();
        process.file("environ", [name, &b"="[..], name, b"\0"].concat()).file(
            "cgroup",
            [b"0::/system.slice/", &cgroup[..], b".service/lxc.payload.", &cgroup, b"\n"].concat(),
        );
    }
    fake
}

/// Runs the program on a terminal of this locale, on a fake procfs.
fn run_on_terminal(words: &str, fake: &FakeProc, locale: &str) -> Outcome {
    finish(command(&format!("\"$P\" {words} '{}'", fake.option()), locale))
}

#[test]
fn what_processes_choose_is_escaped_in_every_form_and_locale() {
    if !is_there() {
        skip!(NO_TERMINAL);
    }
    let fake = nasty();
    let pids: Vec<String> = (10..10 + NASTY.len()).map(|pid| pid.to_string()).collect();
    let show = format!("show --environ {}", pids.join(" "));
    let fields = "find --fields \
    pid,comm,name,exe,exe_path,exe_name,cmdline,cwd,unit,container,cgroup,environ,status_fields";
    for (locale, is_unicode) in LOCALES {
        for words in [
            "find -l",
            "find -a",
            fields,
            "tree",
            "tree -aAc",
            "tree -saug 12",
            &show,
            "find --null -a",
        ] {
            let mut outcome = run_on_terminal(words, &fake, locale).exits(0);
            // A terminal ignores the zero bytes of --null.
            outcome.stdout.retain(|&byte| byte != 0);
            is_harmless(&outcome, is_unicode);
            assert!(words.contains("--null") || outcome.lines().len() >= 2, "{}", outcome.report());
        }
    }
}

#[test]
fn json_on_a_terminal_is_the_same_document() {
    if !is_there() {
        skip!(NO_TERMINAL);
    }
    let fake = nasty();
    let pids: Vec<String> = (10..10 + NASTY.len()).map(|pid| pid.to_string()).collect();
    let show = format!("show --environ --json {}", pids.join(" "));
    for words in [
        "find --json --fields pid,name,comm,exe,cmdline,environ,cwd,unit,container",
        "tree --json",
        &show,
    ] {
        let mut piped = clean("sh");
        piped.args(["-c", &format!("'{PROCTOOL}' {words} '{}'", fake.option())]);
        let piped = finish(piped).succeeds();
        assert!(
            piped.text().contains("\u{9b}31m") && piped.text().contains('\u{202e}'),
            "a pipe gets it as it is"
        );
        for (locale, is_unicode) in LOCALES {
            let outcome = run_on_terminal(words, &fake, locale).exits(0);
            is_harmless(&outcome, is_unicode);
            assert_eq!(outcome.json(), piped.json(), "{words} {locale}");
        }
    }
    for (locale, is_unicode) in LOCALES {
        let outcome =
            run_on_terminal("find --jsonl --fields pid,name,cmdline", &fake, locale).exits(0);
        is_harmless(&outcome, is_unicode);
        assert_eq!(outcome.lines().len(), 1 + NASTY.len());
        assert!(
            outcome
                .lines()
                .iter()
                .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
        );
    }
}

#[test]
fn what_a_terminal_can_show_is_shown() {
    if !is_there() {
        skip!(NO_TERMINAL);
    }
    let fake = FakeProc::new();
    fake.process(7, 0, "caf\u{e9} \u{6f22}");
    let cases = [
        ("find -l", "C.UTF-8", "7 caf\u{e9} \u{6f22}\n"),
        ("find -l", "de_DE.ISO-8859-1", "7 caf\\u{e9} \\u{6f22}\n"),
        ("tree -A", "C.UTF-8", "caf\u{e9} \u{6f22}(7)\n"),
        // The user who gives this option knows better than the locale.
        ("tree -U", "C", "caf\u{e9} \u{6f22}(7)\n"),
        ("tree -A", "C", "caf\\u{e9} \\u{6f22}(7)\n"),
        ("find --json --fields comm", "C.UTF-8", "[{\"comm\":\"caf\u{e9} \u{6f22}\"}]\n"),
        ("find --json --fields comm", "C", "[{\"comm\":\"caf\\u00e9 \\u6f22\"}]\n"),
    ];
    for (words, locale, expected) in cases {
        run_on_terminal(words, &fake, locale).exits(0).prints(expected);
        let mut piped = clean("sh");
        piped
            .args(["-c", &format!("'{PROCTOOL}' {words} '{}'", fake.option())])
            .env("LANG", locale);
        assert!(
            finish(piped).succeeds().text().contains("caf\u{e9} \u{6f22}"),
            "{words} in a pipe"
        );
    }
}

/// The words of users, in every message that quotes them.
#[test]
fn messages_are_escaped_in_every_locale() {
    if !is_there() {
        skip!(NO_TERMINAL);
    }
    let commands = [
        "find --user \"$X\"",
        "find --env A -x \"[$X\"",
        "find --pidfile \"/nosuch/$X\"",
        "find --children-of \"$X\"",
        "find \"--$X\"",
        "find --fields \"$X\"",
        "find --proc \"/nosuch$X\"",
        "find --older \"$X\"",
        "find --cgroup \"/$X\" --terminal \"$X\"",
        "find --cgroup \"$X\"",
        "find --where \"$X\"",
        "find --where \"rss > '$X'\"",
        "find --not \"$X\"",
        "find --not \"user=$X\"",
        "find --ns 1 --nslist \"$X\"",
        "tree --unit \"[$X\"",
        "tree --container \"$X:$X\"",
        "kill --list \"$X\"",
        "find -d \"$(printf %s \"$X\" | tr '\\t' .)\" --pid 1,$$",
        "tree \"$X\"",
        "show \"$X\"",
        "kill --signal \"$X\" 1",
        "kill --dry-run --exe \"$X\"",
        "terminate --dry-run \"$X\"",
        "wait --timeout 1 --children-of \"$X\"",
        "apache-mem --exe \"$X\"",
        "apache-mem --output \"/nosuch/$X\"",
        "cron-graceful --list --daemon \"$X\"",
        "cron-graceful --dry-run --daemon \"$X\" -v",
        "cron-graceful --dry-run -- \"$X\" \"$X\"",
        "with-gpg-agent --timeout 1 \"/nosuch/$X\"",
        "with-gui-environment --user \"$X\" true",
        "notify-send-headless \"--$X\"",
        "completions \"$X\"",
        "\"$X\"",
        "help \"$X\"",
    ];
    let script = commands.map(|words| format!("\"$P\" {words}; ")).concat()
        + "PROCTOOL_LOG=\"$X\" \"$P\" find; true";
    // A consumer that accepts only UTF-8 gets other names as bytes.
    let is_text = |name: &&[u8]| std::str::from_utf8(name).is_ok();
    let names =
        [NASTY.concat(), NASTY.iter().copied().filter(is_text).collect::<Vec<_>>().concat()];
    for (locale, is_unicode) in [LOCALES[0], LOCALES[1], LOCALES[3]] {
        for name in &names {
            let mut command = command(&script, locale);
            // The environment is private: an agent outside belongs to another test.
            command
                .env("X", OsStr::from_bytes(name))
                .env("GNUPGHOME", "/nosuch")
                .env("HOME", "/nosuch");
            let outcome = finish(command).exits(0);
            is_harmless(&outcome, is_unicode);
            assert!(outcome.lines().len() >= commands.len(), "{}", outcome.report());
        }
    }
}

/// Replaces the sequences that redraw a line, which are allowed, by newlines.
fn without_redrawing(mut outcome: Outcome) -> Outcome {
    outcome.stdout = outcome.text().replace("\r\u{1b}[2K", "\n").replace('\r', "\n").into_bytes();
    outcome
}

#[test]
fn names_of_real_processes_are_escaped_by_those_that_act() {
    if !is_there() {
        skip!(NO_TERMINAL);
    }
    let program = Program::named(OsStr::new("e\u{1b}[31m\n\u{9b}\u{202e}\u{e9}\u{200b}"));
    let target = program.start();
    let script = format!(
        "for X in '' --json --jsonl; do
             \"$P\" wait $X --timeout 0.4 {pid}; \"$P\" kill $X --signal CONT {pid}; \"$P\" suspend $X --dry-run {pid}
             \"$P\" terminate $X --exe nosuch {pid}; \"$P\" resume $X --user nobody {pid}
         done
         \"$P\" find -v -l --pid {pid}; PROCTOOL_LOG=trace \"$P\" kill --signal CONT {pid}; true",
        pid = target.pid()
    );
    for (locale, is_unicode) in [LOCALES[0], LOCALES[1], LOCALES[3]] {
        let outcome = without_redrawing(finish(command(&script, locale)).exits(0));
        is_harmless(&outcome, is_unicode);
        let wanted =
            if is_unicode { "\\u{202e}\u{e9}\\u{200b}" } else { "\\u{202e}\\u{e9}\\u{200b}" };
        assert!(outcome.text().matches(wanted).count() >= 4, "{}", outcome.report());
    }
}

/// A cron with such a name belongs to the administrator, who gives it with --pid.
#[test]
fn cron_graceful_escapes_the_names_of_daemons() {
    if !is_there() || !namespace::is_root() {
        skip!("not root, or no script(1)");
    }
    let script = r#"
        mount -t tmpfs none /mnt && mount -t tmpfs none /run && cp "$(command -v sleep)" "/mnt/$X" || exit 77
        "/mnt/$X" 1000 & export PID=$!
        until [ /proc/$PID/exe -ef "/mnt/$X" ]; do :; done
        : >"$Y"; chmod 755 "$Y"
        script -qec 'stty -opost cols 1000
            for X in --list --dry-run "--list --json" "--dry-run --json" "--dry-run --jsonl"; do
                "$P" cron-graceful -v --pid $PID $X
            done
            "$P" cron-graceful --dry-run --pid $PID -- "$Y"
            PROCTOOL_LOG=trace "$P" cron-graceful --dry-run
            "$P" cron-graceful --pid $PID -- "$Y"
            "$P" cron-graceful --pid $PID --jsonl -- "$Y"
            "$P" cron-graceful --timeout 5s --pid $PID; true' /dev/null
        exit $?"#;
    for (locale, is_unicode) in LOCALES {
        let Some(mut command) = namespace::script(script) else { skip!("no private namespaces") };
        command.env("LANG", locale).env("X", "cron\u{1b}[31m\n\u{9b}\u{202e}\u{e9}");
        command.env("Y", OsStr::from_bytes(b"/mnt/\x1b\x9b\n\xc2\x9b"));
        let outcome = finish(command).exits(0);
        is_harmless(&outcome, is_unicode);
        let wanted = [
            "would pause cron\\x1b[31m\\n\\u{9b}\\u{202e}",
            "running /mnt/\\x1b\\x9b\\n\\u{9b}",
            " is stopped",
        ];
        for wanted in wanted {
            assert!(outcome.text().contains(wanted), "{wanted}\n{}", outcome.report());
        }
    }
}

#[test]
fn help_is_for_every_terminal() {
    let applets = run(&["--list"]).succeeds().lines();
    let mut texts = vec![run(&["--help"]).succeeds(), run(&["kill", "--list"]).succeeds()];
    texts.extend(applets.iter().map(|applet| run(&["help", applet]).succeeds()));
    texts.extend(
        ["bash", "zsh", "fish", "elvish", "powershell"]
            .map(|shell| run(&["completions", shell]).succeeds()),
    );
    for text in texts {
        let is_fit = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\n' || *byte == b'\t';
        assert!(text.stdout.iter().all(is_fit), "{}", text.report());
    }
}
