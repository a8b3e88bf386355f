//! Every failure of cli.im, in one table, and the extractor whose failures are these.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::wire::{self, Envelope};
use super::{SCAN_URL, VENDOR};
use crate::faults::{Asked, Failure, Failures, Phase};
use crate::fetch::FetchError;
use crate::intake::{self, BodyError};
use crate::shared::{DecodeError, Outcome, Shared};
use crate::work::WorkError;

/// Bytes of a body; an address fits many times over.
const MAX_BODY: usize = 1 << 20;

/// What cli.im answers where it does not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// No `Authorization`, or another scheme than bearer.
    NoKey,
    /// A key that nobody has.
    UnknownKey,
    /// The body is not what the page describes.
    BadRequest,
    /// Another method than `POST`.
    MethodNotAllowed,
    /// A path that the API does not have.
    NoSuchPath,
    /// The picture cannot be fetched.
    Download,
    /// The bytes are no picture.
    NoPicture,
    /// The picture shows no QR code.
    NoCode,
    /// More requests than can be served.
    TooOften,
    /// Our own fault.
    Defect,
}

impl Error {
    const ALL: [Self; 10] = [
        Self::NoKey,
        Self::UnknownKey,
        Self::BadRequest,
        Self::MethodNotAllowed,
        Self::NoSuchPath,
        Self::Download,
        Self::NoPicture,
        Self::NoCode,
        Self::TooOften,
        Self::Defect,
    ];

    /// HTTP status, `code` and `message`.
    ///
    /// Documented: 400, 403, 500 with their texts on the member, certificate and template-code pages of open API v1;
    /// HTTP 400 and 401 on its `read_json` page. Assumed: all other numbers and texts, in the vendor's style; 1030–1032
    /// are free in the published lists.
    fn table(self) -> (StatusCode, i64, &'static str) {
        match self {
            Self::NoKey => (StatusCode::UNAUTHORIZED, 403, "鉴权失败！未上送鉴权参数Authorization"),
            Self::UnknownKey => (StatusCode::UNAUTHORIZED, 401, "鉴权失败！API Key无效"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, 400, "请求的数据格式不符"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, 405, "请求方法不支持"),
            Self::NoSuchPath => (StatusCode::NOT_FOUND, 404, "接口不存在"),
            Self::Download => (StatusCode::OK, 1031, "图片下载失败"),
            Self::NoPicture => (StatusCode::OK, 1032, "图片解析失败"),
            Self::NoCode => (StatusCode::OK, 1030, "未识别到二维码"),
            Self::TooOften => (StatusCode::TOO_MANY_REQUESTS, 429, "请求过于频繁"),
            Self::Defect => (StatusCode::INTERNAL_SERVER_ERROR, 500, "未知异常"),
        }
    }

    /// Whether it says that the caller has no key that counts.
    fn is_authentication(self) -> bool {
        matches!(self, Self::NoKey | Self::UnknownKey)
    }

    /// Fails where a fault strikes the request at this phase.
    pub(super) fn strike(shared: &Shared, credential: Option<&str>, phase: Phase<'_>) -> Result<(), Self> {
        let asked = Asked { vendor: VENDOR.name, operation: SCAN_URL, credential };
        let Some(code) = shared.fault(asked, phase) else { return Ok(()) };
        Self::ALL.into_iter().find(|error| error.table().1.to_string() == code).map_or(Ok(()), Err)
    }
}

pub(super) fn failures() -> Vec<Failures> {
    let failure = |error: &Error| {
        let (status, code, message) = error.table();
        let about_sender = error.is_authentication();
        let code = code.to_string();
        Failure { fault: code.clone(), code, status: status.as_u16(), message: message.to_owned(), about_sender }
    };
    vec![Failures { operation: SCAN_URL, content: &["url"], failures: Error::ALL.iter().map(failure).collect() }]
}

pub(super) fn defect() -> Response {
    Error::Defect.into_response()
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::BadUrl(_) => Self::BadRequest,
            FetchError::Overloaded => Self::TooOften,
            FetchError::Refused { .. }
            | FetchError::Port { .. }
            | FetchError::Off
            | FetchError::Ourselves { .. }
            | FetchError::Unreachable(_)
            | FetchError::TooSlow
            | FetchError::Status(_)
            | FetchError::Redirects
            | FetchError::TooLarge { .. }
            | FetchError::Encoded(_) => Self::Download,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Load(_) => Self::NoPicture,
            DecodeError::Work(WorkError::Overloaded { .. }) => Self::TooOften,
            DecodeError::Work(WorkError::Died) => Self::Defect,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code, message) = self.table();
        let mut response = (status, Envelope { code, message, data: None }).into_response();
        response.extensions_mut().insert(Outcome::new(code.to_string()));
        response
    }
}

/// The fields of a request, from JSON or an urlencoded body.
///
/// Recorded: a neighbouring sample of the vendor posts urlencoded fields, and `curl -d` says so of JSON; so the text
/// decides, not its content type. Multipart is refused.
pub(super) struct Body<T>(pub(super) T);

impl FromRequest<Shared> for Body<wire::ScanUrl> {
    type Rejection = Error;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Error> {
        if intake::content_type(request.headers()).starts_with("multipart/") {
            return Err(Error::BadRequest);
        }
        let bytes = shared.intake().body(request.into_body(), MAX_BODY).await.map_err(|error| match error {
            BodyError::TooLarge { .. } | BodyError::Broken(_) => Error::BadRequest,
            BodyError::NoRoom => Error::TooOften,
        })?;
        let parsed = shared.intake().aside(bytes.len(), move || wire::ScanUrl::parse(&bytes)).await;
        parsed.map(Self).ok_or(Error::BadRequest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once() {
        let codes: std::collections::BTreeSet<_> = Error::ALL.iter().map(|error| error.table().1).collect();
        assert_eq!(codes.len(), Error::ALL.len());
    }
}
