//! Y, Cb and Cr to red, green and blue: jdcolor.c of libjpeg, 16 bits of fraction.

use crate::simd::Steps;

/// Converts lines of pixels in place.
#[inline(always)]
pub fn convert_lines(steps: impl Steps, first: &mut [u8], second: &mut [u8], third: &mut [u8]) {
    let (first, first_rest) = first.as_chunks_mut();
    let (second, second_rest) = second.as_chunks_mut();
    let (third, third_rest) = third.as_chunks_mut();
    for ((first, second), third) in first.iter_mut().zip(second).zip(third) {
        steps.convert(first, second, third);
    }
    convert(first_rest, second_rest, third_rest);
}

/// Converts pixels in place.
#[inline(always)]
pub fn convert(first: &mut [u8], second: &mut [u8], third: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    for ((first, second), third) in first.iter_mut().zip(second).zip(third) {
        let y = i32::from(*first);
        let (cb, cr) = (i32::from(*second) - 128, i32::from(*third) - 128);
        let red = y + ((91881 * cr + HALF) >> 16); // 1.40200
        let green = y + ((-22554 * cb - 46802 * cr + HALF) >> 16); // 0.34414, 0.71414
        let blue = y + ((116130 * cb + HALF) >> 16); // 1.77200
        *first = red.clamp(0, 255) as u8;
        *second = green.clamp(0, 255) as u8;
        *third = blue.clamp(0, 255) as u8;
    }
}
