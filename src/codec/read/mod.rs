//! Grey pixels to symbols, in stages: cheap ones first, dear ones only while nothing was found.
//!
//! | stage | reads (zxing-cpp samples, camera frames, BoofCV photos) | time, zxing-cpp = 1 |
//! |---|---|---|
//! | QR at every size, rows and columns, the other symbologies at one size | 743, 28, 212 | 0.8, 0.4, 0.3 |
//! | + lines across places that look like bars | 750, 55, 212 | 0.8, 0.4, 0.3 |
//! | + what else there is a sign for: bent grids, other thresholds, sharpened, enlarged, inverted | 804, 56, 232 | 1.7, 0.5, 0.4 |
//!
//! (The first two rows were measured before Data Matrix had a detection of its own.)
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
pub use found::reading_order;
pub use kinds::Kinds;
use layer::Layer;
use linear::Places;

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
/// QR grids bent in a picture.
const MOST_BENDS: usize = 48;
/// Pixels of the layers that everything is tried on.
const MODEST: u64 = 3_500_000;

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
    let mut stages = Stages {
        kinds,
        start: ThreadTime::now(),
        budget: *budget,
        found: Found::default(),
        finders: 0,
        grids: 0,
        bends: MOST_BENDS,
        spent: false,
    };
    stages.run(luma);
    Reading { symbols: stages.found.into_symbols(), budget_spent: stages.spent }
}

