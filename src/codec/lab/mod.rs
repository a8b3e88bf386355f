//! Pictures of codes as cameras and networks spoil them: turned, tilted, blurred, noisy, under a lamp, inverted, tiny,
//! several in one. The same recipe gives the same bytes.
//!
//! `symbol.rs` has the modules of every kind that can be drawn, `damage.rs` what happens to pixels.

mod damage;
mod symbol;

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;
use thiserror::Error;

pub use symbol::DRAWN;

use super::{Corners, Kind, Luma, Matrix, Point};
use damage::{Random, Tilt};

/// Sides of a picture, in pixels.
pub const MAX_SIDE: u32 = 4096;
/// Pixels of a picture.
pub const MAX_PIXELS: u64 = 4_000_000;
/// Codes in a picture.
pub const MAX_CODES: usize = 16;
/// Bytes of a code's text.
pub const MAX_TEXT: usize = 4096;
/// Side of a module in pixels, where nobody says more.
pub const MODULE_PX: f64 = 6.0;
/// Bytes of memory that drawing takes a pixel.
pub const BYTES_PER_PIXEL: u64 = 16;

/// What a picture is drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Its codes, in the order of reading.
    pub codes: Vec<Code>,
    /// Side of a module in pixels.
    pub module_px: f64,
    /// Width in pixels; as wide as the codes need where it is `None`.
    pub width: Option<u32>,
    /// Height in pixels; as high as the codes need where it is `None`.
    pub height: Option<u32>,
    /// What happens to it.
    pub damage: Damage,
    /// The file.
    pub file: File,
    /// Decides on everything that is left to chance.
    pub seed: u64,
}

/// A code in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its symbology, one of [`DRAWN`].
    pub kind: Kind,
    /// What it says.
    pub text: String,
}

/// What happens to a picture. The default is nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damage {
    /// Degrees clockwise.
    pub rotation: f64,
    /// 0 (seen from straight ahead) to 1 (hardly seen at all); the direction is left to chance.
    pub perspective: f64,
    /// Standard deviation of a Gaussian blur, in pixels, 0 to 10.
    pub blur: f64,
    /// Standard deviation of noise, as a part of the whole range, 0 to 1.
    pub noise: f64,
    /// Brightness of a lamp's reflection, 0 to 1; its place is left to chance.
    pub glare: f64,
    /// Distance of dark and light, 0 to 1.
    pub contrast: f64,
    /// Whether light modules stand on dark ground.
    pub inverted: bool,
}

impl Default for Damage {
    fn default() -> Self {
        Self { rotation: 0.0, perspective: 0.0, blur: 0.0, noise: 0.0, glare: 0.0, contrast: 1.0, inverted: false }
    }
}

/// The file that a picture becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// Without loss.
    Png,
    /// With this quality, 1 to 100.
    Jpeg(u8),
}

/// A picture that was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The file.
    pub bytes: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Where each code lies, without its quiet zone.
    pub corners: Vec<Corners>,
}

/// Why a picture cannot be drawn.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LabError {
    /// A value out of its bounds.
    #[error("{field}: not within {bounds}")]
    OutOfBounds {
        /// The field of the recipe.
        field: &'static str,
        /// What it may be.
        bounds: &'static str,
    },
    /// A kind that is read here but not drawn.
    #[error("{} is not drawn here", .0.name())]
    NotDrawn(Kind),
    /// A text that the kind cannot carry.
    #[error("{} cannot carry the text: {reason}", .kind.name())]
    Unfit {
        /// The kind.
        kind: Kind,
        /// The drawer's words.
        reason: String,
    },
    /// The codes need more room than the picture has.
    #[error("the codes need {needed_width} × {needed_height} pixels")]
    TooSmall {
        /// Pixels.
        needed_width: u64,
        /// Pixels.
        needed_height: u64,
    },
    /// The picture has more pixels than one may.
    #[error("{width} × {height} pixels are more than {MAX_PIXELS}, or a side is longer than {MAX_SIDE}")]
    TooLarge {
        /// Pixels.
        width: u64,
        /// Pixels.
        height: u64,
    },
}

/// A recipe whose codes have found their places; drawing it cannot fail any more.
#[derive(Clone, Debug)]
pub struct Plan {
    recipe: Recipe,
    placed: Vec<Placed>,
    width: u32,
    height: u32,
}

