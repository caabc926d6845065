//! Units, slices, containers and control groups, of faked processes.

use super::*;

/// Makes processes in these control groups, from pid 10 on.
fn in_groups(groups: &[&str]) -> FakeProc {
    let fake = FakeProc::new();
    for (pid, group) in (10..).zip(groups) {
        fake.process(pid, 0, "x").file("cgroup", format!("0::{group}\n"));
    }
    fake
}

#[test]
fn units_of_the_machine_and_of_users() {
    let fake = in_groups(&[
        "/system.slice/cron.service",
        "/system.slice/web.service/worker",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
        "/user.slice/user-1000.slice/user@1000.service/init.scope",
        "/user.slice/user-1000.slice/session-2.scope",
        "/system.slice/docker-0123456789ab.scope/system.slice/cron.service",
        "/system.slice/system-getty.slice/getty@tty1.service",
        r"/system.slice/a\x2db.service",
        "/",
    ]);
    finds(&fake, &["--unit", "cron"], &[10]);
    finds(&fake, &["--unit", "cron.service"], &[10]);
    finds(&fake, &["--unit", "web"], &[11, 12]);
    finds(&fake, &["--unit", "user@1000"], &[12, 13]);
    finds(&fake, &["--unit", "user@1000.service", "--unit", "cron"], &[10, 12, 13]);
    finds(&fake, &["--unit", "session-2.scope"], &[14]);
    finds(&fake, &["--unit", "session-2"], &[]);
    finds(&fake, &["--unit", "session-*,getty@*"], &[14, 16]);
    finds(&fake, &["--unit", "getty@tty[12]"], &[16]);
    finds(&fake, &["--unit", "getty@tty?.service"], &[16]);
    finds(&fake, &["--unit", r"a\x2db"], &[17]);
    finds(&fake, &["--unit", "*", "--slice", "user-1000"], &[12, 13, 14]);
    finds(&fake, &["--unit", "CRON"], &[]);
    refuses(&["--unit", ""], "--unit has an empty name");
    refuses(&["--unit", "a["], "--unit 'a[': a bracket is not closed");
}

#[test]
fn slices_with_what_is_below_them() {
    let fake = in_groups(&[
        "/system.slice/cron.service",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
        "/user.slice/user-1000.slice/session-2.scope",
        "/system.slice/docker-0123456789ab.scope/user.slice/cron.service",
        "/",
    ]);
    finds(&fake, &["--slice", "system"], &[10, 13]);
    finds(&fake, &["--slice", "system.slice"], &[10, 13]);
    finds(&fake, &["--slice", "user"], &[11, 12]);
    finds(&fake, &["--slice", "app"], &[11]);
    finds(&fake, &["--slice", "user-*"], &[11, 12]);
    finds(&fake, &["--slice", "nosuch"], &[]);
    refuses(&["--slice=-.slice"], "every process is in the root slice");
    refuses(&["--slice", "system,"], "--slice has an empty name");
}

#[test]
fn containers_by_id_by_its_beginning_and_by_name() {
    let id = |begin: &str| format!("{begin}{}", "0".repeat(64 - begin.len()));
    let fake = in_groups(&[
        &format!("/system.slice/docker-{}.scope", id("abcd1")),
        &format!("/system.slice/docker-{}.scope/init.scope", id("abcd1")),
        &format!("/machine.slice/libpod-{}.scope/container", id("abcd2")),
        "/lxc.payload.web/system.slice",
        "/machine.slice/machine-deb.scope/payload",
        "/system.slice/cron.service",
    ]);
    finds(&fake, &["--container", &id("abcd1")], &[10, 11]);
    finds(&fake, &["--container", &id("abcd1")[..12]], &[10, 11]);
    finds(&fake, &["--container", "abcd2"], &[12]);
    finds(&fake, &["--container", &format!("podman:{}", id("abcd2"))], &[12]);
    finds(&fake, &["--container", "podman:abcd"], &[12]);
    finds(&fake, &["--container", "docker:abcd2"], &[]);
    finds(&fake, &["--container", "abc"], &[]);
    finds(&fake, &["--container", "web,machine:deb"], &[13, 14]);
    finds(&fake, &["--container", "we"], &[]);
    finds(&fake, &["--not", "container=web", "--slice", "machine"], &[12, 14]);
    let ambiguous = find(&fake, &["--container", "abcd"]);
    ambiguous.refuses(2, "--container 'abcd': several containers begin so: docker:abcd1");
    refuses(&["--container", ""], "--container has an empty name");
    refuses(&["--container", "dcoker:abcd"], "the engines are docker, podman");
    refuses(&["--container", "docker:"], "the id behind the engine is missing");
}

#[test]
fn control_groups_with_what_is_below_them() {
    let fake = in_groups(&["/a.slice/x.service", "/a.slice/x.service/worker", "/a.slicer", "/"]);
    finds(&fake, &["--cgroup", "/a.slice/x.service"], &[10]);
    finds(&fake, &["--cgroup", "/a.slice/x.service/"], &[10, 11]);
    finds(&fake, &["--cgroup", "/a.slice/"], &[10, 11]);
    finds(&fake, &["--cgroup", "/"], &[13]);
    refuses(&["--cgroup", "x.service"], "the path of a control group begins with a slash");
    refuses(&["--cgroup", ""], "--cgroup has an empty name");
}
