//! What happens to every request of a door: a deadline, a net under panics, the date, one line in the log.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::DATE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response as HttpResponse};
use axum::middleware::{self, Next};
use axum::response::Response;
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

use crate::shared::{Outcome, Shared};

/// Who attends to the requests of one door.
pub(super) struct Attendant {
    /// The vendor's name in the log.
    pub(super) vendor: &'static str,
    /// What a request asks for.
    pub(super) operation: fn(&Parts) -> &'static str,
    /// Settings and clock.
    pub(super) shared: Shared,
}

#[derive(Clone)]
struct Net {
    shared: Shared,
    defect: fn(&Shared) -> Response,
}

impl ResponseForPanic for Net {
    type ResponseBody = axum::body::Body;

    fn response_for_panic(&mut self, panic: Box<dyn Any + Send>) -> HttpResponse<Self::ResponseBody> {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(panic = text.unwrap_or("no text"), "a handler panicked");
        (self.defect)(&self.shared)
    }
}

/// Puts the attendant in front of `routes`; `defect` is the vendor's answer where we failed.
pub(super) fn attend(routes: Router, attendant: Arc<Attendant>, defect: fn(&Shared) -> Response) -> Router {
    let net = Net { shared: attendant.shared.clone(), defect };
    let watch = move |State(attendant): State<Arc<Attendant>>, request: Request, next: Next| async move {
        watched(&attendant, defect, request, next).await
    };
    routes.layer(CatchPanicLayer::custom(net)).layer(middleware::from_fn_with_state(attendant, watch))
}

async fn watched(attendant: &Attendant, defect: fn(&Shared) -> Response, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let mut operation = (attendant.operation)(&parts);
    let method = parts.method.clone();
    let deadline = attendant.shared.config().request_timeout;
    let answered = tokio::time::timeout(deadline, next.run(Request::from_parts(parts, body))).await;
    let mut response = answered.unwrap_or_else(|_| {
        tracing::error!(seconds = deadline.as_secs_f32(), "a request took longer than request_timeout");
        defect(&attendant.shared)
    });

    if !response.headers().contains_key(DATE)
        && let Ok(date) = HeaderValue::from_str(&attendant.shared.clock().http_date())
    {
        response.headers_mut().insert(DATE, date);
    }
    let outcome = response.extensions().get::<Outcome>();
    operation = outcome.and_then(|outcome| outcome.operation).unwrap_or(operation);
    tracing::info!(
        provider = attendant.vendor,
        operation,
        %method,
        status = response.status().as_u16(),
        code = outcome.map_or("", |outcome| outcome.code.as_ref()),
        elapsed_ms = started.elapsed().as_secs_f64() * 1000.0,
        "answered"
    );
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::clock::{Clock, Ids};
    use crate::config::{Config, Raw};
    use crate::store::Store;

    async fn answer(path: &str) -> Response {
        let flags = [("request_timeout".to_owned(), "20ms".to_owned())].into();
        let config =
            Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let store = Store::in_memory(&[]).await.expect("a store");
        let app = crate::server::open(config, store, Clock::fixed(0), Ids::seeded(1)).expect("opened");
        let attendant = Attendant { vendor: "test", operation: |_| "test", shared: app.shared };
        let routes = Router::new()
            .route("/panic", get(async || -> Response { panic!("on purpose") }))
            .route("/hang", get(async || -> Response { std::future::pending().await }))
            .route("/well", get(async || "well"));
        let defect =
            |_: &Shared| Response::builder().status(StatusCode::IM_A_TEAPOT).body(Body::empty()).expect("valid");
        let request = Request::builder().uri(path).body(Body::empty()).expect("valid");
        attend(routes, Arc::new(attendant), defect).oneshot(request).await.expect("infallible")
    }

    #[tokio::test]
    async fn a_panic_and_a_hang_leave_in_the_vendors_shape() {
        assert_eq!(answer("/panic").await.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(answer("/hang").await.status(), StatusCode::IM_A_TEAPOT);
    }

    #[tokio::test]
    async fn the_date_is_the_clocks() {
        assert_eq!(answer("/well").await.headers()[DATE], "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
