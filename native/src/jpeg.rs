//! JPEG bytes to the network's input in one pass, or not at all.
//!
//! Every symbol of the file is read, because damage anywhere makes the picture a failure. Only the
//! blocks that a tap of the kernel touches are transformed, and only the pixels that one touches
//! are upsampled and converted. What comes out is bit for bit what libjpeg-turbo's full decoding
//! and `transforms/preprocess.py` make of the file.

use std::cell::Cell;
use std::mem::take;

use crate::colour::Colours;
use crate::jpeg_colour::convert_lines;
use crate::jpeg_header::{self, Colour, Header, NotTaken, Taken};
use crate::jpeg_plane::Plane;
use crate::jpeg_scan;
#[cfg(target_arch = "x86_64")]
use crate::simd::Avx2;
use crate::simd::{Plain, Steps, Work};
use crate::taps::{Axis, Method, axes, interpolate};

/// Rows and columns of the largest input.
const MAX_SIZE: usize = 1024;

/// What the input is to be like.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Rows and columns.
    pub size: usize,
    pub method: Method,
    /// 1, 2 or 4, as in Python; 4 makes two crops.
    pub views: usize,
    /// A picture with more is not taken.
    pub max_pixels: u64,
    /// Whether to stop before anything is mixed: of each crop the rows and columns of the lower
    /// neighbours, then those of the upper ones.
    pub corners: bool,
    /// What makes sRGB of the pixels that the input is mixed from, if they are not in it.
    pub colours: Option<&'a Colours<'a>>,
}

/// What `load` makes.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded {
    /// RGB, crop by crop and row by row.
    pub pixels: Vec<u8>,
    /// Of the whole picture, upright.
    pub width: usize,
    pub height: usize,
}

/// Red, green, blue, and a byte that makes it quick to move.
type Pixel = [u8; 4];

/// The pixels in which the needed rows and columns of the stored picture cross, row by row.
struct Crossings {
    pixels: Vec<Pixel>,
    columns: usize,
}

/// Decodes and preprocesses one picture with the fastest code that this processor runs.
pub fn load(data: &[u8], options: &Options) -> Taken<Loaded> {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = Avx2::detected() {
        return avx2.run(Load { data, options });
    }
    load_plain(data, options)
}

/// The same for any processor.
pub fn load_plain(data: &[u8], options: &Options) -> Taken<Loaded> {
    Load { data, options }.run(Plain)
}

struct Load<'a> {
    data: &'a [u8],
    options: &'a Options<'a>,
}

impl Work for Load<'_> {
    type Output = Taken<Loaded>;

    #[inline(always)]
    fn run(self, inner: impl Steps) -> Taken<Loaded> {
        load_with(inner, self.data, self.options)
    }
}

/// Memory that a thread keeps from picture to picture: fresh memory has to be mapped page by page.
#[derive(Default)]
struct Memory {
    scan: Vec<u8>,
    planes: [Vec<u8>; 3],
    pixels: Vec<Pixel>,
}

/// Bytes of memory that are kept; more takes an input of 1,024 pixels or so.
const MOST_KEPT: usize = 16 << 20;

thread_local! {
    static MEMORY: Cell<Memory> = Cell::default();
}

impl Memory {
    fn size(&self) -> usize {
        let planes: usize = self.planes.iter().map(Vec::capacity).sum();
        self.scan.capacity() + planes + size_of::<Pixel>() * self.pixels.capacity()
    }
}

#[inline(always)]
fn load_with(inner: impl Steps, data: &[u8], options: &Options) -> Taken<Loaded> {
    let mut memory = MEMORY.take();
    let loaded = load_into(inner, data, options, &mut memory);
    if memory.size() <= MOST_KEPT {
        MEMORY.set(memory);
    }
    loaded
}

#[inline(always)]
fn load_into(
    inner: impl Steps,
    data: &[u8],
    options: &Options,
    memory: &mut Memory,
) -> Taken<Loaded> {
    if !(1..=MAX_SIZE).contains(&options.size) {
        return Err(NotTaken);
    }
    let crops: &[usize] = match options.views {
        1 | 2 => &[7],
        4 if options.method != Method::StretchNearest => &[7, 6],
        _ => return Err(NotTaken),
    };
    let unmixed = options.corners || options.colours.is_some();
    if unmixed && options.method == Method::StretchNearest {
        return Err(NotTaken);
    }
    let header = jpeg_header::read(data, options.max_pixels)?;
    let turned = header.orientation > 4;
    let (width, height) =
        if turned { (header.height, header.width) } else { (header.width, header.height) };
    let (rows, columns) = axes(options.method, crops, options.size, width, height)?;
    let pixels = if turned {
        // Rows of the upright picture are columns of the stored one.
        let stored_rows = mirrored(&columns.taps, width, matches!(header.orientation, 6 | 7));
        let stored_columns = mirrored(&rows.taps, height, matches!(header.orientation, 7 | 8));
        let crossings = crossings(inner, data, &header, &stored_rows, &stored_columns, memory)?;
        finished(inner, &mut crossings.transposed(), &rows, &columns, options)
    } else {
        let stored_rows = mirrored(&rows.taps, height, matches!(header.orientation, 3 | 4));
        let stored_columns = mirrored(&columns.taps, width, matches!(header.orientation, 2 | 3));
        let mut crossings = crossings(inner, data, &header, &stored_rows, &stored_columns, memory)?;
        let pixels = finished(inner, &mut crossings, &rows, &columns, options);
        memory.pixels = crossings.pixels;
        pixels
    };
    Ok(Loaded { pixels, width, height })
}

