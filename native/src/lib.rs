//! The inner loops of quantlabel as a module for Python.

pub mod network;

#[cfg(feature = "python")]
mod python;
