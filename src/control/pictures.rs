//! The picture lab: codes as cameras and networks spoil them, at addresses that providers may fetch.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::area::Area;
use super::body::{Body, Name};
use super::error::Error;
use super::{BASE, Control};
use crate::codec::lab::{self, Code, Damage, Drawn, File, LabError, Recipe};
use crate::codec::{Corners, Kind};
use crate::intake::named_host;
use crate::signing::sha256_hex;
use crate::work::WorkError;

/// Of a JPEG, where the request names none.
const QUALITY: u8 = 90;
/// Bytes of memory that finding the places takes.
const PLANNING: u64 = 4 << 20;

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/pictures.json")).post("/pictures", draw).get("/pictures/{name}", picture)
}

/// What to draw. Either `text` (and `kind`), or `codes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    codes: Option<Vec<AskedCode>>,
    #[serde(default)]
    module_px: Option<f64>,
    #[serde(default)]
    width: Option<u32>,
    #[serde(default)]
    height: Option<u32>,
    #[serde(default)]
    rotation: f64,
    #[serde(default)]
    perspective: f64,
    #[serde(default)]
    blur: f64,
    #[serde(default)]
    noise: f64,
    #[serde(default)]
    glare: f64,
    #[serde(default)]
    contrast: Option<f64>,
    #[serde(default)]
    inverted: bool,
    #[serde(default)]
    format: Option<Format>,
    #[serde(default)]
    quality: Option<u8>,
    #[serde(default)]
    seed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedCode {
    text: String,
    #[serde(default)]
    kind: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Png,
    Jpg,
}

/// A picture that was drawn.
#[derive(Serialize)]
struct Made {
    /// By the recipe: the same request gives the same picture.
    path: String,
    /// The same with the host that the request names.
    url: String,
    width: u32,
    height: u32,
    bytes: usize,
    sha256: String,
    codes: Vec<MadeCode>,
}

/// A code in it.
#[derive(Serialize)]
struct MadeCode {
    kind: &'static str,
    text: String,
    /// Clockwise from the code's own top left, without its quiet zone.
    corners: [Place; 4],
}

#[derive(Serialize)]
struct Place {
    x: f32,
    y: f32,
}

/// `POST /pictures`.
async fn draw(
    State(control): State<Control>,
    parts: Parts,
    Body(asked): Body<Asked>,
) -> Result<(StatusCode, Json<Made>), Error> {
    let recipe = asked.recipe()?;
    let path = picture_path(&recipe);
    let codes = recipe.codes.clone();
    let work = control.shared.work();
    let plan = work.run(PLANNING, move || recipe.plan()).await??;
    let pixels = u64::from(plan.width()) * u64::from(plan.height());
    let Drawn { bytes, width, height, corners } = work.run(pixels * lab::BYTES_PER_PIXEL, move || plan.draw()).await?;
    let codes = codes.into_iter().zip(corners).map(|(code, corners)| MadeCode::new(code, &corners)).collect();
    let made = Made {
        url: format!("http://{}{path}", named_host(&parts)),
        width,
        height,
        bytes: bytes.len(),
        sha256: sha256_hex(&bytes),
        codes,
        path: path.clone(),
    };
    control.shared.fetch().serve(path, Bytes::from(bytes));
    Ok((StatusCode::CREATED, Json(made)))
}

/// `GET /pictures/{name}`.
async fn picture(State(control): State<Control>, Name(name): Name) -> Result<Response, Error> {
    let picture = control.shared.fetch().served(&format!("{BASE}/pictures/{name}"));
    let picture = picture.ok_or_else(|| Error::not_found("no such picture; drawing it again brings it back"))?;
    let content_type = if picture.starts_with(b"\x89PNG") { "image/png" } else { "image/jpeg" };
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-store")];
    Ok((HeaderMap::new(), headers, picture).into_response())
}

/// Where the picture of a recipe is. The path is by the recipe alone, and nobody guesses it who does not know that.
pub fn picture_path(recipe: &Recipe) -> String {
    let ending = match recipe.file {
        File::Png => "png",
        File::Jpeg(_) => "jpg",
    };
    // Every field takes part in its text, and floats are written as they are.
    format!("{BASE}/pictures/{}.{ending}", &sha256_hex(format!("{recipe:?}").as_bytes())[..32])
}

impl Asked {
    fn recipe(self) -> Result<Recipe, Error> {
        let codes = match (self.text, self.codes) {
            (Some(text), None) => vec![AskedCode { text, kind: self.kind }],
            (None, Some(codes)) if self.kind.is_none() => codes,
            _ => return Err(Error::invalid("give text and kind, or codes, each of them with text and kind")),
        };
        let codes = codes.into_iter().map(AskedCode::code).collect::<Result<_, _>>()?;
        let file = match (self.format, self.quality) {
            (Some(Format::Png), Some(_)) => return Err(Error::invalid("quality: a PNG has none")),
            (None | Some(Format::Png), None) => File::Png,
            (Some(Format::Jpg), None) => File::Jpeg(QUALITY),
            (None | Some(Format::Jpg), Some(quality)) => File::Jpeg(quality),
        };
        Ok(Recipe {
            codes,
            module_px: self.module_px.unwrap_or(lab::MODULE_PX),
            width: self.width,
            height: self.height,
            damage: Damage {
                rotation: self.rotation,
                perspective: self.perspective,
                blur: self.blur,
                noise: self.noise,
                glare: self.glare,
                contrast: self.contrast.unwrap_or(1.0),
                inverted: self.inverted,
            },
            file,
            seed: self.seed,
        })
    }
}

impl AskedCode {
    fn code(self) -> Result<Code, Error> {
        let kind = match &self.kind {
            None => Kind::QrCode,
            Some(name) => Kind::named(name).ok_or_else(|| {
                let names: Vec<_> = lab::DRAWN.iter().map(|kind| kind.name()).collect();
                Error::invalid(format!("kind: none of {}", names.join(", ")))
            })?,
        };
        Ok(Code { kind, text: self.text })
    }
}

impl MadeCode {
    fn new(code: Code, corners: &Corners) -> Self {
        let corners = corners.0.map(|point| Place { x: point.x, y: point.y });
        Self { kind: code.kind.name(), text: code.text, corners }
    }
}

impl From<LabError> for Error {
    fn from(error: LabError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<WorkError> for Error {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Overloaded { .. } => Self::busy(error.to_string()),
            WorkError::Died => Self::defect(),
        }
    }
}
