//! The control API under `/_qrstack/v1/`: what a test needs and no vendor has. HTTP over modules that providers consult
//! as well (`clock`, `credentials`, the store), and nothing else; no vendor's name.
//!
//! | file | holds |
//! |---|---|
//! | `access.rs` | who may use it |
//! | `area.rs` | routes together with their description, so that neither lacks the other |
//! | `body.rs` | JSON bodies and queries, refused where they hold what nobody asked for |
//! | `error.rs` | the one shape of every failure |
//! | `openapi.rs` | the OpenAPI documents: of this API, and of the emulated ones |
//! | `page.rs` | the page of a code, the one thing that is not under the API's own paths |
//! | `live.rs` | the page that follows the journal |
//! | `scope.rs` | what `credential` means |
//! | `clock.rs`, `credentials.rs`, `state.rs` … | an area each |
//!
//! Bodies are JSON with names in `snake_case`. Moments are RFC 3339 in answers; requests may also give Unix seconds.
//! What can be scoped takes `credential`: the id of one, or of a set, which stands for all that is in it.

mod access;
mod area;
mod body;
mod clock;
mod credentials;
mod error;
mod explain;
mod faults;
mod journal;
mod live;
mod openapi;
mod page;
mod pictures;
mod scan;
mod scope;
mod state;
mod strict;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};

pub use access::is_foreign;
pub use pictures::picture_path;

use area::Area;
use error::Error;
use openapi::Documents;

use crate::clock::Ids;
use crate::shared::Shared;
use crate::simulator::Simulators;
use crate::state::State;
use crate::vendor::Vendor;

/// What every path of the API begins with.
pub const BASE: &str = "/_qrstack/v1";
/// Where the description of the emulated APIs is.
const EMULATED: &str = "/_qrstack/openapi/emulated.json";
/// Where the page is that follows the journal.
const JOURNAL: &str = "/_qrstack/journal";

/// What the handlers share.
#[derive(Clone)]
struct Control {
    shared: Shared,
    state: State,
    documents: Arc<Documents>,
    simulators: Simulators,
    vendors: &'static [Vendor],
    /// What the forms of pages are known by; another one after each start.
    page_key: Arc<[u8; 32]>,
}

/// Everything that there is, an area a line.
fn areas() -> Vec<Area> {
    vec![
        clock::area(),
        credentials::area(),
        explain::area(),
        faults::area(),
        journal::area(),
        pictures::area(),
        scan::area(),
        state::area(),
    ]
}

/// The control API on `shared`, and the OpenAPI documents.
pub fn routes(shared: &Shared, state: &State, vendors: &'static [Vendor], simulators: &Simulators) -> Router {
    let areas = areas();
    let documents = Arc::new(Documents::new(&areas, vendors));
    let control = Control {
        shared: shared.clone(),
        state: state.clone(),
        documents,
        simulators: Arc::clone(simulators),
        vendors,
        // Not from the server's ids: nobody may guess it even where answers are to be reproduced.
        page_key: Arc::new(Ids::system().bytes()),
    };
    let nowhere = async || Error::no_such_path();
    let own = areas
        .into_iter()
        .fold(Router::new(), |router, area| router.merge(area.router))
        .route(&format!("{BASE}/openapi.json"), get(openapi::own))
        .method_not_allowed_fallback(async || Error::method_not_allowed())
        .route(BASE, any(nowhere))
        .route(&format!("{BASE}/"), any(nowhere))
        .route(&format!("{BASE}/{{*path}}"), any(nowhere))
        .layer(middleware::from_fn_with_state(shared.clone(), access::check));
    let own = own.route(EMULATED, get(openapi::emulated)).merge(page::routes());
    let own = if shared.config().control { own.route(JOURNAL, get(live::page)) } else { own };
    own.with_state(control)
}

/// The answer where a handler panicked or took too long.
pub fn defect() -> Response {
    Error::defect().into_response()
}
