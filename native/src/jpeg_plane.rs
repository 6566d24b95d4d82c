//! The samples of one component that are needed, and how they are upsampled.

use crate::jpeg_header::{Component, Header, Taken};
use crate::jpeg_idct::Samples;

/// Marks what nothing needs.
const UNUSED: u32 = u32::MAX;

/// How samples become pixels, as `jinit_upsampler` of libjpeg-turbo chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upsampling {
    /// Each sample stands for so many pixels.
    Repeat(usize),
    /// Two pixels a sample, weighted 3 to 1 with the next one.
    Fancy,
}

/// One pixel of one axis: the sample that it lies in, and the other one that it is mixed with.
#[derive(Debug, Clone, Copy)]
struct Sources {
    near: usize,
    far: usize,
    /// Whether the other one comes after.
    after: bool,
}

impl Upsampling {
    fn sources(self, pixel: usize, samples: usize) -> Sources {
        match self {
            Upsampling::Repeat(times) => {
                Sources { near: pixel / times, far: pixel / times, after: false }
            }
            Upsampling::Fancy => {
                let (near, after) = (pixel / 2, pixel % 2 == 1);
                // At the edge a sample is mixed with itself.
                let far = if after { (near + 1).min(samples - 1) } else { near.saturating_sub(1) };
                Sources { near, far, after }
            }
        }
    }
}

/// A pixel of a column as places in a row of the plane.
#[derive(Debug, Clone, Copy)]
struct Column {
    near: u32,
    far: u32,
}

/// The needed samples of a component.
#[derive(Debug)]
pub struct Plane {
    pub component: Component,
    pub steps: [i16; 64],
    samples_down: usize,
    across: Upsampling,
    down: Upsampling,
    /// For each column of blocks: its place in a row of the plane, in samples.
    block_columns: Vec<u32>,
    /// For each row of samples: its number in the plane.
    rows: Vec<u32>,
    columns: Vec<Column>,
    /// What is added before the division, for each pixel.
    bias: Vec<u16>,
    stride: usize,
    data: Vec<u8>,
    /// Sums of two rows, while a row of pixels is made.
    sums: Vec<u16>,
}

impl Plane {
    /// Of a component, for the pixels in which `rows` and `columns` of the stored picture cross.
    /// The content of `memory` is of no importance.
    pub fn new(
        header: &Header,
        component: &Component,
        rows: &[u32],
        columns: &[u32],
        mut memory: Vec<u8>,
    ) -> Taken<Self> {
        let (max_h, max_v) = header.max_sampling();
        let (ratio_h, ratio_v) = (max_h / component.h, max_v / component.v);
        let samples_across = (header.width * component.h).div_ceil(max_h);
        let samples_down = (header.height * component.v).div_ceil(max_v);
        let (across, down) = match (ratio_h, ratio_v) {
            (2, 1) if samples_across > 2 => (Upsampling::Fancy, Upsampling::Repeat(1)),
            (1, 2) => (Upsampling::Repeat(1), Upsampling::Fancy),
            (2, 2) if samples_across > 2 => (Upsampling::Fancy, Upsampling::Fancy),
            _ => (Upsampling::Repeat(ratio_h), Upsampling::Repeat(ratio_v)),
        };

        // As many blocks as the units of the scan have.
        let blocks = |pixels: usize, most: usize, factor: usize| {
            let factor = if header.components.len() == 1 { 1 } else { factor };
            let most = if header.components.len() == 1 { 1 } else { most };
            pixels.div_ceil(8 * most) * factor
        };
        let mut block_columns = vec![UNUSED; blocks(header.width, max_h, component.h)];
        let sources: Vec<Sources> =
            columns.iter().map(|&x| across.sources(x as usize, samples_across)).collect();
        for source in &sources {
            block_columns[source.near / 8] = 0;
            block_columns[source.far / 8] = 0;
        }
        let stride = 8 * number(&mut block_columns, 8);
        let place = |sample: usize| block_columns[sample / 8] + (sample % 8) as u32;
        let places = sources
            .iter()
            .map(|source| Column { near: place(source.near), far: place(source.far) })
            .collect();
        let bias = sources.iter().map(|source| bias(across, down, source.after)).collect();

        let mut needed = vec![UNUSED; 8 * blocks(header.height, max_v, component.v)];
        for &y in rows {
            let source = down.sources(y as usize, samples_down);
            needed[source.near] = 0;
            needed[source.far] = 0;
        }
        let count = number(&mut needed, 1);
        memory.clear();
        memory.resize(count * stride, 0);
        Ok(Plane {
            component: *component,
            steps: header.steps(component)?,
            samples_down,
            across,
            down,
            block_columns,
            rows: needed,
            columns: places,
            bias,
            stride,
            data: memory,
            sums: vec![0; stride],
        })
    }

