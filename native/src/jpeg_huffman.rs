//! Tables that decode several symbols, extra bits included, with one look-up.

use crate::jpeg_bits::Bits;
use crate::jpeg_header::{Code, NATURAL_ORDER, NotTaken, Taken};

/// Index bits of the table of AC coefficients. More would take more of the nearest cache.
const VALUE_BITS: u32 = 10;
/// Index bits of the table of DC coefficients.
const DC_BITS: u32 = 11;
/// Index bits of the table of codes without their extra bits.
const CODE_BITS: u32 = 9;

/// Most bits of one symbol: a code of 16 and 11 extra ones.
pub const SYMBOL_BITS: u32 = 27;

/// Most extra bits of a coefficient that an 8-bit encoder writes.
const MOST_DC_BITS: u32 = 11;
const MOST_AC_BITS: u32 = 10;

/// A block in natural order; behind it is room for what is written and not meant.
pub type Block = [i16; 128];

/// `NATURAL_ORDER`, and beyond the block for what lies beyond it.
const PLACES: [u8; 128] = {
    let mut places = [64; 128];
    let mut k = 0;
    while k < 64 {
        places[k] = NATURAL_ORDER[k];
        k += 1;
    }
    places
};

/// Codes in the order of their bits.
struct Canonical {
    /// For each size: where to find the symbol of a code of this size.
    offset: [i32; 17],
    /// For each size: what the first 16 bits of a longer code reach.
    limit: [u32; 17],
    symbols: [u8; 256],
    /// Short codes: size in the low byte, symbol above; 0: a longer one.
    short: [u16; 1 << CODE_BITS],
}

impl Canonical {
    fn new(code: &Code) -> Taken<Self> {
        let (mut offset, mut limit) = ([0; 17], [0; 17]);
        let (mut symbols, mut short) = ([0; 256], [0; 1 << CODE_BITS]);
        symbols.get_mut(..code.symbols.len()).ok_or(NotTaken)?.copy_from_slice(&code.symbols);
        let (mut next, mut used) = (0u32, 0usize);
        for size in 1..=16 {
            offset[size] = used as i32 - next as i32;
            for _ in 0..code.counts[size - 1] {
                if let Some(entries) = run(&mut short, next, size as u32) {
                    entries.fill(u16::from(symbols[used & 255]) << 8 | size as u16);
                }
                next += 1;
                used += 1;
            }
            // No code is all ones.
            if code.counts[size - 1] > 0 && next >= 1 << size {
                return Err(NotTaken);
            }
            limit[size] = next << (16 - size);
            next <<= 1;
        }
        Ok(Canonical { offset, limit, symbols, short })
    }

    /// Size of the code that the 32 bits begin with, and its symbol.
    #[inline(always)]
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let entry = self.short[(bits >> (32 - CODE_BITS)) as usize];
        if entry != 0 {
            return Some((u32::from(entry & 0xFF), (entry >> 8) as u8));
        }
        let bits = bits >> 16;
        let size = (CODE_BITS as usize + 1..=16).find(|&size| bits < self.limit[size])?;
        let place = self.offset[size] + (bits >> (16 - size)) as i32;
        Some((size as u32, self.symbols[(place & 255) as usize]))
    }

    /// Calls `with` for each code: its bits, its size and its symbol.
    fn each(&self, mut with: impl FnMut(u32, u32, u8)) {
        for size in 1..=16 {
            let end = (self.limit[size] >> (16 - size)) as i32;
            let start = if size == 1 { 0 } else { (self.limit[size - 1] >> (16 - size)) as i32 };
            for code in start..end {
                let symbol = self.symbols[((self.offset[size] + code) & 255) as usize];
                with(code as u32, size as u32, symbol);
            }
        }
    }
}

/// The entries of a table whose index begins with the low `size` bits of `bits`.
fn run<T>(table: &mut [T], bits: u32, size: u32) -> Option<&mut [T]> {
    let spare = table.len().ilog2().checked_sub(size)?;
    let start = (bits as usize) << spare;
    table.get_mut(start..start + (1 << spare))
}

/// The value of `size` extra bits, ITU-T T.81 figure F.12.
#[inline(always)]
fn extended(bits: u32, size: u32) -> i32 {
    let value = bits as i32;
    if value < (1 << size >> 1) { value - (1 << size) + 1 } else { value }
}

