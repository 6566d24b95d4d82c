//! The entropy-coded data: every symbol is read, what is needed is transformed.

use crate::jpeg_bits::Bits;
use crate::jpeg_header::{Code, Header, NotTaken, Taken};
use crate::jpeg_huffman::{AcTable, Block, DcTable, SYMBOL_BITS};
use crate::jpeg_idct::{Samples, flat};
use crate::jpeg_plane::Plane;
use crate::simd::Steps;

/// No encoder of 8 bits goes beyond, and libjpeg does not look.
const MOST_DC: i32 = 2047;

/// Bytes of a file from which on larger tables are worth their making.
const LONG: usize = 500_000;

const END_OF_IMAGE: u8 = 0xD9;
const FIRST_RESTART: u8 = 0xD0;

/// One block of a unit.
pub struct Place<'a, const SKIPS: usize> {
    plane: usize,
    dc: &'a DcTable,
    ac: &'a AcTable<SKIPS>,
    /// Blocks of the component in one unit, across and down.
    across: usize,
    down: usize,
    /// Which one this is.
    column: usize,
    row: usize,
}

impl<const SKIPS: usize> Place<'_, SKIPS> {
    /// The column of blocks, in a unit.
    #[inline(always)]
    fn at(&self, unit: usize) -> usize {
        unit * self.across + self.column
    }

    /// The next DC coefficient.
    ///
    /// Args: those of the blocks before, by component.
    #[inline(always)]
    fn next_dc(&self, bits: &mut Bits, before: &mut [i32; 3]) -> Taken<i32> {
        bits.ensure(SYMBOL_BITS);
        let dc = &mut before[self.plane];
        *dc += self.dc.next(bits)?;
        if dc.abs() > MOST_DC { Err(NotTaken) } else { Ok(*dc) }
    }
}

/// Passes units that nothing needs.
#[inline(always)]
pub fn skip_units<const SKIPS: usize>(
    places: &[Place<SKIPS>],
    count: usize,
    kept: &mut Bits,
    before: &mut [i32; 3],
) -> Taken<()> {
    let mut bits = *kept; // a copy stays in registers
    for _ in 0..count {
        for place in places {
            place.next_dc(&mut bits, before)?;
            place.ac.skip_block(&mut bits)?;
        }
    }
    *kept = bits;
    Ok(())
}

/// Decodes the scan into the planes.
///
/// The data must be sound to the end, and the end marker must follow at once.
#[inline(always)]
pub fn decode(inner: impl Steps, data: &[u8], header: &Header, planes: &mut [Plane]) -> Taken<()> {
    if data.len() < LONG {
        decode_with::<2048>(inner, data, header, planes)
    } else {
        decode_with::<8192>(inner, data, header, planes)
    }
}

