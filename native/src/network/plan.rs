//! A packed network and the order in which its layers run over pictures.

use super::layers::{Depthwise, Network, Pointwise, Requantization, STEM_STEP, Window};

/// Bytes between a depthwise layer and the 1x1 convolution behind it: they stay in the first cache.
const STRIP_BYTES: usize = 8192;

/// The arithmetic of two kinds of layers for one kind of processor, with weights packed to suit it.
pub trait Kernels: Send + Sync {
    type Stem: Send + Sync;
    type Pointwise: Send + Sync;
    type Depthwise: Send + Sync;

    fn pack_stem(&self, layer: &Pointwise) -> Self::Stem;

    fn pack_pointwise(&self, layer: &Pointwise) -> Self::Pointwise;

    fn pack_depthwise(&self, layer: &Depthwise) -> Self::Depthwise;

    /// One row that comes out of the first layer, from the three rows of the picture under it.
    ///
    /// They are padded: the filter of column `x` begins at byte `6 * x`. There are `STEM_MARGIN` more
    /// bytes than there would be for a number of columns that is a multiple of eight.
    fn stem(&self, layer: &Self::Stem, rows: [&[u8]; 3], target: &mut [u8], scratch: &mut [u32]);

    /// Multiplies rows of `inputs` bytes with the weights: as many rows of `outputs` bytes.
    fn pointwise(
        &self,
        layer: &Self::Pointwise,
        source: &[u8],
        target: &mut [u8],
        scratch: &mut [u32],
    );

    /// One row that comes out, from the three rows under it, each `size * channels` bytes.
    fn depthwise(
        &self,
        layer: &Self::Depthwise,
        rows: [&[u8]; 3],
        target: &mut [u8],
        scratch: &mut [u32],
    );
}

/// Bytes behind the last filter of a padded row of a picture that may be read.
pub const STEM_MARGIN: usize = 16;

/// What a network needs to do for Python, whichever kernels it has.
pub trait Run: Send + Sync {
    /// Bytes of one picture.
    fn picture_bytes(&self) -> usize;

    /// Codes of the logits and of the features of pictures, one after the other.
    fn run(&self, pictures: &[&[u8]]) -> (Vec<u8>, Vec<u8>);
}

/// A network packed for one kind of processor.
pub struct Plan<K: Kernels> {
    kernels: K,
    stem: K::Stem,
    stem_depth: usize,
    stem_window: Window,
    blocks: Vec<Block<K>>,
    logits: Matrix<K>,
    /// Bytes of the largest map.
    map_bytes: usize,
    strip_bytes: usize,
    scratch: usize,
}

struct Matrix<K: Kernels> {
    inputs: usize,
    outputs: usize,
    packed: K::Pointwise,
}

struct Block<K: Kernels> {
    channels: usize,
    window: Window,
    depthwise: K::Depthwise,
    pointwise: Matrix<K>,
}

/// Memory for one picture at a time; each call of `run` has its own.
struct Memory {
    source: Vec<u8>,
    target: Vec<u8>,
    strip: Vec<u8>,
    padding: Vec<u8>,
    picture_rows: Vec<u8>,
    scratch: Vec<u32>,
}

impl<K: Kernels> Plan<K> {
    pub fn new(kernels: K, network: &Network) -> Self {
        let stem = kernels.pack_stem(&network.stem);
        let stem_depth = network.stem.outputs;
        let stem_window = network.stem_window;
        let blocks: Vec<_> = network
            .blocks
            .iter()
            .map(|(depthwise, pointwise)| Block {
                channels: depthwise.channels,
                window: depthwise.window,
                depthwise: kernels.pack_depthwise(depthwise),
                pointwise: Matrix::new(&kernels, pointwise),
            })
            .collect();
        let logits = Matrix::new(&kernels, &network.logits);
        let mut map_bytes = stem_window.out_size * stem_window.out_size * stem_depth;
        let mut strip_bytes = 0;
        let mut scratch = 3 * picture_row_bytes(&stem_window);
        for block in &blocks {
            let out = block.window.out_size;
            let strip = strip_rows(&block.window, block.channels) * out * block.channels;
            map_bytes = map_bytes.max(out * out * block.pointwise.outputs);
            strip_bytes = strip_bytes.max(strip);
            // Twice a padded row, for kernels that lay the rows under a filter out anew.
            scratch = scratch.max(strip.max(2 * (block.window.size + 3) * block.channels));
        }
        scratch = scratch.max(LOGIT_ROWS * logits.inputs);
        Plan {
            kernels,
            stem,
            stem_depth,
            stem_window,
            blocks,
            logits,
            map_bytes,
            strip_bytes,
            scratch,
        }
    }

    fn memory(&self) -> Memory {
        let row_bytes = |block: &Block<K>| block.window.size * block.channels;
        let row = self.blocks.iter().map(row_bytes).max().unwrap_or(0);
        Memory {
            source: vec![0; self.map_bytes],
            target: vec![0; self.map_bytes],
            strip: vec![0; self.strip_bytes],
            padding: vec![0; row],
            picture_rows: vec![0; 3 * picture_row_bytes(&self.stem_window)],
            scratch: vec![0; self.scratch],
        }
    }

    /// The pooled features of one picture.
    fn features(&self, picture: &[u8], memory: &mut Memory, features: &mut [u8]) {
        self.run_stem(picture, memory);
        for block in &self.blocks {
            std::mem::swap(&mut memory.source, &mut memory.target);
            self.run_block(block, memory);
        }
        let last = &self.blocks[self.blocks.len() - 1];
        let pixels = last.window.out_size * last.window.out_size;
        pool(&memory.target[..pixels * last.pointwise.outputs], features);
    }