/// How far a search for QR codes goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// Codes on flat paper.
    Flat,
    /// Grids that do not fit are bent, too.
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
    /// QR grids that may still be bent: the dearest thing of all.
    bends: usize,
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
            self.upright(&whole, 1);
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
        let bits = Bits::of(&pyramid[base].luma, Threshold::Block);
        self.qr(&bits, &pyramid[base], Effort::Flat);
        if self.found.fills(luma.width(), luma.height()) {
            return;
        }
        for (k, layer) in pyramid.iter().enumerate() {
            if k != base && self.affordable() {
                self.qr(&Bits::of(&layer.luma, Threshold::Block), layer, Effort::Flat);
            }
        }
        // Codes beside those found, on paper that is not flat.
        for layer in &pyramid[base..pyramid.len().min(base + 2)] {
            if !self.found.is_empty() && self.grids > 0 && self.affordable() {
                self.qr(&Bits::of(&layer.luma, Threshold::Block), layer, Effort::Bent);
            }
        }
        self.upright(&pyramid[base], 1);
        if self.found.fills(luma.width(), luma.height()) {
            return;
        }
        self.others(&bits, &pyramid[base]);
        if !self.wanting() {
            return;
        }
        let places =
            if self.kinds.meets(Kinds::linear()) { Places::find(&pyramid[base].luma) } else { Places::default() };
        self.located(&pyramid[base], &places, 3);
        if base > 0 && self.wanting() {
            self.located(&pyramid[base - 1], &places.scaled(2.0), 3);
        }
        if self.wanting() {
            self.second_round(&pyramid, base, &bits, &places);
        }
    }

    /// Dearer tries, while nothing was found: each where there is a sign that it may help.
    fn second_round(&mut self, pyramid: &[Layer<'_>], base: usize, bits: &Bits, places: &Places) {
        let layer = &pyramid[base];
        let longest = layer.luma.width().max(layer.luma.height());
        if longest <= 200 {
            let drawing = layer.repeated(4, 8);
            let bits = Bits::of(&drawing.luma, Threshold::Block);
            self.qr(&bits, &drawing, Effort::Flat);
            self.others(&bits, &drawing);
        }
        // Grids that were there but did not fit.
        for layer in &pyramid[base.saturating_sub(1)..] {
            if self.grids > 0 && self.wanting() {
                self.qr(&Bits::of(&layer.luma, Threshold::Block), layer, Effort::Bent);
            }
        }
        // A smaller window, for codes in shadows and bright spots; without a finder so far the half layer is enough.
        for (k, layer) in pyramid[base..].iter().enumerate() {
            if (self.finders > 0 || k == 1 || pyramid.len() == base + 1) && self.wanting() {
                let bits = Bits::of(&layer.luma, Threshold::Window(20));
                self.qr(&bits, layer, Effort::Bent);
                self.data_matrix(&bits, layer);
            }
        }
        if let Some(half) = pyramid.get(base + 1)
            && self.wanting()
        {
            self.data_matrix(&Bits::of(&half.luma, Threshold::Block), half);
        }
        if self.wanting() {
            self.qr(&bits.inverted(), layer, Effort::Flat);
        }
        if self.wanting() && (self.finders > 0 || !places.is_empty()) {
            let sharp = layer.sharpened();
            self.located(&sharp, places, 7);
            // Bars that blur has joined: what no line tells, all lines of a place may tell together.
            for layer in [layer, &sharp] {
                if self.wanting() {
                    self.found.add(linear::weighed(&layer.luma, self.kinds, places), layer);
                }
            }
            if self.finders > 0 && self.wanting() {
                self.qr(&Bits::of(&sharp.luma, Threshold::Block), &sharp, Effort::Bent);
            }
        }
        if self.wanting() && longest <= 500 {
            let larger = layer.enlarged(2.0);
            let bits = Bits::of(&larger.luma, Threshold::Block);
            self.qr(&bits, &larger, Effort::Bent);
            if longest <= 300 {
                self.upright(&larger, 3);
            }
            self.data_matrix(&bits, &larger);
            // Modules of two pixels, and bars that noise or light has broken.
            if self.wanting() {
                let sharp = layer.sharpened();
                self.data_matrix(&Bits::of(&sharp.luma, Threshold::Block), &sharp);
            }
            if self.wanting() {
                self.data_matrix(&Bits::of(&layer.luma, Threshold::Global), layer);
            }
            self.aztec_and_pdf417(&bits, &larger);
        }
        for layer in &pyramid[base..] {
            if self.finders > 0 && longest <= 1000 && self.wanting() {
                self.qr(&Bits::of(&layer.luma, Threshold::Global), layer, Effort::Bent);
            }
        }
        for layer in &pyramid[base..] {
            if self.finders > 1 && self.wanting() {
                self.qr(&Bits::of(&layer.luma, Threshold::Block).closed(), layer, Effort::Bent);
            }
        }
        if self.wanting() && (longest <= 400 || !places.is_empty()) {
            let inverted = layer.inverted();
            self.located(&inverted, places, 3);
            if longest <= 400 {
                self.others(&Bits::of(&inverted.luma, Threshold::Block), &inverted);
            }
        }
    }

    fn upright(&mut self, layer: &Layer<'_>, thickness: u32) {
        if self.kinds.meets(Kinds::linear()) {
            self.found.add(linear::upright(&layer.luma, self.kinds, thickness), layer);
        }
    }

    fn located(&mut self, layer: &Layer<'_>, places: &Places, thickness: u32) {
        self.found.add(linear::located(&layer.luma, self.kinds, places, thickness), layer);
    }

    fn qr(&mut self, bits: &Bits, layer: &Layer<'_>, effort: Effort) {
        if self.kinds.meets(Kinds::QR) {
            let most = if effort == Effort::Bent { self.bends } else { 0 };
            let pass = qr::scan(bits, self.kinds, most);
            self.bends -= pass.bends;
            self.finders = self.finders.max(pass.finders);
            self.grids = self.grids.max(pass.grids);
            self.found.add(pass.symbols, layer);
        }
    }

    /// The other two-dimensional symbologies.
    fn others(&mut self, bits: &Bits, layer: &Layer<'_>) {
        self.data_matrix(bits, layer);
        self.aztec_and_pdf417(bits, layer);
    }

    fn data_matrix(&mut self, bits: &Bits, layer: &Layer<'_>) {
        if self.kinds.contains(Kind::DataMatrix) && self.affordable() {
            self.found.add(datamatrix::scan(bits, &layer.luma), layer);
        }
    }

    fn aztec_and_pdf417(&mut self, bits: &Bits, layer: &Layer<'_>) {
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
