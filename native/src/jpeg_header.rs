//! What stands before the pixels of a JPEG, read as libjpeg reads it (ITU-T T.81, annex B).
//!
//! Whatever is odd is not taken: the reader that we hand it back to knows what to say about it.

/// The picture is left to the reader that has the last word; never an error of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotTaken;

/// A result, or the picture is handed back.
pub type Taken<T> = Result<T, NotTaken>;

/// libjpeg refuses longer sides.
const MAX_SIDE: usize = 65_500;

/// libjpeg refuses more blocks in one minimum coded unit.
const MAX_BLOCKS_IN_MCU: usize = 10;

/// Where each coefficient of the stream lies in its block, row by row. The second half catches
/// positions beyond the end, so that a look-up needs no check.
pub const NATURAL_ORDER: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// How the components become red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Grey,
    YCbCr,
    Rgb,
}

/// One component of the frame.
#[derive(Debug, Clone, Copy, Default)]
pub struct Component {
    pub id: u8,
    /// Sampling factors, 1 to 4.
    pub h: usize,
    pub v: usize,
    quantization: usize,
    pub dc: usize,
    pub ac: usize,
}

/// A Huffman table as the file gives it.
#[derive(Debug, Clone)]
pub struct Code {
    /// Codes of 1 to 16 bits.
    pub counts: [u8; 16],
    pub symbols: Vec<u8>,
}

/// All that the decoding of the one scan needs.
#[derive(Debug)]
pub struct Header {
    pub width: usize,
    pub height: usize,
    pub components: Vec<Component>,
    pub colour: Colour,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// Units between two restart markers; 0: there are none.
    pub restart_interval: usize,
    pub dc_codes: [Option<Code>; 4],
    pub ac_codes: [Option<Code>; 4],
    quantization: [Option<[i16; 64]>; 4],
    /// Where the entropy-coded data begin.
    pub scan: usize,
}

impl Header {
    /// Largest sampling factors.
    pub fn max_sampling(&self) -> (usize, usize) {
        let largest = |of: fn(&Component) -> usize| self.components.iter().map(of).max();
        (largest(|c| c.h).unwrap_or(1), largest(|c| c.v).unwrap_or(1))
    }

    /// The steps of a component's coefficients, in natural order, each at most 32,767.
    pub fn steps(&self, component: &Component) -> Taken<[i16; 64]> {
        self.quantization[component.quantization].ok_or(NotTaken)
    }
}

/// Reads up to the first scan, which has to hold the whole picture.
pub fn read(data: &[u8], max_pixels: u64) -> Taken<Header> {
    let mut header = Header {
        width: 0,
        height: 0,
        components: Vec::new(),
        colour: Colour::Grey,
        orientation: 1,
        restart_interval: 0,
        dc_codes: [None, None, None, None],
        ac_codes: [None, None, None, None],
        quantization: [None; 4],
        scan: 0,
    };
    let (mut jfif, mut adobe, mut exif) = (false, None, false);
    if !data.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return Err(NotTaken);
    }
    let mut at = 2;
    loop {
        if *data.get(at).ok_or(NotTaken)? != 0xFF {
            return Err(NotTaken);
        }
        while *data.get(at).ok_or(NotTaken)? == 0xFF {
            at += 1;
        }
        let marker = data[at];
        let content = content(data, at + 1)?;
        at += 3 + content.len();
        match marker {
            0xC0 | 0xC1 => frame(&mut header, content, max_pixels)?,
            0xC4 => huffman_tables(&mut header, content)?,
            0xDA => {
                first_scan(&mut header, content)?;
                header.scan = at;
                header.colour = colour(&header, jfif, adobe)?;
                return Ok(header);
            }
            0xDB => quantization_tables(&mut header, content)?,
            0xDD => header.restart_interval = restart_interval(content)?,
            0xE0 if content.len() >= 14 && content.starts_with(b"JFIF\0") => {
                jfif = true;
                if content[5] != 1 {
                    return Err(NotTaken); // libjpeg warns
                }
            }
            0xE1 if !exif && content.starts_with(b"Exif\0\0") => {
                exif = true;
                header.orientation = orientation(&content[6..]);
            }
            0xEE if content.len() >= 12 && content.starts_with(b"Adobe") => {
                adobe = Some(content[11]);
            }
            0xE0..=0xEF | 0xFE => {}
            _ => return Err(NotTaken),
        }
    }
}

/// What belongs to a marker whose length stands at `at`.
fn content(data: &[u8], at: usize) -> Taken<&[u8]> {
    let length = usize::from(big_endian(data.get(at..).ok_or(NotTaken)?)?);
    if length < 2 {
        return Err(NotTaken);
    }
    data.get(at + 2..at + length).ok_or(NotTaken)
}

