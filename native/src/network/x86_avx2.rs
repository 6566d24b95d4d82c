//! Kernels for AVX2: sums of two products of 16-bit numbers at once, which are exact.
//!
//! AVX2 multiplies bytes too, but its sums of two such products stop at 32767.

// Registers are counted in three dimensions at once; iterators over one of them hide the others.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::layers::{Depthwise, Pointwise, Requantization, STEM_BYTES, STEM_STEP, Window};
use super::plan::Kernels;

/// Sums in a vector.
const LANES: usize = 8;
/// Outputs that are computed together: two vectors.
const BLOCK: usize = 2 * LANES;
/// Rows that are computed together: with two vectors each they fill the registers.
const ROWS: usize = 6;
/// Which of 16 outputs stand where in two vectors: packing them puts them in order.
const ORDER: [usize; BLOCK] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

/// Proof that the processor has what the functions below are compiled for.
pub struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Avx2(()))
    }
}

/// Pairs of inputs of the stem: five a row, the last of which has but one weight.
const STEM_PAIRS: usize = STEM_BYTES.div_ceil(2);
/// Columns of the stem that are computed together.
const STEM_COLUMNS: usize = 8;

pub struct PackedStem {
    outputs: usize,
    /// For each eight outputs [3 rows][5 pairs][8][2].
    groups: Vec<([[i16; BLOCK]; 3 * STEM_PAIRS], [i32; LANES])>,
    requantization: Requantization,
}

pub struct PackedPointwise {
    inputs: usize,
    outputs: usize,
    /// [outputs / 16][inputs / 2][16][2], the 16 in `ORDER`.
    weights: Vec<i16>,
    /// In the same order, filled up to whole blocks.
    bias: Vec<i32>,
    requantization: Requantization,
}

/// Weights of eight sums next to each other in a row of the map, in pairs as in `interleave`.
struct Group {
    /// For each column under the filter [8][rows 0 and 1].
    upper: [[i16; BLOCK]; 3],
    /// [8][columns 0 and 1] of row 2, then [8][column 2, 0].
    lower: [[i16; BLOCK]; 2],
    bias: [i32; LANES],
}

pub struct PackedDepthwise {
    channels: usize,
    window: Window,
    groups: Vec<Group>,
    requantization: Requantization,
}

impl Kernels for Avx2 {
    type Stem = PackedStem;
    type Pointwise = PackedPointwise;
    type Depthwise = PackedDepthwise;

    fn pack_stem(&self, layer: &Pointwise) -> PackedStem {
        let groups = (0..layer.outputs).step_by(LANES).map(|first| {
            let weights = std::array::from_fn(|pair| {
                std::array::from_fn(|at| {
                    let (row, byte) = (pair / STEM_PAIRS, pair % STEM_PAIRS * 2 + at % 2);
                    match byte {
                        STEM_BYTES => 0,
                        _ => {
                            layer.weights[(first + at / 2) * layer.inputs + row * STEM_BYTES + byte]
                        }
                    }
                })
            });
            (weights, std::array::from_fn(|lane| layer.bias[first + lane]))
        });
        PackedStem {
            outputs: layer.outputs,
            groups: groups.collect(),
            requantization: layer.requantization,
        }
    }

    fn pack_pointwise(&self, layer: &Pointwise) -> PackedPointwise {
        let mut packed = PackedPointwise {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weights: Vec::with_capacity(layer.outputs.next_multiple_of(BLOCK) * layer.inputs),
            bias: Vec::with_capacity(layer.outputs.next_multiple_of(BLOCK)),
            requantization: layer.requantization,
        };
        let row = |output: usize| layer.weights.chunks_exact(layer.inputs).nth(output);
        for first in (0..layer.outputs).step_by(BLOCK) {
            let rows = ORDER.map(|lane| row(first + lane));
            let bias = ORDER.map(|lane| layer.bias.get(first + lane).copied().unwrap_or(0));
            packed.bias.extend(bias);
            for input in (0..layer.inputs).step_by(2) {
                for row in rows {
                    packed.weights.extend(row.map_or([0, 0], |row| [row[input], row[input + 1]]));
                }
            }
        }
        packed
    }