/// The value of the `extra` bits behind the first `size` ones.
#[inline(always)]
fn value_behind(bits: u32, size: u32, extra: u32) -> i32 {
    // In two steps, because a shift by 32 bits is none.
    extended(bits << size >> 1 >> (31 - extra), extra)
}

/// Differences of DC coefficients.
pub struct DcTable {
    canonical: Canonical,
    /// Size in the low 4 bits, difference above; 0: not known.
    known: [i16; 1 << DC_BITS],
}

impl DcTable {
    pub fn new(code: &Code) -> Taken<Box<Self>> {
        // libjpeg refuses the table.
        if code.symbols.iter().any(|&symbol| symbol > 15) {
            return Err(NotTaken);
        }
        let canonical = Canonical::new(code)?;
        let mut known = [0; 1 << DC_BITS];
        canonical.each(|code, size, symbol| {
            let extra = u32::from(symbol);
            if extra <= MOST_DC_BITS && size + extra <= DC_BITS {
                for bits in 0..1 << extra {
                    let whole = size + extra;
                    if let Some(entries) = run(&mut known, code << extra | bits, whole) {
                        entries.fill((extended(bits, extra) << 4) as i16 | whole as i16);
                    }
                }
            }
        });
        Ok(Box::new(DcTable { canonical, known }))
    }

    /// The next difference; `SYMBOL_BITS` bits must be there.
    #[inline(always)]
    pub fn next(&self, bits: &mut Bits) -> Taken<i32> {
        let entry = self.known[bits.peek(DC_BITS)];
        if entry != 0 {
            bits.consume(entry as u32 & 15);
            return Ok(i32::from(entry >> 4));
        }
        let (size, value) = self.next_slowly(bits.peek(32) as u32)?;
        bits.consume(size);
        Ok(value)
    }

    /// How many bits the difference takes, and the difference.
    #[inline(never)]
    fn next_slowly(&self, bits: u32) -> Taken<(u32, i32)> {
        let (size, symbol) = self.canonical.find(bits).ok_or(NotTaken)?;
        let extra = u32::from(symbol);
        if extra > MOST_DC_BITS {
            return Err(NotTaken);
        }
        Ok((size + extra, value_behind(bits, size, extra)))
    }
}

/// What some bits say of AC coefficients: up to two of them, and whether the block ends.
#[derive(Clone, Copy)]
struct Entry {
    /// How many bits; and `ENDS`, which a shift by a size does not see.
    size: u8,
    /// How many coefficients on the last one is, and one more if the block ends: an end that stands
    /// behind the last coefficient is none.
    reach: u8,
    /// How many on the first and the second one are; where there is no second one, it is the first.
    first: u8,
    second: u8,
    /// Their values; the first one counts where both are the same.
    one: i16,
    other: i16,
}

const ENDS: u8 = 64;

/// Beyond any block.
const FAR: u8 = 64;

impl Entry {
    /// Reaches beyond the block, so that a longer way is taken.
    const UNKNOWN: Entry = Entry { size: 0, reach: FAR, first: FAR, second: FAR, one: 0, other: 0 };

    /// One symbol.
    fn of(symbol: Single) -> Self {
        let Single { size, step, value } = symbol;
        match (size, step) {
            (0, _) => Entry::UNKNOWN,
            (_, 0) => Entry { size: size | ENDS, reach: 1, ..Entry::UNKNOWN },
            _ => Entry { size, reach: step, first: step, second: step, one: value, other: 0 },
        }
    }

    /// This and what follows it, if both fit.
    fn followed_by(self, next: Single, most: u32) -> Self {
        let size = self.size.wrapping_add(next.size);
        if next.size == 0 || self.size & ENDS != 0 || u32::from(size) > most {
            return self;
        }
        if next.step == 0 {
            return Entry { size: size | ENDS, reach: self.reach + 1, ..self };
        }
        if self.second != self.first {
            return self;
        }
        let second = self.first + next.step;
        Entry { size, reach: second, second, other: next.value, ..self }
    }
}

/// One symbol.
#[derive(Clone, Copy, Default)]
struct Single {
    /// How many bits of code and value; 0: not known.
    size: u8,
    /// How many coefficients on it is; 0: the block ends.
    step: u8,
    value: i16,
}

/// What is passed where the symbol is too long for the table: reaches beyond the block, too.
const UNKNOWN: u16 = (FAR as u16) << 7;

