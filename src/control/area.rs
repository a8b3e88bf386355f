//! A part of the API: its routes, and the piece of the OpenAPI document that describes them. A test compares the two.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, on};

use super::{BASE, Control};

/// A part of the API.
pub(super) struct Area {
    /// What answers, by whole paths.
    pub(super) router: Router<Control>,
    /// Method and path of each route, the path without its base and as OpenAPI spells it.
    pub(super) routes: Vec<(Method, &'static str)>,
    /// `paths` and `components` of the OpenAPI document.
    pub(super) document: &'static str,
}

impl Area {
    /// An area without routes that `document` describes.
    pub(super) fn new(document: &'static str) -> Self {
        Self { router: Router::new(), routes: Vec::new(), document }
    }

    /// Adds a route that reads.
    pub(super) fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, Control>) -> Self {
        self.on(Method::GET, MethodFilter::GET, path, handler)
    }

    /// Adds a route that does something.
    pub(super) fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, Control>) -> Self {
        self.on(Method::POST, MethodFilter::POST, path, handler)
    }

    /// Adds a route that puts something into its place.
    pub(super) fn put<T: 'static>(self, path: &'static str, handler: impl Handler<T, Control>) -> Self {
        self.on(Method::PUT, MethodFilter::PUT, path, handler)
    }

    /// Adds a route that takes something away.
    pub(super) fn delete<T: 'static>(self, path: &'static str, handler: impl Handler<T, Control>) -> Self {
        self.on(Method::DELETE, MethodFilter::DELETE, path, handler)
    }

    fn on<T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        handler: impl Handler<T, Control>,
    ) -> Self {
        self.router = self.router.route(&format!("{BASE}{path}"), on(filter, handler));
        self.routes.push((method, path));
        self
    }
}
