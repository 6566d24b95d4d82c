//! Kernels for AVX-512 with VNNI: sums of four products of an unsigned and a signed byte at once.
//!
//! Weights around zero need nine bits. All but a few fit into eight, and a weight that does not is
//! split into two that do; the second one is added by an instruction of its own.

use std::arch::x86_64::*;

use super::layers::{Depthwise, Pointwise, Requantization, Window};
use super::plan::Kernels;

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
    /// The second part of the weights, all zero of most groups.
    rest: [[i8; BYTES]; 3],
    bias: [i32; LANES],
}

pub struct PackedDepthwise {
    channels: usize,
    window: Window,
    /// Enough of them to begin at the first channel again.
    groups: Vec<Group>,
    wide: bool,
    requantization: Requantization,
}

impl Kernels for Vnni {
    type Pointwise = PackedPointwise;
    type Depthwise = PackedDepthwise;

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
                    let row = layer
                        .weights
                        .chunks_exact(layer.inputs)
                        .nth(block * LANES + lane);
                    row.map_or(0, |row| row[input + byte])
                });
                packed.weights.extend(weights);
                if rest != [0; BYTES] {
                    packed.rest.push(Rest {
                        input,
                        weights: rest,
                    });
                }
            }
            packed.rest_of.push(start..packed.rest.len());
        }
        packed
    }

    fn pack_depthwise(&self, layer: &Depthwise) -> PackedDepthwise {
        let depth = layer.channels;
        let period = if depth % LANES == 0 { depth } else { 2 * depth };
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
                    bias: std::array::from_fn(|lane| layer.bias[channel(lane)]),
                }
            })
            .collect();
        PackedDepthwise {
            channels: depth,
            window: layer.window,
            wide: groups.iter().any(|group| group.rest != [[0; BYTES]; 3]),
            groups,
            requantization: layer.requantization,
        }
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
    let valid = (outputs - start).min(N * LANES);
    for (sums, row) in sums.iter().zip(target.chunks_exact_mut(outputs)) {
        store(
            codes(*sums, layer.requantization),
            &mut row[start..start + valid],
        );
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
        for (quad, target) in quads
            .iter()
            .zip(inner[at..at + BYTES].chunks_exact_mut(LANES))
        {
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
    let mut first = 0;
    while first < layer.groups.len() {
        let rest = &layer.groups[first..];
        first += match (rest.len(), layer.wide) {
            (4.., false) => lanes::<4, false>(layer, first, source, target),
            (2.., false) => lanes::<2, false>(layer, first, source, target),
            (_, false) => lanes::<1, false>(layer, first, source, target),
            (4.., true) => lanes::<4, true>(layer, first, source, target),
            (2.., true) => lanes::<2, true>(layer, first, source, target),
            (_, true) => lanes::<1, true>(layer, first, source, target),
        };
    }
}

/// N groups of 16 sums in all columns of a row; returns N.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn lanes<const N: usize, const WIDE: bool>(
    layer: &PackedDepthwise,
    first: usize,
    source: &[u32],
    target: &mut [u8],
) -> usize {
    let groups: &[Group; N] = layer.groups[first..first + N].try_into().expect("N groups");
    let wide = WIDE && groups.iter().any(|group| group.rest != [[0; BYTES]; 3]);
    let weights = groups
        .each_ref()
        .map(|g| g.weights.each_ref().map(|w| load(w)));
    let rest = groups
        .each_ref()
        .map(|g| g.rest.each_ref().map(|w| load(w)));
    let bias = groups.each_ref().map(|g| load(&g.bias));
    let depth = layer.channels;
    let period = layer.groups.len() * LANES;
    let step = period * layer.window.stride;
    // The padded row begins a column before the first.
    let start = first * LANES + (1 - layer.window.before) * depth;
    let rows = target.chunks_exact_mut(period).enumerate();
    for (repeat, target) in rows {
        let base = repeat * step + start;
        let under = &source[base..base + 2 * depth + N * LANES];
        let mut sums = bias;
        for column in 0..3 {
            for n in 0..N {
                // SAFETY: `column * depth + (n + 1) * 16` is at most the length of `under`.
                let x = unsafe { load_at(under, column * depth + n * LANES) };
                sums[n] = _mm512_dpbusd_epi32(sums[n], x, weights[n][column]);
                if wide {
                    sums[n] = _mm512_dpbusd_epi32(sums[n], x, rest[n][column]);
                }
            }
        }
        store(
            codes(sums, layer.requantization),
            &mut target[first * LANES..][..N * LANES],
        );
    }
    N
}

/// Sums to codes, the first N * 16 bytes in the order of the sums.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn codes<const N: usize>(sums: [__m512i; N], requantization: Requantization) -> __m512i {
    let scale = _mm512_set1_ps(requantization.scale);
    let zero_point = _mm512_set1_epi16(i16::from(requantization.zero_point));
    // To the nearest, ties to even: what the rounding mode of every program says unless it changes it.
    let whole = sums.map(|sum| _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale)));
    let pair = |a: usize, b: usize| {
        _mm512_adds_epi16(_mm512_packs_epi32(whole[a % N], whole[b % N]), zero_point)
    };
    let (low, high) = (pair(0, 1), if N > 2 { pair(2, 3) } else { pair(0, 1) });
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
