//! The inner loops of quantlabel as a module for Python. See docs/kernel.md.

pub mod colour;
pub mod jpeg;
mod jpeg_bits;
mod jpeg_colour;
pub mod jpeg_header;
mod jpeg_huffman;
mod jpeg_idct;
mod jpeg_plane;
mod jpeg_scan;
pub mod network;
mod simd;
pub mod taps;

#[cfg(feature = "python")]
mod python;
