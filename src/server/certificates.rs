//! The certificate of this installation's authority, for clients to fetch and trust: `/_qrstack/ca.pem`, `ca.der`, `ca.p12`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::attend::{Attendant, OURS, attend};
use crate::shared::Shared;
use crate::tls::{Tls, export};

const NONE: &str = "the operator gave certificates of their own: this server has no authority\n";

pub(super) fn routes(shared: Shared, tls: Tls) -> Router {
    let attendant = Attendant {
        vendor: OURS,
        operation: |_| "own",
        defect: |_| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        shared,
    };
    let own = Router::new()
        .route("/_qrstack/ca.pem", get(pem))
        .route("/_qrstack/ca.der", get(der))
        .route("/_qrstack/ca.p12", get(pkcs12))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n"))
        .with_state(tls);
    attend(own, attendant)
}

async fn pem(State(tls): State<Tls>) -> Response {
    answer(&tls, "application/x-pem-file", |authority| Some(export::pem(authority).into_bytes()))
}

async fn der(State(tls): State<Tls>) -> Response {
    answer(&tls, "application/pkix-cert", |authority| Some(authority.to_vec()))
}

async fn pkcs12(State(tls): State<Tls>) -> Response {
    let sealed = tokio::task::spawn_blocking(move || {
        // Its key is stretched on purpose, which takes a while.
        answer(&tls, "application/x-pkcs12", |authority| {
            export::pkcs12(std::slice::from_ref(authority), export::PASSWORD).ok()
        })
    });
    sealed.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn answer(
    tls: &Tls,
    content_type: &'static str,
    form: impl FnOnce(&rustls::pki_types::CertificateDer<'static>) -> Option<Vec<u8>>,
) -> Response {
    let Some(authority) = tls.authority() else { return (StatusCode::NOT_FOUND, NONE).into_response() };
    match form(authority.certificate()) {
        Some(bytes) => ([(CONTENT_TYPE, content_type)], bytes).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
