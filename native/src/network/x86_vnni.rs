//! Kernels for AVX-512 with VNNI: sums of four products of an unsigned and a signed byte at once.
//!
//! Weights around zero need nine bits. All but a few fit into eight, and a weight that does not is
//! split into two that do; the second one is added by an instruction of its own.

// Registers are counted in three dimensions at once; iterators over one of them hide the others.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::layers::{Depthwise, Pointwise, Requantization, STEM_BYTES, STEM_STEP, Window};
use super::plan::{Kernels, STEM_MARGIN};

/// Sums in a vector.
const LANES: usize = 16;
/// Bytes in a vector, and products that go into it at once.
const BYTES: usize = 64;

/// Proof that the processor has what the functions below are compiled for.
pub struct Vnni(());

impl Vnni {
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni");
        found.then_some(Vnni(()))
    }
}

/// Outputs of the stem that are computed together, in two columns next to each other.
const STEM_OUTPUTS: usize = 8;
/// Columns of the stem that are computed together.
const STEM_COLUMNS: usize = 8;

pub struct PackedStem {
    outputs: usize,
    groups: Vec<StemGroup>,
    requantization: Requantization,
}

/// Eight outputs of the stem, in two columns: [2 columns][8 outputs] sums.
struct StemGroup {
    /// Of each row under the filter.
    products: [Vec<StemProducts>; 3],
    bias: [i32; LANES],
}

/// Four bytes of a row under the filter, with their weights.
struct StemProducts {
    /// Where they lie in 16 bytes that begin where the first column's do: [2 columns][8][4].
    bytes: [i8; BYTES],
    /// [2 columns][8 outputs][4].
    weights: [i8; BYTES],
}

/// Weights in the order in which they are read: [outputs / 16][inputs / 4][16][4].
pub struct PackedPointwise {
    inputs: usize,
    outputs: usize,
    weights: Vec<i8>,
    /// What did not fit: for each 16 outputs a range of `rest`.
    rest_of: Vec<std::ops::Range<usize>>,
    rest: Vec<Rest>,
    /// Filled up to whole vectors, as the weights are.
    bias: Vec<i32>,
    requantization: Requantization,
}

/// The second part of weights for four inputs and 16 outputs.
struct Rest {
    input: usize,
    weights: [i8; BYTES],
}

/// Weights of 16 sums next to each other in a row of the map.
struct Group {
    /// For each column under the filter [16][3 rows, 0].
    weights: [[i8; BYTES]; 3],
    /// The second part of the weights.
    rest: [[i8; BYTES]; 3],
    /// Whether that is more than zeros, which it is of few groups.
    wide: [bool; 3],
    bias: [i32; LANES],
}

pub struct PackedDepthwise {
    channels: usize,
    window: Window,
    /// Enough of them to begin at the first channel again.
    groups: Vec<Group>,
    requantization: Requantization,
}

impl Kernels for Vnni {
    type Stem = PackedStem;
    type Pointwise = PackedPointwise;
    type Depthwise = PackedDepthwise;

    fn pack_stem(&self, layer: &Pointwise) -> PackedStem {
        let groups = (0..layer.outputs).step_by(STEM_OUTPUTS).map(|first| {
            let output = |lane: usize| first + lane % STEM_OUTPUTS;
            StemGroup {
                products: [0, 1, 2].map(|row| {
                    stem_products(|lane, byte| {
                        layer.weights[output(lane) * layer.inputs + row * STEM_BYTES + byte]
                    })
                }),
                bias: std::array::from_fn(|lane| layer.bias[output(lane)]),
            }
        });
        PackedStem {
            outputs: layer.outputs,
            groups: groups.collect(),
            requantization: layer.requantization,
        }
    }

    fn pack_pointwise(&self, layer: &Pointwise) -> PackedPointwise {
        let blocks = layer.outputs.div_ceil(LANES);
        let mut packed = PackedPointwise {
            inputs: layer.inputs,
            outputs: layer.outputs,
            weights: Vec::with_capacity(blocks * layer.inputs * LANES),
            rest_of: Vec::with_capacity(blocks),
            rest: Vec::new(),
            bias: layer.bias.clone(),
            requantization: layer.requantization,
        };
        packed.bias.resize(blocks * LANES, 0);
        for block in 0..blocks {
            let start = packed.rest.len();
            for input in (0..layer.inputs).step_by(4) {
                let [weights, rest] = split(|lane, byte| {
                    let row = layer.weights.chunks_exact(layer.inputs).nth(block * LANES + lane);
                    row.map_or(0, |row| row[input + byte])
                });
                packed.weights.extend(weights);
                if rest != [0; BYTES] {
                    packed.rest.push(Rest { input, weights: rest });
                }
            }
            packed.rest_of.push(start..packed.rest.len());
        }
        packed
    }

