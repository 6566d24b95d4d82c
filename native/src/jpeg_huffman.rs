//! Tables that decode several symbols, extra bits included, with one look-up.

use crate::jpeg_bits::Bits;
use crate::jpeg_header::{Code, NATURAL_ORDER, NotTaken, Taken};

/// Index bits of the tables of values.
const VALUE_BITS: u32 = 11;
/// Index bits of the table that skips, and of the one that both are made from.
const SKIP_BITS: u32 = 12;
/// Index bits of the table of codes without their extra bits.
const CODE_BITS: u32 = 9;

/// Most bits of one symbol: a code of 16 and 11 extra ones.
pub const SYMBOL_BITS: u32 = 27;

/// Most extra bits of a coefficient that an 8-bit encoder writes.
const MOST_DC_BITS: u32 = 11;
const MOST_AC_BITS: u32 = 10;

/// A block in natural order; behind it is room for what is written and not meant.
pub type Block = [i16; 128];

/// The coefficient of the stream that is none: writing it does no harm.
const NOWHERE: usize = 64;

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
    /// Size in the low byte, difference above; 0: not known.
    known: [i32; 1 << VALUE_BITS],
}

impl DcTable {
    pub fn new(code: &Code) -> Taken<Box<Self>> {
        // libjpeg refuses the table.
        if code.symbols.iter().any(|&symbol| symbol > 15) {
            return Err(NotTaken);
        }
        let canonical = Canonical::new(code)?;
        let mut known = [0; 1 << VALUE_BITS];
        canonical.each(|code, size, symbol| {
            let extra = u32::from(symbol);
            if extra <= MOST_DC_BITS && size + extra <= VALUE_BITS {
                for bits in 0..1 << extra {
                    let whole = size + extra;
                    if let Some(entries) = run(&mut known, code << extra | bits, whole) {
                        entries.fill(extended(bits, extra) << 8 | whole as i32);
                    }
                }
            }
        });
        Ok(Box::new(DcTable { canonical, known }))
    }

