//! How much of a picture is quiet: cloth, carpets, gravel and noise look like bars and modules everywhere, so that every
//! search goes far in them. But a symbol stands on something plain, and has light and dark modules beside it.

use crate::codec::Luma;

/// Side of a place in pixels.
const PLACE: usize = 8;
/// Grey levels between the lightest and the darkest pixel of a place that is quiet, and the part of those of the places
/// with most contrast that it may have, too.
const FLAT: u8 = 14;
const CALM: u8 = 4;
/// Least part of quiet places. Photos in which something was read have three times as many; of 25 textures 16 have fewer,
/// half of them less than a tenth as many.
const LEAST: f32 = 0.06;

/// Whether hardly a place of the picture is quiet.
pub(super) fn restless(luma: &Luma) -> bool {
    let (w, h) = (luma.width() as usize / PLACE * PLACE, luma.height() as usize);
    let (mut low, mut high) = (vec![0u8; w], vec![0u8; w]);
    let mut contrasts = Vec::with_capacity(w / PLACE * (h / PLACE));
    for top in (0..(h / PLACE) as u32).map(|k| k * PLACE as u32) {
        low.fill(255);
        high.fill(0);
        for y in top..top + PLACE as u32 {
            for ((low, high), &v) in low.iter_mut().zip(&mut high).zip(luma.row(y)) {
                (*low, *high) = ((*low).min(v), (*high).max(v));
            }
        }
        let places = low.as_chunks::<PLACE>().0.iter().zip(high.as_chunks::<PLACE>().0);
        contrasts.extend(places.map(|(low, high)| {
            let (low, high) = (low.iter().fold(255, |a: u8, &b| a.min(b)), high.iter().fold(0, |a: u8, &b| a.max(b)));
            high - low
        }));
    }
    if contrasts.is_empty() {
        return false;
    }
    let most = contrasts.len() * 9 / 10;
    let most = *contrasts.select_nth_unstable(most).1;
    let limit = (most / CALM).max(FLAT);
    let quiet = contrasts.iter().filter(|&&contrast| contrast <= limit).count();
    (quiet as f32) < LEAST * contrasts.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise, with a plain square of so many pixels a side in its middle.
    fn noise(plain: i32) -> Luma {
        let mut state = 5u32;
        let pixels = (0..240 * 240i32).map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let inside = (i % 240 - 120).abs().max((i / 240 - 120).abs()) < plain / 2;
            if inside { 220 } else { 60 + (state >> 25) as u8 }
        });
        Luma::new(240, 240, pixels.collect())
    }

    #[test]
    fn noise_is_restless_until_there_is_something_plain_in_it() {
        assert!(restless(&noise(0)));
        assert!(!restless(&noise(80)));
        assert!(!restless(&Luma::new(100, 50, vec![9; 5000])));
        assert!(!restless(&Luma::new(5, 5, vec![9; 25])), "too small to tell");
    }
}