    fn pack_depthwise(&self, layer: &Depthwise) -> PackedDepthwise {
        let depth = layer.channels;
        let period = if depth.is_multiple_of(LANES) { depth } else { 2 * depth };
        let groups: Vec<Group> = (0..period)
            .step_by(LANES)
            .map(|first| {
                let channel = |lane: usize| (first + lane) % depth;
                let parts = [0, 1, 2].map(|column| {
                    split(|lane, row| match row {
                        3 => 0,
                        _ => layer.weights[(3 * row + column) * depth + channel(lane)],
                    })
                });
                Group {
                    weights: parts.map(|[weights, _]| weights),
                    rest: parts.map(|[_, rest]| rest),
                    wide: parts.map(|[_, rest]| rest != [0; BYTES]),
                    bias: std::array::from_fn(|lane| layer.bias[channel(lane)]),
                }
            })
            .collect();
        PackedDepthwise {
            channels: depth,
            window: layer.window,
            groups,
            requantization: layer.requantization,
        }
    }

    fn stem(&self, layer: &PackedStem, rows: [&[u8]; 3], target: &mut [u8], _: &mut [u32]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { stem(layer, rows, target) }
    }

    fn pointwise(&self, layer: &PackedPointwise, source: &[u8], target: &mut [u8], _: &mut [u32]) {
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe { pointwise(layer, source, target) }
    }

    fn depthwise(
        &self,
        layer: &PackedDepthwise,
        rows: [&[u8]; 3],
        target: &mut [u8],
        scratch: &mut [u32],
    ) {
        let padded = &mut scratch[..(layer.window.size + 2) * layer.channels];
        // SAFETY: `self` proves that the processor has the instructions.
        unsafe {
            interleave(layer, rows, padded);
            depthwise(layer, padded, target);
        }
    }
}

/// The products of one row under the filter, of `weight(lane, byte)`.
///
/// A byte with a weight that does not fit comes a second time, for the second part of the weight.
fn stem_products(weight: impl Fn(usize, usize) -> i16) -> Vec<StemProducts> {
    let part = |lane: usize, byte: usize, second: bool| {
        let weight = weight(lane, byte);
        let first = weight.clamp(-128, 127);
        (if second { weight - first } else { first }) as i8
    };
    let wide = (0..STEM_BYTES).filter(|byte| (0..LANES).any(|lane| part(lane, *byte, true) != 0));
    let taps: Vec<_> =
        (0..STEM_BYTES).map(|byte| (byte, false)).chain(wide.map(|byte| (byte, true))).collect();
    let products = taps.chunks(4).map(|taps| StemProducts {
        bytes: std::array::from_fn(|at| {
            let column = at / (BYTES / 2);
            let (byte, _) = taps.get(at % 4).unwrap_or(&taps[0]);
            (column * STEM_STEP + byte) as i8
        }),
        weights: std::array::from_fn(|at| match taps.get(at % 4) {
            Some((byte, second)) => part(at / 4, *byte, *second),
            None => 0,
        }),
    });
    products.collect()
}

