//! The handler of `qrcode-generate`, which also answers every other call of COS, since all of them share their paths.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;

use super::error::Error;
use super::wire::{Frame, QRCODE_CONTENT, QrcodeGenerate, Target, check_bucket};
use super::{QRCODE_GENERATE, auth};
use crate::config::Auth;
use crate::faults::Phase;
use crate::shared::{Outcome, Shared};

pub(super) fn elsewhere(shared: Shared) -> Router {
    Router::new().fallback(answer).with_state(shared)
}

/// The answer where a handler panicked or took too long; what was asked for is not known any more.
pub(super) fn defect(shared: &Shared) -> Response {
    Frame::without_request(shared).failure(&Error::Internal)
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    // No operation reads a body.
    let (parts, _) = request.into_parts();
    let credential = auth::named(&parts);
    let frame = Frame::new(&shared, &parts, credential.clone());
    match qrcode_generate(&shared, &parts, credential.as_deref()).await {
        Ok(picture) => frame.success(&picture),
        Err(error) => {
            let mut answer = frame.failure(&error);
            let is_told = shared.config().control && shared.config().auth == Auth::Verify;
            if is_told && error.is_authentication() {
                Outcome::explain(&mut answer, auth::explain(&parts, &[], &shared.explaining()));
            }
            answer
        }
    }
}

/// `GET /?ci-process=qrcode-generate`: the picture of a code, as PNG.
///
/// Assumed: the order. What is wrong with the request as such comes first, whoever sent it; then who sent it; then what
/// it asks for.
async fn qrcode_generate(shared: &Shared, parts: &Parts, credential: Option<&str>) -> Result<Vec<u8>, Error> {
    let target = Target::parse(&parts.uri)?;
    let process = target.ci_process().ok_or(Error::NotImplemented)?;
    check_bucket(parts, shared)?;
    let ours = process == QRCODE_GENERATE;
    if ours && !matches!(parts.method, Method::GET | Method::HEAD) {
        return Err(Error::MethodNotAllowed);
    }

    if ours {
        Error::strike(shared, None, Phase::Arrived)?;
    }
    auth::authenticate(shared, parts, &target)?;
    if !ours {
        return Err(Error::InvalidCiProcess);
    }
    Error::strike(shared, credential, Phase::Admitted)?;
    Error::strike(shared, credential, Phase::Read(target.last(QRCODE_CONTENT).as_slice()))?;
    let request = QrcodeGenerate::parse(&target, shared.config().cos_max_width)?;
    let strict = shared.config().cos_strict_width;
    if request.is_small() {
        request.draw(strict)
    } else {
        shared.work().run(request.memory(), move || request.draw(strict)).await?
    }
}
