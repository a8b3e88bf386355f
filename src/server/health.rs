//! Our own end points, under `/_qrstack/` alone: `livez`, `readyz`, `version`, `metrics`.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde::Serialize;

use super::Gate;
use super::attend::{Attendant, OURS, attend};
use crate::metrics::{self, Standing};
use crate::shared::Shared;
use crate::store;
use crate::work::Stats;

/// How long the store may take to say that it is well.
const STORE: Duration = Duration::from_secs(1);

/// What these end points know.
#[derive(Clone)]
struct Health {
    shared: Shared,
    gate: Gate,
}

#[derive(Serialize)]
struct Ready {
    store: bool,
    workers: bool,
    listener: bool,
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Failure {
    error: &'static str,
}

pub(super) fn routes(shared: Shared, gate: Gate) -> Router {
    let attendant = Attendant {
        vendor: OURS,
        operation: |_| "own",
        defect: |_| failure(StatusCode::INTERNAL_SERVER_ERROR, "this server failed"),
        shared: shared.clone(),
    };
    let nowhere = async || failure(StatusCode::NOT_FOUND, "no such path under /_qrstack/");
    let own = Router::new()
        .route("/_qrstack/livez", get(async || "ok\n"))
        .route("/_qrstack/readyz", get(readyz))
        .route("/_qrstack/version", get(version))
        .route("/_qrstack/metrics", get(metrics))
        .method_not_allowed_fallback(async || failure(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"))
        .route("/_qrstack", any(nowhere))
        .route("/_qrstack/", any(nowhere))
        .route("/_qrstack/{*path}", any(nowhere))
        .with_state(Health { shared, gate });
    attend(own, attendant)
}

/// Ready to serve: the store answers, pictures are being read, new connections are let in.
async fn readyz(State(Health { shared, gate }): State<Health>) -> Response {
    // A picture's budget is CPU time; on a busy machine that takes longer, but not for ever.
    let patience = shared.config().read_budget * 10 + Duration::from_secs(10);
    let store = tokio::time::timeout(STORE, shared.store().is_healthy());
    let ready = Ready {
        store: store.await.unwrap_or(false),
        workers: shared.work().is_alive(patience),
        listener: gate.is_open(),
    };
    let is_ready = ready.store && ready.workers && ready.listener;
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ready)).into_response()
}

/// What is counted, for Prometheus.
async fn metrics(State(Health { shared, .. }): State<Health>) -> impl IntoResponse {
    let Stats { waiting, running, panics, workers, .. } = shared.work().stats();
    let standing = Standing {
        waiting,
        running,
        panics,
        workers: workers.alive as usize,
        worker_ends: workers.ends().into(),
        store_errors: store::failures(),
    };
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], shared.metrics().page(&standing))
}

async fn version() -> Json<Version> {
    Json(Version { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") })
}

fn failure(status: StatusCode, error: &'static str) -> Response {
    (status, Json(Failure { error })).into_response()
}
