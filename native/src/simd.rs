//! The only place with `unsafe`: the inner steps in the instructions of AVX2.
//!
//! An `Avx2` is the proof that the processor has them: nothing but `Avx2::detected` makes one.
//! Apart from that, `unsafe` stands only before conversions between arrays and registers of the
//! same size, for which every bit pattern is a value.

use crate::jpeg_bits::Bits;
use crate::jpeg_header::Taken;
use crate::jpeg_huffman::{AcTable, Block};
use crate::jpeg_idct::{self, Samples};
use crate::jpeg_scan::{self, Place};
use crate::taps;

/// How the inner steps are done. Every way has the same results.
pub trait Steps: Copy {
    /// As `jpeg_idct::transform`, into memory that is there.
    fn transform(self, coefficients: &Block, steps: &[i16; 64], to: &mut Samples) -> Taken<()>;

    /// As `AcTable::read_block`.
    fn read_block<const N: usize>(
        self,
        table: &AcTable<N>,
        bits: &mut Bits,
        block: &mut Block,
    ) -> Taken<bool>;

    /// As `AcTable::skip_block`.
    fn skip_block<const N: usize>(self, table: &AcTable<N>, bits: &mut Bits) -> Taken<()>;

    /// As `jpeg_scan::skip_units`.
    fn skip_units<const N: usize>(
        self,
        places: &[Place<N>],
        count: usize,
        bits: &mut Bits,
        before: &mut [i32; 3],
    ) -> Taken<()>;

    /// As `jpeg_colour::convert`, for 16 pixels.
    fn convert(self, first: &mut [u8; 16], second: &mut [u8; 16], third: &mut [u8; 16]);

    /// As `taps::interpolate`, for 32 samples.
    fn interpolate(self, corners: [&[u8; 32]; 4], down: f32, across: &[f32; 32]) -> [u8; 32];
}

/// What can be compiled for several processors. Whatever counts in it has to be inlined.
pub trait Work {
    type Output;

    fn run(self, inner: impl Steps) -> Self::Output;
}

/// For any processor.
#[derive(Debug, Clone, Copy)]
pub struct Plain;

impl Steps for Plain {
    #[inline(always)]
    fn transform(self, coefficients: &Block, steps: &[i16; 64], to: &mut Samples) -> Taken<()> {
        *to = jpeg_idct::transform(coefficients, steps)?;
        Ok(())
    }

    #[inline(always)]
    fn read_block<const N: usize>(
        self,
        table: &AcTable<N>,
        bits: &mut Bits,
        block: &mut Block,
    ) -> Taken<bool> {
        table.read_block(bits, block)
    }

    #[inline(always)]
    fn skip_block<const N: usize>(self, table: &AcTable<N>, bits: &mut Bits) -> Taken<()> {
        table.skip_block(bits)
    }

    #[inline(always)]
    fn skip_units<const N: usize>(
        self,
        places: &[Place<N>],
        count: usize,
        bits: &mut Bits,
        before: &mut [i32; 3],
    ) -> Taken<()> {
        jpeg_scan::skip_units(places, count, bits, before)
    }

    #[inline(always)]
    fn convert(self, first: &mut [u8; 16], second: &mut [u8; 16], third: &mut [u8; 16]) {
        crate::jpeg_colour::convert(first, second, third);
    }

