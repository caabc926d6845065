//! Names of controlling terminals, from the device number in /proc/PID/stat.

/// Returns the name below /dev, such as `pts/0`; "major:minor" for an uncommon driver, and `None`
/// for no terminal.
pub fn name(device: u32) -> Option<String> {
    // The kernel splits the minor number around the major one (new_encode_dev).
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xf_ff00);
    if device == 0 {
        return None;
    }
    // The numbers stand in Documentation/admin-guide/devices.txt.
    Some(match (major, minor) {
        (4, 0..64) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (5, 1) => "console".to_owned(),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        (166, _) => format!("ttyACM{minor}"),
        (188, _) => format!("ttyUSB{minor}"),
        (204, 64..) => format!("ttyAMA{}", minor - 64),
        (229, _) => format!("hvc{minor}"),
        _ => format!("{major}:{minor}"),
    })
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn common_terminals_have_their_names() {
        assert_eq!(name(0), None);
        for (device, expected) in [
            (0x0401, "tty1"),
            (0x0440, "ttyS0"),
            (0x8800, "pts/0"),
            (0x0010_8803, "pts/259"),
            (0x0501, "console"),
            (0xe500, "hvc0"),
            (0x0701, "7:1"),
        ] {
            assert_eq!(name(device).as_deref(), Some(expected), "{device:#x}");
        }
    }
}
