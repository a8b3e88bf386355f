//! Grey pixels to symbols, in stages: cheap ones first, dear ones only while nothing was found.
//!
//! Here: the order of the stages and what they share. `layer` makes versions of the picture at other sizes, `binary` turns
//! them black and white, one file a symbology finds and decodes. Nothing found is an empty list, not an error.

mod aztec;
mod binary;
mod datamatrix;
mod found;
mod grid;
mod kinds;
mod layer;
mod linear;
mod outline;
mod pdf417;
mod plane;
mod qr;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use cpu_time::ThreadTime;

use super::{Corners, Kind, Luma, Point, Symbol};
use binary::{Bits, Threshold};
use found::Found;
pub use kinds::Kinds;
use layer::Layer;
use linear::Where;

/// How much a reading may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// CPU time of the reading thread. Stages check it before they begin, so a reading may overrun it by one stage.
    pub cpu: Duration,
}

impl Default for Budget {
    /// A second and a half: more than any picture of a few megapixels takes.
    fn default() -> Self {
        Self { cpu: Duration::from_millis(1500) }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The symbols, from top to bottom and left to right.
    pub symbols: Vec<Symbol>,
    /// Whether the budget was spent before every stage had its turn.
    pub budget_spent: bool,
}

/// Pictures thinner than this hold nothing but a linear symbol, and rxing's detectors do not end on some of them.
const THINNEST: u32 = 8;
/// Pixels of the layers that everything is tried on.
const MODEST: u64 = 1_600_000;

/// Reads the symbols among `kinds`.
///
/// Corners are in pixels of `luma`. A symbol seen by several stages is listed once.
///
/// ```
/// use qrstack::codec::{Budget, Kinds, Luma, read};
/// let blank = Luma::new(64, 64, vec![255; 64 * 64]);
/// assert!(read(&blank, Kinds::ALL, &Budget::default()).symbols.is_empty());
/// ```
pub fn read(luma: &Luma, kinds: Kinds, budget: &Budget) -> Reading {
    let mut stages =
        Stages { kinds, start: ThreadTime::now(), budget: *budget, found: Found::default(), finders: 0, grids: 0, spent: false };
    stages.run(luma);
    Reading { symbols: stages.found.into_symbols(), budget_spent: stages.spent }
}

/// Which symbologies a black and white layer is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum All {
    /// Every one.
    Yes,
    /// QR codes on flat paper.
    Qr,
    /// QR codes, grids bent where they do not fit.
    Bent,
}

struct Stages {
    kinds: Kinds,
    start: ThreadTime,
    budget: Budget,
    found: Found,
    /// Most QR finders seen in a layer: without any, the dearer tries for QR codes are in vain.
    finders: usize,
    /// Most QR grids seen in a layer that could not be decoded as they were.
    grids: usize,
    spent: bool,
}

impl Stages {
    /// Whether to go on to a dearer stage.
    fn wanting(&mut self) -> bool {
        if !self.found.is_empty() {
            return false;
        }
        self.affordable()
    }

    fn affordable(&mut self) -> bool {
        self.spent |= self.start.elapsed() > self.budget.cpu;
        !self.spent
    }

    fn run(&mut self, luma: &Luma) {
        let whole = Layer::of(luma);
        if luma.width().min(luma.height()) < THINNEST {
            self.linear(&whole, Where::Upright, 1);
            return;
        }
        // The pyramid: halves until modules of any code that fills the picture are small.
        let mut pyramid = vec![whole];
        while let Some(last) = pyramid.last()
            && last.luma.width().min(last.luma.height()) >= 240
        {
            let half = last.halved();
            pyramid.push(half);
        }
        let pixels = |layer: &Layer<'_>| u64::from(layer.luma.width()) * u64::from(layer.luma.height());
        let base = pyramid.iter().position(|l| pixels(l) <= MODEST).unwrap_or(pyramid.len() - 1);

        // First round: every layer for QR codes, the base for all else.
        self.linear(&pyramid[base], Where::Upright, 1);
        self.flat(&pyramid[base], Threshold::Block, All::Yes);
        for (k, layer) in pyramid.iter().enumerate() {
            if k != base && self.affordable() {
                self.flat(layer, Threshold::Block, All::Qr);
            }
        }
        if self.wanting() {
            self.linear(&pyramid[base], Where::Located, 3);
        }
        if base > 0 && self.wanting() {
            self.linear(&pyramid[base - 1], Where::Located, 3);
        }
        if self.wanting() {
            self.second_round(&pyramid, base);
        }
    }

