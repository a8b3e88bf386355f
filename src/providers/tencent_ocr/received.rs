//! A request, taken in: its shape, its body within the limits, its common parameters. What it may do is `auth.rs`; what
//! an action reads from it is `parameters.rs`.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use super::MAX_BODY;
use super::action::{Action, VERSION};
use super::error::Error;
use crate::intake::{self, Intake, query};

/// Bytes of the target of a `GET`. Documented: "Request Structure", 32 KB.
const MAX_TARGET: usize = 32_768;

/// Characters of a client's own text that a message repeats.
const MAX_REPEATED: usize = 100;

/// Names of the common parameters where they stand among the others.
///
/// Documented: "Signature v1", common parameters.
pub(super) const COMMON: [&str; 11] = [
    "Action",
    "Version",
    "Timestamp",
    "Region",
    "SecretId",
    "Signature",
    "SignatureMethod",
    "Nonce",
    "Token",
    "Language",
    "RequestClient",
];

/// A request whose body is here.
pub(super) struct Received {
    pub(super) parts: Parts,
    pub(super) body: Bytes,
    pub(super) style: Style,
}

/// Where a request carries its common parameters and its signature.
pub(super) enum Style {
    /// In headers.
    Tc3,
    /// Among the parameters: these are all, decoded, from the query of a `GET` or the form of a `POST`.
    V1(Vec<(String, String)>),
}

/// The language that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Chinese,
    English,
    /// None, or one that the API does not have.
    Unstated,
}

impl Language {
    /// What the head of a request asks for, for failures before its parameters are known: the header, or in an older
    /// style the query, however broken.
    pub(super) fn of_head(parts: &Parts) -> Self {
        if is_tc3(&parts.headers) {
            return Self::of(header(&parts.headers, "x-tc-language"));
        }
        let pairs = query::pairs_lossy(parts.uri.query().unwrap_or_default());
        Self::of(query::first(&pairs, "Language"))
    }

    fn of(text: Option<&str>) -> Self {
        match text {
            Some("zh-CN") => Self::Chinese,
            Some("en-US") => Self::English,
            Some(_) | None => Self::Unstated,
        }
    }
}

impl Received {
    /// Takes a request in, whoever sent it.
    pub(super) async fn take(request: Request, intake: &Intake) -> Result<Self, Error> {
        let (parts, body) = request.into_parts();
        let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if parts.method == Method::GET {
            if target > MAX_TARGET {
                return Err(Error::RequestSizeLimitExceeded);
            }
        } else if parts.method != Method::POST {
            return Err(Error::UnsupportedProtocol);
        }
        let body = intake.body(body, MAX_BODY).await?;
        let bytes = body.len();
        if is_tc3(&parts.headers) {
            return Ok(Self { parts, body, style: Style::Tc3 });
        }
        let read = move || {
            let style = Style::V1(v1_pairs(&parts, &body)?);
            Ok(Self { parts, body, style })
        };
        intake.aside(bytes, read).await
    }

    /// A common parameter by its name in version 1, for instance `Region`, which is `X-TC-Region` in version 3.
    ///
    /// Where both styles meet the headers win: a request is of one style as a whole.
    pub(super) fn common(&self, name: &str) -> Option<&str> {
        match &self.style {
            Style::Tc3 => header(&self.parts.headers, &format!("x-tc-{name}")),
            Style::V1(pairs) => query::first(pairs, name),
        }
    }

    pub(super) fn language(&self) -> Language {
        Language::of(self.common("Language"))
    }

    /// How this request spells `Region`.
    pub(super) fn region_name(&self) -> &'static str {
        match self.style {
            Style::Tc3 => "X-TC-Region",
            Style::V1(_) => "Region",
        }
    }

    /// The action, which must exist in the version that is asked for. Known even without a key.
    pub(super) fn action(&self) -> Result<Action, Error> {
        let required = |name: &'static str| {
            self.common(name).filter(|value| !value.is_empty()).ok_or(Error::MissingParameter(name.into()))
        };
        let name = required("Action")?;
        let action = Action::named(name).ok_or_else(|| Error::InvalidAction {
            action: repeated(name).into(),
            version: repeated(self.common("Version").unwrap_or(VERSION)).into(),
        })?;
        match required("Version")? {
            VERSION => Ok(action),
            other => Err(Error::NoSuchVersion(repeated(other).into())),
        }
    }
}

/// The operation that a request names in its head, for the log.
pub(super) fn operation(parts: &Parts) -> &'static str {
    let pairs = query::pairs_lossy(parts.uri.query().unwrap_or_default());
    let name = header(&parts.headers, "x-tc-action").or_else(|| query::first(&pairs, "Action"));
    name.and_then(Action::named).map_or("unknown", Action::name)
}

