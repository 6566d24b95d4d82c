//! Which pixels of a picture the network's input is made of: `transforms/preprocess.py` in Rust,
//! in the same arithmetic.

use crate::jpeg_header::{NotTaken, Taken};

/// How a picture becomes a square, see `Method` in Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Eval,
    Slim,
    StretchNearest,
}

impl Method {
    pub fn named(name: &str) -> Taken<Self> {
        match name {
            "eval" => Ok(Method::Eval),
            "slim" => Ok(Method::Slim),
            "stretch-nearest" => Ok(Method::StretchNearest),
            _ => Err(NotTaken),
        }
    }
}

/// For one side of the upright picture.
#[derive(Debug, Default)]
pub struct Axis {
    /// All pixels that are read, crop by crop: the lower neighbours, then the upper ones.
    /// By nearest neighbour, those alone.
    pub taps: Vec<u32>,
    /// The weights of the upper neighbours, crop by crop; empty by nearest neighbour.
    pub weights: Vec<Vec<f32>>,
}

/// Rows and columns of all crops.
pub fn axes(
    method: Method,
    crops: &[usize],
    size: usize,
    width: usize,
    height: usize,
) -> Taken<(Axis, Axis)> {
    if method == Method::StretchNearest {
        return Ok((nearest(size, height)?, nearest(size, width)?));
    }
    let (mut rows, mut columns) = (Axis::default(), Axis::default());
    for &eighths in crops {
        let (tall, wide) = if method == Method::Eval {
            let side = (width.min(height) * eighths / 8).max(1);
            (side, side)
        } else {
            let kept = |side: usize| side - side * (8 - eighths) / 16 * 2;
            (kept(height), kept(width))
        };
        rows.add(tall, size, height);
        columns.add(wide, size, width);
    }
    Ok((rows, columns))
}

impl Axis {
    /// The legacy bilinear kernel on the central `length` of `side` pixels, see `_taps` in Python.
    fn add(&mut self, length: usize, size: usize, side: usize) {
        let start = (side - length) / 2;
        let scale = length as f32 / size as f32;
        let last = start + length - 1;
        let mut upper = Vec::with_capacity(size);
        let mut weights = Vec::with_capacity(size);
        for i in 0..size {
            let in_crop = i as f32 * scale;
            let position = start as f64 + f64::from(in_crop);
            let position = position.min(last as f64);
            let lower = position.floor() as usize;
            self.taps.push(lower as u32);
            upper.push((lower + 1).min(last) as u32);
            weights.push((position - lower as f64) as f32);
        }
        self.taps.extend(upper);
        self.weights.push(weights);
    }
}

/// Pillow's nearest neighbour (`ImagingScaleAffine`): it adds up the step.
fn nearest(size: usize, side: usize) -> Taken<Axis> {
    let step = side as f64 / size as f64;
    let mut position = step * 0.5;
    let mut taps = Vec::with_capacity(size);
    for _ in 0..size {
        let tap = position as usize;
        if tap >= side {
            return Err(NotTaken);
        }
        taps.push(tap as u32);
        position += step;
    }
    Ok(Axis { taps, weights: Vec::new() })
}

/// One sample between four others: each pair is a lower and an upper one in a column. Rows first,
/// in 32 bits, then truncated.
#[inline(always)]
pub fn interpolate(left: (u8, u8), right: (u8, u8), down: f32, across: f32) -> u8 {
    let mix = |low: f32, high: f32, weight: f32| low + (high - low) * weight;
    let left = mix(f32::from(left.0), f32::from(left.1), down);
    let right = mix(f32::from(right.0), f32::from(right.1), down);
    mix(left, right, across) as u8
}
