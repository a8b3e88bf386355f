//! Who owns a request whose path no route has. Decided by what the request carries, since several vendors answer on
//! the same paths.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tower::{Service, ServiceExt};

use crate::intake::{self, BodyError, named_host, query, without_port};

/// Bytes of a form that are looked through for `Action`. A longer body is Tencent Cloud's to refuse.
const FORM: usize = 11_534_336;

/// A vendor, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Vendor(&'static str),
    /// Tencent Cloud where the form has an `Action`, else whoever comes next.
    Form(&'static Owner),
    Nobody,
}

const COS: Owner = Owner::Vendor("tencent_cos");
const OCR: Owner = Owner::Vendor("tencent_ocr");
const WECHAT: Owner = Owner::Vendor("wechat");
const CLI_IM: Owner = Owner::Vendor("cli_im");

/// The fallback of the whole server.
#[derive(Clone)]
pub(super) struct Root(Arc<HashMap<&'static str, Router>>);

impl Root {
    /// `doors` answer what is theirs, by name of the vendor.
    pub(super) fn new(doors: HashMap<&'static str, Router>) -> Self {
        Self(Arc::new(doors))
    }
}

impl Service<Request> for Root {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let doors = Arc::clone(&self.0);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let (owner, body) = match owner(&parts) {
                Owner::Form(otherwise) => read_form(body, *otherwise).await,
                owner => (owner, body),
            };
            let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
            let door = match owner {
                Owner::Vendor(name) => doors.get(name).cloned(),
                Owner::Form(_) | Owner::Nobody => None,
            };
            if let Some(door) = door {
                door.oneshot(Request::from_parts(parts, body)).await
            } else {
                tracing::info!(provider = "none", %method, path, status = 404, "answered");
                Ok(nobody())
            }
        })
    }
}

fn nobody() -> Response {
    let body = "no API here has this path; this server's own pages are under /_qrstack/\n";
    (StatusCode::NOT_FOUND, body).into_response()
}

/// In the order of precedence: what the query says, what the headers say, what the path says.
fn owner(parts: &Parts) -> Owner {
    let pairs = query::pairs_lossy(parts.uri.query().unwrap_or_default());
    let has = |key: &str| pairs.iter().any(|(name, _)| name == key);
    let path = parts.uri.path();
    if has("ci-process") {
        COS
    } else if has("Action") || is_tencent_cloud(parts) {
        OCR
    } else if path.starts_with("/cgi-bin/") || path.starts_with("/cv/") {
        form_or(parts, &WECHAT)
    } else if path.starts_with("/api/") || path.starts_with("/qrcode/") {
        form_or(parts, &CLI_IM)
    } else if has("q-sign-algorithm") || has("sign") || has_cos_signature(parts) || is_cos_host(named_host(parts)) {
        form_or(parts, &COS)
    } else {
        form_or(parts, &Owner::Nobody)
    }
}

fn form_or(parts: &Parts, otherwise: &'static Owner) -> Owner {
    let is_form = intake::content_type(&parts.headers) == "application/x-www-form-urlencoded";
    if parts.method == Method::POST && is_form { Owner::Form(otherwise) } else { *otherwise }
}

fn is_tencent_cloud(parts: &Parts) -> bool {
    let authorization = parts.headers.get("authorization").map_or(&b""[..], axum::http::HeaderValue::as_bytes);
    parts.headers.keys().any(|name| name.as_str().starts_with("x-tc-"))
        || authorization.starts_with(b"TC3-")
        || authorization == b"SKIP"
}

fn has_cos_signature(parts: &Parts) -> bool {
    parts.headers.get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"q-sign-algorithm"))
}

/// `<bucket>.cos.<region>.<domain>`, or the same with `ci` or `pic`.
fn is_cos_host(host: &str) -> bool {
    let mut labels = without_port(host).split('.').skip(1);
    labels.next().is_some_and(|label| matches!(label, "cos" | "ci" | "pic")) && labels.next().is_some()
}

async fn read_form(body: Body, otherwise: Owner) -> (Owner, Body) {
    match intake::body(body, FORM).await {
        Ok(bytes) => {
            let has_action =
                query::pairs_lossy(&String::from_utf8_lossy(&bytes)).iter().any(|(key, _)| key == "Action");
            (if has_action { OCR } else { otherwise }, Body::from(bytes))
        }
        // What was read is gone. The door sees an endless body or a broken one instead, and answers as to any such.
        Err(error) => {
            let owner = if otherwise == Owner::Nobody { OCR } else { otherwise };
            let again = move |_| match &error {
                BodyError::TooLarge { .. } => Ok(Bytes::from_static(&[b'x'; 1024])),
                BodyError::Broken(why) => Err(why.clone()),
            };
            (owner, Body::from_stream(futures_util::stream::iter((0_u64..).map(again))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner_of(method: &str, target: &str, headers: &[(&str, &str)]) -> Owner {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        owner(&request.body(Body::empty()).expect("valid").into_parts().0)
    }

    #[test]
    fn a_request_belongs_to_the_vendor_whose_marks_it_carries() {
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        for (method, target, headers, expected) in [
            ("GET", "/?ci-process=qrcode-generate", &[][..], COS),
            ("PUT", "/any/path?x=1&ci-process=QRcode", &[("x-tc-action", "QrcodeOCR")][..], COS),
            ("POST", "/", &[("X-TC-Action", "QrcodeOCR")][..], OCR),
            ("POST", "/ocr", &[("Authorization", "TC3-HMAC-SHA256 x")][..], OCR),
            ("POST", "/cgi-bin/x", &[("Authorization", "SKIP")][..], OCR),
            ("GET", "/?Action=QrcodeOCR", &[][..], OCR),
            ("GET", "/?action=QrcodeOCR", &[][..], Owner::Nobody),
            ("POST", "/", &[form][..], Owner::Form(&Owner::Nobody)),
            ("POST", "/cgi-bin/menu/create", &[form][..], Owner::Form(&WECHAT)),
            ("GET", "/cgi-bin/menu/create", &[][..], WECHAT),
            ("GET", "/cv/img/aicrop", &[][..], WECHAT),
            ("GET", "/cgi-bin", &[][..], Owner::Nobody),
            ("POST", "/api/v1/qrcode/read_json", &[][..], CLI_IM),
            ("POST", "/qrcode/x", &[][..], CLI_IM),
            ("GET", "/object?q-sign-algorithm=sha1", &[][..], COS),
            ("GET", "/object?sign=x", &[][..], COS),
            ("GET", "/object", &[("Host", "examplebucket-1250000000.cos.ap-beijing.myqcloud.com:8080")][..], COS),
            ("GET", "/", &[("Host", "localhost:8080")][..], Owner::Nobody),
        ] {
            assert_eq!(owner_of(method, target, headers), expected, "{method} {target} {headers:?}");
        }
    }

    #[tokio::test]
    async fn a_form_with_an_action_is_tencent_clouds() {
        let (owner, body) = read_form(Body::from("a=1&Action=QrcodeOCR"), WECHAT).await;
        assert_eq!(owner, OCR);
        assert_eq!(intake::body(body, 100).await.expect("kept").as_ref(), b"a=1&Action=QrcodeOCR");
        assert_eq!(read_form(Body::from("action=1"), WECHAT).await.0, WECHAT);
        let (owner, body) = read_form(Body::from(vec![b'a'; FORM + 1]), Owner::Nobody).await;
        assert_eq!(owner, OCR);
        assert!(matches!(intake::body(body, FORM).await, Err(BodyError::TooLarge { .. })));
    }
}
