//! What happens to every request of a door: a deadline, a net under panics, the date, one line in the log, one count, an
//! entry of the journal; and what a fault does to its answer.

use std::any::Any;
use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::DATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::FutureExt;
use futures_util::future::Either;
use jiff::Timestamp;
use tower::{Layer, Service};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use tracing::Instrument;

use super::damage::damage;
use crate::clock::real_time;
use crate::intake::around;
use crate::journal::{self, Head, Record};
use crate::shared::{Outcome, Shared};
use crate::underway::{self, Kept, Notes};

/// Who answers under `/_qrstack/`, in log and metrics.
pub(super) const OURS: &str = "qrstack";
/// Who answers what nobody owns.
pub(super) const NOBODYS: &str = "none";
/// The statuses of those two and of the listener, who have no codes: what the metrics say instead.
pub(super) const STATUSES: [&str; 21] = [
    "200", "201", "204", "400", "401", "403", "404", "405", "408", "409", "410", "413", "414", "415", "422", "431",
    "500", "501", "503", "505", "508",
];

/// When a request began, where somebody looked at it before its attendant.
#[derive(Clone, Copy)]
pub(super) struct Started(pub(super) Instant);

/// What is remembered of a request until it is answered.
pub(super) struct Seen {
    operation: &'static str,
    method: Method,
    started: Instant,
    /// When it came and its head for the journal, if that gets anything.
    record: Option<(Timestamp, Head)>,
}

/// Who attends to the requests of one door.
#[derive(Clone)]
pub(super) struct Attendant {
    /// The vendor's name in the log.
    pub(super) vendor: &'static str,
    /// What a request asks for.
    pub(super) operation: fn(&Parts) -> &'static str,
    /// The vendor's answer where we failed.
    pub(super) defect: fn(&Shared) -> Response,
    /// Settings and clock.
    pub(super) shared: Shared,
}

impl ResponseForPanic for Attendant {
    type ResponseBody = Body;

    fn response_for_panic(&mut self, _: Box<dyn Any + Send>) -> HttpResponse<Self::ResponseBody> {
        // What it panicked about is in the log already: the hook of `cli::logging` writes every panic.
        (self.defect)(&self.shared)
    }
}

/// Puts the attendant in front of `routes`.
pub(super) fn attend(routes: Router, attendant: Attendant) -> Router {
    let attendant = Arc::new(attendant);
    around(routes, move |request, route| Arc::clone(&attendant).answer(request, route))
}

impl Attendant {
    /// The answer of `route`, or the vendor's own where it fails.
    ///
    /// Its futures are put together by hand: an `async` block has room for what it was given and again for what it awaits,
    /// and these would nest until each request takes and moves kilobytes.
    fn answer(self: Arc<Self>, request: Request, route: Route) -> impl Future<Output = Response> + Send {
        let (parts, body) = request.into_parts();
        let started = parts.extensions.get().map_or_else(Instant::now, |Started(started)| *started);
        let seen = self.see(&parts, started);
        let wanted = seen.record.is_some().then(|| Kept::part(Bytes::new(), body.is_end_stream()));
        let notes = Notes { body: wanted, ..Notes::default() };
        if self.shared.fetch().sent(&parts.headers) {
            return Either::Left(ready(self.finish(seen, StatusCode::LOOP_DETECTED.into_response(), notes)));
        }
        let until = started + self.shared.config().request_timeout;
        // Whatever is logged on the way says for whom it happened.
        let span = tracing::info_span!("request", provider = self.vendor, operation = seen.operation);
        let mut safe = CatchPanicLayer::custom(Self::clone(&self)).layer(route);
        let answer = safe.call(Request::from_parts(parts, body)).instrument(span);
        let noted = underway::noting(notes, tokio::time::timeout_at(until.into(), answer));
        Either::Right(noted.then(move |(answer, notes)| match answer {
            Ok(Ok(answer)) if notes.fault.is_none() => {
                Either::Left(ready(self.finish(seen, answer.map(Body::new), notes)))
            }
            Ok(Ok(answer)) => {
                Either::Right(Box::pin(async move { self.struck(seen, answer.map(Body::new), notes).await }))
            }
            Err(_) => Either::Left(ready(self.too_slow(seen, notes))),
        }))
    }

    /// What is to be remembered of a request until it is answered.
    pub(super) fn see(&self, parts: &Parts, started: Instant) -> Seen {
        let is_recorded = self.vendor != OURS && self.shared.journal().is_on();
        Seen {
            operation: (self.operation)(parts),
            method: parts.method.clone(),
            started,
            record: is_recorded.then(|| (real_time(started), Head::of_request(parts))),
        }
    }