    fn pack_depthwise(&self, layer: &Depthwise) -> PackedDepthwise {
        let depth = layer.channels;
        let groups = (0..depth).step_by(LANES).map(|first| {
            let weight = |row: usize, column: usize, lane: usize| {
                layer.weights[(3 * row + column) * depth + first + lane]
            };
            Group {
                upper: [0, 1, 2]
                    .map(|column| std::array::from_fn(|at| weight(at % 2, column, at / 2))),
                lower: [
                    std::array::from_fn(|at| weight(2, at % 2, at / 2)),
                    std::array::from_fn(|at| if at % 2 == 0 { weight(2, 2, at / 2) } else { 0 }),
                ],
                bias: std::array::from_fn(|lane| layer.bias[first + lane]),
            }
        });
        PackedDepthwise {
            channels: depth,
            window: layer.window,
            groups: groups.collect(),
            requantization: layer.requantization,
        }
    }

    fn stem(&self, layer: &PackedStem, rows: [&[u8]; 3], target: &mut [u8], scratch: &mut [u32]) {
        let bytes = rows[0].len();
        let wide = &mut scratch[..3 * bytes / 2];
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            for (row, wide) in rows.iter().zip(wide.chunks_exact_mut(bytes / 2)) {
                widen(row, wide);
            }
            stem(layer, wide, target);
        }
    }

    fn pointwise(
        &self,
        layer: &PackedPointwise,
        source: &[u8],
        target: &mut [u8],
        scratch: &mut [u32],
    ) {
        let pairs = &mut scratch[..source.len() / 2];
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            widen(source, pairs);
            pointwise(layer, pairs, target);
        }
    }

    fn depthwise(
        &self,
        layer: &PackedDepthwise,
        rows: [&[u8]; 3],
        target: &mut [u8],
        scratch: &mut [u32],
    ) {
        let padded = (layer.window.size + 2) * layer.channels;
        let (upper, rest) = scratch.split_at_mut(padded);
        let lower = &mut rest[..padded];
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            interleave(layer, rows, upper, lower);
            depthwise(layer, upper, lower, target);
        }
    }
}

/// Two bytes to two 16-bit numbers in one element.
#[target_feature(enable = "avx2")]
fn widen(source: &[u8], target: &mut [u32]) {
    let sources = source.chunks_exact(16);
    let tail = sources.remainder().chunks_exact(2);
    let (whole, rest) = target.split_at_mut(source.len() / 16 * 8);
    for (from, to) in sources.zip(whole.chunks_exact_mut(8)) {
        // SAFETY: 16 bytes are read, 32 written.
        unsafe {
            let wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(from.as_ptr().cast()));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), wide);
        }
    }
    for (from, to) in tail.zip(rest) {
        *to = pair(from[0], from[1]);
    }
}

/// Two 16-bit numbers in one element.
#[inline]
fn pair(first: u8, second: u8) -> u32 {
    u32::from(first) | u32::from(second) << 16
}