#[inline(always)]
fn decode_with<const SKIPS: usize>(
    inner: impl Steps,
    data: &[u8],
    header: &Header,
    planes: &mut [Plane],
) -> Taken<()> {
    let (dc_tables, ac_tables) = tables::<SKIPS>(header)?;
    let single = planes.len() == 1;
    let (max_h, max_v) = if single { (1, 1) } else { header.max_sampling() };
    let units_across = header.width.div_ceil(8 * max_h);
    let units_down = header.height.div_ceil(8 * max_v);
    let places = places(planes, &dc_tables, &ac_tables)?;

    let mut bits = Bits::new(data, header.scan);
    let mut before = [0i32; 3]; // DC of the block before, by component
    let mut samples: Samples = [[0; 8]; 8];
    let interval = match header.restart_interval {
        0 => usize::MAX,
        units => units,
    };
    let mut until_restart = interval;
    let mut restarts = 0u8;
    let needed: Vec<bool> = (0..units_across)
        .map(|unit| {
            places.iter().any(|place| planes[place.plane].place_of(place.at(unit)).is_some())
        })
        .collect();
    for unit_row in 0..units_down {
        let rows: Vec<Option<[u32; 8]>> = places
            .iter()
            .map(|place| planes[place.plane].rows_of(unit_row * place.down + place.row))
            .collect();
        let is_needed = rows.iter().any(Option::is_some);
        let mut unit = 0;
        while unit < units_across {
            if until_restart == 0 {
                bits = bits.behind(FIRST_RESTART + (restarts & 7))?;
                restarts = restarts.wrapping_add(1);
                until_restart = interval;
                before = [0; 3];
            }
            if !(is_needed && needed[unit]) {
                let rest = needed[unit..].iter().take(until_restart);
                let count = rest.take_while(|&&needed| !(is_needed && needed)).count();
                inner.skip_units(&places, count, &mut bits, &mut before)?;
                unit += count;
                until_restart -= count;
                continue;
            }
            for (place, rows) in places.iter().zip(&rows) {
                let plane = &mut planes[place.plane];
                let dc = place.next_dc(&mut bits, &mut before)?;
                let needed = match rows {
                    Some(rows) => plane.place_of(place.at(unit)).map(|place| (rows, place)),
                    None => None,
                };
                match needed {
                    Some((rows, at)) => {
                        read(inner, &mut bits, dc, place.ac, &plane.steps, &mut samples)?;
                        plane.store(rows, at, &samples);
                    }
                    None => inner.skip_block(place.ac, &mut bits)?,
                }
            }
            unit += 1;
            until_restart -= 1;
        }
        if !bits.is_sound() {
            return Err(NotTaken);
        }
    }
    bits.behind(END_OF_IMAGE).map(|_| ())
}

type Tables<T> = [Option<Box<T>>; 4];

/// The tables that the scan uses.
fn tables<const SKIPS: usize>(header: &Header) -> Taken<(Tables<DcTable>, Tables<AcTable<SKIPS>>)> {
    let (mut dc, mut ac) = ([const { None }; 4], [const { None }; 4]);
    let given = |codes: &[Option<Code>; 4], i: usize| codes[i].clone().ok_or(NotTaken);
    for component in &header.components {
        if dc[component.dc].is_none() {
            dc[component.dc] = Some(DcTable::new(&given(&header.dc_codes, component.dc)?)?);
        }
        if ac[component.ac].is_none() {
            ac[component.ac] = Some(AcTable::new(&given(&header.ac_codes, component.ac)?)?);
        }
    }
    Ok((dc, ac))
}

/// The blocks of one unit, in the order of the stream.
fn places<'a, const SKIPS: usize>(
    planes: &[Plane],
    dc_tables: &'a Tables<DcTable>,
    ac_tables: &'a Tables<AcTable<SKIPS>>,
) -> Taken<Vec<Place<'a, SKIPS>>> {
    let mut places = Vec::new();
    for (plane, Plane { component, .. }) in planes.iter().enumerate() {
        let (across, down) = match planes {
            [_] => (1, 1),
            _ => (component.h, component.v),
        };
        let dc = dc_tables[component.dc].as_deref().ok_or(NotTaken)?;
        let ac = ac_tables[component.ac].as_deref().ok_or(NotTaken)?;
        for row in 0..down {
            for column in 0..across {
                places.push(Place { plane, dc, ac, across, down, column, row });
            }
        }
    }
    Ok(places)
}

/// Reads the AC coefficients of a block and transforms it.
#[inline(always)]
fn read<const SKIPS: usize>(
    inner: impl Steps,
    bits: &mut Bits,
    dc: i32,
    table: &AcTable<SKIPS>,
    steps: &[i16; 64],
    to: &mut Samples,
) -> Taken<()> {
    let mut block: Block = [0; 128];
    block[0] = dc as i16;
    if !inner.read_block(table, bits, &mut block)? {
        *to = [[flat(dc, i32::from(steps[0]))?; 8]; 8];
        return Ok(());
    }
    inner.transform(&block, steps, to)
}
