//! `/q/<code>`: what the symbol of a code points at is a page of the vendor's; here it is a button that acts the scan out.
//! The one thing of the control API that is not under its own paths, and that forms may reach.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use quick_xml::escape::escape;

use super::{Control, access, body};
use crate::intake::query;
use crate::secret;
use crate::signing::hmac_sha256;
use crate::simulator::{Scan, Scanned, Shown};

/// Bytes of the form.
const MAX_FORM: usize = 16 << 10;
/// No scripts, no pictures, no frames around it; the form goes here alone.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(super) fn routes() -> Router<Control> {
    Router::new().route("/q/{code}", any(page))
}

/// `GET /q/<code>`: the button. `POST`: what came of it.
async fn page(State(control): State<Control>, Path(code): Path<String>, request: Request) -> Response {
    let config = control.shared.config();
    if !config.control {
        return show(StatusCode::NOT_FOUND, "There is nothing here.", "");
    }
    let (parts, body) = request.into_parts();
    if access::is_foreign(&parts, config) {
        return show(StatusCode::FORBIDDEN, "This page is not for web pages of another origin or host.", "");
    }
    match parts.method.as_str() {
        "GET" | "HEAD" => show(StatusCode::OK, "", &form(&control, &code, &parts)),
        "POST" => {
            let bytes = body::bytes(Request::from_parts(parts.clone(), body), &control, MAX_FORM).await;
            match bytes {
                Ok(bytes) => press(&control, &code, &parts, &bytes).await,
                Err(_) => show(StatusCode::BAD_REQUEST, "The form did not arrive as a whole.", ""),
            }
        }
        _ => show(StatusCode::METHOD_NOT_ALLOWED, "This page is read, or its button is pressed.", ""),
    }
}

/// Somebody pressed the button.
async fn press(control: &Control, code: &str, parts: &Parts, bytes: &Bytes) -> Response {
    let text = String::from_utf8_lossy(bytes);
    let fields = query::pairs_lossy(&text);
    let field = |name: &str| query::first(&fields, name).filter(|value| !value.is_empty());
    let again = form(control, code, parts);
    // Only a page that was read from here has it, whatever the browser says of origins.
    if !field("proof").is_some_and(|proof| secret::equal(proof.as_bytes(), control.proof(code).as_bytes())) {
        return show(
            StatusCode::FORBIDDEN,
            "The form is not from this page, or from before a restart. Try again.",
            &again,
        );
    }
    if !access::may(control.shared.config(), parts, field("token")) {
        return show(StatusCode::FORBIDDEN, "The token of the control API is missing or wrong.", &again);
    }
    let follows = match field("follows") {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    };
    let openid = field("openid").map(str::to_owned);
    let scan = Scan { code: Shown::Code(code.to_owned()), credential: None, openid, follows };
    let scanned = match control.simulator() {
        Ok(simulator) => simulator.scan(scan).await,
        Err(_) => return show(StatusCode::NOT_FOUND, "There is nothing here.", ""),
    };
    match scanned {
        Ok(scanned) => show(StatusCode::OK, "", &(told(&scanned) + &again)),
        Err(error) => show(StatusCode::UNPROCESSABLE_ENTITY, &format!("{error}."), &again),
    }
}

fn form(control: &Control, code: &str, parts: &Parts) -> String {
    let token = if access::may(control.shared.config(), parts, None) {
        ""
    } else {
        "<label>Token of the control API <input type=\"password\" name=\"token\" autocomplete=\"off\"></label>"
    };
    format!(
        "<form method=\"post\"><p>Code <code>{}</code></p>\
         <label>openid <input name=\"openid\" placeholder=\"the same user each time\"></label>\
         <label>Does the user follow the account? <select name=\"follows\"><option value=\"\">as remembered</option>\
         <option value=\"yes\">yes</option><option value=\"no\">no</option></select></label>{token}\
         <input type=\"hidden\" name=\"proof\" value=\"{}\"><button>Scan</button></form>",
        escape(code),
        control.proof(code)
    )
}

fn told(scanned: &Scanned) -> String {
    let Scanned { event, openid, scene, delivered, attempts, .. } = scanned;
    let mut rows = String::new();
    for (number, attempt) in (1..).zip(attempts) {
        let status = attempt.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let reply = attempt.reply.as_ref().map_or("", |reply| reply.text.as_str());
        let error = attempt.error.as_deref().unwrap_or_default();
        let cells = [number.to_string(), status, error.to_owned(), reply.to_owned()];
        rows.push_str("<tr>");
        for cell in &cells {
            rows.extend(["<td><pre>", &escape(cell.as_str()), "</pre></td>"]);
        }
        rows.push_str("</tr>");
    }
    let outcome = if *delivered { "was told and answered" } else { "could not be told" };
    format!(
        "<p role=\"status\">{} of {} with the scene <code>{}</code>: the application {outcome}.</p>\
         <table><tr><th>Attempt</th><th>Status</th><th>Problem</th><th>Answer</th></tr>{rows}</table>",
        escape(*event),
        escape(openid.as_str()),
        escape(scene.as_str())
    )
}

fn show(status: StatusCode, message: &str, content: &str) -> Response {
    let message = if message.is_empty() { String::new() } else { format!("<p role=\"alert\">{}</p>", escape(message)) };
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>qrstack: a scan</title><style>body{{font:1rem/1.5 sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}}\
         label{{display:block;margin:.5rem 0}}pre{{white-space:pre-wrap;word-break:break-all}}</style>\
         <h1>A scan, acted out</h1>{message}{content}</html>"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    (status, headers, Html(page)).into_response()
}

impl Control {
    /// What only the page of a code holds.
    fn proof(&self, code: &str) -> String {
        hex::encode(hmac_sha256(self.page_key.as_ref(), code.as_bytes()))
    }
}
