//! The login that a process comes from, where a real logind records it.

use serde_json::Value;

use super::super::support::desktop_systemd::{Machine, SEAT0};
use crate::desktop_box;

#[test]
fn a_process_tells_its_login_though_it_left_its_session() {
    let machine = desktop_box!(Machine::new());
    let login = machine.log_in("pt1", "tty", &SEAT0, "setsid sleep 1001 & exec sleep 1000");
    let found = |pattern: &str| {
        machine.shell(&format!("until /mnt/bin/proctool find -f --pattern '{pattern}'; do :; done"))
    };
    for pattern in ["^sleep 1000", "^sleep 1001"] {
        let pid = found(pattern);
        let text = machine.shell(&format!("/mnt/bin/proctool show --json --fields login {pid}"));
        let shown: Value = serde_json::from_str(&text).expect("parsing JSON");
        let told = &shown[0]["login"];
        assert_eq!(told["user"], "pt1", "{shown}");
        assert_eq!(told["service"], "login", "{shown}");
        let since = machine.shell(&format!("loginctl show-session -P Timestamp {}", login.id));
        let seconds: f64 =
            machine.shell(&format!("date -d '{since}' +%s")).parse().expect("parsing seconds");
        let difference = told["since"].as_f64().expect("finding a time") - seconds;
        assert!((0.0..1.0).contains(&difference), "{since}: {shown}");
        let remote = machine.shell(&format!("loginctl show-session -P RemoteHost {}", login.id));
        assert_eq!(told["from"].as_str().unwrap_or_default(), remote, "{shown}");
    }
    // logind itself comes from no login.
    let text = machine.shell("/mnt/bin/proctool find --json --fields login --comm systemd-logind");
    let shown: Value = serde_json::from_str(&text).expect("parsing JSON");
    assert_eq!(shown[0]["login"], Value::Null, "{shown}");
}
