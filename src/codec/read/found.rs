//! What the stages found: each symbol once, in reading order.

use super::kinds::Kinds;
use super::layer::Layer;
use crate::codec::{Corners, Point, Symbol};

/// The symbols found so far, in pixels of the received picture.
#[derive(Debug, Default)]
pub(super) struct Found {
    symbols: Vec<Symbol>,
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Whether a symbol fills a picture of this size so far that nothing else has room beside it.
    pub(super) fn fills(&self, width: u32, height: u32) -> bool {
        const PART: f32 = 0.66;
        self.symbols.iter().any(|s| {
            s.corners.is_some_and(|c| {
                let (left, top, right, bottom) = bounds(&c);
                right - left > PART * width as f32 && bottom - top > PART * height as f32
            })
        })
    }

    /// Where symbols of these kinds lie, in pixels of `layer`.
    pub(super) fn places(&self, kinds: Kinds, layer: &Layer<'_>) -> Vec<Corners> {
        let of_kinds = self.symbols.iter().filter(|s| kinds.contains(s.kind));
        of_kinds.filter_map(|s| Some(layer.inwards(s.corners.as_ref()?))).collect()
    }

    /// Whether a symbol lies over a point of the received picture.
    pub(super) fn covers(&self, p: Point) -> bool {
        self.symbols.iter().any(|s| s.corners.is_some_and(|c| c.contain(p)))
    }

    /// Takes symbols found in `layer`; those known already are left out.
    pub(super) fn add(&mut self, symbols: Vec<Symbol>, layer: &Layer<'_>) {
        for mut symbol in symbols {
            symbol.corners = symbol.corners.map(|c| layer.corners(c));
            let known = self.symbols.iter().any(|old| {
                old.kind == symbol.kind
                    && old.bytes == symbol.bytes
                    && meet(old.corners.as_ref(), symbol.corners.as_ref())
            });
            if !known {
                self.symbols.push(symbol);
            }
        }
    }

    /// All symbols in reading order.
    pub(super) fn into_symbols(mut self) -> Vec<Symbol> {
        reading_order(&mut self.symbols);
        self.symbols
    }
}

/// Sorts symbols as a person reads them, by their own top left corners: from top to bottom and, within a row, from left
/// to right. A row is what begins above the middle of its first symbol. Symbols without a place come last.
pub fn reading_order(symbols: &mut [Symbol]) {
    let place = |s: &Symbol| s.corners.map_or((f32::MAX, f32::MAX), |c| (c.0[0].x, c.0[0].y));
    symbols.sort_by(|a, b| place(a).1.total_cmp(&place(b).1));
    let mut start = 0;
    while start < symbols.len() {
        let first = &symbols[start];
        let limit = place(first).1 + first.corners.map_or(0.0, |c| bounds(&c).3 - bounds(&c).1) / 2.0;
        let end = start + symbols[start..].iter().take_while(|s| place(s).1 <= limit).count().max(1);
        symbols[start..end].sort_by(|a, b| place(a).0.total_cmp(&place(b).0));
        start = end;
    }
}

/// Left, top, right, bottom.
fn bounds(c: &Corners) -> (f32, f32, f32, f32) {
    c.0.iter().fold((f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY), |b, p| {
        (b.0.min(p.x), b.1.min(p.y), b.2.max(p.x), b.3.max(p.y))
    })
}

/// Whether the same symbol can lie at both places: the centre of one is within the other.
fn meet(a: Option<&Corners>, b: Option<&Corners>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return true };
    let within = |c: &Corners, other: &Corners| {
        let (p, (l, t, r, b)) = (c.centre(), bounds(other));
        p.x >= l - 2.0 && p.x <= r + 2.0 && p.y >= t - 2.0 && p.y <= b + 2.0
    };
    within(a, b) || within(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Kind, Luma};

    fn symbol(text: &str, x: f32, y: f32) -> Symbol {
        let at = |dx: f32, dy: f32| Point { x: x + dx, y: y + dy };
        let corners = Corners([at(0.0, 0.0), at(10.0, 0.0), at(10.0, 10.0), at(0.0, 10.0)]);
        Symbol { kind: Kind::QrCode, text: text.to_owned(), bytes: text.as_bytes().to_vec(), corners: Some(corners) }
    }

    #[test]
    fn symbols_come_in_reading_order_and_once() {
        let luma = Luma::new(1, 1, vec![0]);
        let layer = Layer::of(&luma);
        let mut found = Found::default();
        found.add(vec![symbol("d", 0.0, 50.0), symbol("b", 40.0, 2.0), symbol("a", 0.0, 4.0)], &layer);
        found.add(vec![symbol("b", 41.0, 2.0), symbol("c", 80.0, 1.0), symbol("a", 60.0, 52.0)], &layer);
        let texts: Vec<String> = found.into_symbols().into_iter().map(|s| s.text).collect();
        assert_eq!(texts, ["a", "b", "c", "d", "a"]);
    }

    #[test]
    fn a_large_symbol_comes_before_the_small_one_to_its_right() {
        let mut large = symbol("large", 40.0, 40.0);
        large.corners = large.corners.map(|Corners(c)| {
            Corners(c.map(|p| Point { x: 40.0 + (p.x - 40.0) * 20.0, y: 40.0 + (p.y - 40.0) * 20.0 }))
        });
        let mut nowhere = symbol("nowhere", 0.0, 0.0);
        nowhere.corners = None;
        let mut symbols = [nowhere, symbol("small", 322.0, 42.0), large, symbol("below", 0.0, 300.0)];
        reading_order(&mut symbols);
        assert_eq!(symbols.map(|s| s.text), ["large", "small", "below", "nowhere"]);
    }
}
