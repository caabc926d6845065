//! A screen of a terminal that is drawn again and again, as watch(1) does: each frame covers the one
//! before.

use std::io::{self, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Goes to the upper left corner.
const HOME: &[u8] = b"\x1b[H";
/// Clears the rest of the line.
const CLEAR_LINE: &[u8] = b"\x1b[K";
/// Clears everything below.
const CLEAR_BELOW: &[u8] = b"\x1b[J";

/// Lines at the bottom that stay free, for messages.
const FREE: usize = 2;

/// `true` once a frame was drawn: the first one clears the screen.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);

/// The text of a frame, until it is drawn.
pub struct Frame(Vec<u8>);

impl Frame {
    /// Makes an empty frame.
    pub fn new() -> Frame {
        Frame(Vec::new())
    }

    /// Returns the sequences and the text that draw the frame on a screen of so many rows.
    fn drawn(&self, rows: Option<usize>) -> Vec<u8> {
        let most = rows.map_or(usize::MAX, |rows| rows.saturating_sub(FREE).max(1));
        let lines = self.0.split_inclusive(|&byte| byte == b'\n');
        let mut drawn = HOME.to_vec();
        if !IS_DRAWN.swap(true, Ordering::Relaxed) {
            drawn.extend_from_slice(CLEAR_BELOW);
        }
        for line in lines.take(most) {
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            drawn.extend_from_slice(text);
            drawn.extend_from_slice(CLEAR_LINE);
            drawn.push(b'\n');
        }
        drawn.extend_from_slice(CLEAR_BELOW);
        drawn
    }
}

impl Write for Frame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Draws the frame.
    fn flush(&mut self) -> io::Result<()> {
        let rows = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| size.ws_row);
        let drawn = self.drawn((rows > 0).then_some(rows.into()));
        self.0.clear();
        stdout().write_all(&drawn)?;
        stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_the_screen() {
        let mut frame = Frame::new();
        frame.write_all(b"a\nb\nc\n").unwrap();
        let drawn = |rows| String::from_utf8(frame.drawn(rows)).unwrap();
        drawn(None);
        assert_eq!(drawn(Some(4)), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(drawn(Some(1)), "\x1b[Ha\x1b[K\n\x1b[J");
        assert_eq!(drawn(None), "\x1b[Ha\x1b[K\nb\x1b[K\nc\x1b[K\n\x1b[J");
    }
}
