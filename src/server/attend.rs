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
