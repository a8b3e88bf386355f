//! The OpenAPI 3.1 documents: of the control API, put together from the pieces of its areas, and of the emulated APIs,
//! from the vendors' pieces. A piece has `paths` and may have `components`.

use std::sync::LazyLock;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::Value;

use super::Control;
use super::area::Area;
use crate::vendor::Vendor;

/// Title, servers, and what all areas refer to.
const OWN: &str = include_str!("openapi/base.json");
/// Title of the other document.
const EMULATED: &str = include_str!("openapi/emulated.json");

/// Both documents.
pub(super) struct Documents {
    own: Document,
    emulated: Document,
}

/// A document, put together when it is first asked for: most servers are never asked, and start without it.
type Document = LazyLock<String, Box<dyn FnOnce() -> String + Send>>;

impl Documents {
    pub(super) fn new(areas: &[Area], vendors: &[Vendor]) -> Self {
        let document = |base, pieces: Vec<&'static str>| -> Document {
            LazyLock::new(Box::new(move || merge(base, pieces.into_iter()).to_string()))
        };
        Self {
            own: document(OWN, areas.iter().map(|area| area.document).collect()),
            emulated: document(EMULATED, vendors.iter().map(|vendor| vendor.openapi).collect()),
        }
    }
}

/// Adds pieces to a document. Two pieces may describe methods of one path, not the same method.
fn merge<'a>(document: &str, pieces: impl Iterator<Item = &'a str>) -> Value {
    let mut whole = read(document);
    for piece in pieces {
        add(&mut whole, read(piece));
    }
    whole
}

fn read(piece: &str) -> Value {
    serde_json::from_str(piece).expect("a piece of a document is a constant, and a test reads all")
}

/// Objects are joined member by member, lists one after the other.
fn add(whole: &mut Value, piece: Value) {
    match (whole, piece) {
        (Value::Object(whole), Value::Object(piece)) => {
            for (name, value) in piece {
                match whole.get_mut(&name) {
                    Some(present) => add(present, value),
                    None => drop(whole.insert(name, value)),
                }
            }
        }
        (Value::Array(whole), Value::Array(piece)) => whole.extend(piece),
        (whole, piece) => assert!(*whole == piece, "two pieces of a document do not agree: {whole} and {piece}"),
    }
}

/// `GET /openapi.json`.
pub(super) async fn own(State(control): State<Control>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], String::clone(&control.documents.own))
}

/// `GET /_qrstack/openapi/emulated.json`.
pub(super) async fn emulated(State(control): State<Control>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], String::clone(&control.documents.emulated))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Map;

    use super::*;
    use crate::control::{BASE, areas};
    use crate::server::VENDORS;

    /// Method and path of everything that a document describes.
    fn described(document: &Value) -> BTreeSet<String> {
        let empty = Map::new();
        let paths = document["paths"].as_object().unwrap_or(&empty);
        let methods = |(path, item): (&String, &Value)| -> Vec<String> {
            let item = item.as_object().expect("a path item");
            let methods = item.keys().filter(|name| ["get", "post", "put", "delete", "patch"].contains(&name.as_str()));
            methods.map(|method| format!("{} {path}", method.to_uppercase())).collect()
        };
        paths.iter().flat_map(methods).collect()
    }

    /// Every `$ref` of a document.
    fn references(value: &Value) -> Vec<String> {
        match value {
            Value::Object(members) => {
                let own = members.get("$ref").and_then(Value::as_str).map(str::to_owned);
                own.into_iter().chain(members.values().flat_map(references)).collect()
            }
            Value::Array(items) => items.iter().flat_map(references).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        for area in areas() {
            let routes: BTreeSet<_> = area.routes.iter().map(|(method, path)| format!("{method} {path}")).collect();
            assert_eq!(described(&read(area.document)), routes);
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let areas = areas();
        let own = merge(OWN, areas.iter().map(|area| area.document));
        let emulated = merge(EMULATED, VENDORS.iter().map(|vendor| vendor.openapi));
        assert_eq!(own["servers"][0]["url"], BASE);
        for document in [own, emulated] {
            for reference in references(&document) {
                let pointer = reference.strip_prefix('#').expect("a reference within the document");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            let ids: Vec<_> = document["paths"]
                .as_object()
                .into_iter()
                .flat_map(Map::values)
                .flat_map(|item| item.as_object().expect("a path item").values())
                .filter_map(|operation| operation["operationId"].as_str())
                .collect();
            assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
        }
    }
}
