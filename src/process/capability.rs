//! Names of capabilities, as in capabilities(7), for the property `capabilities`.

use std::borrow::Cow;

/// The names by number, from include/uapi/linux/capability.h of Linux 6.18.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Returns the names of the capabilities in this mask. Those that only a newer kernel knows are
/// given by number.
pub(super) fn names(mask: u64) -> Vec<Cow<'static, str>> {
    (0..u64::BITS)
        .filter(|bit| mask & (1 << bit) != 0)
        .map(|bit| match NAMES.get(bit as usize) {
            Some(name) => Cow::Borrowed(*name),
            None => Cow::Owned(bit.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn masks_become_names() {
        assert_eq!(names(0), Vec::<&str>::new());
        assert_eq!(names(1 << 10 | 1), ["chown", "net_bind_service"]);
        assert_eq!(names(1 << 40 | 1 << 63), ["checkpoint_restore", "63"]);
    }
}
