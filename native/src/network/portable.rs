//! Kernels in plain Rust: what the others are compared with, and what runs where none of them does.

use super::layers::{Depthwise, Pointwise, STEM_BYTES, STEM_STEP};
use super::plan::Kernels;

pub struct Portable;

impl Kernels for Portable {
    type Stem = Pointwise;
    type Pointwise = Pointwise;
    type Depthwise = Depthwise;

    fn pack_stem(&self, layer: &Pointwise) -> Pointwise {
        layer.clone()
    }

    fn pack_pointwise(&self, layer: &Pointwise) -> Pointwise {
        layer.clone()
    }

    fn pack_depthwise(&self, layer: &Depthwise) -> Depthwise {
        layer.clone()
    }

    fn stem(&self, layer: &Pointwise, rows: [&[u8]; 3], target: &mut [u8], scratch: &mut [u32]) {
        let mut patch = [0; 3 * STEM_BYTES];
        for (column, target) in target.chunks_exact_mut(layer.outputs).enumerate() {
            for (row, under) in rows.iter().zip(patch.chunks_exact_mut(STEM_BYTES)) {
                under.copy_from_slice(&row[column * STEM_STEP..][..STEM_BYTES]);
            }
            self.pointwise(layer, &patch, target, scratch);
        }
    }

    fn pointwise(&self, layer: &Pointwise, source: &[u8], target: &mut [u8], _: &mut [u32]) {
        let rows = source.chunks_exact(layer.inputs);
        for (row, target) in rows.zip(target.chunks_exact_mut(layer.outputs)) {
            let filters = layer.weights.chunks_exact(layer.inputs);
            for ((code, filter), bias) in target.iter_mut().zip(filters).zip(&layer.bias) {
                let products = row.iter().zip(filter).map(|(x, w)| i32::from(*x) * i32::from(*w));
                *code = layer.requantization.code(bias + products.sum::<i32>());
            }
        }
    }

    fn depthwise(
        &self,
        layer: &Depthwise,
        rows: [&[u8]; 3],
        target: &mut [u8],
        scratch: &mut [u32],
    ) {
        let depth = layer.channels;
        let sums = &mut scratch[..depth];
        for (column, target) in target.chunks_exact_mut(depth).enumerate() {
            for (sum, bias) in sums.iter_mut().zip(&layer.bias) {
                *sum = *bias as u32;
            }
            for (tap, filter) in layer.weights.chunks_exact(depth).enumerate() {
                match layer.window.source(column, tap % 3) {
                    Some(from) => {
                        let codes = &rows[tap / 3][from * depth..][..depth];
                        for ((sum, code), weight) in sums.iter_mut().zip(codes).zip(filter) {
                            *sum = (*sum as i32 + i32::from(*code) * i32::from(*weight)) as u32;
                        }
                    }
                    None => {
                        for (sum, weight) in sums.iter_mut().zip(filter) {
                            let product = i32::from(layer.window.padding) * i32::from(*weight);
                            *sum = (*sum as i32 + product) as u32;
                        }
                    }
                }
            }
            for (code, sum) in target.iter_mut().zip(sums.iter()) {
                *code = layer.requantization.code(*sum as i32);
            }
        }
    }
}
