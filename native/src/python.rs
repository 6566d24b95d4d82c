//! What Python sees.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::colour::Colours;
use crate::jpeg::{Options, load, load_plain};
use crate::taps::Method;

/// Raised whenever the functions or their results change, so that an old module is passed over.
const INTERFACE: u32 = 4;

/// A picture as the network's input: pixels, width and height of the upright picture; None if the
/// picture has to go another way. With `corners`, the pixels that the input is mixed from; with
/// `colours`, in sRGB by these tables, see `Colours::new`.
#[pyfunction]
#[pyo3(signature = (
    data, *, size, method, views, max_pixels, corners = false, colours = None, plain = false
))]
#[allow(clippy::too_many_arguments)]
fn load_jpeg<'py>(
    py: Python<'py>,
    data: &[u8],
    size: usize,
    method: &str,
    views: usize,
    max_pixels: u64,
    corners: bool,
    colours: Option<(&[u8], &[u8])>,
    plain: bool,
) -> Option<(Bound<'py, PyByteArray>, usize, usize)> {
    let method = Method::named(method).ok()?;
    let colours = match colours {
        Some((products, encoded)) => Some(Colours::new(products, encoded)?),
        None => None,
    };
    let options = Options { size, method, views, max_pixels, corners, colours: colours.as_ref() };
    let work = if plain { load_plain } else { load };
    // Never expected; but the picture has another way to go, and the process has others to do.
    let loaded =
        py.detach(|| catch_unwind(AssertUnwindSafe(|| work(data, &options)))).ok()?.ok()?;
    Some((PyByteArray::new(py, &loaded.pixels), loaded.width, loaded.height))
}

#[pymodule]
fn quantlabel_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add_function(wrap_pyfunction!(load_jpeg, module)?)?;
    module.add_class::<crate::network::python::Network>()
}
