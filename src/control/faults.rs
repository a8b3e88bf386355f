//! `/faults`: rules that make requests fail, and what they can be made to fail with.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::Control;
use super::area::Area;
use super::body::{Body, Name, Query};
use super::error::Error;
use super::scope::Of;
use crate::faults::{Failures, Refused, Spec, View};

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/faults.json"))
        .get("/faults", list)
        .post("/faults", add)
        .delete("/faults", clear)
        .get("/faults/catalog", catalogue)
        .get("/faults/{id}", get)
        .delete("/faults/{id}", remove)
}

#[derive(Serialize)]
struct Rules {
    rules: Vec<View>,
}

/// What was taken away.
#[derive(Serialize)]
pub(super) struct Removed {
    pub(super) removed: usize,
}

#[derive(Serialize)]
struct Catalogue<'a> {
    vendors: Vec<Vendor<'a>>,
    /// How faults are written that are about the way of an answer, not about its code.
    transport: [&'static str; 8],
}

#[derive(Serialize)]
struct Vendor<'a> {
    vendor: &'static str,
    operations: &'a [Failures],
}

/// One of each, for whoever looks for its spelling.
const TRANSPORT: [&str; 8] = [
    "latency=500ms",
    "latency=100ms..2s",
    "latency=normal(200ms,50ms)",
    "latency=lognormal(200ms,0.5)",
    "reset",
    "half",
    "stall=30s",
    "garbage",
];

async fn list(State(control): State<Control>, Query(of): Query<Of>) -> Result<Json<Rules>, Error> {
    let credentials = of.scope(&control)?;
    Ok(Json(Rules { rules: control.shared.faults().list(credentials.as_deref()) }))
}

async fn add(State(control): State<Control>, Body(spec): Body<Spec>) -> Result<(StatusCode, Json<View>), Error> {
    let members = control.scope(spec.credential.as_deref())?.unwrap_or_default();
    let added = control.shared.faults().add(spec, &members);
    added.map(|rule| (StatusCode::CREATED, Json(rule))).map_err(|refused| refusal(&refused))
}

fn refusal(refused: &Refused) -> Error {
    let message = refused.to_string();
    match refused {
        Refused::NoSuchOperation { .. } | Refused::NoSuchCode { .. } => Error::not_found(message),
        Refused::TooMany => Error::conflict(message),
        Refused::NotOnePlan | Refused::Steps | Refused::Probability(_) => Error::invalid(message),
    }
}

async fn clear(State(control): State<Control>, Query(of): Query<Of>) -> Result<Json<Removed>, Error> {
    let credentials = of.scope(&control)?;
    Ok(Json(Removed { removed: control.shared.faults().clear(credentials.as_deref()) }))
}

async fn get(State(control): State<Control>, Name(id): Name) -> Result<Json<View>, Error> {
    let rule = id.parse().ok().and_then(|id| control.shared.faults().get(id));
    rule.map(Json).ok_or_else(|| no_rule(&id))
}

async fn remove(State(control): State<Control>, Name(id): Name) -> Result<Json<Removed>, Error> {
    let is_removed = id.parse().is_ok_and(|id| control.shared.faults().remove(id));
    if is_removed { Ok(Json(Removed { removed: 1 })) } else { Err(no_rule(&id)) }
}

fn no_rule(id: &str) -> Error {
    Error::not_found(format!("there is no rule {id:?}"))
}

async fn catalogue(State(control): State<Control>) -> Json<serde_json::Value> {
    let vendors = control.shared.faults().catalogue().vendors().iter();
    let vendors = vendors.map(|(vendor, operations)| Vendor { vendor, operations }).collect();
    let catalogue = Catalogue { vendors, transport: TRANSPORT };
    Json(serde_json::to_value(catalogue).expect("texts and numbers are always JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_catalogue_is_read() {
        for text in TRANSPORT {
            let plan = text.parse::<crate::faults::Plan>().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(plan.to_string(), text);
        }
    }
}