fn big_endian(bytes: &[u8]) -> Taken<u16> {
    match bytes {
        [high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(NotTaken),
    }
}

fn frame(header: &mut Header, content: &[u8], max_pixels: u64) -> Taken<()> {
    let [bits, y1, y0, x1, x0, count, rest @ ..] = content else {
        return Err(NotTaken);
    };
    if !header.components.is_empty() || *bits != 8 || !matches!(count, 1 | 3) {
        return Err(NotTaken);
    }
    header.height = usize::from(u16::from_be_bytes([*y1, *y0]));
    header.width = usize::from(u16::from_be_bytes([*x1, *x0]));
    let sides = 1..=MAX_SIDE;
    let pixels = header.width as u64 * header.height as u64;
    if !sides.contains(&header.width) || !sides.contains(&header.height) || pixels > max_pixels {
        return Err(NotTaken);
    }
    if rest.len() != 3 * usize::from(*count) {
        return Err(NotTaken);
    }
    for part in rest.chunks_exact(3) {
        let component = Component {
            id: part[0],
            h: usize::from(part[1] >> 4),
            v: usize::from(part[1] & 15),
            quantization: usize::from(part[2]),
            ..Component::default()
        };
        let known = header.components.iter().any(|other| other.id == component.id);
        let sampling = 1..=4;
        if known
            || !sampling.contains(&component.h)
            || !sampling.contains(&component.v)
            || component.quantization > 3
        {
            return Err(NotTaken);
        }
        header.components.push(component);
    }
    // Only whole ratios can be upsampled.
    let (max_h, max_v) = header.max_sampling();
    let blocks: usize = header.components.iter().map(|c| c.h * c.v).sum();
    if header.components.iter().any(|c| max_h % c.h != 0 || max_v % c.v != 0)
        || (header.components.len() > 1 && blocks > MAX_BLOCKS_IN_MCU)
    {
        return Err(NotTaken);
    }
    Ok(())
}

fn huffman_tables(header: &mut Header, mut content: &[u8]) -> Taken<()> {
    while !content.is_empty() {
        let (head, rest) = content.split_at_checked(17).ok_or(NotTaken)?;
        let mut counts = [0; 16];
        counts.copy_from_slice(&head[1..]);
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let (symbols, rest) = rest.split_at_checked(total).ok_or(NotTaken)?;
        let tables = match head[0] >> 4 {
            0 => &mut header.dc_codes,
            1 => &mut header.ac_codes,
            _ => return Err(NotTaken),
        };
        if total > 256 || head[0] & 15 > 3 {
            return Err(NotTaken);
        }
        tables[usize::from(head[0] & 15)] = Some(Code { counts, symbols: symbols.to_vec() });
        content = rest;
    }
    Ok(())
}

fn quantization_tables(header: &mut Header, mut content: &[u8]) -> Taken<()> {
    while let Some((&kind, rest)) = content.split_first() {
        let wide = match kind >> 4 {
            0 => false,
            1 => true,
            _ => return Err(NotTaken),
        };
        let size = if wide { 128 } else { 64 };
        let (values, rest) = rest.split_at_checked(size).ok_or(NotTaken)?;
        let mut table = [0; 64];
        for (k, &place) in NATURAL_ORDER.iter().enumerate() {
            let step = if wide { big_endian(&values[2 * k..])? } else { u16::from(values[k]) };
            // libjpeg's vector code multiplies 16 bits with a sign. A step of 0 is nonsense.
            if step == 0 || step > 0x7FFF {
                return Err(NotTaken);
            }
            table[usize::from(place)] = step as i16;
        }
        *header.quantization.get_mut(usize::from(kind & 15)).ok_or(NotTaken)? = Some(table);
        content = rest;
    }
    Ok(())
}

fn restart_interval(content: &[u8]) -> Taken<usize> {
    if content.len() == 2 { Ok(usize::from(big_endian(content)?)) } else { Err(NotTaken) }
}

fn first_scan(header: &mut Header, content: &[u8]) -> Taken<()> {
    let count = header.components.len();
    if count == 0 || content.len() != 4 + 2 * count || usize::from(content[0]) != count {
        return Err(NotTaken);
    }
    for (component, part) in header.components.iter_mut().zip(content[1..].chunks_exact(2)) {
        component.dc = usize::from(part[1] >> 4);
        component.ac = usize::from(part[1] & 15);
        if part[0] != component.id || component.dc > 3 || component.ac > 3 {
            return Err(NotTaken);
        }
    }
    if content[1 + 2 * count..] == [0, 63, 0] { Ok(()) } else { Err(NotTaken) }
}

/// libjpeg's guess, `default_decompress_parms` in its jdapimin.c.
fn colour(header: &Header, jfif: bool, adobe: Option<u8>) -> Taken<Colour> {
    if header.components.len() == 1 {
        return Ok(Colour::Grey);
    }
    let ids: Vec<u8> = header.components.iter().map(|c| c.id).collect();
    match adobe {
        _ if jfif => Ok(Colour::YCbCr),
        Some(0) => Ok(Colour::Rgb),
        Some(1) => Ok(Colour::YCbCr),
        Some(_) => Err(NotTaken),
        None if ids == *b"RGB" => Ok(Colour::Rgb),
        None => Ok(Colour::YCbCr),
    }
}

/// EXIF orientation; 1 where there is none or it makes no sense. The same reading as
/// `exif_orientation` in Python, odd data included.
fn orientation(tiff: &[u8]) -> u8 {
    let big = match tiff.get(..4) {
        Some(b"II*\0") => false,
        Some(b"MM\0*") => true,
        _ => return 1,
    };
    if tiff.len() < 8 {
        return 1;
    }
    // Bytes beyond the end count as 0.
    let number = |at: usize, size: usize| -> u32 {
        (0..size).fold(0, |sum, i| {
            let place = if big { i } else { size - 1 - i };
            sum << 8
                | u32::from(at.checked_add(place).and_then(|p| tiff.get(p)).copied().unwrap_or(0))
        })
    };
    let directory = number(4, 4) as usize;
    let count = number(directory, 2) as usize;
    for entry in 0..count {
        let at = directory + 2 + 12 * entry;
        if at + 12 > tiff.len() {
            break;
        }
        if number(at, 2) == 0x0112 {
            let value = number(at + 8, if number(at + 2, 2) == 4 { 4 } else { 2 });
            return if (1..=8).contains(&value) { value as u8 } else { 1 };
        }
    }
    1
}
