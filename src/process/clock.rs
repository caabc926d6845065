//! The clock of start times: CLOCK_BOOTTIME with the offset of our time namespace, as the kernel
//! uses it in /proc/PID/stat (timens_add_boottime_ns in fs/proc/array.c).

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Boot times are rounded to this, in nanoseconds: one clock tick, the unit of start times.
const GRAIN: i128 = 10_000_000;

/// Number of comparisons of the two clocks.
const SAMPLES: usize = 8;

/// Returns the time since the boot.
pub fn since_boot() -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds(ClockId::Boottime)).unwrap_or(0))
}

/// Returns the seconds from the epoch to the boot, rounded to a clock tick.
///
/// The kernel keeps the distance of the two clocks as one number, which changes only when the clock
/// is set: both run equally fast. Two readings are some ten nanoseconds apart, so that two
/// results differ only where the true value is that close to the middle between two ticks.
pub fn boot_time() -> f64 {
    // The sample with the shortest gap was disturbed least.
    let distance = (0..SAMPLES).map(|_| sample()).min().map_or(0, |(_, distance)| distance);
    ((distance + GRAIN / 2).div_euclid(GRAIN) * GRAIN) as f64 / 1e9
}

/// Compares the two clocks. Returns the gap between the two readings of the first one, and the
/// distance from the middle of the gap to the second clock, in nanoseconds.
fn sample() -> (i128, i128) {
    let before = nanoseconds(ClockId::Boottime);
    let now = nanoseconds(ClockId::Realtime);
    let after = nanoseconds(ClockId::Boottime);
    (after - before, now - (before + after) / 2)
}

fn nanoseconds(clock: ClockId) -> i128 {
    let now = clock_gettime(clock);
    i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_time_of_boot_is_the_same_at_every_read_and_that_of_the_kernel() {
        let read: BTreeSet<u64> = (0..1000).map(|_| boot_time().to_bits()).collect();
        let statistics = std::fs::read_to_string("/proc/stat").unwrap();
        let boot = statistics
            .lines()
            .find_map(|line| line.strip_prefix("btime "))
            .unwrap()
            .parse::<f64>()
            .unwrap();
        assert_eq!(read.len(), 1);
        let distance = boot_time() - boot;
        assert!((-0.01..1.01).contains(&distance), "{distance}");
    }
}