/// Weights of 16 sums, four for each, in two parts of eight bits.
fn split(weight: impl Fn(usize, usize) -> i16) -> [[i8; BYTES]; 2] {
    let mut parts = [[0; BYTES]; 2];
    for at in 0..BYTES {
        let weight = weight(at / 4, at % 4);
        let part = weight.clamp(-128, 127);
        parts[0][at] = part as i8;
        parts[1][at] = (weight - part) as i8;
    }
    parts
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn stem(layer: &PackedStem, rows: [&[u8]; 3], target: &mut [u8]) {
    for (number, group) in layer.groups.iter().enumerate() {
        let targets = target.chunks_mut(STEM_COLUMNS * layer.outputs).enumerate();
        for (chunk, target) in targets {
            let start = chunk * STEM_COLUMNS * STEM_STEP;
            let mut sums = [load(&group.bias); STEM_COLUMNS / 2];
            for (row, products) in rows.iter().zip(&group.products) {
                let under = &row[start..start + STEM_COLUMNS * STEM_STEP + STEM_MARGIN];
                let mut columns = [_mm512_setzero_si512(); STEM_COLUMNS / 2];
                for (pair, columns) in columns.iter_mut().enumerate() {
                    // SAFETY: the last pair begins 12 bytes before the margin of 16.
                    *columns = unsafe { quarters(under, pair * 2 * STEM_STEP) };
                }
                for products in products {
                    let (bytes, weights) = (load(&products.bytes), load(&products.weights));
                    for (columns, sum) in columns.iter().zip(&mut sums) {
                        let x = _mm512_shuffle_epi8(*columns, bytes);
                        *sum = _mm512_dpbusd_epi32(*sum, x, weights);
                    }
                }
            }
            let codes = codes(sums, layer.requantization);
            if layer.outputs == STEM_OUTPUTS {
                store(codes, target);
                continue;
            }
            let mut bytes = [0; BYTES];
            store(codes, &mut bytes);
            let columns = target.chunks_exact_mut(layer.outputs);
            for (target, codes) in columns.zip(bytes.chunks_exact(STEM_OUTPUTS)) {
                target[number * STEM_OUTPUTS..][..STEM_OUTPUTS].copy_from_slice(codes);
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn pointwise(layer: &PackedPointwise, source: &[u8], target: &mut [u8]) {
    let blocks = layer.bias.len() / LANES;
    let mut block = 0;
    while block < blocks {
        block += match blocks - block {
            1 => panel::<8, 1>(layer, block, source, target),
            2 | 3 => panel::<8, 2>(layer, block, source, target),
            _ => panel::<6, 4>(layer, block, source, target),
        }
    }
}

/// All rows for N times 16 outputs; returns N.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn panel<const M: usize, const N: usize>(
    layer: &PackedPointwise,
    block: usize,
    source: &[u8],
    target: &mut [u8],
) -> usize {
    let sources = source.chunks(M * layer.inputs);
    for (source, target) in sources.zip(target.chunks_mut(M * layer.outputs)) {
        match source.len() / layer.inputs {
            rows if rows == M => tile::<M, N>(layer, block, source, target),
            7 => tile::<7, N>(layer, block, source, target),
            6 => tile::<6, N>(layer, block, source, target),
            5 => tile::<5, N>(layer, block, source, target),
            4 => tile::<4, N>(layer, block, source, target),
            3 => tile::<3, N>(layer, block, source, target),
            2 => tile::<2, N>(layer, block, source, target),
            _ => tile::<1, N>(layer, block, source, target),
        }
    }
    N
}

/// M rows for N times 16 outputs.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn tile<const M: usize, const N: usize>(
    layer: &PackedPointwise,
    block: usize,
    source: &[u8],
    target: &mut [u8],
) {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let panel = inputs * LANES;
    let weights = &layer.weights[block * panel..(block + N) * panel];
    let bias = &layer.bias[block * LANES..(block + N) * LANES];
    assert!(source.len() == M * inputs && target.len() == M * outputs && inputs % 4 == 0);
    let first = std::array::from_fn::<_, N, _>(|n| load(&bias[n * LANES..]));
    let mut sums = [first; M];
    for input in (0..inputs).step_by(4) {
        // SAFETY: `input + 4 <= inputs`, so this ends within the panel.
        let columns: [__m512i; N] =
            std::array::from_fn(|n| unsafe { load_at(weights, n * panel + input * LANES) });
        for m in 0..M {
            // SAFETY: as above, within row `m` of the source.
            let x = unsafe { broadcast(source, m * inputs + input) };
            for n in 0..N {
                sums[m][n] = _mm512_dpbusd_epi32(sums[m][n], x, columns[n]);
            }
        }
    }
    for n in 0..N {
        for rest in &layer.rest[layer.rest_of[block + n].clone()] {
            let column = load(&rest.weights);
            for m in 0..M {
                // SAFETY: `rest.input` is one of the inputs of the loop above.
                let x = unsafe { broadcast(source, m * inputs + rest.input) };
                sums[m][n] = _mm512_dpbusd_epi32(sums[m][n], x, column);
            }
        }
    }
    let start = block * LANES;
    if N < 4 && M.is_multiple_of(4) && outputs == N * LANES {
        // The rows of the target follow each other without a gap: whole vectors of codes.
        for (m, target) in target.chunks_exact_mut(BYTES).enumerate() {
            let sums = std::array::from_fn::<_, 4, _>(|i| sums[(4 * m + i) / N % M][i % N]);
            store(codes(sums, layer.requantization), target);
        }
        return;
    }
    let valid = (outputs - start).min(N * LANES);
    for (sums, row) in sums.iter().zip(target.chunks_exact_mut(outputs)) {
        store(codes(*sums, layer.requantization), &mut row[start..start + valid]);
    }
}

/// Lays the three rows under a filter out as [columns + 2][channels][3 rows, 0], padded.
#[target_feature(enable = "avx512f,avx512bw")]
fn interleave(layer: &PackedDepthwise, rows: [&[u8]; 3], target: &mut [u32]) {
    let bytes = layer.window.size * layer.channels;
    let target = &mut target[..bytes + 2 * layer.channels];
    let padding = u32::from(layer.window.padding) * 0x01_01_01;
    let (before, rest) = target.split_at_mut(layer.channels);
    let (inner, after) = rest.split_at_mut(bytes);
    before.fill(padding);
    after.fill(padding);
    let rows = rows.map(|row| &row[..bytes]);
    // Unpacking works within quarters of a vector: with their words transposed first, the results
    // come out in order.
    let order = transposition();
    let zero = _mm512_setzero_si512();
    let whole = bytes - bytes % BYTES;
    for at in (0..whole).step_by(BYTES) {
        // SAFETY: `at + 64 <= bytes`, the length of each row.
        let [a, b, c] =
            rows.map(|row| unsafe { _mm512_permutexvar_epi32(order, load_at(row, at)) });
        let (ab, c0) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, zero));
        let (ab2, c2) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, zero));
        let quads = [
            _mm512_unpacklo_epi16(ab, c0),
            _mm512_unpackhi_epi16(ab, c0),
            _mm512_unpacklo_epi16(ab2, c2),
            _mm512_unpackhi_epi16(ab2, c2),
        ];
        for (quad, target) in quads.iter().zip(inner[at..at + BYTES].chunks_exact_mut(LANES)) {
            // SAFETY: `target` has 16 elements of four bytes.
            unsafe { _mm512_storeu_si512(target.as_mut_ptr().cast(), *quad) };
        }
    }
    for at in whole..bytes {
        inner[at] = u32::from_le_bytes([rows[0][at], rows[1][at], rows[2][at], 0]);
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn depthwise(layer: &PackedDepthwise, source: &[u32], target: &mut [u8]) {
    match layer.groups.len() {
        1 => lanes::<1, 4>(layer, 0, source, target),
        2 => lanes::<2, 2>(layer, 0, source, target),
        groups => {
            let fours = groups - groups % 4;
            for first in (0..fours).step_by(4) {
                lanes::<4, 1>(layer, first, source, target);
            }
            for first in fours..groups {
                lanes::<1, 1>(layer, first, source, target);
            }
        }
    }
}

/// N groups of 16 sums in all columns of a row.
///
/// Where these are all groups there are, R times as many are computed together.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn lanes<const N: usize, const R: usize>(
    layer: &PackedDepthwise,
    first: usize,
    source: &[u32],
    target: &mut [u8],
) {
    let period = layer.groups.len() * LANES;
    let whole = target.len() / (R * period) * R;
    let (targets, rest) = target.split_at_mut(whole * period);
    columns::<N, R>(layer, first, source, targets);
    if !rest.is_empty() {
        let source = &source[whole * period * layer.window.stride..];
        columns::<N, 1>(layer, first, source, rest);
    }
}