    /// The answer to a request that took longer than `request_timeout`.
    pub(super) fn too_slow(&self, seen: Seen, notes: Notes) -> Response {
        tracing::error!(
            provider = self.vendor,
            operation = seen.operation,
            "a request took longer than request_timeout"
        );
        self.finish(seen, (self.defect)(&self.shared), notes)
    }

    /// The answer to a request that a fault struck: late, or damaged, or both.
    async fn struck(&self, seen: Seen, answer: Response, notes: Notes) -> Response {
        let credential = answer.extensions().get::<Outcome>().and_then(|outcome| outcome.credential.clone());
        let (ids, kind) = (self.shared.ids_of(credential.as_deref()), notes.damage);
        if let Some(latency) = notes.latency {
            tokio::time::sleep(latency.draw(&ids)).await;
        }
        let answer = self.finish(seen, answer, notes);
        match kind {
            Some(kind) => damage(answer, kind, &ids).await,
            None => answer,
        }
    }

    fn finish(&self, seen: Seen, mut answer: Response, notes: Notes) -> Response {
        let Seen { operation, method, started, record } = seen;
        if !answer.headers().contains_key(DATE) {
            let credential = answer.extensions().get::<Outcome>().and_then(|outcome| outcome.credential.as_deref());
            if let Ok(date) = HeaderValue::try_from(self.shared.clock_of(credential).http_date()) {
                answer.headers_mut().insert(DATE, date);
            }
        }
        // Looked at where it is, not copied: it may be long.
        let whole = record.as_ref().and_then(|_| journal::take_whole(&mut answer));
        let (outcome, status, elapsed) = (answer.extensions().get::<Outcome>(), answer.status(), started.elapsed());
        let operation = outcome.and_then(|outcome| outcome.operation).unwrap_or(operation);
        let code = outcome.map_or("", |outcome| outcome.code.as_ref());
        tracing::info!(
            provider = self.vendor,
            operation,
            %method,
            status = status.as_u16(),
            code,
            elapsed_ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3,
            "answered"
        );
        let counted = if outcome.is_some() { code } else { status.as_str() };
        self.shared.metrics().answered(self.vendor, operation, counted, elapsed);
        let Some((at, head)) = record else { return answer };
        self.shared.journal().record(&Record {
            at,
            elapsed,
            vendor: self.vendor,
            operation,
            code,
            credential: outcome.and_then(|outcome| outcome.credential.as_deref()),
            content: &notes.content,
            fault: notes.fault.as_deref(),
            explanation: outcome.and_then(|outcome| outcome.explanation.as_ref()),
            request: &head,
            request_body: &notes.body.unwrap_or_default(),
            status,
            headers: answer.headers(),
            answer_body: whole.as_ref(),
        });
        journal::put_back(&mut answer, whole);
        answer
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::clock::{Clock, Ids};
    use crate::config::{Config, Raw};
    use crate::store::Store;

    /// Who attends to a server with little patience.
    async fn attendant() -> Attendant {
        let flags = [("request_timeout".to_owned(), "20ms".to_owned())].into();
        let config =
            Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let store = Store::in_memory(&[]).await.expect("a store");
        let app = crate::server::open(config, store, Clock::fixed(0), Ids::seeded(1)).expect("opened");
        let defect =
            |_: &Shared| Response::builder().status(StatusCode::IM_A_TEAPOT).body(Body::empty()).expect("valid");
        Attendant { vendor: "test", operation: |_| "test", defect, shared: app.shared }
    }

    fn request(path: &str) -> Request {
        Request::builder().uri(path).body(Body::empty()).expect("valid")
    }

    async fn answer(path: &str) -> Response {
        let routes = Router::new()
            .route("/panic", get(async || -> Response { panic!("on purpose") }))
            .route("/hang", get(async || -> Response { std::future::pending().await }))
            .route("/well", get(async || "well"));
        attend(routes, attendant().await).oneshot(request(path)).await.expect("infallible")
    }

    #[tokio::test]
    async fn a_panic_and_a_hang_leave_in_the_vendors_shape() {
        assert_eq!(answer("/panic").await.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(answer("/hang").await.status(), StatusCode::IM_A_TEAPOT);
    }

    /// Each request has one on the heap. The usual allocator keeps pieces up to this size at hand, and looks for larger
    /// ones.
    #[tokio::test]
    async fn what_attends_to_a_request_is_small() {
        let attendant = attendant().await;
        let routes = around(Router::new().fallback(async || "well"), move |request, route| {
            let answer = Arc::new(attendant.clone()).answer(request, route);
            assert!(size_of_val(&answer) <= 1032, "{} bytes", size_of_val(&answer));
            answer
        });
        assert_eq!(routes.oneshot(request("/")).await.expect("infallible").status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn the_date_is_the_clocks() {
        assert_eq!(answer("/well").await.headers()[DATE], "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