/// A code in its place.
#[derive(Clone, Debug)]
struct Placed {
    matrix: Matrix,
    /// Pixels, with the quiet zone, before it is turned.
    width: f64,
    height: f64,
    quiet: f64,
    module: f64,
    tilt: Tilt,
    centre: (f64, f64),
}

impl Recipe {
    /// One code, to which nothing happens.
    pub fn of(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            codes: vec![Code { kind, text: text.into() }],
            module_px: MODULE_PX,
            width: None,
            height: None,
            damage: Damage::default(),
            file: File::Png,
            seed: 0,
        }
    }

    /// Finds places for all codes.
    ///
    /// # Errors
    /// Each way in which a recipe cannot be followed.
    pub fn plan(self) -> Result<Plan, LabError> {
        self.check()?;
        let mut random = Random::new(self.seed);
        let mut placed = Vec::with_capacity(self.codes.len());
        for code in &self.codes {
            let matrix = symbol::matrix(code.kind, &code.text)?;
            let direction = random.unit() * std::f64::consts::TAU;
            placed.push(self.lay_out(matrix, direction));
        }
        // A grid of equal cells, as many columns as rows or one more.
        let columns = (1..=MAX_CODES).find(|columns| columns * columns >= placed.len()).unwrap_or(1);
        let rows = placed.len().div_ceil(columns);
        let boxes: Vec<_> = placed.iter().map(Placed::bounds).collect();
        let cell = |side: fn(&(f64, f64)) -> f64| boxes.iter().map(side).fold(0.0, f64::max).ceil();
        let (cell_width, cell_height) = (cell(|(width, _)| *width), cell(|(_, height)| *height));
        let (needed_width, needed_height) = ((cell_width * columns as f64) as u64, (cell_height * rows as f64) as u64);
        let width = self.width.map_or(needed_width, u64::from);
        let height = self.height.map_or(needed_height, u64::from);
        if width < needed_width || height < needed_height {
            return Err(LabError::TooSmall { needed_width, needed_height });
        }
        let longest = width.max(height);
        if longest > u64::from(MAX_SIDE) || width * height > MAX_PIXELS {
            return Err(LabError::TooLarge { width, height });
        }
        let left = ((width - needed_width) / 2) as f64;
        let top = ((height - needed_height) / 2) as f64;
        for (number, code) in placed.iter_mut().enumerate() {
            let (column, row) = ((number % columns) as f64, (number / columns) as f64);
            let x = left + column * cell_width + (cell_width - code.width).max(0.0) / 2.0;
            let y = top + row * cell_height + (cell_height - code.height).max(0.0) / 2.0;
            // Whole pixels, so that a code that nothing happens to has sharp edges.
            code.centre = (x.floor() + code.width / 2.0, y.floor() + code.height / 2.0);
            if code.width > cell_width || code.height > cell_height {
                code.centre = (left + (column + 0.5) * cell_width, top + (row + 0.5) * cell_height);
            }
        }
        Ok(Plan { recipe: self, placed, width: width as u32, height: height as u32 })
    }

    fn check(&self) -> Result<(), LabError> {
        let within = |field, value: f64, least: f64, most: f64, bounds| {
            if (least..=most).contains(&value) { Ok(()) } else { Err(LabError::OutOfBounds { field, bounds }) }
        };
        let Damage { rotation, perspective, blur, noise, glare, contrast, inverted: _ } = self.damage;
        within("codes", self.codes.len() as f64, 1.0, MAX_CODES as f64, "1 and 16 codes")?;
        within("module_px", self.module_px, 0.5, 100.0, "0.5 and 100")?;
        within("rotation", rotation, -360.0, 360.0, "-360 and 360 degrees")?;
        within("perspective", perspective, 0.0, 1.0, "0 and 1")?;
        within("blur", blur, 0.0, 10.0, "0 and 10 pixels")?;
        within("noise", noise, 0.0, 1.0, "0 and 1")?;
        within("glare", glare, 0.0, 1.0, "0 and 1")?;
        within("contrast", contrast, 0.0, 1.0, "0 and 1")?;
        if let File::Jpeg(quality) = self.file {
            within("quality", quality.into(), 1.0, 100.0, "1 and 100")?;
        }
        for code in &self.codes {
            within("text", code.text.len() as f64, 1.0, MAX_TEXT as f64, "1 and 4096 bytes")?;
        }
        Ok(())
    }

    fn lay_out(&self, matrix: Matrix, direction: f64) -> Placed {
        /// White modules around a two-dimensional symbol, and beside a row of bars.
        const QUIET: (f64, f64) = (4.0, 10.0);
        let module = self.module_px;
        let bars = matrix.height() == 1;
        let quiet = module * if bars { QUIET.1 } else { QUIET.0 };
        let inner_width = matrix.width() as f64 * module;
        let inner_height = if bars { bar_height(inner_width) } else { matrix.height() as f64 * module };
        let (width, height) = (inner_width + 2.0 * quiet, inner_height + 2.0 * quiet);
        let radius = width.hypot(height) / 2.0;
        let tilt = Tilt::new(self.damage.rotation, self.damage.perspective, direction, radius);
        Placed { matrix, width, height, quiet, module, tilt, centre: (0.0, 0.0) }
    }
}

