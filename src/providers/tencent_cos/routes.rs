//! The handler of `qrcode-generate`, which also answers every other call of COS, since all of them share their paths.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;

use super::error::Error;
use super::wire::{Frame, QRCODE_CONTENT, QrcodeGenerate, Success, Target, Widened, check_bucket};
use super::{QRCODE_GENERATE, auth};
use crate::config::Auth;
use crate::faults::Phase;
use crate::recent::Recent;
use crate::shared::{Outcome, Shared};

/// Answers of a generation that are remembered, and bytes of the longest: two generations take 4 MiB at most, and less than
/// one where pictures are of the usual size.
const REMEMBERED: usize = 256;
const LONGEST: usize = 8 << 10;

/// What the handler works with.
#[derive(Clone)]
struct Cos {
    shared: Shared,
    /// Probes, retries and test suites ask for the same few pictures again and again, and drawing one takes longer than
    /// everything else about its request.
    drawn: Arc<Recent<Drawn>>,
}

/// What was drawn before.
#[derive(Clone)]
struct Drawn {
    answer: Success,
    widened: Option<Widened>,
}

pub(super) fn elsewhere(shared: Shared) -> Router {
    let drawn = Arc::new(Recent::new(REMEMBERED));
    Router::new().fallback(answer).with_state(Cos { shared, drawn })
}

/// The answer where a handler panicked or took too long; what was asked for is not known any more.
pub(super) fn defect(shared: &Shared) -> Response {
    Frame::without_request(shared).failure(&Error::Internal)
}

async fn answer(State(cos): State<Cos>, request: Request) -> Response {
    // No operation reads a body.
    let (parts, _) = request.into_parts();
    let (shared, credential) = (&cos.shared, auth::named(&parts));
    let frame = Frame::new(shared, &parts, credential.clone());
    match qrcode_generate(&cos, &parts, credential.as_deref()).await {
        Ok(drawn) => frame.success(drawn),
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
async fn qrcode_generate(cos: &Cos, parts: &Parts, credential: Option<&str>) -> Result<Success, Error> {
    let shared = &cos.shared;
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
    let draw = move |request: &QrcodeGenerate| {
        let picture = request.draw(strict)?;
        Ok::<_, Error>(Drawn { answer: Success::of(&picture.png), widened: picture.widened })
    };
    let drawn = if request.is_small() {
        cos.remembered(&request.key(), || draw(&request))?
    } else {
        shared.work().run(request.memory(), move || draw(&request)).await??
    };
    if let Some(widened) = drawn.widened {
        widened.log();
    }
    Ok(drawn.answer)
}

impl Cos {
    /// What was drawn before for this key, or is drawn now.
    fn remembered(&self, key: &str, draw: impl FnOnce() -> Result<Drawn, Error>) -> Result<Drawn, Error> {
        if let Some(drawn) = self.drawn.get(key) {
            return Ok(drawn);
        }
        let moment = self.drawn.moment();
        let drawn = draw()?;
        if drawn.answer.len() <= LONGEST {
            self.drawn.keep(moment, key, drawn.clone());
        }
        Ok(drawn)
    }
}
