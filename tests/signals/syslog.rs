//! The messages to syslog.

use super::*;

/// Runs the program where /dev is private, with a listener at /dev/log if `listens`, and returns
/// the messages with their senders. In each line of words, `PID` stands for a new process that
/// sleeps.
fn with_syslog(listens: bool, words: &[&str]) -> Option<Outcome> {
    let private = "mount -t tmpfs none /mnt && mkdir /mnt/dev && touch /mnt/dev/null && \
                   mount --bind /dev/null /mnt/dev/null && mount --rbind /mnt/dev /dev || exit 77";
    let driver = format!(
        "import os,socket,subprocess,sys\n\
         listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         if {}: listener.bind('/dev/log')\n\
         listener.setblocking(False)\n\
         for words in sys.argv[1:]:\n\
         \x20   target = subprocess.Popen(['sleep', '100'])\n\
         \x20   while open(f'/proc/{{target.pid}}/stat').read().split()[1:3] != ['(sleep)', 'S']: pass\n\
         \x20   words = [word.replace('PID', str(target.pid)) for word in words.split()]\n\
         \x20   run = subprocess.run([os.environ['P']] + words, capture_output=True, text=True)\n\
         \x20   told = (run.stdout + run.stderr).replace(str(target.pid), 'PID').strip()\n\
         \x20   print('run', run.returncode, told, sep='|')\n\
         \x20   while True:\n\
         \x20       try: print('log', listener.recv(9999).decode().replace(str(target.pid), 'PID'), sep='|')\n\
         \x20       except BlockingIOError: break\n\
         \x20   target.kill(); target.wait()\n",
        if listens { "True" } else { "False" }
    );
    let words: String = words.iter().map(|words| format!(" '{words}'")).collect();
    let outcome =
        inside(&format!("{private}\npython3 -c \"$DRIVER\"{words}").replace("$DRIVER", &driver))?;
    (outcome.code() != 77 && outcome.code() != 127).then_some(outcome)
}

/// Returns the name and the text of each message to syslog, without priority, time, and pid of the
/// sender.
#[track_caller]
fn logged(outcome: &Outcome) -> Vec<(String, String)> {
    let mut logged = Vec::new();
    for line in outcome.lines().iter().filter_map(|line| line.strip_prefix("log|")) {
        let parts =
            line.split_once("]: ").and_then(|(head, text)| Some((head.rsplit_once('[')?, text)));
        let ((head, number), text) = parts.unwrap_or_else(|| panic!("no such head: {line:?}"));
        assert!(head.starts_with('<') && number.parse::<u32>().is_ok(), "{line:?}");
        let name = head.rsplit([' ', '>']).next().expect("finding a name");
        logged.push((name.to_owned(), text.trim_end_matches(['\n', '\0']).to_owned()));
    }
    logged
}

#[test]
fn syslog_is_told_what_is_done() {
    let words =
        ["terminate PID", "kill --quiet --signal CONT PID", "suspend PID", "resume --json PID"];
    let Some(outcome) = with_syslog(true, &words) else {
        skip!("no private namespaces, or no python3")
    };
    let logged = logged(&outcome.exits(0));
    let fields = "pid=PID name=\"sleep\" uid=0";
    let expected = [
        ("terminate", "sent TERM"),
        ("terminate", "ended"),
        ("kill", "sent CONT"),
        ("kill", "signalled"),
        ("suspend", "sent STOP"),
        ("suspend", "stopped"),
        ("resume", "sent CONT"),
        ("resume", "continued"),
    ];
    let expected =
        expected.map(|(applet, what)| (format!("proctool-{applet}"), format!("{what} {fields}")));
    assert_eq!(logged, expected);
}

#[test]
fn syslog_is_not_told_what_is_not_done() {
    let words = ["wait --timeout 0.1 PID", "terminate --dry-run PID", "find --pid PID"];
    let Some(outcome) = with_syslog(true, &words) else {
        skip!("no private namespaces, or no python3")
    };
    let outcome = outcome.exits(0);
    assert_eq!(logged(&outcome), []);
    assert!(
        outcome.text().contains("run|124|") && outcome.text().contains("would get TERM"),
        "{}",
        outcome.report()
    );
}

#[test]
fn no_syslog_is_needed() {
    let Some(outcome) =
        with_syslog(false, &["terminate PID", "suspend PID", "kill --signal HUP PID"])
    else {
        skip!("no private namespaces, or no python3")
    };
    let lines = ["PID sleep: ended", "PID sleep: stopped", "PID sleep: signalled with HUP"];
    says(outcome, &lines.map(|line| format!("run|0|{line}")).each_ref().map(|line| &**line));
}