/// Some columns of a row; `source` begins with what is under the first.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn columns<const N: usize, const R: usize>(
    layer: &PackedDepthwise,
    first: usize,
    source: &[u32],
    target: &mut [u8],
) {
    let groups: &[Group; N] = layer.groups[first..first + N].try_into().expect("N groups");
    let mut weights = [[_mm512_setzero_si512(); 3]; N];
    let mut bias = [_mm512_setzero_si512(); N];
    let mut wide = [false; 3];
    for n in 0..N {
        bias[n] = load(&groups[n].bias);
        for column in 0..3 {
            weights[n][column] = load(&groups[n].weights[column]);
            wide[column] |= groups[n].wide[column];
        }
    }
    let depth = layer.channels;
    let period = layer.groups.len() * LANES;
    let step = period * layer.window.stride;
    // The padded row begins a column before the first.
    let start = first * LANES + (1 - layer.window.before) * depth;
    for (repeat, target) in target.chunks_exact_mut(R * period).enumerate() {
        let base = repeat * R * step + start;
        let under = &source[base..base + (R - 1) * step + 2 * depth + N * LANES];
        let mut sums = [bias; R];
        for column in 0..3 {
            for r in 0..R {
                for n in 0..N {
                    let at = r * step + column * depth + n * LANES;
                    // SAFETY: `at + 16` is at most the length of `under`.
                    let x = unsafe { load_at(under, at) };
                    sums[r][n] = _mm512_dpbusd_epi32(sums[r][n], x, weights[n][column]);
                }
            }
        }
        for column in 0..3 {
            if !wide[column] {
                continue;
            }
            for n in 0..N {
                let weights = load(&groups[n].rest[column]);
                for r in 0..R {
                    let at = r * step + column * depth + n * LANES;
                    // SAFETY: as above.
                    let x = unsafe { load_at(under, at) };
                    sums[r][n] = _mm512_dpbusd_epi32(sums[r][n], x, weights);
                }
            }
        }
        if N * R == 4 {
            let sums = std::array::from_fn::<_, 4, _>(|i| sums[i / N][i % N]);
            store(codes(sums, layer.requantization), &mut target[first * LANES..][..BYTES]);
        } else {
            // R is 1: where there are more groups, their codes lie between those of two repeats.
            store(codes(sums[0], layer.requantization), &mut target[first * LANES..][..N * LANES]);
        }
    }
}

