//! Paths as bytes, as the kernel takes and gives them.

/// Returns the base name of a path: its last part, which is empty after a slash at the end.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn the_last_part_of_a_path() {
        for (path, name) in [
            (&b"/usr/sbin/cron"[..], &b"cron"[..]),
            (b"cron", b"cron"),
            (b"/usr/", b""),
            (b"/", b""),
            (b"", b""),
        ] {
            assert_eq!(base_name(path), name);
        }
    }
}