/// A row of the stem; `source` are the three rows under it, two bytes an element.
#[target_feature(enable = "avx2")]
fn stem(layer: &PackedStem, source: &[u32], target: &mut [u8]) {
    let row_pairs = source.len() / 3;
    for (number, (weights, bias)) in layer.groups.iter().enumerate() {
        let targets = target.chunks_mut(STEM_COLUMNS * layer.outputs).enumerate();
        for (chunk, target) in targets {
            // As many columns as that are there, if only as padding.
            let start = chunk * STEM_COLUMNS * STEM_STEP / 2;
            let end = start + (STEM_COLUMNS - 1) * STEM_STEP / 2 + STEM_PAIRS;
            let mut sums = [load(bias); STEM_COLUMNS];
            for (rows, row) in weights.chunks_exact(STEM_PAIRS).zip(source.chunks_exact(row_pairs))
            {
                let row = &row[start..end];
                for (pair, weights) in rows.iter().enumerate() {
                    let weights = load(weights);
                    for (column, sum) in sums.iter_mut().enumerate() {
                        let x = _mm256_set1_epi32(row[column * STEM_STEP / 2 + pair] as i32);
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(x, weights));
                    }
                }
            }
            for (sum, target) in sums.iter().zip(target.chunks_exact_mut(layer.outputs)) {
                store(*sum, layer.requantization, &mut target[number * LANES..][..LANES]);
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn pointwise(layer: &PackedPointwise, source: &[u32], target: &mut [u8]) {
    for block in 0..layer.bias.len() / BLOCK {
        let sources = source.chunks(ROWS * layer.inputs / 2);
        for (source, target) in sources.zip(target.chunks_mut(ROWS * layer.outputs)) {
            match source.len() / (layer.inputs / 2) {
                ROWS => tile::<ROWS>(layer, block, source, target),
                5 => tile::<5>(layer, block, source, target),
                4 => tile::<4>(layer, block, source, target),
                3 => tile::<3>(layer, block, source, target),
                2 => tile::<2>(layer, block, source, target),
                _ => tile::<1>(layer, block, source, target),
            }
        }
    }
}

/// M rows for 16 outputs.
#[target_feature(enable = "avx2")]
#[inline]
fn tile<const M: usize>(layer: &PackedPointwise, block: usize, source: &[u32], target: &mut [u8]) {
    let (pairs, outputs) = (layer.inputs / 2, layer.outputs);
    assert!(source.len() == M * pairs && target.len() == M * outputs);
    let weights = &layer.weights[block * BLOCK * layer.inputs..][..BLOCK * layer.inputs];
    let bias = &layer.bias[block * BLOCK..][..BLOCK];
    let mut sums = [[load(bias), load(&bias[LANES..])]; M];
    for input in 0..pairs {
        // SAFETY: a pair of inputs has 32 weights, and `input < pairs`.
        let columns = unsafe {
            [load_at(weights, 2 * BLOCK * input), load_at(weights, 2 * BLOCK * input + BLOCK)]
        };
        for m in 0..M {
            // SAFETY: `input < pairs`, and there are M rows of pairs.
            let x = unsafe { *source.get_unchecked(m * pairs + input) };
            let x = _mm256_set1_epi32(x as i32);
            for n in 0..2 {
                let products = _mm256_madd_epi16(x, columns[n]);
                sums[m][n] = _mm256_add_epi32(sums[m][n], products);
            }
        }
    }
    let start = block * BLOCK;
    let valid = (outputs - start).min(BLOCK);
    for (sums, row) in sums.iter().zip(target.chunks_exact_mut(outputs)) {
        let whole = sums.map(|sum| round(sum, layer.requantization));
        let packed = codes(_mm256_packs_epi32(whole[0], whole[1]), layer.requantization);
        let row = &mut row[start..start + valid];
        match row.len() {
            // SAFETY: as many bytes are written as `row` has.
            16 => unsafe { _mm_storeu_si128(row.as_mut_ptr().cast(), packed) },
            8 => unsafe { _mm_storel_epi64(row.as_mut_ptr().cast(), packed) },
            length => {
                let mut bytes = [0u8; BLOCK];
                // SAFETY: 16 bytes are written.
                unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), packed) };
                row.copy_from_slice(&bytes[..length]);
            }
        }
    }
}

/// Lays the three rows under a filter out in pairs, [columns + 2][channels] of them, padded.
///
/// In `upper` those of rows 0 and 1, in `lower` those of a column of row 2 and the next.
#[target_feature(enable = "avx2")]
fn interleave(layer: &PackedDepthwise, rows: [&[u8]; 3], upper: &mut [u32], lower: &mut [u32]) {
    let (depth, padding) = (layer.channels, layer.window.padding);
    let bytes = layer.window.size * depth;
    let [a, b, c] = rows.map(|row| &row[..bytes]);
    upper[..depth].fill(pair(padding, padding));
    zip(a, b, &mut upper[depth..]);
    upper[depth + bytes..].fill(pair(padding, padding));
    for (to, next) in lower[..depth].iter_mut().zip(c) {
        *to = pair(padding, *next);
    }
    zip(&c[..bytes - depth], &c[depth..], &mut lower[depth..]);
    for (to, last) in lower[bytes..].iter_mut().zip(&c[bytes - depth..]) {
        *to = pair(*last, padding);
    }
    lower[bytes + depth..].fill(pair(padding, padding));
}