fn mirrored(taps: &[u32], side: usize, mirror: bool) -> Vec<u32> {
    let last = side as u32 - 1;
    taps.iter().map(|&tap| if mirror { last - tap } else { tap }).collect()
}

/// Decodes what is needed of the picture.
#[inline(always)]
fn crossings(
    inner: impl Steps,
    data: &[u8],
    header: &Header,
    rows: &[u32],
    columns: &[u32],
    memory: &mut Memory,
) -> Taken<Crossings> {
    let mut planes = Vec::with_capacity(3);
    for (component, memory) in header.components.iter().zip(&mut memory.planes) {
        planes.push(Plane::new(header, component, rows, columns, take(memory))?);
    }
    jpeg_scan::decode(inner, data, header, &mut planes)?;
    let count = columns.len();
    let mut pixels = take(&mut memory.pixels);
    pixels.clear();
    pixels.resize(rows.len() * count, [0; 4]);
    let mut lines = Lines::new(&planes, header.colour, count);
    let mut made: Option<(u32, usize)> = None;
    for (i, &row) in rows.iter().enumerate() {
        let at = i * count;
        match made {
            Some((same, from)) if same == row => pixels.copy_within(from..from + count, at),
            _ => lines.convert(inner, &mut planes, row, &mut pixels[at..at + count]),
        }
        made = Some((row, at));
    }
    for (memory, plane) in memory.planes.iter_mut().zip(planes) {
        *memory = plane.into_memory();
    }
    Ok(Crossings { pixels, columns: count })
}

/// Room for one row of pixels while it is made.
struct Lines {
    colour: Colour,
    /// Whether whole rows are converted before the columns are picked, rather than after: where
    /// most of a row is needed.
    whole: bool,
    first: Vec<u8>,
    second: Vec<u8>,
    third: Vec<u8>,
    joined: Vec<Pixel>,
}

impl Lines {
    fn new(planes: &[Plane], colour: Colour, columns: usize) -> Self {
        let stride = planes.iter().map(Plane::stride).max().unwrap_or(0);
        let whole = planes.len() == 3
            && planes.iter().all(|plane| plane.is_full() && plane.stride() == stride)
            && stride <= 2 * columns;
        let length = if whole { stride } else { columns };
        let line = || vec![0; length];
        let joined = vec![[0; 4]; length];
        Lines { colour, whole, first: line(), second: line(), third: line(), joined }
    }

    #[inline(always)]
    fn convert(&mut self, inner: impl Steps, planes: &mut [Plane], row: u32, pixels: &mut [Pixel]) {
        match planes {
            [grey] => {
                grey.row(row, &mut self.first);
                for (pixel, &grey) in pixels.iter_mut().zip(&self.first) {
                    *pixel = [grey; 4];
                }
            }
            [first, second, third] if self.whole => {
                self.first.copy_from_slice(first.whole_row(row));
                self.second.copy_from_slice(second.whole_row(row));
                self.third.copy_from_slice(third.whole_row(row));
                self.convert_lines(inner);
                join(&self.first, &self.second, &self.third, &mut self.joined);
                first.pick(&self.joined, pixels);
            }
            [first, second, third] => {
                first.row(row, &mut self.first);
                second.row(row, &mut self.second);
                third.row(row, &mut self.third);
                self.convert_lines(inner);
                join(&self.first, &self.second, &self.third, pixels);
            }
            _ => {}
        }
    }

    #[inline(always)]
    fn convert_lines(&mut self, inner: impl Steps) {
        if self.colour == Colour::YCbCr {
            convert_lines(inner, &mut self.first, &mut self.second, &mut self.third);
        }
    }
}