/// Sums to codes, the first N * 16 bytes in the order of the sums.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn codes<const N: usize>(sums: [__m512i; N], requantization: Requantization) -> __m512i {
    let scale = _mm512_set1_ps(requantization.scale);
    let zero_point = _mm512_set1_epi16(i16::from(requantization.zero_point));
    // To the nearest, ties to even: what the rounding mode of every program says unless it changes it.
    let mut whole = sums;
    for sum in &mut whole {
        *sum = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(*sum), scale));
    }
    // Of fewer than four, some come twice.
    let low = _mm512_packs_epi32(whole[0], whole[1 % N]);
    let high = _mm512_packs_epi32(whole[2 % N], whole[3 % N]);
    let (low, high) = (_mm512_adds_epi16(low, zero_point), _mm512_adds_epi16(high, zero_point));
    // Packing works within quarters of a vector.
    _mm512_permutexvar_epi32(transposition(), _mm512_packus_epi16(low, high))
}

/// Writes the first bytes of a vector.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn store(codes: __m512i, target: &mut [u8]) {
    let to = target.as_mut_ptr();
    // SAFETY: each arm writes as many bytes as `target` has.
    unsafe {
        match target.len() {
            64 => _mm512_storeu_si512(to.cast(), codes),
            32 => _mm256_storeu_si256(to.cast(), _mm512_castsi512_si256(codes)),
            16 => _mm_storeu_si128(to.cast(), _mm512_castsi512_si128(codes)),
            8 => _mm_storel_epi64(to.cast(), _mm512_castsi512_si128(codes)),
            length => {
                let mut bytes = [0; BYTES];
                _mm512_storeu_si512(bytes.as_mut_ptr().cast(), codes);
                target.copy_from_slice(&bytes[..length]);
            }
        }
    }
}

/// Word 4 * a + b to 4 * b + a.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposition() -> __m512i {
    _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
}

/// The 64 bytes at the beginning of `from`.
#[target_feature(enable = "avx512f")]
#[inline]
fn load<T: Copy>(from: &[T]) -> __m512i {
    assert!(size_of_val(from) >= BYTES);
    // SAFETY: as asserted; any bytes make a vector.
    unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
}

/// The 64 bytes that begin `at` elements behind the start of `from`.
///
/// # Safety
/// They lie within `from`.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn load_at<T: Copy>(from: &[T], at: usize) -> __m512i {
    debug_assert!(size_of_val(&from[at..]) >= BYTES);
    unsafe { _mm512_loadu_si512(from.as_ptr().add(at).cast()) }
}

/// Four bytes that begin at `at`, 16 times.
///
/// # Safety
/// They lie within `from`.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn broadcast(from: &[u8], at: usize) -> __m512i {
    debug_assert!(at + 4 <= from.len());
    unsafe { _mm512_set1_epi32(from.as_ptr().add(at).cast::<i32>().read_unaligned()) }
}

/// The 16 bytes that begin at `at`, four times.
///
/// # Safety
/// They lie within `from`.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn quarters(from: &[u8], at: usize) -> __m512i {
    debug_assert!(at + 16 <= from.len());
    unsafe { _mm512_broadcast_i32x4(_mm_loadu_si128(from.as_ptr().add(at).cast())) }
}
