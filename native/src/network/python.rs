//! What Python sees of networks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Run, Source, build, supported_levels};

/// One convolution of the file as Python hands it over.
#[derive(FromPyObject)]
pub struct Layer {
    /// One filter for each channel instead of filters over all of them.
    depthwise: bool,
    /// Rows and columns of a filter: 1 or 3.
    kernel: usize,
    stride: usize,
    /// Depth of what comes in.
    channels: usize,
    /// Depth of what comes out.
    depth: usize,
    /// uint8[depth, kernel, kernel, channels]; depthwise uint8[kernel, kernel, depth].
    codes: PyBuffer<u8>,
    weights_zero_point: u8,
    bias: PyBuffer<i32>,
    input_zero_point: u8,
    output_zero_point: u8,
    /// From sums to codes of the output: scale of the input times the weights' over the output's.
    scale: f32,
}

/// A network that several threads may run at once.
#[pyclass(frozen, module = "quantlabel_native")]
pub struct Network {
    run: Box<dyn Run>,
    level: &'static str,
}

#[pymethods]
impl Network {
    /// Packs the weights of a network for this processor.
    ///
    /// `size` is the number of rows and columns of a picture, `layers` the convolutions in their
    /// order: a 3x3 one with stride 2, pairs of a depthwise 3x3 and a 1x1, and after the mean over
    /// the whole map the 1x1 that gives the logits. `level` is one of `levels()`; the first of them
    /// where it is left out. Raises ValueError for a network of another form.
    #[new]
    #[pyo3(signature = (size, layers, level=None))]
    fn new(py: Python<'_>, size: usize, layers: Vec<Layer>, level: Option<&str>) -> PyResult<Self> {
        let found = supported_levels();
        let level = match level {
            None => found[0],
            Some(name) => *found.iter().find(|known| **known == name).ok_or_else(|| {
                PyValueError::new_err(format!("this processor has {found:?}, not {name:?}"))
            })?,
        };
        let source = layers.iter().map(|layer| layer.read(py)).collect::<PyResult<Vec<_>>>()?;
        let run = py.detach(|| build(size, &source, level)).map_err(PyValueError::new_err)?;
        Ok(Network { run, level })
    }

    /// Names of the kernels that this processor can run, the fastest first.
    #[staticmethod]
    fn levels() -> Vec<&'static str> {
        supported_levels()
    }

    /// The name of the kernels in use.
    #[getter]
    fn level(&self) -> &'static str {
        self.level
    }

    /// Runs the network over pictures, each uint8[size, size, 3] and contiguous.
    ///
    /// Returns the codes of the logits and of the features, picture after picture. Nobody may write
    /// to the pictures meanwhile. Raises ValueError for a picture of another size.
    fn run<'py>(
        &self,
        py: Python<'py>,
        pictures: Vec<PyBuffer<u8>>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let expected = self.run.picture_bytes();
        let mut pixels = Vec::with_capacity(pictures.len());
        for (number, picture) in pictures.iter().enumerate() {
            if !picture.is_c_contiguous() || picture.len_bytes() != expected {
                return Err(PyValueError::new_err(format!(
                    "picture {number}: expected {expected} contiguous bytes, found {}",
                    picture.len_bytes()
                )));
            }
            // SAFETY: the buffer holds `len_bytes` bytes in one piece, and `pictures` keeps it alive
            // until this function ends. That nobody writes to it is the caller's promise; bytes only
            // go into sums, never into addresses.
            pixels.push(unsafe {
                std::slice::from_raw_parts(picture.buf_ptr().cast::<u8>().cast_const(), expected)
            });
        }
        // Never expected; but a panic would end the process, where an error costs a batch.
        let (logits, features) = py
            .detach(|| catch_unwind(AssertUnwindSafe(|| self.run.run(&pixels))))
            .map_err(|_| PyRuntimeError::new_err("a fault of the compiled kernel"))?;
        Ok((PyBytes::new(py, &logits), PyBytes::new(py, &features)))
    }
}

impl Layer {
    fn read(&self, py: Python<'_>) -> PyResult<Source> {
        Ok(Source {
            depthwise: self.depthwise,
            kernel: self.kernel,
            stride: self.stride,
            channels: self.channels,
            depth: self.depth,
            codes: self.codes.to_vec(py)?,
            weights_zero_point: self.weights_zero_point,
            bias: self.bias.to_vec(py)?,
            input_zero_point: self.input_zero_point,
            output_zero_point: self.output_zero_point,
            scale: self.scale,
        })
    }
}
