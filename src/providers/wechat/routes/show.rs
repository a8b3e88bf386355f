//! `/cgi-bin/showqrcode`: the picture of a ticket. The one operation that speaks by status.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_TYPE, DATE, EXPIRES, SERVER};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;

use crate::clock::http_date;
use crate::codec::encode::{self, Level, QrOptions};
use crate::codec::render;
use crate::faults::{Asked, Phase};
use crate::intake::query;
use crate::providers::wechat::auth::Caller;
use crate::providers::wechat::store::codes::{self, By};
use crate::providers::wechat::ticket;
use crate::providers::wechat::{Operation, VENDOR};
use crate::shared::{Outcome, Shared};

/// Side of the picture in pixels. Recorded: commonly reported, in no document.
const SIDE: u32 = 430;
/// White modules around the symbol, at least.
const MARGIN: u32 = 4;
/// Of JPEG, 1 to 100.
const QUALITY: u8 = 90;
/// Seconds that a picture may be cached. Documented: the page's example.
const CACHED: i64 = 604_800;
/// What the log says of the one failure, and what it is forced by.
pub(in super::super) const NOT_FOUND: &str = "404";

/// `GET /cgi-bin/showqrcode`, and by HEAD: the picture of a ticket.
///
/// No token is needed; WxJava sends one, which is not looked at.
pub(super) async fn showqrcode(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Picture, NoPicture> {
    if !matches!(method, Method::GET | Method::HEAD) {
        return Err(NoPicture(NOT_FOUND));
    }
    let pairs = query::pairs_lossy(query.as_deref().unwrap_or_default());
    // Recorded: wechat-api and silenceper put the ticket into the address unescaped, where a plus reads as a space.
    let ticket = query::first(&pairs, "ticket").ok_or(NoPicture(NOT_FOUND))?.replace(' ', "+");
    let found = codes::find(&shared, By::Ticket(&ticket), None).await.map_err(|_| NoPicture("-1"))?;
    let appid = found.as_ref().map(|shown| shown.appid.as_str());
    if let Some(appid) = appid {
        caller.is(appid);
    }
    let scene = found.as_ref().map_or("", |shown| shown.scene.as_str());
    for phase in [Phase::Arrived, Phase::Admitted, Phase::Read(&[&ticket, scene])] {
        let asked = Asked { vendor: VENDOR.name, operation: Operation::Show.name(), credential: appid };
        if shared.fault(asked, phase).is_some() {
            return Err(NoPicture(NOT_FOUND));
        }
    }
    let shown = found.ok_or(NoPicture(NOT_FOUND))?;
    let now = shared.clock().of(&shown.appid).now();
    if shown.has_ended(now.as_second()) {
        return Err(NoPicture(NOT_FOUND));
    }
    Ok(Picture { jpeg: draw(&ticket::url(&shown.code)), now })
}

/// The picture of an address: level Q, the best that the smallest version for 45 bytes has room for.
fn draw(url: &str) -> Vec<u8> {
    let options = QrOptions { level: Level::Q, ..QrOptions::default() };
    let matrix = encode::qr(url, &options).expect("a short text fits");
    let layout = render::fit(&matrix, SIDE, MARGIN, MARGIN);
    render::jpeg(&render::place(&matrix, layout.module_px, layout.width_px, layout.height_px), QUALITY)
}

/// A picture on its way out.
pub(super) struct Picture {
    jpeg: Vec<u8>,
    now: jiff::Timestamp,
}

impl IntoResponse for Picture {
    /// Documented: all these names, and a type that is not `image/jpeg`. The example prints `Expires` with an offset; the
    /// standard form is read by more clients.
    fn into_response(self) -> Response {
        let expires = self.now.checked_add(SignedDuration::from_secs(CACHED)).unwrap_or(self.now);
        let headers = [
            (ACCEPT_RANGES, "bytes".to_owned()),
            (CACHE_CONTROL, format!("max-age={CACHED}")),
            (CONTENT_TYPE, "image/jpg".to_owned()),
            (DATE, http_date(self.now)),
            (EXPIRES, http_date(expires)),
            (SERVER, "qrstack".to_owned()),
        ];
        let mut response = (headers, self.jpeg).into_response();
        response.extensions_mut().insert(Outcome::ok());
        response
    }
}

/// No picture: 404 without a body or a type. Holds what the log says: [`NOT_FOUND`], or `-1` where the store failed.
///
/// Documented: 404 on every error.
pub(super) struct NoPicture(&'static str);

impl IntoResponse for NoPicture {
    fn into_response(self) -> Response {
        let mut response = StatusCode::NOT_FOUND.into_response();
        response.extensions_mut().insert(Outcome::new(self.0));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{self, Budget, Kinds, Limits};

    #[test]
    fn the_picture_is_a_jpeg_of_430_pixels_that_reads_back() {
        let url = ticket::url("02TestTempCode1Zz_-xy9");
        let jpeg = draw(&url);
        assert!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]));
        let luma = codec::load(&jpeg, &Limits::default()).expect("a JPEG").luma;
        assert_eq!((luma.width(), luma.height()), (430, 430));
        let found = codec::read(&luma, Kinds::QR, &Budget::default()).symbols;
        assert_eq!(found.iter().map(|symbol| symbol.text.as_str()).collect::<Vec<_>>(), [url]);
    }

    #[test]
    fn the_margin_is_white_and_has_four_modules() {
        let luma = codec::load(&draw(&ticket::url("02TestTempCode1Zz_-xy9")), &Limits::default()).expect("a JPEG").luma;
        let dark = |x: u32, y: u32| luma.row(y)[x as usize] < 128;
        let left = (0..SIDE).find(|&x| (0..SIDE).any(|y| dark(x, y))).expect("a symbol");
        let right = (0..SIDE).rev().find(|&x| (0..SIDE).any(|y| dark(x, y))).expect("a symbol");
        let top = (0..SIDE).find(|&y| (0..SIDE).any(|x| dark(x, y))).expect("a symbol");
        // Version 4 has 33 modules; with four on each side, ten pixels a module fit.
        assert_eq!((left, top, right - left + 1), (50, 50, 330));
    }
}
