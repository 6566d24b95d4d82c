//! The accurate integer inverse DCT of libjpeg (jidctint.c, "islow"): Loeffler, Ligtenberg and
//! Moschytz, 13 bits of fraction, columns first.
//!
//! libjpeg-turbo's vector code keeps 16 bits between the steps, its plain code 32, and they clamp
//! differently. On coefficients for which that makes a difference, which no encoder writes, the
//! picture is not taken.

use crate::jpeg_header::{NotTaken, Taken};
use crate::jpeg_huffman::Block;

const CONST_BITS: u32 = 13;
const PASS1_BITS: u32 = 2;

/// Up to this sum of absolute coefficients no sample lies outside -512..512 before clamping: each
/// coefficient adds at most a quarter of itself, and 64 are rounded down by 3 at most before they are
/// added up. There all implementations clamp alike.
pub const SMALL: i32 = 1800;

/// Up to this sum of a column nothing in the first step exceeds 16 bits: it makes of a coefficient at
/// most its fourfold times the square root of 2, and adds them up.
pub const MEDIUM: i32 = 5700;

/// The same of a row in the second step, which adds before it multiplies.
const MOST_OF_A_ROW: i32 = 32_700;

pub type Samples = [[u8; 8]; 8];

/// The samples of a block that holds nothing but a DC coefficient.
#[inline(always)]
pub fn flat(dc: i32, step: i32) -> Taken<u8> {
    let value = dc * step;
    if value.abs() > 4000 {
        return Err(NotTaken);
    }
    Ok((((value + 4) >> 3) + 128).clamp(0, 255) as u8)
}

/// Dequantizes and transforms; both arguments in natural order.
#[inline(always)]
pub fn transform(coefficients: &Block, steps: &[i16; 64]) -> Taken<Samples> {
    let mut values = [0i32; 64];
    let mut sum = 0;
    for i in 0..64 {
        values[i] = i32::from(coefficients[i]) * i32::from(steps[i]);
        // At most 64 x 2,047 x 32,767 / 4: no overflow.
        sum += values[i].abs() >> 2;
    }
    if sum > SMALL >> 2 {
        return transform_large(&values);
    }
    let columns = columns_first(&values);
    Ok(clamped(&rows_second(&columns)))
}

/// As `transform`, with a look at the limits, column by column and row by row.
#[cold]
#[inline(never)]
fn transform_large(values: &[i32; 64]) -> Taken<Samples> {
    let sum = |of: &[i32; 64], i: usize| (0..8).map(|j| of[8 * j + i].abs()).sum::<i32>();
    if (0..8).any(|column| sum(values, column) > MEDIUM) {
        return Err(NotTaken);
    }
    let columns = columns_first(values);
    if (0..8).any(|row| sum(&columns, row) > MOST_OF_A_ROW) {
        return Err(NotTaken);
    }
    let samples = rows_second(&columns);
    if samples.iter().any(|sample| !(-512..512).contains(sample)) {
        return Err(NotTaken);
    }
    Ok(clamped(&samples))
}

/// First step, then transposed: what was a column is a row.
#[inline(always)]
fn columns_first(values: &[i32; 64]) -> [i32; 64] {
    let mut passed = [0; 64];
    for i in 0..8 {
        let column = [0, 1, 2, 3, 4, 5, 6, 7].map(|row: usize| values[8 * row + i]);
        let outputs = one_dimension(column, CONST_BITS - PASS1_BITS);
        for row in 0..8 {
            passed[8 * row + i] = outputs[row];
        }
    }
    transposed(&passed)
}

/// Second step, on what the first one has transposed; row by row again.
#[inline(always)]
fn rows_second(values: &[i32; 64]) -> [i32; 64] {
    let mut passed = [0; 64];
    for i in 0..8 {
        let row = [0, 1, 2, 3, 4, 5, 6, 7].map(|column: usize| values[8 * column + i]);
        let outputs = one_dimension(row, CONST_BITS + PASS1_BITS + 3);
        for column in 0..8 {
            passed[8 * column + i] = outputs[column];
        }
    }
    transposed(&passed)
}

#[inline(always)]
fn transposed(values: &[i32; 64]) -> [i32; 64] {
    let mut turned = [0; 64];
    for row in 0..8 {
        for column in 0..8 {
            turned[8 * column + row] = values[8 * row + column];
        }
    }
    turned
}

#[inline(always)]
fn clamped(values: &[i32; 64]) -> Samples {
    let mut samples = [[0; 8]; 8];
    for row in 0..8 {
        for column in 0..8 {
            samples[row][column] = (values[8 * row + column] + 128).clamp(0, 255) as u8;
        }
    }
    samples
}

/// Eight points; the result is divided by 2 to the power of `shift`, rounded.
#[inline(always)]
fn one_dimension(input: [i32; 8], shift: u32) -> [i32; 8] {
    // Even part.
    let z1 = (input[2] + input[6]) * 4433; // 0.541196100
    let even2 = z1 - input[6] * 15137; // 1.847759065
    let even3 = z1 + input[2] * 6270; // 0.765366865
    let even0 = (input[0] + input[4]) << CONST_BITS;
    let even1 = (input[0] - input[4]) << CONST_BITS;
    let (a0, a3) = (even0 + even3, even0 - even3);
    let (a1, a2) = (even1 + even2, even1 - even2);

    // Odd part.
    let [z1, z2] = [input[7] + input[1], input[5] + input[3]];
    let [z3, z4] = [input[7] + input[3], input[5] + input[1]];
    let z5 = (z3 + z4) * 9633; // 1.175875602
    let z1 = z1 * -7373; // 0.899976223
    let z2 = z2 * -20995; // 2.562915447
    let z3 = z3 * -16069 + z5; // 1.961570560
    let z4 = z4 * -3196 + z5; // 0.390180644
    let b0 = input[7] * 2446 + z1 + z3; // 0.298631336
    let b1 = input[5] * 16819 + z2 + z4; // 2.053119869
    let b2 = input[3] * 25172 + z2 + z3; // 3.072711026
    let b3 = input[1] * 12299 + z1 + z4; // 1.501321110

    let half = 1 << (shift - 1);
    [a0 + b3, a1 + b2, a2 + b1, a3 + b0, a3 - b0, a2 - b1, a1 - b2, a0 - b3]
        .map(|value| (value + half) >> shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dc_coefficient_alone_is_the_same_either_way() {
        for dc in -1100..1100 {
            let mut block = [0; 128];
            block[0] = dc;
            assert_eq!(
                transform(&block, &[1; 64]).map(|samples| samples[3][5]),
                flat(i32::from(dc), 1)
            );
        }
    }

    #[test]
    fn coefficients_that_no_encoder_writes_are_not_taken() {
        assert_eq!(transform(&[2047; 128], &[1; 64]), Err(NotTaken));
        assert_eq!(transform(&[2047; 128], &[32767; 64]), Err(NotTaken));
        assert_eq!(flat(2047, 32767), Err(NotTaken));
    }
}
