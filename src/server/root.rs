//! Who owns a request whose path no route has. Several vendors answer on the same paths, so each says how strongly a
//! request is its own ([`Claim`]); the strongest claim wins.

use std::cmp::Reverse;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::attend::{Attendant, NOBODYS, Started, attend};
use crate::shared::Shared;
use crate::underway::Notes;
use crate::vendor::{Claim, Vendor};

/// What a vendor answers where no route has the path.
pub(super) struct Elsewhere {
    /// Whose it is.
    pub(super) vendor: &'static Vendor,
    /// What it answers.
    pub(super) router: Router,
    /// Who attends to it.
    pub(super) attendant: Attendant,
}

/// The fallback of the whole server.
pub(super) struct Root {
    vendors: Vec<Elsewhere>,
    nobody: Router,
    shared: Shared,
}

impl Root {
    /// Earlier ones of `vendors` win where claims are equal.
    pub(super) fn new(vendors: Vec<Elsewhere>, shared: Shared) -> Self {
        let attendant =
            Attendant { vendor: NOBODYS, operation: |_| NOBODYS, defect: |_| nobody(), shared: shared.clone() };
        let nobody = attend(Router::new().fallback(async || nobody()), attendant);
        Self { vendors, nobody, shared }
    }

    pub(super) async fn answer(self: Arc<Self>, request: Request) -> Result<Response, Infallible> {
        let started = Instant::now();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(Started(started));
        let mut claims: Vec<_> =
            self.vendors.iter().filter_map(|door| Some(((door.vendor.claim)(&parts)?, door))).collect();
        claims.sort_by_key(|(claim, _)| Reverse(*claim));

        let (owner, body) = match claims.as_slice() {
            [(Claim::Form, door), weaker @ ..] => {
                let otherwise = weaker.first().map(|(_, door)| *door);
                let until = started + self.shared.config().request_timeout;
                match tokio::time::timeout_at(until.into(), self.whose_form(body, door, otherwise)).await {
                    Ok((owner, body)) => (owner, body),
                    Err(_) => return Ok(too_slow(otherwise.unwrap_or(*door), &parts, started)),
                }
            }
            [(_, door), ..] => (Some(*door), body),
            [] => (None, body),
        };
        owner.map_or(&self.nobody, |door| &door.router).clone().oneshot(Request::from_parts(parts, body)).await
    }

    /// Looks into a form: it is `door`'s where that knows its mark, else `otherwise`'s. Nothing of the body is lost. A form
    /// that does not end within the bound is whoever's would refuse it.
    async fn whose_form<'a>(
        &self,
        body: Body,
        door: &'a Elsewhere,
        otherwise: Option<&'a Elsewhere>,
    ) -> (Option<&'a Elsewhere>, Body) {
        let Some(form) = door.vendor.form else { return (otherwise, body) };
        let intake = self.shared.intake();
        let (seen, is_whole, body) = intake.peek(body, form.max_bytes).await;
        let owner = if !is_whole {
            otherwise.or(Some(door))
        } else if intake.aside(seen.len(), move || (form.is_mine)(&seen)).await {
            Some(door)
        } else {
            otherwise
        };
        (owner, body)
    }
}

fn nobody() -> Response {
    let body = "no API here has this path; this server's own pages are under /_qrstack/\n";
    (StatusCode::NOT_FOUND, body).into_response()
}

fn too_slow(door: &Elsewhere, parts: &Parts, started: Instant) -> Response {
    let seen = door.attendant.see(parts, started);
    door.attendant.too_slow(seen, Notes::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::VENDORS;

    /// The vendors that claim a request, strongest first.
    fn claimants(method: &str, target: &str, headers: &[(&str, &str)]) -> Vec<(&'static str, Claim)> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(Body::empty()).expect("valid").into_parts().0;
        let mut claims: Vec<_> =
            VENDORS.iter().filter_map(|vendor| Some((vendor.name, (vendor.claim)(&parts)?))).collect();
        claims.sort_by_key(|(_, claim)| Reverse(*claim));
        claims
    }

    #[test]
    fn a_request_belongs_to_the_vendor_whose_marks_it_carries() {
        const COS: &str = "tencent_cos";
        const OCR: &str = "tencent_ocr";
        let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        for (method, target, headers, expected) in [
            ("GET", "/?ci-process=qrcode-generate", &[][..], Some((COS, Claim::Mark))),
            ("PUT", "/any/path?x=1&ci-process=QRcode", &[("x-tc-action", "QrcodeOCR")][..], Some((COS, Claim::Mark))),
            ("POST", "/", &[("X-TC-Action", "QrcodeOCR")][..], Some((OCR, Claim::Mark))),
            ("POST", "/ocr", &[("Authorization", "TC3-HMAC-SHA256 x")][..], Some((OCR, Claim::Mark))),
            ("POST", "/cgi-bin/x", &[("Authorization", "SKIP")][..], Some((OCR, Claim::Mark))),
            ("GET", "/?Action=QrcodeOCR", &[][..], Some((OCR, Claim::Mark))),
            ("GET", "/?action=QrcodeOCR", &[][..], None),
            ("POST", "/", &[form][..], Some((OCR, Claim::Form))),
            ("POST", "/cgi-bin/menu/create", &[form][..], Some((OCR, Claim::Form))),
            ("GET", "/cgi-bin/menu/create", &[][..], Some(("wechat", Claim::Path))),
            ("GET", "/cv/img/aicrop", &[][..], Some(("wechat", Claim::Path))),
            ("GET", "/cgi-bin", &[][..], None),
            ("POST", "/api/v1/qrcode/read_json", &[][..], Some(("cli_im", Claim::Path))),
            ("POST", "/qrcode/x", &[][..], Some(("cli_im", Claim::Path))),
            ("GET", "/object?q-sign-algorithm=sha1", &[][..], Some((COS, Claim::Trace))),
            ("GET", "/object?sign=x", &[][..], Some((COS, Claim::Trace))),
            ("GET", "/object", &[("Authorization", "q-sign-algorithm=sha1&q-ak=x")][..], Some((COS, Claim::Trace))),
            (
                "GET",
                "/object",
                &[("Host", "B-1250000000.COS.ap-beijing.myqcloud.com:80")][..],
                Some((COS, Claim::Trace)),
            ),
            ("GET", "/cgi-bin/menu/get?sign=x", &[][..], Some(("wechat", Claim::Path))),
            (
                "GET",
                "/api/x",
                &[("Host", "b-1250000000.cos.ap-beijing.myqcloud.com")][..],
                Some(("cli_im", Claim::Path)),
            ),
            ("GET", "/", &[("Host", "localhost:8080")][..], None),
        ] {
            assert_eq!(claimants(method, target, headers).first().copied(), expected, "{method} {target} {headers:?}");
        }
        let weaker = claimants("POST", "/cgi-bin/menu/create", &[form]);
        assert_eq!(weaker[1], ("wechat", Claim::Path));
    }
}
