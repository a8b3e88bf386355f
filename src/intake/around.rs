//! What stands around the routes of a door.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::Route;
use futures_util::FutureExt;
use tower::layer::layer_fn;
use tower::service_fn;

/// Lets `answer` answer in the place of each of `routes`, the fallback among them, with that at hand. This is a middleware
/// without the boxes that axum's own has for each request. A [`Route`] is always ready to be called.
pub fn around<F, A>(routes: Router, answer: F) -> Router
where
    F: Fn(Request, Route) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    routes.layer(layer_fn(move |route| {
        // All of it is cloned several times a request, but what is around the handler only once.
        let (answer, route) = (answer.clone(), Arc::new(route));
        service_fn(move |request| answer(request, Route::clone(&route)).map(Ok::<_, Infallible>))
    }))
}