/// Bars are a third as high as all of them are wide, at least so high that several rows can be read.
fn bar_height(width: f64) -> f64 {
    (width / 3.0).max(24.0).round()
}

impl Placed {
    /// Sides of the box around it.
    fn bounds(&self) -> (f64, f64) {
        let (half_width, half_height) = (self.width / 2.0, self.height / 2.0);
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
        let seen = corners.map(|(x, y)| self.tilt.seen(x * half_width, y * half_height));
        // Twice the larger distance, so that the middle stays in the middle.
        let side = |values: [f64; 4]| 2.0 * values.into_iter().map(f64::abs).fold(0.0, f64::max);
        (tidy(side(seen.map(|(x, _)| x))), tidy(side(seen.map(|(_, y)| y))))
    }

    /// Whether the pixel at a place of the picture is dark, white or none of this code's.
    fn at(&self, x: f64, y: f64) -> Option<bool> {
        let (x, y) = self.tilt.meant(x - self.centre.0, y - self.centre.1)?;
        let (x, y) = (x + self.width / 2.0, y + self.height / 2.0);
        if x < 0.0 || y < 0.0 || x >= self.width || y >= self.height {
            return None;
        }
        let (x, y) = (x - self.quiet, y - self.quiet);
        let inner_height = self.height - 2.0 * self.quiet;
        if x < 0.0 || y < 0.0 || y >= inner_height {
            return Some(false);
        }
        let column = (x / self.module) as usize;
        let row = if self.matrix.height() == 1 { 0 } else { (y / self.module) as usize };
        Some(column < self.matrix.width() && row < self.matrix.height() && self.matrix.is_dark(column, row))
    }

    fn corners(&self) -> Corners {
        let (half_width, half_height) = (self.width / 2.0 - self.quiet, self.height / 2.0 - self.quiet);
        let corners = [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)];
        Corners(corners.map(|(x, y)| {
            let (x, y) = self.tilt.seen(x * half_width, y * half_height);
            Point { x: (x + self.centre.0) as f32, y: (y + self.centre.1) as f32 }
        }))
    }
}

/// Takes away what is left of rounding, so that a right angle needs no pixel more.
fn tidy(side: f64) -> f64 {
    (side * 1024.0).round() / 1024.0
}

impl Plan {
    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Draws the picture.
    ///
    /// # Panics
    /// Never: the sizes fit the formats, and memory takes every byte.
    pub fn draw(&self) -> Drawn {
        let luma = self.pixels();
        let mut bytes = Vec::new();
        match self.recipe.file {
            File::Png => {
                let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
                encoder.set_color(png::ColorType::Grayscale);
                let written = encoder.write_header().and_then(|mut writer| {
                    writer.write_image_data(luma.pixels())?;
                    writer.finish()
                });
                written.expect("the rows have the announced size and memory takes every byte");
            }
            File::Jpeg(quality) => JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode(luma.pixels(), self.width, self.height, ExtendedColorType::L8)
                .expect("the sides fit the format and memory takes every byte"),
        }
        let corners = self.placed.iter().map(Placed::corners).collect();
        Drawn { bytes, width: self.width, height: self.height, corners }
    }

