//! The bits of entropy-coded data, most significant first, without the stuffed zeros.

use crate::jpeg_header::{NotTaken, Taken};

/// Reads up to the next marker. Beyond it there are zeros, which `ends_at` and `is_sound` tell
/// from data.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top. Those below `count` are 0 or what follows anyway.
    window: u64,
    /// How many bits of the window count.
    count: u32,
    /// How many of all the bits so far were made up beyond a marker.
    invented: u32,
}

/// Bits that are there after `refill`.
pub const REFILLED: u32 = 56;

impl<'a> Bits<'a> {
    pub fn new(data: &'a [u8], at: usize) -> Self {
        Bits { data, at, window: 0, count: 0, invented: 0 }
    }

    /// Makes at least `REFILLED` bits available.
    #[inline(always)]
    pub fn refill(&mut self) {
        if let Some(next) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_be_bytes(*next);
            if !has_ff(word) {
                self.window |= word >> self.count;
                self.at += ((63 - self.count) >> 3) as usize;
                self.count |= 56;
                return;
            }
        }
        let Refill { at, window, count, invented } =
            refilled(self.data, self.at, self.window, self.count);
        (self.at, self.window, self.count) = (at, window, count);
        self.invented += invented;
    }

    /// Refills if fewer than `wanted` bits are there.
    #[inline(always)]
    pub fn ensure(&mut self, wanted: u32) {
        if self.count < wanted {
            self.refill();
        }
    }

    /// The next `size` bits, 1 to 32.
    #[inline(always)]
    pub fn peek(&self, size: u32) -> usize {
        (self.window >> (64 - size)) as usize
    }

    /// Moves on by `size` bits, at most 63, which must be there.
    #[inline(always)]
    pub fn consume(&mut self, size: u32) {
        self.window <<= size & 63;
        self.count = self.count.wrapping_sub(size);
    }

    /// Whether no bit has been used that the file does not have.
    #[inline(always)]
    pub fn is_sound(&self) -> bool {
        self.invented <= self.count
    }

    /// Behind `marker`, which must follow the bits at once, but for less than a byte.
    pub fn behind(self, marker: u8) -> Taken<Self> {
        let left = self.count.checked_sub(self.invented).ok_or(NotTaken)?;
        if left >= 8 || self.data.get(self.at..self.at + 2) != Some(&[0xFF, marker]) {
            return Err(NotTaken);
        }
        Ok(Bits::new(self.data, self.at + 2))
    }
}

/// What `refilled` makes of the fields of `Bits` with the same names.
struct Refill {
    at: usize,
    window: u64,
    count: u32,
    invented: u32,
}

/// Byte by byte, with an eye on 0xFF. No reference to `Bits`: so its fields stay in registers.
#[cold]
#[inline(never)]
fn refilled(data: &[u8], mut at: usize, mut window: u64, mut count: u32) -> Refill {
    let mut invented = 0;
    while count < REFILLED {
        let byte = match data.get(at..) {
            Some([0xFF, 0x00, ..]) => {
                at += 2;
                0xFF
            }
            Some([0xFF, ..] | []) | None => {
                invented += 8;
                0
            }
            Some([byte, ..]) => {
                at += 1;
                *byte
            }
        };
        window |= u64::from(byte) << (56 - count);
        count += 8;
    }
    Refill { at, window, count, invented }
}

/// Whether any byte is 0xFF.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let inverted = !word;
    inverted.wrapping_sub(ONES) & word & (ONES << 7) != 0
}
