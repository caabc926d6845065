//! Changed samples as input for parsers. For tests only.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Texts that replace a part of a sample.
const PARTS: [&[u8]; 26] = [
    b"",
    b" ",
    b"\n",
    b"\t",
    b"\0",
    b"(",
    b")",
    b") ",
    b":",
    b"/",
    b"//",
    b"..",
    b"\\",
    b"%",
    b"-",
    b"-1",
    b"0",
    b"4294967296",
    b"18446744073709551615",
    b"99999999999999999999999",
    b"\xff",
    b"\x9b",
    b"\xc3",
    "\u{202e}".as_bytes(),
    b"${",
    b"=",
];

/// Tries a parser with changed samples: for a moment, or for as many seconds as
/// PROCTOOL_FUZZ_SECONDS says. It may return anything and must not panic.
pub fn survives(samples: &[&[u8]], parse: impl Fn(&[u8])) {
    let asked =
        std::env::var("PROCTOOL_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + asked.map_or(Duration::from_millis(50), Duration::from_secs);
    let seed =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let mut random = Random(seed | 1);
    let mut count: u64 = 0;
    while Instant::now() < end {
        for _ in 0..100 {
            let input = changed(samples, &mut random);
            let outcome = catch_unwind(AssertUnwindSafe(|| parse(&input)));
            assert!(outcome.is_ok(), "it panics at b\"{}\"", input.escape_ascii());
            count += 1;
        }
    }
    println!("{count} inputs");
}

/// Returns a sample with a few changes.
fn changed(samples: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(samples).to_vec();
    for _ in 0..1 + random.below(6) {
        let (begin, end) = random.range(input.len());
        let part = match random.below(6) {
            0 => Vec::new(),
            1 => random.pick(&PARTS).to_vec(),
            2 => random.pick(&PARTS).repeat(1 + random.below(300)),
            3 => vec![random.next() as u8],
            4 => input[begin..end].repeat(2),
            _ => {
                let other = random.pick(samples);
                let (begin, end) = random.range(other.len());
                other[begin..end].to_vec()
            }
        };
        input.splice(begin..end, part);
        input.truncate(20_000);
    }
    input
}

/// The generator xorshift64*: fast, and good enough.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'t>(&mut self, things: &[&'t [u8]]) -> &'t [u8] {
        things[self.below(things.len())]
    }

    /// Returns a range within this length, mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let begin = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 8 };
        (begin, (begin + self.below(most + 1)).min(length))
    }
}
