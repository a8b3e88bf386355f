//! `/reset`, `/seed`, `/state`, `/snapshots`: what requests have left behind, and what ids come from.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};

use super::Control;
use super::area::Area;
use super::body::{self, Body, Name, Query};
use super::error::Error;
use super::scope::Of;
use crate::state::{self, Document, RestoreError, SnapshotError};

/// Bytes of a state in a request.
const MAX_DOCUMENT: usize = 64 << 20;

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/state.json"))
        .post("/reset", reset)
        .post("/seed", seed)
        .get("/state", show)
        .put("/state", restore)
        .get("/snapshots", list)
        .get("/snapshots/{name}", snapshot)
        .put("/snapshots/{name}", take)
        .delete("/snapshots/{name}", delete)
        .post("/snapshots/{name}/restore", restore_snapshot)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    credential: Option<String>,
    /// Null: ids that nobody can guess.
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct List {
    snapshots: Vec<Snapshot>,
}

#[derive(Serialize)]
struct Snapshot {
    name: String,
    bytes: u64,
}

impl From<RestoreError> for Error {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Store(error) if error.is_taken() => {
                Self::conflict("tables: a row is there already for another credential")
            }
            RestoreError::Store(error) => error.into(),
            RestoreError::Sets(error) => error.into(),
            RestoreError::Version(_)
            | RestoreError::Rows(_)
            | RestoreError::Clock(_)
            | RestoreError::Faults(_)
            | RestoreError::Field(_) => Self::invalid(error.to_string()),
        }
    }
}

impl From<SnapshotError> for Error {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Missing => Self::not_found(error.to_string()),
            SnapshotError::Full => Self::conflict(error.to_string()),
            SnapshotError::Store(error) => error.into(),
            SnapshotError::System(error) => {
                tracing::error!(%error, "a snapshot cannot be written or read");
                let message = "the folder of snapshots cannot be used; the server's log says why";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_failed", message)
            }
        }
    }
}

/// `POST /reset`.
async fn reset(State(control): State<Control>, Body(of): Body<Of>) -> Result<StatusCode, Error> {
    let scope = of.scope(&control)?;
    control.state.reset(scope.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /seed`.
async fn seed(State(control): State<Control>, Body(seed): Body<Seed>) -> Result<StatusCode, Error> {
    let ids = control.shared.ids();
    match control.scope(seed.credential.as_deref())? {
        None => ids.seed(seed.seed.map(Into::into)),
        Some(credentials) => ids.seed_of(&credentials, seed.seed.map(Into::into)),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /state`.
async fn show(State(control): State<Control>, Query(of): Query<Of>) -> Result<impl IntoResponse, Error> {
    let scope = of.scope(&control)?;
    let document = control.state.document(scope.as_deref()).await?;
    Ok(([(CONTENT_TYPE, "application/json")], document.to_json()))
}

/// `PUT /state`.
async fn restore(State(control): State<Control>, request: Request) -> Result<StatusCode, Error> {
    let bytes = body::json_bytes(request, &control, MAX_DOCUMENT).await?;
    put_back(&control, bytes.to_vec()).await
}

async fn put_back(control: &Control, text: Vec<u8>) -> Result<StatusCode, Error> {
    let intake = control.shared.intake();
    let document = intake.aside(text.len(), move || body::parse::<Document>(&text)).await?;
    control.state.restore(document).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /snapshots`.
async fn list(State(control): State<Control>) -> Result<Json<List>, Error> {
    let all = control.state.snapshots().await?;
    let view = |snapshot: state::Snapshot| Snapshot { name: snapshot.name.to_string(), bytes: snapshot.bytes };
    Ok(Json(List { snapshots: all.into_iter().map(view).collect() }))
}

/// `GET /snapshots/{name}`.
async fn snapshot(State(control): State<Control>, Name(name): Name) -> Result<impl IntoResponse, Error> {
    let text = control.state.snapshot(&named(&name)?).await?;
    Ok(([(CONTENT_TYPE, "application/json")], text))
}

/// `PUT /snapshots/{name}`: takes it from the present state.
async fn take(State(control): State<Control>, Name(name): Name, Body(of): Body<Of>) -> Result<StatusCode, Error> {
    let scope = of.scope(&control)?;
    control.state.take(&named(&name)?, scope.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /snapshots/{name}`.
async fn delete(State(control): State<Control>, Name(name): Name) -> Result<StatusCode, Error> {
    control.state.delete(&named(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /snapshots/{name}/restore`.
async fn restore_snapshot(
    State(control): State<Control>,
    Name(name): Name,
    Body(Nothing {}): Body<Nothing>,
) -> Result<StatusCode, Error> {
    let text = control.state.snapshot(&named(&name)?).await?;
    put_back(&control, text).await
}

fn named(name: &str) -> Result<state::Name, Error> {
    let message = "a snapshot's name has up to 64 of a-z, 0-9, _ and -, and begins with a letter or digit";
    state::Name::new(name).ok_or_else(|| Error::invalid(message))
}