/// Runs of zeros and AC coefficients; with `SKIPS` entries, a power of 2 from 1,024 to 8,192, for what
/// is passed. More of them pass more at a time, and take longer to prepare.
pub struct AcTable<const SKIPS: usize> {
    canonical: Canonical,
    known: [Entry; 1 << VALUE_BITS],
    /// Several symbols without values. From the low end: 6 bits of size, `ENDS`, and from bit 7 how
    /// many coefficients on the last one is, and one more if the block ends.
    skips: [u16; SKIPS],
}

/// Step and number of extra bits; None if no encoder of 8 bits writes such a symbol.
fn meaning(symbol: u8) -> Option<(u32, u32)> {
    match (u32::from(symbol >> 4), u32::from(symbol & 15)) {
        (0, 0) => Some((0, 0)),
        (15, 0) => Some((16, 0)),
        (_, 0) => None,
        (_, extra) if extra > MOST_AC_BITS => None,
        (run, extra) => Some((run + 1, extra)),
    }
}

impl<const SKIPS: usize> AcTable<SKIPS> {
    const SKIP_BITS: u32 = SKIPS.ilog2();

    pub fn new(code: &Code) -> Taken<Box<Self>> {
        let canonical = Canonical::new(code)?;
        let single: [Single; SKIPS] = single_symbols(&canonical);
        let following = |index: usize, size: u8| single[index << (size & 15) & (single.len() - 1)];
        let mut table =
            Box::new(AcTable { canonical, known: [Entry::UNKNOWN; _], skips: [0; SKIPS] });
        for (index, entry) in table.known.iter_mut().enumerate() {
            let index = index << (Self::SKIP_BITS - VALUE_BITS);
            let first = single[index];
            if first.size != 0 && u32::from(first.size) <= VALUE_BITS {
                let two = Entry::of(first).followed_by(following(index, first.size), VALUE_BITS);
                *entry = two.followed_by(following(index, two.size), VALUE_BITS);
            }
        }
        for (index, entry) in table.skips.iter_mut().enumerate() {
            let (mut size, mut steps, mut ends) = (0, 0, 0);
            loop {
                let next = following(index, size);
                if next.size == 0 || u32::from(size + next.size) > Self::SKIP_BITS {
                    break;
                }
                size += next.size;
                steps += u16::from(next.step);
                if next.step == 0 {
                    steps += 1;
                    ends = ENDS;
                    break;
                }
            }
            *entry = if size == 0 { UNKNOWN } else { steps << 7 | u16::from(size | ends) };
        }
        Ok(table)
    }

    #[inline(never)]
    fn next_slowly(&self, bits: u32) -> Taken<Single> {
        let (size, symbol) = self.canonical.find(bits).ok_or(NotTaken)?;
        let (step, extra) = meaning(symbol).ok_or(NotTaken)?;
        let value = value_behind(bits, size, extra) as i16;
        Ok(Single { size: (size + extra) as u8, step: step as u8, value })
    }

    /// Reads the AC coefficients of a block; whether there are any.
    #[inline(always)]
    pub fn read_block(&self, kept: &mut Bits, block: &mut Block) -> Taken<bool> {
        let mut bits = *kept; // a copy stays in registers
        let mut last = 0; // the coefficient that the bits so far end with
        while last < 63 {
            bits.ensure(VALUE_BITS);
            let entry = &self.known[bits.peek(VALUE_BITS)];
            let reached = last + usize::from(entry.reach);
            if reached < 64 {
                bits.consume(u32::from(entry.size & !ENDS));
                put(block, last + usize::from(entry.second), entry.other);
                put(block, last + usize::from(entry.first), entry.one);
                if entry.size & ENDS != 0 {
                    *kept = bits;
                    return Ok(reached > 1);
                }
                last = reached;
                continue;
            }
            bits.ensure(SYMBOL_BITS);
            let symbol = self.next_slowly(bits.peek(32) as u32)?;
            bits.consume(u32::from(symbol.size));
            if symbol.step == 0 {
                break;
            }
            last += usize::from(symbol.step);
            if last > 63 {
                return Err(NotTaken);
            }
            put(block, last, symbol.value);
        }
        *kept = bits;
        Ok(last > 0)
    }