/// Three lines to one of pixels.
#[inline(always)]
fn join(red: &[u8], green: &[u8], blue: &[u8], pixels: &mut [Pixel]) {
    for (((pixel, &red), &green), &blue) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
        *pixel = (u32::from(red) | u32::from(green) << 8 | u32::from(blue) << 16).to_le_bytes();
    }
}

impl Crossings {
    fn row(&self, row: usize) -> &[Pixel] {
        &self.pixels[row * self.columns..][..self.columns]
    }

    fn transposed(&self) -> Crossings {
        let rows = self.pixels.len() / self.columns.max(1);
        let mut pixels = vec![[0; 4]; self.pixels.len()];
        for row in 0..rows {
            for (column, &pixel) in self.row(row).iter().enumerate() {
                pixels[column * rows + row] = pixel;
            }
        }
        Crossings { pixels, columns: rows }
    }
}

/// What is asked for. Always inlined, as all that runs the steps: see `Steps`.
#[inline(always)]
fn finished(
    inner: impl Steps,
    crossings: &mut Crossings,
    rows: &Axis,
    columns: &Axis,
    options: &Options,
) -> Vec<u8> {
    if let Some(colours) = options.colours {
        convert(crossings, options.size, colours);
    }
    if options.corners {
        corners(crossings, options.size)
    } else {
        resampled(inner, crossings, rows, columns, options.size)
    }
}

/// Converts what the input is mixed from, crop by crop.
#[inline(never)]
fn convert(crossings: &mut Crossings, size: usize, colours: &Colours) {
    for crop in 0..crossings.columns / (2 * size) {
        let places = 2 * crop * size..2 * (crop + 1) * size;
        for row in places.clone() {
            colours.convert(&mut crossings.pixels[row * crossings.columns..][places.clone()]);
        }
    }
}

/// What the input is mixed from, crop by crop.
#[inline(never)]
fn corners(crossings: &Crossings, size: usize) -> Vec<u8> {
    let crops = crossings.columns / (2 * size);
    let mut pixels = Vec::with_capacity(crops * 4 * size * size * 3);
    for crop in 0..crops {
        let places = 2 * crop * size..2 * (crop + 1) * size;
        for row in places.clone() {
            for pixel in &crossings.row(row)[places.clone()] {
                pixels.extend_from_slice(&pixel[..3]);
            }
        }
    }
    pixels
}

/// The input: interpolated, or as it is by nearest neighbour.
#[inline(always)]
fn resampled(
    inner: impl Steps,
    crossings: &Crossings,
    rows: &Axis,
    columns: &Axis,
    size: usize,
) -> Vec<u8> {
    let crops = rows.weights.len().max(1);
    let mut pixels = vec![0; crops * size * size * 3];
    let (mut across, mut mixed) = (Vec::new(), vec![[0; 4]; size]);
    for (crop, target) in pixels.chunks_exact_mut(3 * size * size).enumerate() {
        if let Some(weights) = columns.weights.get(crop) {
            across = weights.iter().flat_map(|&weight| [weight; 4]).collect();
        }
        for (row, target) in target.chunks_exact_mut(3 * size).enumerate() {
            let line = match rows.weights.get(crop) {
                Some(down) => {
                    let first = 2 * crop * size;
                    let [low, high] = [first + row, first + size + row]
                        .map(|row| crossings.row(row)[first..first + 2 * size].as_flattened());
                    let flat = mixed.as_flattened_mut();
                    interpolate_lines(inner, low, high, down[row], &across, flat);
                    mixed.as_slice()
                }
                None => crossings.row(row),
            };
            for (target, pixel) in target.chunks_exact_mut(3).zip(line) {
                target.copy_from_slice(&pixel[..3]);
            }
        }
    }
    pixels
}

/// From two lines of lower and then upper neighbours.
#[inline(always)]
fn interpolate_lines(
    inner: impl Steps,
    low: &[u8],
    high: &[u8],
    down: f32,
    across: &[f32],
    mixed: &mut [u8],
) {
    let size = across.len();
    let (low_left, low_right) = low.split_at(size);
    let (high_left, high_right) = high.split_at(size);
    let (many, rest) = mixed.as_chunks_mut::<32>();
    let corners = [low_left, low_right, high_left, high_right];
    let [a, b, c, d] = corners.map(|corner| corner.as_chunks::<32>().0);
    let weights = across.as_chunks().0;
    for (((((a, b), c), d), weights), mixed) in a.iter().zip(b).zip(c).zip(d).zip(weights).zip(many)
    {
        *mixed = inner.interpolate([a, b, c, d], down, weights);
    }
    let start = size - rest.len();
    for (i, mixed) in (start..size).zip(rest) {
        let left = (low_left[i], high_left[i]);
        *mixed = interpolate(left, (low_right[i], high_right[i]), down, across[i]);
    }
}
