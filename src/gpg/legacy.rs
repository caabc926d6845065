//! Agents of GnuPG before 2.1, which listen at any path: one is found by $GPG_AGENT_INFO, or by the
//! socket that it has open.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::deadlines;
use crate::path::base_name;
use crate::process::{File, Files, Lookup, Proc, Process, if_available};

use super::agent::{Agent, AgentState, probe};
use super::home::SOCKET;
use super::{Error, Home};

/// The variable that names the agent: SOCKET:PID:PROTOCOL.
const INFO: &str = "GPG_AGENT_INFO";

/// Finds an agent of our user that answers. Agents since GnuPG 2.1 serve one home directory each:
/// those of other home directories are skipped.
///
/// `own` is the socket of our own home directory.
pub(super) fn find(
    proc: &Proc,
    home: &Home,
    own: &Path,
    end: Instant,
) -> Result<Option<Agent>, Error> {
    let announced = std::env::var_os(INFO).and_then(|info| announced_socket(&info));
    for path in announced.into_iter().chain(candidate_sockets(proc)?) {
        if is_of_other_home(&path, home) || directory_of_all(&path) == directory_of_all(own) {
            tracing::debug!(socket = %path.display(), "of another home directory");
            continue;
        }
        match probe(proc, &path, end.min(Instant::now() + deadlines::LEGACY_AGENT)) {
            Ok(AgentState::Living(agent)) if agent.pid.is_some() => return Ok(Some(agent)),
            Ok(_) => {}
            Err(Error::Process(error)) => return Err(error.into()),
            // The server at this socket is no agent for us.
            Err(error) => tracing::debug!("{error}"),
        }
    }
    Ok(None)
}

/// Returns the socket from SOCKET:PID:PROTOCOL.
fn announced_socket(info: &OsStr) -> Option<PathBuf> {
    let path = info.as_bytes().rsplitn(3, |&byte| byte == b':').nth(2)?;
    Some(PathBuf::from(OsStr::from_bytes(path))).filter(|path| path.is_absolute())
}

/// Returns the directory in which the sockets of all home directories are, each of them but that of
/// the usual one in a directory of its own (`d.HASH`).
fn directory_of_all(socket: &Path) -> Option<&Path> {
    let directory = socket.parent()?;
    let is_of_one = directory.file_name().is_some_and(|name| name.as_bytes().starts_with(b"d."));
    if is_of_one { directory.parent() } else { Some(directory) }
}

/// Reports whether a socket belongs to another home directory: since GnuPG 2.1 it is in the home
/// directory itself, or below the user's runtime directory.
fn is_of_other_home(path: &Path, home: &Home) -> bool {
    let directory = path.parent().unwrap_or(Path::new("/"));
    home.is_runtime(directory) || directory.join("private-keys-v1.d").exists()
}

/// Returns the sockets at which processes called gpg-agent may listen. The agent hides its
/// descriptors from its own user, so that for most users every listening socket of the right name
/// counts. The caller asks what answers there.
fn candidate_sockets(proc: &Proc) -> Result<Vec<PathBuf>, Error> {
    let mut sockets = BTreeSet::new();
    let mut scan = proc.scan(Files::new(&[File::Stat]))?;
    while let Some(process) = scan.next()? {
        if let Lookup::Found(found) = process.lookup(sockets_of_agent(process))? {
            sockets.extend(found);
        }
    }
    Ok(sockets.into_iter().map(|path| PathBuf::from(OsString::from_vec(path))).collect())
}

/// Returns the paths of the sockets at which a process listens or, where its descriptors cannot be
/// read, may listen. There is none if it is not a living gpg-agent of our user.
fn sockets_of_agent(process: &Process<'_>) -> crate::process::ReadResult<Vec<Vec<u8>>> {
    if !super::agent::is_ours(process)? {
        return Ok(Vec::new());
    }
    let listeners = process.unix_listeners()?;
    let open_sockets = if_available(process.sockets())?;
    let mut paths = Vec::new();
    for (inode, path) in listeners {
        let Some(path) = path.filter(|path| is_main_socket(path)) else { continue };
        let is_candidate = match &open_sockets {
            Some(open_sockets) => open_sockets.contains(&inode),
            None => base_name(&path) == SOCKET.as_bytes(),
        };
        paths.extend(is_candidate.then_some(path));
    }
    Ok(paths)
}

/// Reports whether a socket may be the main one of an agent. The restricted sockets
/// (S.gpg-agent.extra, .browser) and the socket for ssh have other endings.
fn is_main_socket(path: &[u8]) -> bool {
    path.starts_with(b"/") && path.ends_with(SOCKET.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_in_the_variable() {
        let path =
            |info: &str| announced_socket(OsStr::new(info)).map(|path| path.display().to_string());
        assert_eq!(
            path("/tmp/gpg-a:b/S.gpg-agent:12:1").as_deref(),
            Some("/tmp/gpg-a:b/S.gpg-agent")
        );
        for wrong in ["", "/tmp/S.gpg-agent", "S.gpg-agent:1:1", "::"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
    }
}
