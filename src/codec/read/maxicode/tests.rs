//! MaxiCode symbols that are made here, turned and damaged, and what is read of them.

use rxing::common::BitMatrix;
use rxing::common::reedsolomon::{PredefinedGenericGF, ReedSolomonEncoder};
use rxing::maxicode::decoder::BitMatrixParser;

use super::*;
use crate::codec::Luma;
use crate::codec::read::binary::Threshold;

/// The codewords of a symbol, from its mode and its data in primary and secondary message.
fn words(data: &[u8], checks: usize) -> [u8; 144] {
    let encoder = || ReedSolomonEncoder::new(PredefinedGenericGF::MaxicodeField64.into()).expect("a field");
    let mut words = [33u8; 144];
    words[..10].copy_from_slice(&data[..10]);
    let secondary = 124 - checks;
    for (k, &word) in data[10..].iter().take(secondary).enumerate() {
        words[20 + k] = word;
    }
    let mut encode = |places: Vec<usize>, checks: usize| {
        let mut part: Vec<i32> = places.iter().map(|&k| i32::from(words[k])).collect();
        encoder().encode(&mut part, checks).expect("fits");
        places.iter().zip(part).for_each(|(&k, word)| words[k] = word as u8);
    };
    encode((0..20).collect(), 10);
    encode((20..144).step_by(2).collect(), checks / 2);
    encode((21..144).step_by(2).collect(), checks / 2);
    words
}

/// Hexagons of nine pixels, turned by `turn` radians.
fn drawn(words: &[u8; 144], turn: f32) -> Luma {
    const SIZE: f32 = 9.0;
    let dark = |column: u32, row: u32| {
        if DARK.contains(&(column, row)) {
            return true;
        }
        // Which bit a module is says the parser itself.
        let mut single = BitMatrix::new(COLUMNS, ROWS).expect("small");
        single.set(column, row);
        let bits = BitMatrixParser::new(&single).readCodewords();
        bits.iter().zip(words).any(|(bit, word)| bit & word != 0)
    };
    let modules: Vec<bool> = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| dark(column, row))).collect();
    let (sin, cos) = turn.sin_cos();
    let side = 420u32;
    let pixels = (0..side * side).map(|k| {
        let (x, y) = ((k % side) as f32 - side as f32 / 2.0, (k / side) as f32 - side as f32 / 2.0);
        let (u, v) = ((x * cos + y * sin) / SIZE, (y * cos - x * sin) / SIZE);
        let r = u.hypot(v);
        let ring = [(0.58, 1.34), (2.11, 2.875), (3.64, 4.4)].iter().any(|ring| r >= ring.0 && r < ring.1);
        let mut black = ring;
        let row = (v / ROW + CENTRE.1).round();
        if !ring && (0.0..ROWS as f32).contains(&row) {
            let shift = if row as u32 % 2 == 1 { 0.5 } else { 0.0 };
            let column = (u + CENTRE.0 - shift).round();
            if (0.0..COLUMNS as f32).contains(&column) {
                let (cx, cy) = place(column as u32, row as u32);
                black = modules[(row as u32 * COLUMNS + column as u32) as usize] && (u - cx).hypot(v - cy) < 0.45;
            }
        }
        if black { 25 } else { 230 }
    });
    Luma::new(side, side, pixels.collect())
}

fn read_one(luma: &Luma) -> Symbol {
    let mut found = scan(&Bits::of(luma, Threshold::Block));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// Mode 4: letters of both cases, a number, Latin-1 by shift, and what fills up.
fn message() -> Vec<u8> {
    let mut data = vec![4, 1, 2, 3, 31, 7, 22, 60, 52, 21, 63, 4, 5, 56, 1, 2, 6, 63, 61, 9];
    data.resize(94, 33);
    data
}

#[test]
fn a_symbol_is_read_in_any_direction_with_damage() {
    let mut words = words(&message(), 40);
    for k in [3, 30, 31, 77, 120] {
        words[k] ^= 0x2A;
    }
    for degrees in [0.0f32, 20.0, 90.0, 143.0, 180.0, 300.0] {
        let symbol = read_one(&drawn(&words, degrees.to_radians()));
        assert_eq!((symbol.kind, symbol.text.as_str()), (Kind::MaxiCode, "ABC123456789deABfé"), "at {degrees}°");
        let [a, b, ..] = symbol.corners.expect("known").0;
        let turn = (b.y - a.y).atan2(b.x - a.x).to_degrees() - degrees;
        assert!(((turn + 180.0).rem_euclid(360.0) - 180.0).abs() < 3.0, "{turn}°");
    }
}

#[test]
fn carriers_messages_have_address_country_and_service_in_front() {
    // Mode 3: six characters of the postal code from the primary message.
    let mut data = vec![3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    data.extend([8, 9]);
    data.resize(94, 33);
    let bits = |data: &mut Vec<u8>, places: &[usize], value: u32| {
        for (k, &place) in places.iter().rev().enumerate() {
            data[(place - 1) / 6] |= ((value >> k & 1) as u8) << (5 - (place - 1) % 6);
        }
    };
    bits(&mut data, &[39, 40, 41, 42, 31, 32], 2);
    bits(&mut data, &[33, 34, 35, 36, 25, 26], 49);
    bits(&mut data, &[27, 28, 29, 30, 19, 20], 32);
    bits(&mut data, &[21, 22, 23, 24, 13, 14], 32);
    bits(&mut data, &[15, 16, 17, 18, 7, 8], 32);
    bits(&mut data, &[9, 10, 11, 12, 1, 2], 1);
    bits(&mut data, &[53, 54, 43, 44, 45, 46, 47, 48, 37, 38], 840);
    bits(&mut data, &[55, 56, 57, 58, 59, 60, 49, 50, 51, 52], 1);
    let symbol = read_one(&drawn(&words(&data, 40), 0.3));
    assert_eq!(symbol.text, "B1   A\x1D840\x1D001\x1DHI");
}

#[test]
fn rings_without_hexagons_are_no_symbol() {
    let blank = drawn(&[0; 144], 0.0);
    assert!(scan(&Bits::of(&blank, Threshold::Block)).is_empty());
}