    /// Dearer tries, while nothing was found.
    fn second_round(&mut self, pyramid: &[Layer<'_>], base: usize) {
        let layer = &pyramid[base];
        let longest = layer.luma.width().max(layer.luma.height());
        if longest <= 200 {
            self.flat(&layer.repeated(4, 8), Threshold::Block, All::Yes);
        }
        // Grids that were there but did not fit.
        for layer in &pyramid[base.saturating_sub(1)..] {
            if self.grids > 0 && self.wanting() {
                self.flat(layer, Threshold::Block, All::Bent);
            }
        }
        for layer in &pyramid[base..] {
            if self.wanting() {
                self.flat(layer, Threshold::Window(20), if self.finders > 0 { All::Bent } else { All::Qr });
            }
        }
        if self.wanting() && longest <= 1000 {
            let larger = layer.enlarged(2.0);
            self.linear(&larger, Where::Located, 5);
            if longest <= 500 {
                self.linear(&larger, Where::Upright, 3);
                self.flat(&larger, Threshold::Block, All::Yes);
            } else if self.finders > 0 {
                self.flat(&larger, Threshold::Block, All::Bent);
            }
        }
        if self.wanting() {
            let sharp = layer.sharpened();
            self.linear(&sharp, Where::Located, 7);
            if self.finders > 0 {
                self.flat(&sharp, Threshold::Block, All::Bent);
            }
        }
        for layer in &pyramid[base..] {
            if self.finders > 0 && self.wanting() {
                self.flat(layer, Threshold::Global, All::Bent);
            }
        }
        for layer in &pyramid[base..] {
            if self.finders > 0 && self.wanting() {
                self.binary(&Bits::of(&layer.luma, Threshold::Block).closed(), layer, All::Bent);
            }
        }
        if self.wanting() {
            let inverted = layer.inverted();
            self.linear(&inverted, Where::Upright, 1);
            self.flat(&inverted, Threshold::Block, if longest <= 400 { All::Yes } else { All::Qr });
        }
    }

    fn linear(&mut self, layer: &Layer<'_>, which: Where, thickness: u32) {
        if self.kinds.meets(Kinds::linear()) {
            let symbols = linear::scan(&layer.luma, self.kinds, which, thickness);
            self.found.add(symbols, layer);
        }
    }

    fn flat(&mut self, layer: &Layer<'_>, threshold: Threshold, all: All) {
        self.binary(&Bits::of(&layer.luma, threshold), layer, all);
    }

    /// The symbologies that are read from black and white: QR, or `all` of them.
    fn binary(&mut self, bits: &Bits, layer: &Layer<'_>, all: All) {
        let Some(matrix) = bits.matrix() else { return };
        if self.kinds.meets(Kinds::QR) {
            let pass = qr::scan(bits, self.kinds, all == All::Bent);
            self.finders = self.finders.max(pass.finders);
            self.grids = self.grids.max(pass.grids);
            self.found.add(pass.symbols, layer);
        }
        if all != All::Yes {
            return;
        }
        if self.kinds.contains(Kind::DataMatrix) && self.affordable() {
            self.found.add(datamatrix::scan(&matrix), layer);
        }
        if self.kinds.contains(Kind::Aztec) && self.affordable() {
            self.found.add(aztec::scan(bits), layer);
        }
        if self.kinds.contains(Kind::Pdf417) && self.affordable() {
            self.found.add(pdf417::scan(bits), layer);
        }
    }
}

/// Calls into rxing, whose panics on odd pictures count as nothing found.
fn guarded<T>(call: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(call)).ok().flatten()
}

/// Four of rxing's points as corners.
fn corners_of(points: &[rxing::Point], order: [usize; 4]) -> Option<Corners> {
    let at = |k: usize| points.get(k).map(|p| Point { x: p.x, y: p.y });
    let [a, b, c, d] = order;
    Some(Corners([at(a)?, at(b)?, at(c)?, at(d)?]))
}