/// Pairs of a byte of one slice and one of the other, which are a multiple of eight long.
#[target_feature(enable = "avx2")]
#[inline]
fn zip(first: &[u8], second: &[u8], target: &mut [u32]) {
    let slices = first.chunks_exact(LANES).zip(second.chunks_exact(LANES));
    for ((first, second), target) in slices.zip(target.chunks_exact_mut(LANES)) {
        // SAFETY: eight bytes each are read, 32 written.
        unsafe {
            let [first, second] = [first, second].map(|s| _mm_loadl_epi64(s.as_ptr().cast()));
            let wide = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
            _mm256_storeu_si256(target.as_mut_ptr().cast(), wide);
        }
    }
}

#[target_feature(enable = "avx2")]
fn depthwise(layer: &PackedDepthwise, upper: &[u32], lower: &[u32], target: &mut [u8]) {
    let depth = layer.channels;
    let step = depth * layer.window.stride;
    for (number, group) in layer.groups.iter().enumerate() {
        let weights = group.upper.each_ref().map(|w| load(w));
        let below = group.lower.each_ref().map(|w| load(w));
        let bias = load(&group.bias);
        // The padded row begins a column before the first.
        let start = number * LANES + (1 - layer.window.before) * depth;
        for (column, target) in target.chunks_exact_mut(depth).enumerate() {
            let base = column * step + start;
            let over = &upper[base..base + 2 * depth + LANES];
            let under = &lower[base..base + 2 * depth + LANES];
            // SAFETY: the last of them begins at `2 * depth`, eight elements before the end.
            let products = unsafe {
                [
                    _mm256_madd_epi16(load_at(over, 0), weights[0]),
                    _mm256_madd_epi16(load_at(over, depth), weights[1]),
                    _mm256_madd_epi16(load_at(over, 2 * depth), weights[2]),
                    _mm256_madd_epi16(load_at(under, 0), below[0]),
                    _mm256_madd_epi16(load_at(under, 2 * depth), below[1]),
                ]
            };
            let sum = products.iter().fold(bias, |sum, product| _mm256_add_epi32(sum, *product));
            store(sum, layer.requantization, &mut target[number * LANES..][..LANES]);
        }
    }
}

/// The codes of eight sums to eight bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn store(sums: __m256i, requantization: Requantization, target: &mut [u8]) {
    assert!(target.len() == LANES);
    let whole = round(sums, requantization);
    let packed = codes(_mm256_packs_epi32(whole, whole), requantization);
    // SAFETY: eight bytes are written: words 0 and 2, the others repeat them.
    unsafe { _mm_storel_epi64(target.as_mut_ptr().cast(), _mm_shuffle_epi32(packed, 8)) };
}

/// Sums to whole numbers of the output's scale.
#[target_feature(enable = "avx2")]
#[inline]
fn round(sums: __m256i, requantization: Requantization) -> __m256i {
    let scale = _mm256_set1_ps(requantization.scale);
    // To the nearest, ties to even: what the rounding mode of every program says unless it changes it.
    _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums), scale))
}

/// 16 whole numbers to codes, in their order.
#[target_feature(enable = "avx2")]
#[inline]
fn codes(whole: __m256i, requantization: Requantization) -> __m128i {
    let zero_point = _mm256_set1_epi16(i16::from(requantization.zero_point));
    let shifted = _mm256_adds_epi16(whole, zero_point);
    _mm_packus_epi16(_mm256_castsi256_si128(shifted), _mm256_extracti128_si256(shifted, 1))
}

/// The 32 bytes at the beginning of `from`.
#[target_feature(enable = "avx2")]
#[inline]
fn load<T: Copy>(from: &[T]) -> __m256i {
    assert!(size_of_val(from) >= 32);
    // SAFETY: as asserted; any bytes make a vector.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

/// The 32 bytes that begin `at` elements behind the start of `from`.
///
/// # Safety
/// They lie within `from`.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn load_at<T: Copy>(from: &[T], at: usize) -> __m256i {
    debug_assert!(size_of_val(&from[at..]) >= 32);
    unsafe { _mm256_loadu_si256(from.as_ptr().add(at).cast()) }
}
