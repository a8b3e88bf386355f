//! `/credentials`: a fresh set for each test. Secrets are told once, when they are made; nobody asks for them again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Control;
use super::area::Area;
use super::body::{self, Body, Name, Query};
use super::error::Error;
use crate::credentials::{AddError, Set};

/// Sets on a page, unless the request says otherwise, and at most.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/credentials.json"))
        .get("/credentials", list)
        .post("/credentials", create)
        .get("/credentials/{id}", show)
        .delete("/credentials/{id}", remove)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    /// Seed of the set's ids.
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: String,
    limit: Option<usize>,
}

/// A set with its secrets.
#[derive(Serialize)]
struct Created {
    id: String,
    app: App,
    key_pair: KeyPair,
    api_key: ApiKey,
    bucket: String,
}

#[derive(Serialize)]
struct App {
    appid: String,
    secret: String,
}

#[derive(Serialize)]
struct KeyPair {
    secret_id: String,
    secret_key: String,
}

#[derive(Serialize)]
struct ApiKey {
    id: String,
    key: String,
}

impl From<&Set> for Created {
    fn from(set: &Set) -> Self {
        let Set { id, app, key_pair, api_key, bucket } = set;
        Self {
            id: id.to_string(),
            app: App { appid: app.appid.clone(), secret: app.secret.expose().to_owned() },
            key_pair: KeyPair { secret_id: key_pair.id.clone(), secret_key: key_pair.key.expose().to_owned() },
            api_key: ApiKey { id: api_key.id.to_string(), key: api_key.key.expose().to_owned() },
            bucket: bucket.to_string(),
        }
    }
}

/// A set by its ids.
#[derive(Serialize)]
struct View {
    id: String,
    appid: String,
    secret_id: String,
    api_key_id: String,
    bucket: String,
}

impl From<&Set> for View {
    fn from(set: &Set) -> Self {
        Self {
            id: set.id.to_string(),
            appid: set.app.appid.clone(),
            secret_id: set.key_pair.id.clone(),
            api_key_id: set.api_key.id.to_string(),
            bucket: set.bucket.to_string(),
        }
    }
}

#[derive(Serialize)]
struct List {
    configured: Vec<String>,
    sets: Vec<View>,
    total: usize,
    /// What `after` is for the next page.
    next: Option<String>,
}

impl From<AddError> for Error {
    fn from(error: AddError) -> Self {
        Self::conflict(error.to_string())
    }
}

/// `GET /credentials`.
async fn list(State(control): State<Control>, Query(page): Query<Page>) -> Result<Json<List>, Error> {
    let limit = body::within("limit", page.limit.unwrap_or(PAGE), 1..=LONGEST_PAGE)?;
    let credentials = control.shared.credentials();
    let (sets, total) = credentials.sets(&page.after, limit);
    let next = sets.last().filter(|_| sets.len() == limit).map(|set| set.id.to_string());
    let sets = sets.iter().map(|set| View::from(&**set)).collect();
    let configured = credentials.configured().iter().map(ToString::to_string).collect();
    Ok(Json(List { configured, sets, total, next }))
}

/// `POST /credentials`.
async fn create(
    State(control): State<Control>,
    Body(create): Body<Create>,
) -> Result<(StatusCode, Json<Created>), Error> {
    let ids = control.shared.ids();
    let set = control.shared.credentials().create(ids)?;
    if let Some(seed) = create.seed {
        ids.seed_of(&set.members(), Some(seed.into()));
    }
    Ok((StatusCode::CREATED, Json(Created::from(&*set))))
}

/// `GET /credentials/{id}`.
async fn show(State(control): State<Control>, Name(id): Name) -> Result<Json<View>, Error> {
    let set = control.shared.credentials().set(&id).ok_or_else(missing)?;
    Ok(Json(View::from(&*set)))
}

/// `DELETE /credentials/{id}`.
async fn remove(State(control): State<Control>, Name(id): Name) -> Result<StatusCode, Error> {
    if control.state.remove(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
}

fn missing() -> Error {
    Error::not_found("no set has this id")
}