    /// Where the 8 rows of a row of blocks lie in the plane; None if nothing needs any of them.
    #[inline(always)]
    pub fn rows_of(&self, block_row: usize) -> Option<[u32; 8]> {
        let rows: &[u32; 8] = self.rows.get(8 * block_row..)?.first_chunk()?;
        if rows.iter().all(|&row| row == UNUSED) { None } else { Some(*rows) }
    }

    /// Where the samples of a column of blocks begin in a row; None if nothing needs them.
    #[inline(always)]
    pub fn place_of(&self, block_column: usize) -> Option<u32> {
        self.block_columns.get(block_column).copied().filter(|&place| place != UNUSED)
    }

    /// Puts the samples of one block where `rows_of` and `place_of` say.
    #[inline(always)]
    pub fn store(&mut self, rows: &[u32; 8], place: u32, samples: &Samples) {
        for (&row, samples) in rows.iter().zip(samples) {
            if row != UNUSED {
                let at = row as usize * self.stride + place as usize;
                if let Some(target) = self.data.get_mut(at..at + 8) {
                    target.copy_from_slice(samples);
                }
            }
        }
    }

    /// The memory, to be used again.
    pub fn into_memory(self) -> Vec<u8> {
        self.data
    }

    /// Samples in a row of the plane.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Whether every sample is a pixel.
    pub fn is_full(&self) -> bool {
        (self.across, self.down) == (Upsampling::Repeat(1), Upsampling::Repeat(1))
    }

    /// All that there is of a row of pixels, where every sample is one.
    #[inline(always)]
    pub fn whole_row(&self, y: u32) -> &[u8] {
        &self.data[self.rows[y as usize] as usize * self.stride..][..self.stride]
    }

    /// Picks the columns that were asked for out of what was made of a whole row.
    #[inline(always)]
    pub fn pick<T: Copy>(&self, row: &[T], picked: &mut [T]) {
        for (picked, column) in picked.iter_mut().zip(&self.columns) {
            *picked = row[column.near as usize];
        }
    }

    /// One row of pixels of this component, at the columns that were asked for.
    #[inline(always)]
    pub fn row(&mut self, y: u32, pixels: &mut [u8]) {
        let source = self.down.sources(y as usize, self.samples_down);
        let start = |sample: usize| self.rows[sample] as usize * self.stride;
        let near = &self.data[start(source.near)..][..self.stride];
        let far = &self.data[start(source.far)..][..self.stride];
        match (self.across, self.down) {
            (Upsampling::Repeat(_), Upsampling::Repeat(_)) => {
                for (pixel, column) in pixels.iter_mut().zip(&self.columns) {
                    *pixel = near[column.near as usize];
                }
            }
            (Upsampling::Repeat(_), Upsampling::Fancy) => {
                let bias = if source.after { 2 } else { 1 };
                for (pixel, column) in pixels.iter_mut().zip(&self.columns) {
                    let at = column.near as usize;
                    *pixel = ((3 * u16::from(near[at]) + u16::from(far[at]) + bias) >> 2) as u8;
                }
            }
            (Upsampling::Fancy, Upsampling::Repeat(_)) => {
                for ((pixel, column), bias) in pixels.iter_mut().zip(&self.columns).zip(&self.bias)
                {
                    let [one, other] =
                        [column.near, column.far].map(|at| u16::from(near[at as usize]));
                    *pixel = ((3 * one + other + bias) >> 2) as u8;
                }
            }
            (Upsampling::Fancy, Upsampling::Fancy) => {
                for ((sum, &one), &other) in self.sums.iter_mut().zip(near).zip(far) {
                    *sum = 3 * u16::from(one) + u16::from(other);
                }
                for ((pixel, column), bias) in pixels.iter_mut().zip(&self.columns).zip(&self.bias)
                {
                    let [one, other] = [column.near, column.far].map(|at| self.sums[at as usize]);
                    *pixel = ((3 * one + other + bias) >> 4) as u8;
                }
            }
        }
    }
}

/// libjpeg rounds every other pixel up, so that the mean stays.
fn bias(across: Upsampling, down: Upsampling, after: bool) -> u16 {
    match (across, down, after) {
        (Upsampling::Repeat(_), _, _) => 0,
        (Upsampling::Fancy, Upsampling::Repeat(_), false) => 1,
        (Upsampling::Fancy, Upsampling::Repeat(_), true) => 2,
        (Upsampling::Fancy, Upsampling::Fancy, false) => 8,
        (Upsampling::Fancy, Upsampling::Fancy, true) => 7,
    }
}

/// Numbers what is needed in steps of `step`, from 0 on; returns how many there are.
fn number(needed: &mut [u32], step: u32) -> usize {
    let mut count = 0;
    for entry in needed.iter_mut().filter(|entry| **entry != UNUSED) {
        *entry = count * step;
        count += 1;
    }
    count as usize
}
