//! A fleet: boxes that a driver such as ClusterShell or Ansible reaches by a program called ssh.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::command::{Outcome, finish, heedful};
use super::cron::CronBox;
use super::place::{PATH, missing};

/// Stands for ssh(1): it enters a box, whose first process a file of the name of the host tells.
const SSH: &str = r#"#!/bin/sh
while getopts 46AaCfGgKkMNnqsTtVvXxYyB:b:c:D:E:e:F:I:i:J:L:l:m:O:o:p:Q:R:S:W:w: option; do :; done
shift $((OPTIND - 1))
read -r first <"$FLEET/hosts.d/$1" || exit 255
shift
exec nsenter --mount --pid --ipc --uts --net --cgroup --target "$first" -- \
    env -i HOME=/root USER=root PATH="$FLEET_PATH" sh -c "$*"
"#;

/// Files of the driver, with the names web1 to webN for WEB.
const FILES: [(&str, &str); 5] = [
    ("clush.conf", "[Main]\ncolor: never\nfanout: 64\n"),
    ("groups.conf", "[Main]\ndefault: fleet\nautodir: $CFGDIR/groups.d\n"),
    ("groups.d/fleet.yaml", "fleet:\n  jobs: 'WEB'\n"),
    ("hosts", "[web]\nWEB\n[jobs]\nWEB\n"),
    (
        "ansible.cfg",
        "[defaults]\ninterpreter_python = /usr/bin/python3\nremote_tmp = /run/ansible\n\
         local_tmp = ~/tmp\nretry_files_enabled = False\nnocows = True\n\
         [ssh_connection]\npipelining = True\n",
    ),
];

/// Hosts called web1, web2, and so on, and a directory of the driver.
pub struct Fleet {
    pub hosts: Vec<CronBox>,
    directory: TempDir,
}

impl Fleet {
    /// Makes a fleet of so many hosts, for a driver that needs these programs.
    pub fn new(hosts: usize, programs: &[&str]) -> Result<Fleet, String> {
        missing(programs)?;
        let made: Result<Vec<CronBox>, String> = (0..hosts).map(|_| CronBox::new()).collect();
        let directory = tempfile::tempdir().expect("making a directory for a driver");
        let fleet = Fleet { hosts: made?, directory };
        for name in ["bin", "hosts.d", "groups.d", "tmp"] {
            fs::create_dir(fleet.path(name)).expect("making a directory of the driver");
        }
        for (name, text) in FILES {
            let names = if name == "hosts" { "web[1:N]" } else { "web[1-N]" };
            fleet.write(name, &text.replace("WEB", &names.replace('N', &hosts.to_string())));
        }
        for (at, host) in fleet.hosts.iter().enumerate() {
            fleet.write(&format!("hosts.d/web{}", at + 1), &format!("{}\n", host.first));
            host.shell("cd /mnt/bin; ln -s cron-graceful proctool; ln -s proctool apache-mem");
        }
        fleet.program("ssh", SSH);
        Ok(fleet)
    }

    /// Returns the path of a file of the driver.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file of the driver.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writing a file of the driver");
    }

    /// Writes a program of the driver.
    pub fn program(&self, name: &str, text: &str) {
        let path = format!("bin/{name}");
        self.write(&path, text);
        fs::set_permissions(self.path(&path), fs::Permissions::from_mode(0o755))
            .expect("making it executable");
    }

    /// Returns a command of the driver.
    pub fn driver(&self, script: &str) -> Command {
        let directory = self.directory.path();
        let path = format!("{}/bin:{}", directory.display(), "/usr/sbin:/usr/bin:/sbin:/bin");
        let mut command = heedful("bash");
        command.args(["-c", script]).current_dir(directory).env("PATH", path);
        command.env("HOME", directory).env("CLUSTERSHELL_CFGDIR", directory);
        command.env("FLEET", directory).env("FLEET_PATH", PATH);
        command
    }

    /// Runs a command of the driver to its end.
    pub fn drive(&self, script: &str) -> Outcome {
        finish(self.driver(script))
    }
}
