//! The lines of README for /etc/cron.d, run by a real cron.

use super::super::support::cron::{CronBox, soon};
use crate::cron_box;

/// The PATH of cron's jobs has no /usr/local/bin, where install.sh puts the program.
#[test]
fn the_lines_for_cron_d_run_as_they_stand() {
    let readme = include_str!("../../README.md");
    let lines: Vec<&str> = readme.lines().filter(|line| line.starts_with("* * * * * ")).collect();
    assert!(!lines.is_empty());
    let place = cron_box!(CronBox::new());
    place.shell(
        "mount -t tmpfs none /usr/local; mkdir /usr/local/bin; \
         cp /mnt/bin/cron-graceful /usr/local/bin/proctool; \
         ln -s proctool /usr/local/bin/apache-mem; mkdir -p /run/prometheus/node-exporter; \
         mount --bind /run/prometheus /var/lib/prometheus 2>/dev/null || \
         { mkdir -p /var/lib/prometheus && mount --bind /run/prometheus /var/lib/prometheus; }",
    );
    for line in lines {
        let job = line.replacen("* * * * *", "@reboot", 1);
        let output = job.split("--output ").nth(1).expect("finding the output").trim();
        let marked = job.replacen(output, &format!("{output}; echo $? >/mnt/status"), 1);
        place.raw_crontab(&format!("MAILTO=\"\"\n{marked}\n"));
        place.cron();
        soon("the end of the job", || place.has("status") && !place.read("status").is_empty());
        assert!(["0", "1"].contains(&place.read("status").as_str()), "{}", place.read("status"));
        assert!(place.shell(&format!("cat {output}")).contains("proctool_pools"), "{line}");
    }
}
