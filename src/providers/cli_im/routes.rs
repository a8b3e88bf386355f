//! The handler of `scan_url`, and the answer to everything that has no route.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;

use super::auth::{self, ApiKey};
use super::error::{Body, Error};
use super::wire::{self, Reply};
use crate::codec::Kinds;
use crate::faults::Phase;
use crate::fetch::FetchLimits;
use crate::intake::around;
use crate::shared::Shared;

/// The vendor documents nothing; these are ours.
const PICTURE: FetchLimits = FetchLimits { redirects: 5, total: Duration::from_secs(10), max_bytes: 10 * 1024 * 1024 };

pub(super) fn routes(shared: Shared) -> Router {
    let scan_url = || post(scan_url).fallback(async || Error::MethodNotAllowed);
    let routes = Router::new()
        .route("/api/v1/qrcode/scan_url", scan_url())
        .route("/qrcode/scan_url", scan_url())
        .with_state(shared.clone());
    around(routes, move |request, route| auth::identify(&shared, request, route))
}

pub(super) fn elsewhere() -> Router {
    Router::new().fallback(async || Error::NoSuchPath)
}

/// `POST /api/v1/qrcode/scan_url`: reads the QR code behind a public picture address.
async fn scan_url(
    State(shared): State<Shared>,
    ApiKey(id): ApiKey,
    Body(request): Body<wire::ScanUrl>,
) -> Result<Reply, Error> {
    Error::strike(&shared, id.as_deref(), Phase::Read(&[&request.url]))?;
    let picture = shared.fetch().image(&request.url, &PICTURE).await?;
    let decoded = shared.decode(picture, shared.limits(), Kinds::QR).await?;
    wire::Scanned::new(&decoded.symbols, shared.config().cli_im_provider).map(Reply)
}