    /// Passes the AC coefficients of a block.
    #[inline(always)]
    pub fn skip_block(&self, kept: &mut Bits) -> Taken<()> {
        let mut bits = *kept; // a copy stays in registers
        let mut last = 0;
        while last < 63 {
            bits.ensure(Self::SKIP_BITS);
            let entry = self.skips[bits.peek(Self::SKIP_BITS)];
            let reached = last + usize::from(entry >> 7);
            if reached < 64 {
                bits.consume(u32::from(entry) & 63);
                if entry & u16::from(ENDS) != 0 {
                    break;
                }
                last = reached;
                continue;
            }
            bits.ensure(SYMBOL_BITS);
            let symbol = self.next_slowly(bits.peek(32) as u32)?;
            bits.consume(u32::from(symbol.size));
            if symbol.step == 0 {
                break;
            }
            last += usize::from(symbol.step);
        }
        *kept = bits;
        if last > 63 { Err(NotTaken) } else { Ok(()) }
    }
}

/// Writes the k-th coefficient of the stream.
#[inline(always)]
fn put(block: &mut Block, k: usize, value: i16) {
    block[usize::from(PLACES[k & 127] & 127)] = value;
}

/// One symbol for each index.
fn single_symbols<const N: usize>(canonical: &Canonical) -> [Single; N] {
    let mut single = [Single::default(); N];
    canonical.each(|code, size, symbol| {
        let Some((step, extra)) = meaning(symbol) else {
            return;
        };
        let whole = size + extra;
        if whole > N.ilog2() {
            return;
        }
        for bits in 0..1 << extra {
            let value = extended(bits, extra) as i16;
            if let Some(entries) = run(&mut single, code << extra | bits, whole) {
                entries.fill(Single { size: whole as u8, step: step as u8, value });
            }
        }
    });
    single
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symbol by symbol, without any of the tables.
    fn read_slowly<const N: usize>(
        table: &AcTable<N>,
        bits: &mut Bits,
        block: &mut Block,
    ) -> Taken<bool> {
        let mut last = 0;
        while last < 63 {
            bits.ensure(SYMBOL_BITS);
            let symbol = table.next_slowly(bits.peek(32) as u32)?;
            bits.consume(u32::from(symbol.size));
            if symbol.step == 0 {
                break;
            }
            last += usize::from(symbol.step);
            if last > 63 {
                return Err(NotTaken);
            }
            put(block, last, symbol.value);
        }
        Ok(last > 0)
    }

    #[test]
    fn tables_of_all_sizes_say_what_the_symbols_say_one_by_one() {
        let mut state = 5u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut taken = 0;
        for _ in 0..300 {
            // A code with random sizes: an end, long runs, and small values before large ones.
            let mut counts = [0; 16];
            let (mut room, mut used) = (1u32, 0);
            for count in counts.iter_mut() {
                room *= 2;
                *count = random(u64::from(room.min(20))) as u8;
                room -= u32::from(*count);
                used += usize::from(*count);
            }
            let mut symbols = vec![0, 0xF0];
            symbols.extend((1..=9).flat_map(|extra| (0..15).map(move |run| run << 4 | extra)));
            symbols.truncate(used);
            for i in 0..symbols.len() {
                let other = (i + random(9) as usize).min(symbols.len() - 1);
                symbols.swap(i, other);
            }
            counts.iter_mut().rev().fold(used - symbols.len(), |over, count| {
                let less = over.min(usize::from(*count));
                *count -= less as u8;
                over - less
            });
            let code = Code { counts, symbols };
            let (Ok(small), Ok(large)) = (AcTable::<2048>::new(&code), AcTable::<8192>::new(&code))
            else {
                continue;
            };
            let data: Vec<u8> = (0..4000).map(|_| random(255) as u8).collect();
            let mut bits = Bits::new(&data, 0);
            while bits.is_sound() {
                let (mut one, mut other, mut expected) = ([0; 128], [0; 128], [0; 128]);
                let [mut a, mut b, mut c, mut d] = [bits; 4];
                let any = read_slowly(&small, &mut bits, &mut expected);
                assert_eq!(any, small.read_block(&mut a, &mut one));
                assert_eq!(any, large.read_block(&mut b, &mut other));
                assert_eq!(any.map(|_| ()), small.skip_block(&mut c));
                assert_eq!(any.map(|_| ()), large.skip_block(&mut d));
                if any.is_err() {
                    break;
                }
                assert_eq!(
                    [expected[..64].to_vec(), expected[..64].to_vec()],
                    [one[..64].to_vec(), other[..64].to_vec()]
                );
                for mut each in [a, b, c, d] {
                    each.ensure(32);
                    bits.ensure(32);
                    assert_eq!(each.peek(32), bits.peek(32));
                }
                taken += 1;
            }
        }
        assert!(taken > 10_000, "{taken}");
    }
}
