//! The work of an agent: signing with a passphrase that it knows, and ssh.

use super::super::support::gpg::{GpgBox, User};
use crate::gpg_box;

/// Makes a key with a passphrase that no agent knows afterwards.
#[track_caller]
fn make_key(user: &User<'_>) {
    user.shell(
        "mkdir -m 700 -p ~/.gnupg
         printf 'allow-preset-passphrase\\nallow-loopback-pinentry\\n' >~/.gnupg/gpg-agent.conf
         gpg --batch --quiet --pinentry-mode loopback --passphrase s3cret \
            --quick-gen-key 'Test <t@example.org>' ed25519 sign never 2>/dev/null
         gpgconf --kill all",
    );
}

/// A script that gives the passphrase to the agent of --print.
const PRESET: &str =
    "grip=$(gpg --batch --with-colons --with-keygrip -K 2>/dev/null | awk -F: '/^grp/ {print $10; \
    exit}')
    gpg-connect-agent \"preset_passphrase $grip -1 733363726574\" /bye | grep -qx OK";

#[test]
fn a_cached_passphrase_signs() {
    let place = gpg_box!(GpgBox::needing(&["awk"]));
    for user in [place.user(), place.superuser()] {
        make_key(&user);
        user.shell(&format!("eval \"$(with-gpg-agent --print)\"\n{PRESET}"));
        let agent = user.info();
        user.shell("echo hello | with-gpg-agent gpg --batch --clearsign >~/signed 2>/dev/null");
        user.shell(
            "gpg --batch --verify ~/signed 2>&1 | grep -q 'Good signature' && grep -qx \
        hello ~/signed",
        );
        assert_eq!(user.info(), agent);
        place.end("KILL", agent.pid);
    }
}

#[test]
fn a_cached_passphrase_of_another_home_signs() {
    let place = gpg_box!(GpgBox::needing(&["awk"]));
    let user = place.user();
    make_key(&user);
    user.make_runtime();
    user.shell("mv ~/.gnupg ~/gh");
    let user = user.with(&["GNUPGHOME=/home/pt1/gh"]);
    user.run(&["sh", "-c", PRESET]).succeeds();
    user.shell(
        "echo hello | with-gpg-agent -- gpg --batch --clearsign 2>/dev/null | gpg --batch \
    --verify 2>/dev/null",
    );
    place.agent();
}

#[test]
fn without_a_cached_passphrase_nothing_is_signed() {
    let place = gpg_box!(GpgBox::needing(&["awk"]));
    let user = place.user();
    make_key(&user);
    let outcome = user.exec("echo hello | with-gpg-agent gpg --batch --clearsign").exits(2);
    assert!(!outcome.text().contains("BEGIN PGP SIGNATURE"), "{}", outcome.report());
}

#[test]
fn a_passphrase_cached_in_an_agent_that_was_killed_is_gone() {
    let place = gpg_box!(GpgBox::needing(&["awk"]));
    let user = place.user();
    make_key(&user);
    user.run(&["sh", "-c", PRESET]).succeeds();
    place.end("KILL", place.agent());
    user.exec("echo hello | with-gpg-agent gpg --batch --clearsign").exits(2);
}

/// Checks that an agent without keys answers ssh-add: the status is 1. For an agent that cannot be
/// reached it is 2.
#[track_caller]
fn answers_ssh(user: &User<'_>) {
    let outcome = user.run(&["--ssh", "ssh-add", "-l"]).exits(1);
    assert!(outcome.text().contains("no identities"), "{}", outcome.report());
}

#[test]
fn a_new_agent_serves_ssh() {
    let place = gpg_box!(GpgBox::needing(&["ssh-add"]));
    for user in [place.user(), place.superuser()] {
        answers_ssh(&user);
        let agent = place.agent();
        answers_ssh(&user);
        let socket = user.run(&["--ssh", "printenv", "SSH_AUTH_SOCK"]).succeeds().text();
        assert_eq!(socket.trim_end(), user.shell("gpgconf --list-dirs agent-ssh-socket"));
        assert_eq!(place.agents(), [agent]);
        place.end("KILL", agent);
    }
}

#[test]
fn a_new_agent_serves_ssh_in_the_runtime_directory() {
    let place = gpg_box!(GpgBox::needing(&["ssh-add"]));
    let user = place.user();
    user.make_runtime();
    answers_ssh(&user);
    user.shell("mkdir -m 700 ~/gh");
    answers_ssh(&user.with(&["GNUPGHOME=/home/pt1/gh"]));
}

#[test]
fn an_inherited_socket_for_ssh_is_replaced() {
    let place = gpg_box!(GpgBox::needing(&["ssh-add"]));
    answers_ssh(&place.user().with(&["SSH_AUTH_SOCK=/none"]));
}

#[test]
fn without_ssh_its_socket_is_left_alone() {
    let place = gpg_box!();
    let user = place.user();
    assert_eq!(user.run(&["sh", "-c", "echo ${SSH_AUTH_SOCK-unset}"]).succeeds().text(), "unset\n");
    let user = user.with(&["SSH_AUTH_SOCK=/run/mine"]);
    assert_eq!(user.run(&["printenv", "SSH_AUTH_SOCK"]).succeeds().text(), "/run/mine\n");
    assert!(user.run(&["--json"]).succeeds().json()["SSH_AUTH_SOCK"].is_null());
}

#[test]
fn a_running_agent_serves_ssh() {
    let place = gpg_box!(GpgBox::needing(&["ssh-add"]));
    let user = place.user();
    // Since 2.1 every agent listens for ssh.
    let agent = user.start_agent();
    answers_ssh(&user);
    assert_eq!(place.agents(), [agent]);
}

#[test]
fn an_agent_that_has_no_socket_for_ssh_is_told() {
    let place = gpg_box!();
    let user = place.user();
    let agent = user.serve(&user.socket(), "supervised");
    user.run(&["--ssh", "touch", "/tmp/ran"]).refuses(125, "ssh");
    user.shell("[ ! -e /tmp/ran ]");
    assert_eq!(place.agents(), [agent]);
}

#[test]
fn the_socket_for_ssh_is_printed() {
    let place = gpg_box!(GpgBox::needing(&["ssh-add"]));
    let user = place.user();
    let socket = user.run(&["--ssh", "--json"]).succeeds().json()["SSH_AUTH_SOCK"].clone();
    assert_eq!(socket.as_str(), Some(&*user.shell("gpgconf --list-dirs agent-ssh-socket")));
    user.exec("eval \"$(with-gpg-agent --ssh --print)\"; ssh-add -l").exits(1);
}
