//! The environment variables that a command needs to use an agent.

use std::ffi::{OsStr, OsString};
use std::io::{stderr, stdin, stdout};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;

use super::Agent;

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    pub value: OsString,
}

/// Returns the path of our terminal, if standard input, output or error is one.
pub fn terminal() -> Option<OsString> {
    let name = |fd: &dyn AsFd| rustix::termios::ttyname(fd.as_fd(), Vec::new()).ok();
    let name = name(&stdin()).or_else(|| name(&stdout())).or_else(|| name(&stderr()))?;
    Some(OsString::from_vec(name.into_bytes()))
}

/// Returns the variables for a command with this agent and this terminal.
pub fn variables(agent: Option<&Agent>, terminal: Option<&OsStr>) -> Vec<Variable> {
    let mut variables = Vec::new();
    if let Some(agent) = agent {
        // GnuPG since 2.1 does not need it, but other programs do. The protocol is 1; the pid is 0
        // for an agent on another machine.
        let mut value = agent.socket.clone().into_os_string();
        value.push(format!(":{}:1", agent.pid.unwrap_or(0)));
        variables.push(Variable { name: "GPG_AGENT_INFO", value });
        let ssh = agent.ssh_socket.as_ref().map(|path| path.clone().into_os_string());
        variables.extend(ssh.map(|value| Variable { name: "SSH_AUTH_SOCK", value }));
    }
    variables
        .extend(terminal.map(|terminal| Variable { name: "GPG_TTY", value: terminal.to_owned() }));
    variables
}
