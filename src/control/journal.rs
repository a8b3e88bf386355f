//! `/journal`: the last requests and their answers; looking for them, waiting for them, counting them.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Control;
use super::area::Area;
use super::body::{self, Body, Name, Query};
use super::clock::Moment;
use super::error::Error;
use super::faults::Removed;
use crate::journal::{self, Bounds, Entry, Fill, MAX_FOUND, Summary, View};

/// Entries that a look gives where nothing is said.
const FOUND: usize = 50;
/// The same with their messages.
const MAX_WHOLE: usize = 100;
/// How long is waited where nothing is said.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests whose order can be asked about at a time.
const MAX_ORDER: usize = 100;

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/journal.json"))
        .get("/journal", list)
        .delete("/journal", clear)
        .get("/journal/har", har)
        .get("/journal/live", live)
        .post("/journal/wait", wait)
        .post("/journal/verify", verify)
        .get("/journal/{id}", get)
}

/// What entries must have, as it is asked for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Filter {
    vendor: Option<String>,
    operation: Option<String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    credential: Option<String>,
    content: Option<String>,
    text: Option<String>,
    since: Option<Moment>,
    until: Option<Moment>,
    after: Option<u64>,
    before: Option<u64>,
    fault: Option<bool>,
    /// So many at most, where a list is asked for.
    #[serde(deserialize_with = "body::present")]
    limit: Option<usize>,
}

impl Filter {
    /// What is looked for. Nothing is listed of it, so that a limit would mean nothing.
    fn query(self, control: &Control) -> Result<journal::Query, Error> {
        if self.limit.is_some() {
            return Err(Error::invalid("limit: no list is asked for"));
        }
        let credential = control.scope(self.credential.as_deref())?;
        let Self {
            vendor,
            operation,
            method,
            path,
            status,
            code,
            content,
            text,
            since,
            until,
            after,
            before,
            fault,
            ..
        } = self;
        Ok(journal::Query {
            vendor,
            operation,
            method,
            path,
            status,
            code,
            credential,
            content,
            text,
            since: since.map(|moment| moment.0),
            until: until.map(|moment| moment.0),
            after,
            before,
            fault,
        })
    }

    /// What is looked for, and how many are listed of it.
    fn listed(mut self, control: &Control, default: usize) -> Result<(journal::Query, usize), Error> {
        let limit = body::within("limit", self.limit.take().unwrap_or(default), 1..=MAX_FOUND)?;
        Ok((self.query(control)?, limit))
    }
}

#[derive(Serialize)]
struct List {
    entries: Vec<Summary>,
    total: usize,
    fill: Fill,
}

/// The latest entries that match, the oldest of them first.
async fn list(State(control): State<Control>, Query(filter): Query<Filter>) -> Result<Json<List>, Error> {
    let (query, limit) = filter.listed(&control, FOUND)?;
    let journal = control.shared.journal();
    let found = journal.find(&query, limit);
    let entries = found.entries.iter().map(Summary::of).collect();
    Ok(Json(List { entries, total: found.total, fill: journal.fill() }))
}

async fn clear(State(control): State<Control>, Query(filter): Query<Filter>) -> Result<Json<Removed>, Error> {
    Ok(Json(Removed { removed: control.shared.journal().clear(&filter.query(&control)?) }))
}

/// An entry, and the command that sends its request again.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    view: View,
    curl: String,
}

impl Whole {
    fn of(entry: &Entry) -> Self {
        Self { view: View::of(entry), curl: journal::curl(entry) }
    }
}

async fn get(State(control): State<Control>, Name(id): Name) -> Result<Json<Whole>, Error> {
    let entry = id.parse().ok().and_then(|id| control.shared.journal().get(id));
    let entry = entry.ok_or_else(|| Error::not_found(format!("there is no entry {id:?}, or not any more")))?;
    Ok(Json(Whole::of(&entry)))
}

async fn har(State(control): State<Control>, Query(filter): Query<Filter>) -> Result<Json<Value>, Error> {
    let (query, limit) = filter.listed(&control, MAX_FOUND)?;
    let found = control.shared.journal().find(&query, limit);
    Ok(Json(journal::archive(&found.entries)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    #[serde(default, rename = "match")]
    filter: Filter,
    /// Entries that are waited for; one where nothing is said.
    count: Option<usize>,
    timeout_ms: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Waited {
    satisfied: bool,
    total: usize,
    entries: Vec<Whole>,
}

/// Answers as soon as there are enough entries, or when the time is over.
async fn wait(State(control): State<Control>, Body(wait): Body<Wait>) -> Result<Json<Waited>, Error> {
    // What takes longer than a request may is answered in time to ask again.
    let longest = control.shared.config().request_timeout.mul_f64(0.9);
    let time = wait.timeout_ms.map_or(PATIENCE, Duration::from_millis).min(longest);
    let limit = body::within("limit", wait.limit.unwrap_or(FOUND), 1..=MAX_WHOLE)?;
    let count = wait.count.unwrap_or(1);
    let found = control.shared.journal().wait(&wait.filter.query(&control)?, count, limit, time).await;
    let entries = found.entries.iter().map(Whole::of).collect();
    Ok(Json(Waited { satisfied: found.total >= count, total: found.total, entries }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verify {
    #[serde(rename = "match", default, deserialize_with = "body::present")]
    filter: Option<Filter>,
    #[serde(default, deserialize_with = "body::present")]
    count: Option<Bounds>,
    #[serde(default, deserialize_with = "body::present")]
    order: Option<Vec<Filter>>,
}

#[derive(Serialize)]
struct Verified {
    satisfied: bool,
    /// Entries that match, or how many of the order came, from its first.
    found: usize,
}

/// Whether as many requests came as are asked for, or in the order that is asked for.
async fn verify(State(control): State<Control>, Body(verify): Body<Verify>) -> Result<Json<Verified>, Error> {
    let journal = control.shared.journal();
    match (verify.filter, verify.order) {
        (filter, None) => {
            let found = journal.count(&filter.unwrap_or_default().query(&control)?);
            Ok(Json(Verified { satisfied: verify.count.unwrap_or_default().hold(found), found }))
        }
        (None, Some(order)) if verify.count.is_none() && (1..=MAX_ORDER).contains(&order.len()) => {
            let queries = order.into_iter().map(|filter| filter.query(&control)).collect::<Result<Vec<_>, _>>()?;
            let found = journal.in_order(&queries);
            Ok(Json(Verified { satisfied: found == queries.len(), found }))
        }
        (_, Some(_)) => {
            Err(Error::invalid(format!("order: 1 to {MAX_ORDER} requests, without match and count beside them")))
        }
    }
}

/// Entries as they come, as server-sent events. A client that comes back says with `Last-Event-ID` what it saw last.
async fn live(
    State(control): State<Control>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let following = control.shared.journal().follow(last.or(filter.after));
    let query = filter.query(&control)?;
    let events = stream::unfold((following, query), async |(mut following, query)| {
        loop {
            let entry = following.next().await?;
            if query.matches(&entry) {
                let data = serde_json::to_string(&Summary::of(&entry)).expect("texts and numbers are always JSON");
                let event = Event::default().event("entry").id(entry.id.to_string()).data(data);
                return Some((Ok(event), (following, query)));
            }
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}