    /// The next difference; `SYMBOL_BITS` bits must be there.
    #[inline(always)]
    pub fn next(&self, bits: &mut Bits) -> Taken<i32> {
        let entry = self.known[bits.peek(VALUE_BITS)];
        if entry != 0 {
            bits.consume(entry as u32 & 0xFF);
            return Ok(entry >> 8);
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
///
/// From the low end: 4 bits of size, 1 that says that the block ends, 5 for the step to the first
/// coefficient, 5 for that to the second one, 10 of the first value, 7 of the second one. Where
/// there is no second coefficient, it is the first one again.
#[derive(Clone, Copy, Default)]
struct Entry(u32);

impl Entry {
    const ENDS: u32 = 1 << 4;

    /// Size, steps and value of a symbol; None if the value is too large.
    fn of(size: u32, step: u32, value: i32) -> Option<Self> {
        let first = (-512..512).contains(&value).then_some((value as u32 & 0x3FF) << 15)?;
        // Too large for a second one: then it is not joined, but must still be written twice.
        Some(Entry(size | step << 5 | first))
    }

    fn end(size: u32) -> Self {
        Entry(size | Self::ENDS)
    }

    #[inline(always)]
    fn is_known(self) -> bool {
        self.0 != 0
    }

    #[inline(always)]
    fn size(self) -> u32 {
        self.0 & 15
    }

    #[inline(always)]
    fn ends(self) -> bool {
        self.0 & Self::ENDS != 0
    }

    #[inline(always)]
    fn steps(self) -> (usize, usize) {
        ((self.0 >> 5 & 31) as usize, (self.0 >> 10 & 31) as usize)
    }

    #[inline(always)]
    fn values(self) -> (i16, i16) {
        ((self.0 << 7) as i32 >> 22, self.0 as i32 >> 25).into_i16()
    }

    /// This coefficient and what follows it, if both fit.
    fn followed_by(self, next: Entry, most: u32) -> Self {
        let size = self.size() + next.size();
        let (_, second) = self.steps();
        if !next.is_known() || self.ends() || size > most || (second != 0 && !next.ends()) {
            return self;
        }
        if next.ends() {
            return Entry((self.0 & !15) | size | Self::ENDS);
        }
        let (value, _) = next.values();
        if !(-64..64).contains(&value) {
            return self;
        }
        let value = (value as u32 & 0x7F) << 25;
        Entry((self.0 & !15) | size | (next.steps().0 as u32) << 10 | value)
    }
}

trait IntoI16 {
    fn into_i16(self) -> (i16, i16);
}

impl IntoI16 for (i32, i32) {
    #[inline(always)]
    fn into_i16(self) -> (i16, i16) {
        (self.0 as i16, self.1 as i16)
    }
}

/// Runs of zeros and AC coefficients.
pub struct AcTable {
    canonical: Canonical,
    known: [Entry; 1 << VALUE_BITS],
    /// Several symbols without values. From the low end: 4 bits of size, 1 that says that the
    /// block ends, and from bit 8 the steps before that.
    skips: [u16; 1 << SKIP_BITS],
}

/// One symbol in full.
struct Symbol {
    /// Bits of code and value.
    size: u32,
    /// How many coefficients on it is; 0: the block ends.
    step: usize,
    value: i16,
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

impl AcTable {
    pub fn new(code: &Code) -> Taken<Box<Self>> {
        let canonical = Canonical::new(code)?;
        let single = single_symbols(&canonical);
        let following = |index: usize, size: u32| single[index << size & (single.len() - 1)];
        let mut table =
            Box::new(AcTable { canonical, known: [Entry(0); _], skips: [0; 1 << SKIP_BITS] });
        for (index, entry) in table.known.iter_mut().enumerate() {
            let index = index << (SKIP_BITS - VALUE_BITS);
            let first = single[index];
            if first.is_known() && first.size() <= VALUE_BITS {
                let two = first.followed_by(following(index, first.size()), VALUE_BITS);
                *entry = two.followed_by(following(index, two.size()), VALUE_BITS);
            }
        }
        for (index, entry) in table.skips.iter_mut().enumerate() {
            let (mut size, mut steps) = (0, 0);
            loop {
                let next = following(index, size);
                if !next.is_known() || size + next.size() > SKIP_BITS {
                    break;
                }
                size += next.size();
                if next.ends() {
                    size |= Entry::ENDS;
                    break;
                }
                steps += next.steps().0 as u32;
            }
            *entry = (steps << 8 | size) as u16;
        }
        Ok(table)
    }

    #[inline(never)]
    fn next_slowly(&self, bits: u32) -> Taken<Symbol> {
        let (size, symbol) = self.canonical.find(bits).ok_or(NotTaken)?;
        let (step, extra) = meaning(symbol).ok_or(NotTaken)?;
        let value = value_behind(bits, size, extra) as i16;
        Ok(Symbol { size: size + extra, step: step as usize, value })
    }

    /// Reads the AC coefficients of a block; whether there are any.
    #[inline(always)]
    pub fn read_block(&self, bits: &mut Bits, block: &mut Block) -> Taken<bool> {
        let mut last = 0; // the coefficient that the bits so far end with
        while last < 63 {
            bits.ensure(SYMBOL_BITS);
            let entry = self.known[bits.peek(VALUE_BITS)];
            let (first, second) = entry.steps();
            let (at, reached) = (last + first, last + first + second);
            // An end that stands behind the last coefficient is none.
            if entry.is_known() && reached < 64 - usize::from(entry.ends()) {
                bits.consume(entry.size());
                let (one, other) = entry.values();
                put(block, if first == 0 { NOWHERE } else { at }, one);
                put(block, if second == 0 { NOWHERE } else { reached }, other);
                last = reached;
                if entry.ends() {
                    break;
                }
                continue;
            }
            let symbol = self.next_slowly(bits.peek(32) as u32)?;
            bits.consume(symbol.size);
            if symbol.step == 0 {
                break;
            }
            last += symbol.step;
            if last > 63 {
                return Err(NotTaken);
            }
            put(block, last, symbol.value);
        }
        Ok(last > 0)
    }

    /// Passes the AC coefficients of a block.
    #[inline(always)]
    pub fn skip_block(&self, bits: &mut Bits) -> Taken<()> {
        let mut last = 0;
        while last < 63 {
            bits.ensure(SYMBOL_BITS);
            let entry = u32::from(self.skips[bits.peek(SKIP_BITS)]);
            let reached = last + (entry >> 8) as usize;
            let ends = entry & Entry::ENDS != 0;
            if entry != 0 && reached < 64 - usize::from(ends) {
                bits.consume(entry & 15);
                if ends {
                    break;
                }
                last = reached;
                continue;
            }
            let symbol = self.next_slowly(bits.peek(32) as u32)?;
            bits.consume(symbol.size);
            if symbol.step == 0 {
                break;
            }
            last += symbol.step;
        }
        if last > 63 { Err(NotTaken) } else { Ok(()) }
    }
}

/// Writes the k-th coefficient of the stream.
#[inline(always)]
fn put(block: &mut Block, k: usize, value: i16) {
    block[usize::from(PLACES[k & 127] & 127)] = value;
}

/// One symbol for each index.
fn single_symbols(canonical: &Canonical) -> [Entry; 1 << SKIP_BITS] {
    let mut single = [Entry(0); 1 << SKIP_BITS];
    canonical.each(|code, size, symbol| {
        let Some((step, extra)) = meaning(symbol) else {
            return;
        };
        let whole = size + extra;
        if whole > SKIP_BITS {
            return;
        }
        for bits in 0..1 << extra {
            let entry = match step {
                0 => Some(Entry::end(whole)),
                _ => Entry::of(whole, step, extended(bits, extra)),
            };
            if let (Some(entry), Some(entries)) =
                (entry, run(&mut single, code << extra | bits, whole))
            {
                entries.fill(entry);
            }
        }
    });
    single
}
