//! Grey pixels to symbols, in stages: cheap ones first, dear ones only while nothing was found.
//!
//! | stage | reads (zxing-cpp samples, camera frames, BoofCV photos) | time, zxing-cpp = 1; last without a code |
//! |---|---|---|
//! | QR at every size | 143, 0, 218 | 0.08, 0.14, 0.12, 0.06 |
//! | + the other two-dimensional symbologies at one size | 328, 0, 218 | 0.38, 0.27, 0.21, 0.24 |
//! | + rows and columns | 776, 28, 218 | 0.53, 0.33, 0.23, 0.34 |
//! | + lines across places that look like bars | 784, 58, 218 | 0.54, 0.36, 0.25, 0.43 |
//! | + bent grids, a smaller window, finders in the dark, inverted | 805, 58, 244 | 0.62, 0.44, 0.29, 0.54 |
//! | + sharpened | 820, 59, 245 | 0.63, 0.44, 0.29, 0.59 |
//! | + enlarged, where the picture is small or there is a sign that it may help | 826, 59, 245 | 0.70, 0.44, 0.29, 0.60 |
//! | + other thresholds, closed, inverted bars and bull's eyes | 830, 59, 248 | 0.71, 0.46, 0.30, 0.63 |
//! | + MicroPDF417, MaxiCode, blurred bars weighed together | 874, 60, 248 | 0.75, 0.47, 0.30, 0.66 |
//!
//! Each row is a run that ends there.
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
mod maxicode;
mod outline;
mod payload;
mod pdf417;
mod plane;
mod qr;
mod quiet;
mod regions;
mod wide;

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
/// Pixels of a QR finder that is large enough to be sampled without doubt.
const CLOSE: f32 = 35.0;
/// Longest side, in pixels, of pictures that may be drawings of one pixel a module.
const TINY: u32 = 128;
/// Longest side of pictures in which everything is tried that is dear in larger ones.
const SMALL: u32 = 300;
/// Longest side of pictures in which modules may still be too small to be seen at their own size.
const MEDIUM: u32 = 500;

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
        grids: Vec::new(),
        unread: Vec::new(),
        bends: MOST_BENDS,
        borders: 0,
        eyes: 0,
        guards: 0,
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
    /// Finders are looked for, too, whose outermost ring has merged with what is around.
    Inside,
}

struct Stages {
    kinds: Kinds,
    start: ThreadTime,
    budget: Budget,
    found: Found,
    /// Most QR finders seen in a layer: without any, the dearer tries for QR codes are in vain.
    finders: usize,
    /// Middles of QR grids that could not be decoded as they were, in pixels of the picture.
    grids: Vec<Point>,
    /// QR finders that belong to no symbol that was read, in pixels of the picture: middle and width.
    unread: Vec<(Point, f32)>,
    /// QR grids that may still be bent: the dearest thing of all.
    bends: usize,
    /// Broken borders as of a Data Matrix, bull's eyes as of an Aztec Code, directions with bars as at the ends of a
    /// PDF417 symbol.
    borders: usize,
    eyes: usize,
    guards: usize,
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

    /// Whether there is a QR grid that no other stage could read.
    fn unread_grids(&self) -> bool {
        self.grids.iter().any(|&middle| !self.found.covers(middle))
    }

    /// Whether there are two QR finders, or more, outside of what was read.
    fn unread_finders(&self) -> bool {
        let mut outside = self.unread.iter().filter(|(p, _)| !self.found.covers(*p));
        outside.next().is_some_and(|first| {
            let apart = |f: &(Point, f32)| (f.0.x - first.0.x).hypot(f.0.y - first.0.y) > first.1.max(f.1);
            outside.any(apart)
        })
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
        self.qr(pyramid[base].block(), &pyramid[base], Effort::Flat);
        if self.found.fills(luma.width(), luma.height()) {
            return;
        }
        for (k, layer) in pyramid.iter().enumerate() {
            if k != base && self.affordable() {
                self.qr(layer.block(), layer, Effort::Flat);
            }
        }
        // Codes beside those found, on paper that is not flat.
        for layer in &pyramid[base..pyramid.len().min(base + 2)] {
            if !self.found.is_empty() && (self.unread_grids() || self.unread_finders()) && self.affordable() {
                self.qr(layer.block(), layer, Effort::Inside);
            }
        }
        self.others(pyramid[base].block(), &pyramid[base]);
        if self.found.fills(luma.width(), luma.height()) {
            return;
        }
        self.upright(&pyramid[base], 1);
        if !self.wanting() {
            return;
        }
        let luma = &pyramid[base].luma;
        if luma.width().max(luma.height()) > SMALL && quiet::restless(luma) {
            return;
        }
        let places =
            if self.kinds.meets(Kinds::linear()) { Places::find(&pyramid[base].luma) } else { Places::default() };
        self.located(&pyramid[base], &places, 3);
        if base > 0 && self.wanting() {
            self.located(&pyramid[base - 1], &places.scaled(2.0), 3);
        }
        if self.wanting() {
            self.second_round(&pyramid, base, &places);
        }
    }