    #[inline(always)]
    fn interpolate(self, corners: [&[u8; 32]; 4], down: f32, across: &[f32; 32]) -> [u8; 32] {
        let [low_left, low_right, high_left, high_right] = corners;
        std::array::from_fn(|i| {
            let left = (low_left[i], high_left[i]);
            taps::interpolate(left, (low_right[i], high_right[i]), down, across[i])
        })
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::Avx2;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{AcTable, Bits, Block, Place, Samples, Steps, Taken, Work, jpeg_idct, jpeg_scan};
    use core::arch::x86_64::*;

    /// x86-64-v3, as far as it is used.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2(());

    impl Avx2 {
        /// Some if this processor has the instructions.
        pub fn detected() -> Option<Self> {
            let there = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt");
            there.then_some(Avx2(()))
        }

        /// Does the work, compiled for these instructions.
        pub fn run<W: Work>(self, work: W) -> W::Output {
            // SAFETY: `self` is the proof.
            unsafe { run(self, work) }
        }
    }

    impl Steps for Avx2 {
        #[inline(always)]
        fn transform(self, coefficients: &Block, steps: &[i16; 64], to: &mut Samples) -> Taken<()> {
            // SAFETY: `self` is the proof.
            if !unsafe { transform(coefficients, steps, to) } {
                *to = large(coefficients, steps)?;
            }
            Ok(())
        }

        #[inline(always)]
        fn read_block<const N: usize>(
            self,
            table: &AcTable<N>,
            bits: &mut Bits,
            block: &mut Block,
        ) -> Taken<bool> {
            // SAFETY: `self` is the proof.
            unsafe { read_block(table, bits, block) }
        }

        #[inline(always)]
        fn skip_block<const N: usize>(self, table: &AcTable<N>, bits: &mut Bits) -> Taken<()> {
            // SAFETY: `self` is the proof.
            unsafe { skip_block(table, bits) }
        }

        #[inline(always)]
        fn skip_units<const N: usize>(
            self,
            places: &[Place<N>],
            count: usize,
            bits: &mut Bits,
            before: &mut [i32; 3],
        ) -> Taken<()> {
            // SAFETY: `self` is the proof.
            unsafe { skip_units(places, count, bits, before) }
        }

        #[inline(always)]
        fn convert(self, first: &mut [u8; 16], second: &mut [u8; 16], third: &mut [u8; 16]) {
            // SAFETY: `self` is the proof.
            unsafe { convert(first, second, third) }
        }

        #[inline(always)]
        fn interpolate(self, corners: [&[u8; 32]; 4], down: f32, across: &[f32; 32]) -> [u8; 32] {
            // SAFETY: `self` is the proof.
            unsafe { interpolate(corners, down, across) }
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn run<W: Work>(avx2: Avx2, work: W) -> W::Output {
        work.run(avx2)
    }

    /// Not inlined: all that its loop needs stays in registers.
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn read_block<const N: usize>(
        table: &AcTable<N>,
        bits: &mut Bits,
        block: &mut Block,
    ) -> Taken<bool> {
        table.read_block(bits, block)
    }

    /// Likewise.
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn skip_block<const N: usize>(table: &AcTable<N>, bits: &mut Bits) -> Taken<()> {
        table.skip_block(bits)
    }

    /// Likewise.
    #[inline(never)]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn skip_units<const N: usize>(
        places: &[Place<N>],
        count: usize,
        bits: &mut Bits,
        before: &mut [i32; 3],
    ) -> Taken<()> {
        jpeg_scan::skip_units(places, count, bits, before)
    }

    #[cold]
    #[inline(never)]
    fn large(coefficients: &Block, steps: &[i16; 64]) -> Taken<Samples> {
        jpeg_idct::transform(coefficients, steps)
    }

    fn of_i16(values: &[i16; 16]) -> __m256i {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute(*values) }
    }

    fn of_u8(values: &[u8; 16]) -> __m128i {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute(*values) }
    }

