//! The operations, one file each, and what all their answers have in common.

mod create;
mod scan;
mod show;
mod token;

use axum::Router;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use axum::routing::{Route, any};
use futures_util::FutureExt;
use serde_json::Value;
use tower::Service;

pub(super) use show::NOT_FOUND;

use super::Operation;
use super::auth::Caller;
use super::error::Error;
use super::wire::Fields;
use crate::intake::{BodyError, around};
use crate::shared::{Outcome, Shared};

/// Bytes of a JSON body; a request fits many times over.
const MAX_JSON: usize = 1 << 20;

pub(super) fn routes(shared: Shared) -> Router {
    let routes = Router::new()
        .route(Operation::Token.path(), any(token::token))
        .route(Operation::StableToken.path(), any(token::stable_token))
        .route(Operation::Scan.path(), any(scan::img_qrcode))
        .route(Operation::Create.path(), any(create::qrcode_create))
        .route(Operation::Show.path(), any(show::showqrcode))
        .with_state(shared.clone());
    enveloped(routes, shared)
}

pub(super) fn elsewhere(shared: Shared) -> Router {
    enveloped(Router::new().fallback(async || Error::InvalidUrl), shared)
}

/// Puts an [`envelope`] around the answers of `routes`.
fn enveloped(routes: Router, shared: Shared) -> Router {
    around(routes, move |request, route| envelope(shared.clone(), request, route))
}

/// Writes the failures, says whose the answer is, and adds `Connection: keep-alive`, which real answers have.
fn envelope(shared: Shared, mut request: Request, mut route: Route) -> impl Future<Output = Response> + Send {
    let closes = request.headers().get_all(CONNECTION).iter().any(|value| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"))
    });
    let caller = Caller::default();
    request.extensions_mut().insert(caller.clone());
    route.call(request).map(move |Ok(mut response)| {
        let credential = caller.appid();
        if let Some(error) = response.extensions().get::<Error>().copied() {
            response = error.answer(&shared, credential.as_deref());
        }
        if let Some(outcome) = response.extensions_mut().get_mut::<Outcome>() {
            outcome.credential = credential;
        }
        if !closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        }
        response
    })
}

/// The fields of a JSON object that was posted.
///
/// Recorded: wechatpy, werobot and wechat-sdk send no content type, silenceper ends the body with a newline; so the text
/// decides, not its content type.
struct Posted(Fields);

impl FromRequest<Shared> for Posted {
    type Rejection = Error;

    fn from_request(request: Request, shared: &Shared) -> impl Future<Output = Result<Self, Error>> + Send {
        // Of the request, the future keeps no more than it needs.
        let (is_post, body) = (request.method() == Method::POST, request.into_body());
        async move {
            if !is_post {
                return Err(Error::RequirePost);
            }
            let bytes = shared.intake().body(body, MAX_JSON).await.map_err(|error| match error {
                BodyError::TooLarge { .. } | BodyError::Broken(_) => Error::DataFormat,
                BodyError::NoRoom => Error::System,
            })?;
            shared.intake().aside(bytes.len(), move || Self::parse(&bytes)).await
        }
    }
}

impl Posted {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii();
        if text.is_empty() {
            return Err(Error::EmptyPostData);
        }
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => {
                Err(Error::DataFormat)
            }
        }
    }
}
