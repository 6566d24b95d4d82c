//! Quantized MobileNet V1 networks, bit for bit equal to LiteRT with XNNPACK.
//!
//! A code is a byte that stands for `scale * (code - zero_point)`. A layer adds up products of codes
//! in 32 bits, exactly; its sums become codes by one multiplication in float32 and rounding to the
//! nearest, ties to even (XNNPACK's "qu8 fp32" requantization). So all that can differ from one
//! implementation to the next is the order of exact additions, which does not matter.

mod layers;
mod plan;
mod portable;
#[cfg(feature = "python")]
pub mod python;
#[cfg(target_arch = "x86_64")]
mod x86_avx2;
#[cfg(target_arch = "x86_64")]
mod x86_vnni;

pub use layers::Source;
use plan::Plan;
pub use plan::Run;

/// Names of the kernels that this processor can run, the fastest first.
pub fn supported_levels() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if x86_vnni::Vnni::detect().is_some() {
            found.push("avx512vnni");
        }
        if x86_avx2::Avx2::detect().is_some() {
            found.push("avx2");
        }
    }
    found.push("portable");
    found
}

/// Packs the weights of a network for one of the kernels.
///
/// # Errors
/// The layers are not those of such a network, or a sum of theirs could overflow.
pub fn build(size: usize, layers: &[Source], level: &str) -> Result<Box<dyn Run>, String> {
    let network = layers::Network::new(size, layers)?;
    #[cfg(target_arch = "x86_64")]
    {
        if let ("avx512vnni", Some(kernels)) = (level, x86_vnni::Vnni::detect()) {
            return Ok(Box::new(Plan::new(kernels, &network)));
        }
        if let ("avx2", Some(kernels)) = (level, x86_avx2::Avx2::detect()) {
            return Ok(Box::new(Plan::new(kernels, &network)));
        }
    }
    let _ = level;
    Ok(Box::new(Plan::new(portable::Portable, &network)))
}