    /// Dearer tries, while nothing was found: each where there is a sign that it may help, or where the picture is so
    /// small that it costs little.
    fn second_round(&mut self, pyramid: &[Layer<'_>], base: usize, places: &Places) {
        let layer = &pyramid[base];
        let longest = layer.luma.width().max(layer.luma.height());
        let small = longest <= SMALL;
        if longest <= TINY {
            let drawing = layer.repeated(4, 8);
            self.qr(drawing.block(), &drawing, Effort::Flat);
            self.others(drawing.block(), &drawing);
            self.seldom(drawing.block(), &drawing);
        }
        let modest = pyramid.get(base + 1).filter(|_| longest > MEDIUM).unwrap_or(layer);
        self.seldom(modest.block(), modest);
        // Grids that were there but did not fit.
        for layer in &pyramid[base.saturating_sub(1)..] {
            if self.unread_grids() && self.wanting() {
                self.qr(layer.block(), layer, Effort::Bent);
            }
        }
        // A smaller window, for codes in shadows and bright spots; without a finder so far the half layer is enough.
        for (k, layer) in pyramid[base..].iter().enumerate() {
            if (self.finders > 0 || k == 1 || pyramid.len() == base + 1) && self.wanting() {
                let bits = Bits::of(&layer.luma, Threshold::Window(20));
                self.qr(&bits, layer, Effort::Inside);
                if longest <= MEDIUM || self.borders > 0 {
                    self.data_matrix(&bits, layer);
                }
            }
        }
        if self.wanting() {
            self.closer(&pyramid[0]);
        }
        if self.wanting() {
            self.qr(&layer.block().inverted(), layer, Effort::Flat);
        }
        let places = &places.likely();
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
                self.qr(sharp.block(), &sharp, Effort::Bent);
            }
        }
        // Bars of two pixels that blur has nearly joined.
        if longest <= MEDIUM && !places.is_empty() && self.wanting() {
            let sharp = layer.doubled().sharpened();
            self.located(&sharp, &places.scaled(2.0), 7);
        }
        if (small || longest <= MEDIUM && self.eyes + self.guards > 0) && self.wanting() {
            self.enlarged(layer, small);
        }
        for layer in &pyramid[base..] {
            if self.finders > 0 && longest <= 1000 && self.wanting() {
                self.qr(&Bits::of(&layer.luma, Threshold::Global), layer, Effort::Bent);
            }
        }
        for layer in &pyramid[base..] {
            if self.finders > 1 && self.wanting() {
                self.qr(&layer.block().closed(), layer, Effort::Bent);
            }
        }
        if self.wanting() && (small || longest <= MEDIUM && !places.is_empty()) {
            let inverted = layer.inverted();
            self.located(&inverted, places, 3);
            if small {
                // Data Matrix is read in either colour.
                self.rare(inverted.block(), &inverted);
            }
        }
    }

    /// The surroundings of small QR finders, enlarged: two more of the BoofCV photos' codes for a hundredth of their time.
    fn closer(&mut self, whole: &Layer<'_>) {
        for (region, width) in regions::around(&self.unread, whole.luma.width(), whole.luma.height()) {
            if self.affordable() {
                let larger = whole.part(region).enlarged((CLOSE / width).clamp(1.5, 3.0));
                self.qr(larger.block(), &larger, Effort::Bent);
            }
        }
    }

    /// The picture at twice its size, for modules and bars of little more than a pixel: everything in a small picture,
    /// otherwise what there was a sign of.
    fn enlarged(&mut self, layer: &Layer<'_>, small: bool) {
        let larger = layer.doubled();
        if small {
            self.qr(larger.block(), &larger, Effort::Bent);
            self.upright(&larger, 3);
        }
        if small {
            self.data_matrix(larger.block(), &larger);
            // Modules of two pixels, and bars that noise or light has broken.
            if self.wanting() {
                let sharp = layer.sharpened();
                self.data_matrix(sharp.block(), &sharp);
            }
            if self.wanting() {
                self.data_matrix(&Bits::of(&layer.luma, Threshold::Global), layer);
            }
        }
        self.rare(larger.block(), &larger);
        if small {
            self.seldom(larger.block(), &larger);
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
            let most = if effort == Effort::Flat { 0 } else { self.bends };
            let known = self.found.places(Kinds::QR, layer);
            let pass = qr::scan(bits, self.kinds, &known, most, effort == Effort::Inside);
            self.bends -= pass.bends;
            self.finders = self.finders.max(pass.finders);
            if effort == Effort::Flat {
                self.unread.extend(pass.unread.into_iter().map(|(p, width)| (layer.point(p), layer.length(width))));
            }
            self.grids.extend(pass.grids.into_iter().map(|middle| layer.point(middle)));
            self.found.add(pass.symbols, layer);
        }
    }

    /// The other two-dimensional symbologies.
    fn others(&mut self, bits: &Bits, layer: &Layer<'_>) {
        self.data_matrix(bits, layer);
        self.rare(bits, layer);
    }

    fn data_matrix(&mut self, bits: &Bits, layer: &Layer<'_>) {
        if self.kinds.contains(Kind::DataMatrix) && self.affordable() {
            let (symbols, borders) = datamatrix::scan(bits, &layer.luma);
            self.borders += borders;
            self.found.add(symbols, layer);
        }
    }

    /// Aztec Code and PDF417.
    fn rare(&mut self, bits: &Bits, layer: &Layer<'_>) {
        if self.kinds.contains(Kind::Aztec) && self.affordable() {
            let (symbols, eyes) = aztec::scan(bits);
            self.eyes += eyes;
            self.found.add(symbols, layer);
        }
        if self.kinds.contains(Kind::Pdf417) && self.affordable() {
            let (symbols, guards) = pdf417::scan(bits);
            self.guards += guards;
            self.found.add(symbols, layer);
        }
    }

    /// Those that hardly anybody prints, looked for where nothing else was found.
    fn seldom(&mut self, bits: &Bits, layer: &Layer<'_>) {
        if self.kinds.contains(Kind::Pdf417) && self.wanting() {
            self.found.add(pdf417::micro::scan(bits), layer);
        }
        if self.kinds.contains(Kind::MaxiCode) && self.wanting() {
            self.found.add(maxicode::scan(bits), layer);
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
