//! What Python sees.

use pyo3::prelude::*;

#[pymodule]
fn quantlabel_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<crate::network::python::Network>()
}