/// A header as text; one that is not UTF-8 says nothing.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| std::str::from_utf8(value.as_bytes()).unwrap_or_default())
}

/// As much of a client's own text as belongs into an answer.
pub(super) fn repeated(text: &str) -> String {
    text.chars().take(MAX_REPEATED).collect()
}

/// `Authorization` decides, then any header of version 3.
///
/// Recorded: version 1 requests of the Python and Node.js SDKs carry `X-TC-TraceId`, and no other such header.
pub(super) fn is_tc3(headers: &HeaderMap) -> bool {
    let authorization = header(headers, "authorization").unwrap_or_default();
    authorization.starts_with("TC3-")
        || authorization == "SKIP"
        || headers.keys().any(|name| name.as_str().starts_with("x-tc-") && name != "x-tc-traceid")
}

/// Whether a form of version 1 says what it asks for, which no other vendor's form does.
pub(super) fn has_action(form: &[u8]) -> bool {
    query::first(&query::pairs_lossy(&String::from_utf8_lossy(form)), "Action").is_some()
}

/// Documented: "Signature v1" takes parameters from the query of a `GET` and the urlencoded form of a `POST`, and JSON
/// with version 3 alone.
pub(super) fn v1_pairs(parts: &Parts, body: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let raw = if parts.method == Method::GET {
        parts.uri.query().unwrap_or_default()
    } else {
        match intake::content_type(&parts.headers).as_str() {
            "" | "application/x-www-form-urlencoded" => {
                std::str::from_utf8(body).map_err(|_| Error::InvalidBody)?.trim_ascii()
            }
            _ => return Err(Error::InvalidBody),
        }
    };
    query::owned_pairs(raw).map_err(|_| Error::InvalidBody)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn received(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Result<Received, Error> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("valid");
        Received::take(request, &Intake::new(16)).await
    }

    #[tokio::test]
    async fn headers_win_where_both_styles_meet() {
        const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        for (method, target, headers, body, expected) in [
            ("GET", "/?Action=QrcodeOCR&Version=2018-11-19", &[][..], "", Ok(Action::QrcodeOcr)),
            ("GET", "/?Action=QrcodeOCR&Version=2018-11-19", &[("x-tc-traceid", "1")][..], "", Ok(Action::QrcodeOcr)),
            (
                "GET",
                "/?Action=QrcodeOCR",
                &[("X-TC-Action", "QueryBarCode"), ("X-TC-Version", "2018-11-19")][..],
                "",
                Ok(Action::QueryBarCode),
            ),
            (
                "GET",
                "/?Action=QrcodeOCR",
                &[("Authorization", "TC3-x")][..],
                "",
                Err(Error::MissingParameter("Action".into())),
            ),
            ("POST", "/", &[FORM][..], "Version=2018-11-19&Action=QueryBarCode", Ok(Action::QueryBarCode)),
            (
                "POST",
                "/?Action=QrcodeOCR",
                &[FORM][..],
                "Version=2018-11-19",
                Err(Error::MissingParameter("Action".into())),
            ),
            ("POST", "/?Action=QrcodeOCR", &[("content-type", "application/json")][..], "{}", Err(Error::InvalidBody)),
            ("GET", "/?Action=QrcodeOCR&x=%zz", &[][..], "", Err(Error::InvalidBody)),
            ("GET", "/?Action=QrcodeOCR", &[][..], "", Err(Error::MissingParameter("Version".into()))),
            ("GET", "/?Action=QrcodeOCR&Version=1", &[][..], "", Err(Error::NoSuchVersion("1".into()))),
            (
                "GET",
                "/?Action=qrcodeocr&Version=1",
                &[][..],
                "",
                Err(Error::InvalidAction { action: "qrcodeocr".into(), version: "1".into() }),
            ),
            (
                "GET",
                "/?Action=X",
                &[][..],
                "",
                Err(Error::InvalidAction { action: "X".into(), version: VERSION.into() }),
            ),
            ("PUT", "/?Action=QrcodeOCR", &[][..], "", Err(Error::UnsupportedProtocol)),
        ] {
            let action = received(method, target, headers, body).await.and_then(|received| received.action());
            assert_eq!(action, expected, "{method} {target} {headers:?} {body}");
        }
    }

    #[tokio::test]
    async fn the_target_of_a_get_may_reach_its_limit_and_not_pass_it() {
        let target = |length: usize| format!("/?Action={}", "x".repeat(length - 9));
        assert!(received("GET", &target(MAX_TARGET), &[], "").await.is_ok());
        let refused = received("GET", &target(MAX_TARGET + 1), &[], "").await.err();
        assert_eq!(refused, Some(Error::RequestSizeLimitExceeded));
        let style = [("X-TC-Action", "QrcodeOCR")];
        assert!(received("POST", &target(MAX_TARGET + 1), &style, "").await.is_ok());
    }
}