    /// The first layer: a picture to `memory.target`.
    fn run_stem(&self, picture: &[u8], memory: &mut Memory) {
        let window = &self.stem_window;
        let bytes = 3 * window.size;
        let padded = picture_row_bytes(window);
        memory.picture_rows.fill(window.padding);
        let targets = memory.target.chunks_exact_mut(window.out_size * self.stem_depth);
        for (row, target) in targets.take(window.out_size).enumerate() {
            let rows = memory.picture_rows.chunks_exact_mut(padded);
            for (tap, padded) in rows.enumerate() {
                let inner = &mut padded[3 * window.before..][..bytes];
                match window.source(row, tap) {
                    Some(from) => inner.copy_from_slice(&picture[from * bytes..][..bytes]),
                    None => inner.fill(window.padding),
                }
            }
            let under = [0, 1, 2].map(|tap| &memory.picture_rows[tap * padded..][..padded]);
            self.kernels.stem(&self.stem, under, target, &mut memory.scratch);
        }
    }

    /// A depthwise and a 1x1 convolution: `memory.source` to `memory.target`.
    fn run_block(&self, block: &Block<K>, memory: &mut Memory) {
        let window = &block.window;
        let row_bytes = window.size * block.channels;
        let out_bytes = window.out_size * block.channels;
        let padding = &mut memory.padding[..row_bytes];
        padding.fill(window.padding);
        let padding = &*padding;
        let source = &memory.source[..window.size * row_bytes];
        let step = strip_rows(window, block.channels);
        for first in (0..window.out_size).step_by(step) {
            let rows = step.min(window.out_size - first);
            let strip = &mut memory.strip[..rows * out_bytes];
            for (row, target) in (first..first + rows).zip(strip.chunks_exact_mut(out_bytes)) {
                let under = [0, 1, 2].map(|tap| match window.source(row, tap) {
                    Some(from) => &source[from * row_bytes..][..row_bytes],
                    None => padding,
                });
                self.kernels.depthwise(&block.depthwise, under, target, &mut memory.scratch);
            }
            let outputs = window.out_size * block.pointwise.outputs;
            let target = &mut memory.target[first * outputs..][..rows * outputs];
            self.kernels.pointwise(&block.pointwise.packed, strip, target, &mut memory.scratch);
        }
    }
}

/// Pictures whose logits are computed together: a row of weights is then read once for all of them.
const LOGIT_ROWS: usize = 64;

impl<K: Kernels> Run for Plan<K> {
    fn picture_bytes(&self) -> usize {
        3 * self.stem_window.size * self.stem_window.size
    }

    fn run(&self, pictures: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let mut memory = self.memory();
        let mut features = vec![0; pictures.len() * self.logits.inputs];
        let mut logits = vec![0; pictures.len() * self.logits.outputs];
        for (picture, row) in pictures.iter().zip(features.chunks_exact_mut(self.logits.inputs)) {
            self.features(picture, &mut memory, row);
        }
        let some = features.chunks(LOGIT_ROWS * self.logits.inputs);
        for (source, target) in some.zip(logits.chunks_mut(LOGIT_ROWS * self.logits.outputs)) {
            self.kernels.pointwise(&self.logits.packed, source, target, &mut memory.scratch);
        }
        (logits, features)
    }
}

impl<K: Kernels> Matrix<K> {
    fn new(kernels: &K, layer: &Pointwise) -> Self {
        Matrix {
            inputs: layer.inputs,
            outputs: layer.outputs,
            packed: kernels.pack_pointwise(layer),
        }
    }
}

impl Window {
    /// The row (or column) that comes in under a tap, or None where that is padding.
    pub fn source(&self, out: usize, tap: usize) -> Option<usize> {
        (out * self.stride + tap).checked_sub(self.before).filter(|at| *at < self.size)
    }
}

impl Requantization {
    /// The code of one sum.
    #[inline(always)]
    pub fn code(self, sum: i32) -> u8 {
        // Adding 1.5 * 2**23 rounds to whole numbers, ties to even, as all of float32 does. More
        // than 22 bits would spoil it, so what is out of range anyway is cut first.
        const ROUND: f32 = 12_582_912.0;
        let value = (sum as f32 * self.scale).clamp(-512.0, 512.0);
        let whole = (value + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
        (whole + i32::from(self.zero_point)).clamp(0, 255) as u8
    }
}

fn strip_rows(window: &Window, depth: usize) -> usize {
    (STRIP_BYTES / (window.out_size * depth)).clamp(1, window.out_size)
}

/// Bytes of a padded row of a picture.
fn picture_row_bytes(window: &Window) -> usize {
    STEM_STEP * window.out_size.next_multiple_of(8) + STEM_MARGIN
}

/// The mean of a whole map, halves rounded up: TensorFlow Lite's, which XNNPACK leaves to it.
fn pool(map: &[u8], features: &mut [u8]) {
    let depth = features.len();
    let pixels = (map.len() / depth) as u32;
    let mut sums = vec![0u32; depth];
    for pixel in map.chunks_exact(depth) {
        for (sum, code) in sums.iter_mut().zip(pixel) {
            *sum += u32::from(*code);
        }
    }
    for (feature, sum) in features.iter_mut().zip(sums) {
        *feature = ((sum + pixels / 2) / pixels) as u8;
    }
}