    fn pixels(&self) -> Luma {
        let damage = &self.recipe.damage;
        let half = 0.5 * damage.contrast as f32;
        let (dark, light) = (0.5 - half, 0.5 + half);
        let (dark, light) = if damage.inverted { (light, dark) } else { (dark, light) };
        let (width, height) = (self.width as usize, self.height as usize);
        let mut pixels = vec![light; width * height];
        for code in &self.placed {
            self.paint(code, &mut pixels, dark, light);
        }
        // A seed of its own, so that another number of codes does not move the lamp.
        let mut random = Random::new(self.recipe.seed ^ 0x6C61_6265_6C73_2121);
        damage::glare(&mut pixels, width, damage.glare, &mut random);
        damage::blur(&mut pixels, width, damage.blur);
        damage::noise(&mut pixels, damage.noise, &mut random);
        let bytes = pixels.into_iter().map(|pixel| (pixel * 255.0).round().clamp(0.0, 255.0) as u8).collect();
        Luma::new(self.width, self.height, bytes)
    }

    /// Paints a code; pixels that only a part of a module covers become grey.
    fn paint(&self, code: &Placed, pixels: &mut [f32], dark: f32, light: f32) {
        /// Looks a pixel and axis.
        const LOOKS: usize = 4;
        let (box_width, box_height) = code.bounds();
        let span = |centre: f64, side: f64, limit: u32| {
            let start = (centre - side / 2.0).floor().max(0.0) as usize;
            start..((centre + side / 2.0).ceil().max(0.0) as usize).min(limit as usize)
        };
        let columns = span(code.centre.0, box_width, self.width);
        for y in span(code.centre.1, box_height, self.height) {
            for x in columns.clone() {
                let (mut darks, mut all) = (0_u8, 0_u8);
                for look in 0..LOOKS * LOOKS {
                    let part = |place: usize| (place as f64 + 0.5) / LOOKS as f64;
                    if let Some(is_dark) = code.at(x as f64 + part(look % LOOKS), y as f64 + part(look / LOOKS)) {
                        all += 1;
                        darks += u8::from(is_dark);
                    }
                }
                if all > 0 {
                    let part = f32::from(darks) / (LOOKS * LOOKS) as f32;
                    pixels[y * self.width as usize + x] = light + (dark - light) * part;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Budget, Kinds, Limits, load, read};

    fn recipe(kind: Kind, text: &str) -> Recipe {
        Recipe { module_px: 4.0, seed: 1, ..Recipe::of(kind, text) }
    }

    fn texts(drawn: &Drawn) -> Vec<String> {
        let luma = load(&drawn.bytes, &Limits::default()).expect("a picture").luma;
        assert_eq!((luma.width(), luma.height()), (drawn.width, drawn.height));
        let mut texts: Vec<_> =
            read(&luma, Kinds::ALL, &Budget::default()).symbols.into_iter().map(|symbol| symbol.text).collect();
        texts.sort();
        texts
    }

    #[test]
    fn every_kind_that_is_drawn_reads_back() {
        for (kind, text, expected) in symbol::samples() {
            let drawn = recipe(kind, text).plan().unwrap_or_else(|error| panic!("{error}")).draw();
            assert_eq!(texts(&drawn), [expected], "{}", kind.name());
        }
    }

    #[test]
    fn an_undamaged_code_is_the_one_that_would_be_drawn_otherwise() {
        let drawn = recipe(Kind::QrCode, "hello").plan().expect("fits").draw();
        assert_eq!((drawn.width, drawn.height), ((21 + 8) * 4, (21 + 8) * 4));
        let [left_top, _, right_bottom, _] = drawn.corners[0].0;
        assert_eq!((left_top.x, left_top.y, right_bottom.x, right_bottom.y), (16.0, 16.0, 100.0, 100.0));
        let luma = load(&drawn.bytes, &Limits::default()).expect("a picture").luma;
        assert!(luma.pixels().iter().all(|pixel| matches!(pixel, 0 | 255)), "sharp edges");
    }

    #[test]
    fn mild_damage_of_each_kind_is_read() {
        let none = Damage::default();
        for (about, damage, file) in [
            ("rotation", Damage { rotation: 33.0, ..none }, File::Png),
            ("perspective", Damage { perspective: 0.3, ..none }, File::Png),
            ("blur", Damage { blur: 1.0, ..none }, File::Png),
            ("noise", Damage { noise: 0.08, ..none }, File::Png),
            ("glare", Damage { glare: 0.3, ..none }, File::Png),
            ("contrast", Damage { contrast: 0.4, ..none }, File::Png),
            ("inverted", Damage { inverted: true, ..none }, File::Png),
            ("quality", none, File::Jpeg(30)),
            (
                "all",
                Damage {
                    rotation: -20.0,
                    perspective: 0.15,
                    blur: 0.6,
                    noise: 0.03,
                    glare: 0.2,
                    contrast: 0.8,
                    ..none
                },
                File::Jpeg(70),
            ),
        ] {
            for seed in 0..3 {
                let recipe = Recipe { damage, file, seed, ..recipe(Kind::QrCode, "https://example.com/damage") };
                let drawn = recipe.plan().expect("fits").draw();
                assert_eq!(texts(&drawn), ["https://example.com/damage"], "{about}, seed {seed}");
            }
        }
    }

    #[test]
    fn several_codes_and_a_tiny_one_are_read() {
        let code = |kind, text: &str| Code { kind, text: text.to_owned() };
        let codes =
            vec![code(Kind::QrCode, "one"), code(Kind::Ean13, "6901234567892"), code(Kind::DataMatrix, "three")];
        let several = Recipe { codes, ..recipe(Kind::QrCode, "") };
        let drawn = several.plan().expect("fits").draw();
        assert_eq!(drawn.corners.len(), 3);
        assert_eq!(texts(&drawn), ["6901234567892", "one", "three"]);
        let tiny = Recipe { module_px: 2.0, width: Some(600), height: Some(400), ..recipe(Kind::QrCode, "tiny") };
        assert_eq!(texts(&tiny.plan().expect("fits").draw()), ["tiny"]);
    }

    #[test]
    fn the_seed_alone_decides_what_is_left_to_chance() {
        let damage = Damage { perspective: 0.3, noise: 0.1, glare: 0.5, ..Damage::default() };
        let drawn = |seed| Recipe { damage, seed, ..recipe(Kind::QrCode, "x") }.plan().expect("fits").draw().bytes;
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn what_cannot_be_drawn_is_told() {
        let one = || recipe(Kind::QrCode, "x");
        let field = |recipe: Recipe| match recipe.plan() {
            Err(LabError::OutOfBounds { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        let damaged = |damage| Recipe { damage, ..one() };
        let none = Damage::default();
        assert_eq!(field(Recipe { codes: vec![], ..one() }), "codes");
        assert_eq!(field(Recipe { codes: vec![one().codes[0].clone(); 17], ..one() }), "codes");
        assert_eq!(field(recipe(Kind::QrCode, "")), "text");
        assert_eq!(field(Recipe { module_px: f64::NAN, ..one() }), "module_px");
        assert_eq!(field(damaged(Damage { rotation: f64::INFINITY, ..none })), "rotation");
        assert_eq!(field(damaged(Damage { perspective: 1.1, ..none })), "perspective");
        assert_eq!(field(damaged(Damage { blur: -1.0, ..none })), "blur");
        assert_eq!(field(Recipe { file: File::Jpeg(0), ..one() }), "quality");
        let plan = |recipe: Recipe| recipe.plan().err();
        assert_eq!(plan(recipe(Kind::MaxiCode, "x")), Some(LabError::NotDrawn(Kind::MaxiCode)));
        assert!(matches!(plan(recipe(Kind::Ean13, "abc")), Some(LabError::Unfit { .. })));
        assert!(matches!(plan(recipe(Kind::Aztec, "你")), Some(LabError::Unfit { .. })));
        assert!(matches!(plan(Recipe { width: Some(20), ..one() }), Some(LabError::TooSmall { .. })));
        assert!(matches!(plan(Recipe { module_px: 100.0, ..one() }), Some(LabError::TooLarge { .. })));
        assert!(matches!(plan(Recipe { width: Some(5000), ..one() }), Some(LabError::TooLarge { .. })));
    }
}
