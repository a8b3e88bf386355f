//! The one way in, and the handlers of the two actions behind it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

use super::action::Action;
use super::auth;
use super::catalog;
use super::error::Error;
use super::pace::Pace;
use super::parameters::Parameters;
use super::received::Received;
use super::wire::{
    self, Answer, Frame, QrcodeOcrRequest, QrcodeOcrResponse, QueryBarCodeRequest, QueryBarCodeResponse,
};
use crate::codec::{Kinds, Limits};
use crate::config::{NoCode, UnknownProduct};
use crate::faults::Phase;
use crate::fetch::FetchLimits;
use crate::shared::{DecodeError, Shared};

/// Pixels a side. Assumed: the vendor documents none.
const MAX_SIDE: u32 = 10_000;

/// Characters of base64 that are decoded where the request is handled: some ten microseconds.
const SHORT_BASE64: usize = 64 << 10;

/// What this vendor's handlers share.
#[derive(Clone)]
struct Ocr {
    shared: Shared,
    pace: Arc<Pace>,
}

pub(super) fn routes(shared: Shared, pace: Arc<Pace>) -> Router {
    Router::new().fallback(gateway).with_state(Ocr { shared, pace })
}

/// Any path and method: the request says itself what it wants.
async fn gateway(State(ocr): State<Ocr>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut frame = Frame::of(&parts, &ocr.shared);
    let answer = answer(&ocr, &mut frame, Request::from_parts(parts, body)).await;
    frame.close(answer)
}

/// The checks in the order in which the vendor names what is wrong, then the action.
async fn answer(ocr: &Ocr, frame: &mut Frame, request: Request) -> Result<Answer, Error> {
    let (shared, config) = (&ocr.shared, ocr.shared.config());
    let received = Received::take(request, shared.intake()).await?;
    let bytes = received.body.len();
    frame.language = received.language();
    frame.credential = auth::named(&received).map(Arc::from);
    let action = received.action()?;
    frame.action = Some(action);

    Error::strike(shared, action, None, Phase::Arrived)?;
    let check = {
        let shared = shared.clone();
        move || match auth::check(&received, &shared).map(str::to_owned) {
            Ok(secret_id) => Ok((received, secret_id)),
            Err(error) => Err(Box::new((error, auth::why(&received, &shared)))),
        }
    };
    let (received, secret_id) = match shared.intake().aside(bytes, check).await {
        Ok(checked) => checked,
        Err(refused) => {
            let (error, explanation) = *refused;
            frame.explanation = explanation;
            return Err(error);
        }
    };
    let now = shared.clock().of(&secret_id).unix_seconds();
    ocr.pace.count(&secret_id, action, now, config.ocr_rate_limit)?;
    let credential = frame.credential.as_deref();
    Error::strike(shared, action, credential, Phase::Admitted)?;
    action.check_region(received.common("Region"), received.region_name(), config)?;

    let parameters = shared.intake().aside(bytes, move || Parameters::of(received)).await?;
    if config.ocr_strict {
        parameters.check_known(action)?;
    }
    Error::strike(shared, action, credential, Phase::Read(&parameters.content(action)))?;
    match action {
        Action::QrcodeOcr => qrcode_ocr(shared, parameters.try_into()?).await.map(Answer::QrcodeOcr),
        Action::QueryBarCode => query_bar_code(shared, parameters.try_into()?).await.map(Answer::QueryBarCode),
    }
}

/// `QrcodeOCR`: reads the codes in a picture.
async fn qrcode_ocr(shared: &Shared, request: QrcodeOcrRequest) -> Result<QrcodeOcrResponse, Error> {
    let max_base64 = shared.config().ocr_max_base64;
    let max_bytes = wire::max_bytes(max_base64);
    let limits = Limits { max_side: MAX_SIDE.min(shared.limits().max_side), ..shared.limits() };
    let decoded = match request {
        QrcodeOcrRequest::ImageUrl(url) => {
            let picture = FetchLimits { redirects: 3, total: Duration::from_secs(3), max_bytes };
            shared.decode(shared.fetch().image(&url, &picture).await?, limits, Kinds::ALL).await?
        }
        QrcodeOcrRequest::ImageBase64(text) => {
            shared.decode(decoded_base64(shared, text).await?, limits, Kinds::ALL).await?
        }
        QrcodeOcrRequest::Raw(bytes) if bytes.len() > max_bytes => return Err(Error::TooLargeFileError),
        QrcodeOcrRequest::Raw(bytes) => shared.decode(bytes, limits, Kinds::ALL).await?,
    };
    let response = QrcodeOcrResponse::from(decoded);
    match shared.config().ocr_no_code {
        NoCode::Error if response.is_empty() => Err(Error::ImageNoText),
        NoCode::Error | NoCode::Empty => Ok(response),
    }
}

/// The bytes of a picture. Only a short text, or one that is refused for its length, is worth no thread of its own.
async fn decoded_base64(shared: &Shared, text: String) -> Result<Vec<u8>, Error> {
    let max_base64 = shared.config().ocr_max_base64;
    if text.len() <= SHORT_BASE64 || text.len() > max_base64 {
        return wire::decode_base64(&text, max_base64);
    }
    let bytes = text.len() as u64;
    let job = move || wire::decode_base64(&text, max_base64);
    shared.work().run(bytes, job).await.map_err(DecodeError::from)?
}

/// `QueryBarCode`: looks a product up.
async fn query_bar_code(shared: &Shared, request: QueryBarCodeRequest) -> Result<QueryBarCodeResponse, Error> {
    let code = request.bar_code;
    let known = catalog::find(shared.store(), &code).await?;
    let record = match shared.config().ocr_unknown_product {
        UnknownProduct::Record => known.or_else(|| Some(wire::unknown_product(&code))),
        UnknownProduct::Empty => known,
    };
    Ok(QueryBarCodeResponse::new(&code, record))
}
