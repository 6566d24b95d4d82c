//! Compiled kernels of quantlabel. Everything here has an equal in Python that decides in doubt.

use pyo3::prelude::*;

mod network;

#[pymodule]
fn quantlabel_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<network::Network>()
}
