//! Colours of other spaces to sRGB, as `Space.convert` of Python does it, in the same integers.

use std::array;

/// Fractions that a product has beside the steps of light.
const FRACTION_BITS: u32 = 8;
const STEPS: i32 = 65_535;

/// How a space becomes sRGB.
#[derive(Debug)]
pub struct Colours<'a> {
    /// What each value of red adds to the light of red, green and blue; then those of green, blue.
    products: [[[i32; 3]; 256]; 3],
    /// The value of each step of light.
    encoded: &'a [u8; STEPS as usize + 1],
}

impl<'a> Colours<'a> {
    /// None if a table has another length.
    ///
    /// # Arguments
    /// * `products`: int32[3, 256, 3] in the order of bytes of this machine.
    /// * `encoded`: uint8[65536].
    pub fn new(products: &[u8], encoded: &'a [u8]) -> Option<Self> {
        let numbers: &[[u8; 4]; 3 * 256 * 3] = products.as_chunks().0.try_into().ok()?;
        let encoded = encoded.try_into().ok()?;
        let at = |i, value, j| i32::from_ne_bytes(numbers[(256 * i + value) * 3 + j]);
        let of = |i| array::from_fn(|value| array::from_fn(|j| at(i, value, j)));
        (products.len() == 4 * numbers.len())
            .then(|| Self { products: array::from_fn(of), encoded })
    }

    /// Converts red, green and blue in place, and leaves what follows them.
    pub fn convert(&self, pixels: &mut [[u8; 4]]) {
        let [red, green, blue] = &self.products;
        for pixel in pixels {
            let [r, g, b, rest] = *pixel;
            let (r, g, b) = (red[usize::from(r)], green[usize::from(g)], blue[usize::from(b)]);
            let [r, g, b] = array::from_fn(|i| {
                let light = r[i].wrapping_add(g[i]).wrapping_add(b[i]);
                let step = light.wrapping_add(1 << (FRACTION_BITS - 1)) >> FRACTION_BITS;
                self.encoded[step.clamp(0, STEPS) as usize]
            });
            *pixel = [r, g, b, rest];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCODED: usize = STEPS as usize + 1;

    fn bytes(products: &[i32]) -> Vec<u8> {
        products.iter().flat_map(|each| each.to_ne_bytes()).collect()
    }

    #[test]
    fn channels_are_mixed_rounded_and_cut_off() {
        let mut products = [0; 3 * 256 * 3];
        products[3 * 7] = 1000 << FRACTION_BITS; // red 7 gives red
        products[3 * (256 + 7)] = 127; // green 7 gives not half a step of red
        products[3 * (512 + 7)] = 1; // blue 7 gives the rest of it
        products[3 * 7 + 1] = i32::MAX / 3;
        products[3 * 7 + 2] = i32::MIN / 3;
        let mut encoded = [0; ENCODED];
        (encoded[1000], encoded[1001], encoded[ENCODED - 1]) = (1, 2, 3);
        let products = bytes(&products);
        let colours = Colours::new(&products, &encoded).unwrap();
        let mut pixels = [[7, 7, 0, 9], [7, 7, 7, 8]];
        colours.convert(&mut pixels);
        assert_eq!(pixels, [[1, 3, 0, 9], [2, 3, 0, 8]]);
    }

    #[test]
    fn tables_of_other_lengths_are_not_taken() {
        let (products, encoded) = (bytes(&[0; 3 * 256 * 3]), [0; ENCODED + 1]);
        assert!(Colours::new(&products, &encoded[1..]).is_some());
        assert!(Colours::new(&products, &encoded).is_none());
        assert!(Colours::new(&products[1..], &encoded[1..]).is_none());
        assert!(Colours::new(&[&products[..], &[0]].concat(), &encoded[1..]).is_none());
    }
}
