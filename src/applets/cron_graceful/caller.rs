//! The user who has ordered a run of `cron-graceful`.

/// Returns who calls this: the user who has logged in, as far as that is known.
pub fn who() -> String {
    let variables = ["SUDO_USER", "DOAS_USER", "LOGNAME", "USER"];
    let name = variables.iter().find_map(|name| std::env::var(name).ok());
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| "root".to_owned());
    // It is one word of a line.
    name.chars()
        .take(64)
        .map(|c| if c.is_whitespace() || c.is_control() { '?' } else { c })
        .collect()
}