    fn to_u8(register: __m128i) -> [u8; 16] {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute(register) }
    }

    fn to_samples(registers: [__m256i; 2]) -> Samples {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute(registers) }
    }

    fn of_f32(values: &[f32; 8]) -> __m256 {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute(*values) }
    }

    fn of_u64(values: &[u8; 8]) -> __m128i {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute([u64::from_le_bytes(*values), 0]) }
    }

    fn to_u8_32(register: __m256i) -> [u8; 32] {
        // SAFETY: same size, every bit pattern is a value.
        unsafe { core::mem::transmute(register) }
    }

    /// False if the coefficients are too large to be sure that nothing overflows: then the plain
    /// code decides.
    ///
    /// What goes into a step has 16 bits, as products of pairs take it.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn transform(coefficients: &Block, steps: &[i16; 64], to: &mut Samples) -> bool {
        // Two rows each.
        let mut values = [_mm256_setzero_si256(); 4];
        let mut sums = _mm256_setzero_si256();
        let mut lost = _mm256_setzero_si256();
        let rows = coefficients.as_chunks::<16>().0.iter().zip(steps.as_chunks::<16>().0);
        for (value, (rows, steps)) in values.iter_mut().zip(rows) {
            let (rows, steps) = (of_i16(rows), of_i16(steps));
            *value = _mm256_mullo_epi16(rows, steps);
            let beyond = _mm256_srai_epi16::<15>(*value);
            let high = _mm256_mulhi_epi16(rows, steps);
            lost = _mm256_or_si256(lost, _mm256_xor_si256(high, beyond));
            let quarter = _mm256_srli_epi16::<2>(_mm256_abs_epi16(*value));
            sums = _mm256_adds_epi16(sums, quarter);
        }
        let eight = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
        let four =
            _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
        let one = _mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
        let sum = _mm_cvtsi128_si32(one);
        if sum > (jpeg_idct::MEDIUM - 4 * 64) >> 2 || _mm256_testz_si256(lost, lost) == 0 {
            return false;
        }
        // The halves of two rows in turn: first, second, first, second.
        let halves = values.map(|two| _mm256_permute4x64_epi64::<0b11_01_10_00>(two));
        let columns = transposed(one_dimension::<11>(halves));
        let samples = one_dimension::<18>(columns);
        if sum > jpeg_idct::SMALL >> 2 && !are_within_range(&samples) {
            return false;
        }
        let [a, b, c, d, e, f, g, h] = samples;
        // Registers are columns here: to bytes, four rows in each half, then row by row.
        let left = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        let right = _mm256_packs_epi16(_mm256_packs_epi32(e, f), _mm256_packs_epi32(g, h));
        let order = _mm256_setr_epi8(
            0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, //
            0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
        );
        let centre = _mm256_set1_epi8(-128);
        let left = _mm256_xor_si256(_mm256_shuffle_epi8(left, order), centre);
        let right = _mm256_xor_si256(_mm256_shuffle_epi8(right, order), centre);
        // Rows 0, 1, 4, 5 and then 2, 3, 6, 7.
        let low = _mm256_unpacklo_epi32(left, right);
        let high = _mm256_unpackhi_epi32(left, right);
        *to = to_samples([
            _mm256_permute2x128_si256::<0x20>(low, high),
            _mm256_permute2x128_si256::<0x31>(low, high),
        ]);
        true
    }

    /// Whether all implementations clamp these samples alike.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn are_within_range(samples: &[__m256i; 8]) -> bool {
        let (mut least, mut most) = (samples[0], samples[0]);
        for &sample in samples {
            least = _mm256_min_epi32(least, sample);
            most = _mm256_max_epi32(most, sample);
        }
        let below = _mm256_cmpgt_epi32(_mm256_set1_epi32(-512), least);
        let above = _mm256_cmpgt_epi32(most, _mm256_set1_epi32(511));
        let outside = _mm256_or_si256(below, above);
        _mm256_testz_si256(outside, outside) == 1
    }

    /// As `jpeg_idct::one_dimension`, eight at a time, with its sums and products multiplied out.
    ///
    /// Takes 16-bit values, two inputs a register: the first four of either, then the last four.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn one_dimension<const SHIFT: i32>(input: [__m256i; 4]) -> [__m256i; 8] {
        let add = |a, b| _mm256_add_epi32(a, b);
        let sub = |a, b| _mm256_sub_epi32(a, b);
        let [i01, i23, i45, i67] = input;
        // Of each pair the first times `a` and the second times `b`.
        let sum = |pairs, a: i32, b: i32| {
            _mm256_madd_epi16(pairs, _mm256_set1_epi32((b << 16) | (a & 0xFFFF)))
        };

        let i04 = _mm256_unpacklo_epi16(i01, i45);
        let i26 = _mm256_unpacklo_epi16(i23, i67);
        let even2 = sum(i26, 4433, 4433 - 15137);
        let even3 = sum(i26, 4433 + 6270, 4433);
        let half = _mm256_set1_epi32(1 << (SHIFT - 1));
        let even0 = add(sum(i04, 1 << 13, 1 << 13), half);
        let even1 = add(sum(i04, 1 << 13, -(1 << 13)), half);
        let (a0, a3) = (add(even0, even3), sub(even0, even3));
        let (a1, a2) = (add(even1, even2), sub(even1, even2));

        let i17 = _mm256_unpackhi_epi16(i01, i67);
        let i53 = _mm256_unpackhi_epi16(i45, i23);
        let z43 = _mm256_add_epi16(i17, i53);
        let z3 = sum(z43, 9633, 9633 - 16069);
        let z4 = sum(z43, 9633 - 3196, 9633);
        let b0 = add(sum(i17, -7373, 2446 - 7373), z3);
        let b1 = add(sum(i53, 16819 - 20995, -20995), z4);
        let b2 = add(sum(i53, -20995, 25172 - 20995), z3);
        let b3 = add(sum(i17, 12299 - 7373, -7373), z4);

        let down = |a| _mm256_srai_epi32::<SHIFT>(a);
        [
            down(add(a0, b3)),
            down(add(a1, b2)),
            down(add(a2, b1)),
            down(add(a3, b0)),
            down(sub(a3, b0)),
            down(sub(a2, b1)),
            down(sub(a1, b2)),
            down(sub(a0, b3)),
        ]
    }

    /// Rows of 32 bits to columns as `one_dimension` takes them; all values fit into 16 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn transposed(rows: [__m256i; 8]) -> [__m256i; 4] {
        let [a, b, c, d, e, f, g, h] = rows;
        let (ae, bf) = (_mm256_packs_epi32(a, e), _mm256_packs_epi32(b, f));
        let (cg, dh) = (_mm256_packs_epi32(c, g), _mm256_packs_epi32(d, h));
        let (ab, ef) = (_mm256_unpacklo_epi16(ae, bf), _mm256_unpackhi_epi16(ae, bf));
        let (cd, gh) = (_mm256_unpacklo_epi16(cg, dh), _mm256_unpackhi_epi16(cg, dh));
        // Columns 0, 1, 4, 5 and then 2, 3, 6, 7: of the upper rows, and of the lower ones.
        let (upper, upper2) = (_mm256_unpacklo_epi32(ab, cd), _mm256_unpackhi_epi32(ab, cd));
        let (lower, lower2) = (_mm256_unpacklo_epi32(ef, gh), _mm256_unpackhi_epi32(ef, gh));
        [
            _mm256_permute2x128_si256::<0x20>(upper, lower),
            _mm256_permute2x128_si256::<0x20>(upper2, lower2),
            _mm256_permute2x128_si256::<0x31>(upper, lower),
            _mm256_permute2x128_si256::<0x31>(upper2, lower2),
        ]
    }

    /// The factors of `jpeg_colour::convert` less whole multiples of 65,536, so that they fit into
    /// 16 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn convert(first: &mut [u8; 16], second: &mut [u8; 16], third: &mut [u8; 16]) {
        let middle = _mm256_set1_epi16(128);
        let y = _mm256_cvtepu8_epi16(of_u8(first));
        let cb = _mm256_sub_epi16(_mm256_cvtepu8_epi16(of_u8(second)), middle);
        let cr = _mm256_sub_epi16(_mm256_cvtepu8_epi16(of_u8(third)), middle);
        let (cb2, cr2) = (_mm256_add_epi16(cb, cb), _mm256_add_epi16(cr, cr));
        let one = _mm256_set1_epi16(1);
        // Twice the product's high half, rounded.
        let part = |twice, factor| {
            let product = _mm256_mulhi_epi16(twice, _mm256_set1_epi16(factor));
            _mm256_srai_epi16::<1>(_mm256_add_epi16(product, one))
        };
        let red = _mm256_add_epi16(y, _mm256_add_epi16(cr, part(cr2, 26345)));
        let blue = _mm256_add_epi16(y, _mm256_add_epi16(cb2, part(cb2, -14942)));

        let factors = _mm256_set1_epi32((18734 << 16) | (-22554 & 0xFFFF));
        let half = _mm256_set1_epi32(1 << 15);
        let sum = |pairs| {
            _mm256_srai_epi32::<16>(_mm256_add_epi32(_mm256_madd_epi16(pairs, factors), half))
        };
        let low = sum(_mm256_unpacklo_epi16(cb, cr));
        let high = sum(_mm256_unpackhi_epi16(cb, cr));
        let green = _mm256_add_epi16(_mm256_sub_epi16(y, cr), _mm256_packs_epi32(low, high));

        let bytes = |sixteen: __m256i| {
            to_u8(_mm_packus_epi16(
                _mm256_castsi256_si128(sixteen),
                _mm256_extracti128_si256::<1>(sixteen),
            ))
        };
        *first = bytes(red);
        *second = bytes(green);
        *third = bytes(blue);
    }

    /// As `taps::interpolate`. Truncated values lie within 0..=255, so that packing keeps them.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn interpolate(corners: [&[u8; 32]; 4], down: f32, across: &[f32; 32]) -> [u8; 32] {
        let down = _mm256_set1_ps(down);
        let mix =
            |low, high, weight| _mm256_add_ps(low, _mm256_mul_ps(_mm256_sub_ps(high, low), weight));
        let eight = |i: usize| {
            let [low_left, low_right, high_left, high_right] = corners.map(|corner| {
                let bytes = of_u64(&corner.as_chunks::<8>().0[i]);
                _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))
            });
            let left = mix(low_left, high_left, down);
            let right = mix(low_right, high_right, down);
            _mm256_cvttps_epi32(mix(left, right, of_f32(&across.as_chunks::<8>().0[i])))
        };
        let packed = _mm256_packus_epi16(
            _mm256_packs_epi32(eight(0), eight(1)),
            _mm256_packs_epi32(eight(2), eight(3)),
        );
        // Packing works within halves of a register.
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        to_u8_32(_mm256_permutevar8x32_epi32(packed, order))
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn every_colour_is_the_same() {
        let Some(avx2) = Avx2::detected() else { return };
        for y in 0..=255u8 {
            for cb in 0..=255u8 {
                for cr in (0..=255u8).step_by(16) {
                    let third: [u8; 16] = std::array::from_fn(|i| cr + i as u8);
                    let (mut plain, mut fast) =
                        (([y; 16], [cb; 16], third), ([y; 16], [cb; 16], third));
                    Plain.convert(&mut plain.0, &mut plain.1, &mut plain.2);
                    avx2.convert(&mut fast.0, &mut fast.1, &mut fast.2);
                    assert_eq!(plain, fast);
                }
            }
        }
    }

    #[test]
    fn samples_between_others_are_the_same() {
        let Some(avx2) = Avx2::detected() else { return };
        let weights = [0.0, 1e-7, 0.1, 0.25, 0.5, 0.7, 0.999, 1.0 - f32::EPSILON];
        for number in 0..256 * 256u32 {
            let [_, _, a, b] = number.to_be_bytes();
            let spread = |of: u8, step: u8| std::array::from_fn(|i| of ^ (step * i as u8));
            let corners = [&spread(a, 0), &spread(b, 3), &spread(b, 0), &spread(a, 7)];
            let across = std::array::from_fn(|i| weights[i % 8]);
            let down = weights[number as usize % 7];
            assert_eq!(
                Plain.interpolate(corners, down, &across),
                avx2.interpolate(corners, down, &across)
            );
        }
    }

    #[test]
    fn blocks_are_the_same() {
        let Some(avx2) = Avx2::detected() else { return };
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut taken = 0;
        for _ in 0..200_000 {
            let largest = 1 + (random(1 << 11) >> random(11));
            let mut block: Block = [0; 128];
            for _ in 0..random(65) {
                block[random(64) as usize] = (random(2 * largest) as i64 - largest as i64) as i16;
            }
            let largest = 1 + (random(0x7FFF) >> random(16));
            let steps: [i16; 64] = std::array::from_fn(|_| (1 + random(largest)) as i16);
            let (mut plain, mut fast) = ([[0; 8]; 8], [[0; 8]; 8]);
            let taken_plainly = Plain.transform(&block, &steps, &mut plain);
            assert_eq!(taken_plainly, avx2.transform(&block, &steps, &mut fast));
            assert_eq!(plain, fast);
            taken += usize::from(taken_plainly.is_ok());
        }
        assert!(taken > 50_000, "{taken}");
    }
}
