//! Loops over pixels that are done sixteen or eight at a time where the processor can.
//!
//! Here alone is unsafe code. The compiler finds neither the packed comparison nor the products of pairs by itself, and
//! in plain loops they are a fifth of the time of a picture without a symbol. The intrinsics work on values only, no
//! pointer is involved; what is left to prove is that the processor has them. SSE2 is a part of x86-64 itself; where the
//! target is another, plain loops do the same, and tests hold the two side by side.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod lanes {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_cmpeq_epi8, _mm_cvtsi64_si128, _mm_cvtsi128_si32, _mm_madd_epi16, _mm_min_epu8,
        _mm_movemask_epi8, _mm_set_epi64x, _mm_setzero_si128, _mm_shuffle_epi32, _mm_sub_epi16, _mm_unpacklo_epi8,
    };

    use super::Square;

    #[inline]
    pub(in super::super) fn at_most(pixels: &[u8; 64], limits: &[u8; 64]) -> u64 {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { compare(pixels, limits) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn compare(pixels: &[u8; 64], limits: &[u8; 64]) -> u64 {
        let mut word = 0;
        for (k, (p, l)) in pixels.as_chunks().0.iter().zip(limits.as_chunks().0).enumerate() {
            let (p, l) = (sixteen(p), sixteen(l));
            let black = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(p, l), p));
            word |= u64::from(black as u16) << (16 * k);
        }
        word
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sixteen(bytes: &[u8; 16]) -> __m128i {
        let all = u128::from_le_bytes(*bytes);
        _mm_set_epi64x((all >> 64) as i64, all as i64)
    }

    /// Four partial sums each.
    pub(in super::super) struct Steps([__m128i; 3]);

    impl Steps {
        #[inline]
        pub(in super::super) fn new() -> Self {
            // SAFETY: every x86-64 processor has SSE2.
            Self([unsafe { _mm_setzero_si128() }; 3])
        }

        #[inline]
        pub(in super::super) fn add(&mut self, around: Square<'_>) {
            // SAFETY: every x86-64 processor has SSE2.
            unsafe { add(&mut self.0, around) }
        }

        #[inline]
        pub(in super::super) fn sums(self) -> [i32; 3] {
            // SAFETY: every x86-64 processor has SSE2.
            unsafe { self.0.map(|lanes| sum(lanes)) }
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn add([xx, yy, xy]: &mut [__m128i; 3], [left, right, up, low]: Square<'_>) {
        let (dx, dy) = (_mm_sub_epi16(eight(*right), eight(*left)), _mm_sub_epi16(eight(*low), eight(*up)));
        *xx = _mm_add_epi32(*xx, _mm_madd_epi16(dx, dx));
        *yy = _mm_add_epi32(*yy, _mm_madd_epi16(dy, dy));
        *xy = _mm_add_epi32(*xy, _mm_madd_epi16(dx, dy));
    }

    /// Eight pixels as numbers of sixteen bits.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn eight(bytes: [u8; 8]) -> __m128i {
        _mm_unpacklo_epi8(_mm_cvtsi64_si128(i64::from_le_bytes(bytes)), _mm_setzero_si128())
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn sum(lanes: __m128i) -> i32 {
        let pairs = _mm_add_epi32(lanes, _mm_shuffle_epi32::<0b01_00_11_10>(lanes));
        _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32::<0b10_11_00_01>(pairs)))
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain {
    use super::Square;

    pub(in super::super) fn at_most(pixels: &[u8; 64], limits: &[u8; 64]) -> u64 {
        pixels.iter().zip(limits).enumerate().fold(0, |word, (k, (p, l))| word | u64::from(p <= l) << k)
    }

    pub(in super::super) struct Steps([i32; 3]);

    impl Steps {
        pub(in super::super) fn new() -> Self {
            Self([0; 3])
        }

        pub(in super::super) fn add(&mut self, [left, right, up, low]: Square<'_>) {
            let [xx, yy, xy] = &mut self.0;
            for k in 0..8 {
                let (dx, dy) = (i32::from(right[k]) - i32::from(left[k]), i32::from(low[k]) - i32::from(up[k]));
                (*xx, *yy, *xy) = (*xx + dx * dx, *yy + dy * dy, *xy + dx * dy);
            }
        }

        pub(in super::super) fn sums(self) -> [i32; 3] {
            self.0
        }
    }
}

#[cfg(target_arch = "x86_64")]
use lanes as here;
#[cfg(not(target_arch = "x86_64"))]
use plain as here;

/// Which of 64 pixels are at most as light as their limits; the first is the lowest bit.
pub(super) use here::at_most;

/// The sums of the squares of brightness steps along rows, of those along columns, and of their products.
pub(super) use here::Steps;

/// The pixels at the left and the right of eight pixels in a row, above and below them.
type Square<'a> = [&'a [u8; 8]; 4];

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32) -> impl FnMut() -> u8 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }
    }

    #[test]
    fn comparisons_are_those_of_a_plain_loop() {
        let mut noise = noise(7);
        for _ in 0..100 {
            let pixels = std::array::from_fn(|_| noise());
            let limits = std::array::from_fn(|k| if k % 5 == 0 { pixels[k] } else { noise() });
            assert_eq!(at_most(&pixels, &limits), plain::at_most(&pixels, &limits));
        }
    }

    #[test]
    fn steps_are_those_of_a_plain_loop() {
        let mut noise = noise(11);
        for lines in 0..20 {
            let (mut wide, mut plain) = (Steps::new(), plain::Steps::new());
            for _ in 0..lines {
                let around: [[u8; 8]; 4] = std::array::from_fn(|_| std::array::from_fn(|_| noise()));
                wide.add(around.each_ref());
                plain.add(around.each_ref());
            }
            assert_eq!(wide.sums(), plain.sums());
        }
        let (black, white) = ([0; 8], [255; 8]);
        let mut steepest = Steps::new();
        (0..8).for_each(|_| steepest.add([&white, &black, &black, &white]));
        assert_eq!(steepest.sums(), [64 * 65025, 64 * 65025, -64 * 65025]);
    }
}
