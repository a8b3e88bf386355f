//! `/cv/img/qrcode`: where the picture comes from, and what is in it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;

use crate::codec::Kinds;
use crate::faults::Phase;
use crate::fetch::FetchLimits;
use crate::intake::form::{self, Part};
use crate::intake::{self, BodyError, Intake, query};
use crate::providers::wechat::Operation;
use crate::providers::wechat::auth::Account;
use crate::providers::wechat::error::Error;
use crate::providers::wechat::wire::{Reply, Scanned};
use crate::shared::Shared;

/// Bytes of a picture. Documented: less than 2 MB, taken as 2 097 152 bytes.
const MAX_PICTURE: usize = 2_097_152 - 1;
/// Bytes of a body. What is too large, but not beyond measure, is taken in, so that the client is there for the answer.
const MAX_BODY: usize = 8 << 20;
/// Assumed: nothing is documented but the size, which holds for uploads.
const REMOTE: FetchLimits = FetchLimits { redirects: 3, total: Duration::from_secs(5), max_bytes: MAX_PICTURE };

/// The field that holds an address.
const IMG_URL: &str = "img_url";

/// `POST /cv/img/qrcode`, and by GET: the codes in a picture.
///
/// Recorded: the page's first example and WxJava send an address by GET.
pub(super) async fn img_qrcode(
    State(shared): State<Shared>,
    account: Account,
    request: Request,
) -> Result<Reply<Scanned>, Error> {
    if request.method() != Method::GET && request.method() != Method::POST {
        return Err(Error::RequirePost);
    }
    let source = source(request, shared.intake()).await?;
    if let Source::Address(url) = &source {
        Error::strike(&shared, Operation::Scan, Some(&account.appid), Phase::Read(&[url]))?;
    }
    let picture = match source {
        Source::Address(url) => shared.fetch().image(&url, &REMOTE).await?,
        Source::Upload(bytes) if bytes.len() > MAX_PICTURE => return Err(Error::InvalidImageData),
        Source::Upload(bytes) => bytes,
    };
    let decoded = shared.decode(picture, shared.limits(), Kinds::ALL).await?;
    Ok(Reply(Scanned::new(decoded)))
}

/// Where a picture comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    Address(String),
    Upload(Bytes),
}

/// An address wins over an upload (Assumed: the vendor's other recognition API states that rule), and the query over the
/// body. An empty value or part counts as none.
async fn source(request: Request, intake: &Intake) -> Result<Source, Error> {
    if let Some(url) = address(request.uri().query().unwrap_or_default()) {
        return Ok(Source::Address(url));
    }
    let headers = request.headers();
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let essence = intake::content_type(headers);
    let body = intake.body(request.into_body(), MAX_BODY).await.map_err(|error| match error {
        BodyError::TooLarge { .. } => Error::InvalidImageData,
        BodyError::Broken(_) => Error::MediaDataMissing,
        BodyError::NoRoom => Error::System,
    })?;
    intake.aside(body.len(), move || posted(&content_type, &essence, body)).await
}

fn posted(content_type: &str, essence: &str, body: Bytes) -> Result<Source, Error> {
    if essence == "application/x-www-form-urlencoded" {
        let url = std::str::from_utf8(&body).ok().and_then(address);
        return url.map(Source::Address).ok_or(Error::MediaDataMissing);
    }
    if essence != "multipart/form-data" {
        return Err(Error::MediaDataMissing);
    }
    let parts = form::parts(content_type, body).map_err(|error| {
        tracing::debug!(%error, "a form could not be read");
        Error::MediaDataMissing
    })?;
    choose(&parts).ok_or(Error::MediaDataMissing)
}

fn address(pairs: &str) -> Option<String> {
    let pairs = query::pairs_lossy(pairs);
    query::first(&pairs, IMG_URL).map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned)
}

/// The part that is meant, of those that hold anything.
///
/// Documented: `img`. Recorded: WxJava sends `file`. Assumed: `media` as in the vendor's other uploads, then the first part
/// that looks like a file.
fn choose(parts: &[Part]) -> Option<Source> {
    let parts = || parts.iter().filter(|part| !part.bytes.is_empty());
    let url = parts().find(|part| part.name == IMG_URL).and_then(|part| std::str::from_utf8(&part.bytes).ok());
    if let Some(url) = url.map(str::trim).filter(|url| !url.is_empty()) {
        return Some(Source::Address(url.to_owned()));
    }
    let named = |name| parts().find(move |part| part.name == name);
    let file = ["img", "file", "media"].into_iter().find_map(named).or_else(|| parts().find(|part| is_file(part)));
    file.map(|part| Source::Upload(part.bytes.clone()))
}

fn is_file(part: &Part) -> bool {
    part.has_file_name
        || part.content_type.starts_with("image/")
        || part.content_type == "application/octet-stream"
        || std::str::from_utf8(&part.bytes).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, has_file_name: bool, content_type: &str, bytes: &'static [u8]) -> Part {
        let (name, content_type) = (name.to_owned(), content_type.to_owned());
        Part { name, has_file_name, content_type, bytes: Bytes::from_static(bytes) }
    }

    #[test]
    fn the_part_that_is_meant_is_found() {
        let upload = |bytes: &'static [u8]| Some(Source::Upload(Bytes::from_static(bytes)));
        for (about, parts, expected) in [
            ("img wins", vec![part("file", true, "", b"2"), part("img", false, "", b"1")], upload(b"1")),
            ("then file", vec![part("media", true, "", b"3"), part("file", false, "", b"2")], upload(b"2")),
            ("then media", vec![part("x", true, "", b"4"), part("media", false, "", b"3")], upload(b"3")),
            ("an empty one does not count", vec![part("img", true, "", b""), part("x", true, "", b"4")], upload(b"4")),
            ("a file name", vec![part("x", false, "", b"5"), part("y", true, "", b"6")], upload(b"6")),
            ("a type", vec![part("x", false, "", b"5"), part("y", false, "image/png", b"6")], upload(b"6")),
            ("bytes that are no text", vec![part("x", false, "", b"5"), part("", false, "", b"\xff")], upload(b"\xff")),
            ("text alone", vec![part("x", false, "", b"5")], None),
            ("nothing", vec![], None),
            (
                "an address wins",
                vec![part("img", true, "", b"1"), part("img_url", false, "", b"http://a/\n")],
                Some(Source::Address("http://a/".to_owned())),
            ),
        ] {
            assert_eq!(choose(&parts), expected, "{about}");
        }
    }
}
