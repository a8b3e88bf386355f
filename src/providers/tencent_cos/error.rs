//! Every failure of COS, in one table.

use axum::http::StatusCode;

use super::wire::{QRCODE_CONTENT, Server};
use super::{QRCODE_GENERATE, VENDOR};
use crate::codec::EncodeError;
use crate::faults::{self, Asked, Failure, Failures, Phase};
use crate::intake::query::QueryError;
use crate::shared::Shared;
use crate::work::WorkError;

/// What COS answers where it does not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// Another feature of Cloud Infinite.
    InvalidCiProcess,
    /// No text to draw.
    InvalidContent,
    /// More text than the code holds.
    ContentTooLong,
    /// A character that bar codes do not have.
    ContentNotAscii,
    /// Neither QR Code nor bar code.
    InvalidMode,
    /// No width, no number, or out of bounds.
    InvalidWidth,
    /// Less than a pixel a module, and a setting forbids a wider picture.
    WidthTooSmall,
    /// Never given by ourselves: a broken signature is `AccessDenied`.
    InvalidRequest,
    /// The target is too long, has a broken percent sequence, or is not UTF-8.
    InvalidUri,
    /// There is no host at all.
    MissingSecurityHeader,
    /// The host is not a bucket's, and a setting demands that.
    InvalidHost,
    /// No signature.
    Anonymous,
    /// A signature that lacks a part, or a wrong token.
    Denied,
    /// The signature's time is over.
    Expired,
    /// The signature's time lies too far ahead.
    TimeTooSkewed,
    /// A key that nobody has.
    UnknownKey,
    /// A key that nobody can have.
    MalformedKey,
    /// Another signature than ours, which is told, unless an operator forces this error.
    SignatureDoesNotMatch(Option<Box<Mismatch>>),
    /// Never given by ourselves: tokens do not expire.
    ExpiredToken,
    /// A bucket that the settings do not name.
    NoSuchBucket,
    /// Neither `GET` nor `HEAD`.
    MethodNotAllowed,
    /// A call of COS that does not exist here.
    NotImplemented,
    /// Our own fault.
    Internal,
    /// Never given by ourselves: overload is `SlowDown`.
    ServiceUnavailable,
    /// More pictures than can be drawn.
    SlowDown,
}

/// What we signed where the client signed something else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// `StringToSign`.
    pub(super) string_to_sign: String,
    /// `FormatString`.
    pub(super) format_string: String,
}

impl Error {
    pub(super) const ALL: [Self; 25] = [
        Self::InvalidCiProcess,
        Self::InvalidContent,
        Self::ContentTooLong,
        Self::ContentNotAscii,
        Self::InvalidMode,
        Self::InvalidWidth,
        Self::WidthTooSmall,
        Self::InvalidRequest,
        Self::InvalidUri,
        Self::MissingSecurityHeader,
        Self::InvalidHost,
        Self::Anonymous,
        Self::Denied,
        Self::Expired,
        Self::TimeTooSkewed,
        Self::UnknownKey,
        Self::MalformedKey,
        Self::SignatureDoesNotMatch(None),
        Self::ExpiredToken,
        Self::NoSuchBucket,
        Self::MethodNotAllowed,
        Self::NotImplemented,
        Self::Internal,
        Self::ServiceUnavailable,
        Self::SlowDown,
    ];

    /// HTTP status, `Code`, `Message`, and which server says so.
    ///
    /// Documented: statuses and codes, in "Error codes" of COS and of Cloud Infinite. Recorded, in public reports of
    /// users: the texts of `AccessDenied`, `InvalidAccessKeyId`, `InvalidRequest` and `SignatureDoesNotMatch`; Node.js
    /// compares `Request has expired` to the letter. Assumed: the other texts, in the vendor's style, and the server.
    pub(super) fn table(&self) -> (StatusCode, &'static str, &'static str, Server) {
        use Server::{Ci, Cos};
        use StatusCode as S;
        match self {
            Self::InvalidCiProcess => (S::BAD_REQUEST, "InvalidArgument", "ci-process is invalid", Ci),
            Self::InvalidContent => (S::BAD_REQUEST, "InvalidArgument", "qrcode-content is invalid", Ci),
            Self::ContentTooLong => (S::BAD_REQUEST, "InvalidArgument", "qrcode-content is too long", Ci),
            Self::ContentNotAscii => {
                (S::BAD_REQUEST, "InvalidArgument", "qrcode-content has characters that a barcode cannot carry", Ci)
            }
            Self::InvalidMode => (S::BAD_REQUEST, "InvalidArgument", "mode is invalid", Ci),
            Self::InvalidWidth => (S::BAD_REQUEST, "InvalidArgument", "width is invalid", Ci),
            Self::WidthTooSmall => (S::BAD_REQUEST, "InvalidArgument", "width is too small for the content", Ci),
            Self::InvalidRequest => {
                (S::BAD_REQUEST, "InvalidRequest", "Missing required header for this request: Appid", Cos)
            }
            Self::InvalidUri => (S::BAD_REQUEST, "InvalidURI", "Could not parse the specified URI.", Cos),
            Self::MissingSecurityHeader => {
                (S::BAD_REQUEST, "MissingSecurityHeader", "Your request is missing a required header.", Cos)
            }
            Self::InvalidHost => (S::BAD_REQUEST, "InvalidHost", "Host verify failed", Cos),
            Self::Anonymous | Self::Denied => (S::FORBIDDEN, "AccessDenied", "Access Denied.", Cos),
            Self::Expired => (S::FORBIDDEN, "AccessDenied", "Request has expired", Cos),
            Self::TimeTooSkewed => (
                S::FORBIDDEN,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
                Cos,
            ),
            Self::UnknownKey => (
                S::FORBIDDEN,
                "InvalidAccessKeyId",
                "The Access Key Id you provided does not exist in our records",
                Cos,
            ),
            Self::MalformedKey => {
                (S::FORBIDDEN, "InvalidAccessKeyId", "The access key Id format you provided is invalid.", Cos)
            }
            Self::SignatureDoesNotMatch(_) => {
                (S::FORBIDDEN, "SignatureDoesNotMatch", "The Signature you specified is invalid.", Cos)
            }
            Self::ExpiredToken => (S::FORBIDDEN, "ExpiredToken", "Token is expired", Cos),
            Self::NoSuchBucket => (S::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist.", Cos),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
                Cos,
            ),
            Self::NotImplemented => (
                S::NOT_IMPLEMENTED,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented.",
                Cos,
            ),
            Self::Internal => {
                (S::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error. Please try again.", Cos)
            }
            Self::ServiceUnavailable => {
                (S::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please reduce your request rate.", Cos)
            }
            Self::SlowDown => (S::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.", Cos),
        }
    }

    /// Whether the answer has a `ServerTime`. Recorded, in public reports of users: time errors and anonymous denials.
    pub(super) fn tells_time(&self) -> bool {
        matches!(self, Self::Anonymous | Self::Expired | Self::TimeTooSkewed)
    }

    /// Whether the failure is about who sends the request. Such a one is forced on every sender.
    pub(super) fn is_authentication(&self) -> bool {
        matches!(
            self,
            Self::Anonymous
                | Self::Denied
                | Self::Expired
                | Self::TimeTooSkewed
                | Self::UnknownKey
                | Self::MalformedKey
                | Self::SignatureDoesNotMatch(_)
                | Self::ExpiredToken
        )
    }

    /// How it is asked for.
    fn fault(&self) -> String {
        faults::name(self, &Self::ALL, |error| error.table().1)
    }

    /// Fails where a fault strikes the request at this phase.
    pub(super) fn strike(shared: &Shared, credential: Option<&str>, phase: Phase<'_>) -> Result<(), Self> {
        let asked = Asked { vendor: VENDOR.name, operation: QRCODE_GENERATE, credential };
        let Some(fault) = shared.fault(asked, phase) else { return Ok(()) };
        Self::ALL.into_iter().find(|error| error.fault() == fault).map_or(Ok(()), Err)
    }
}

pub(super) fn failures() -> Vec<Failures> {
    let failure = |error: &Error| {
        let (status, code, message, _) = error.table();
        let about_sender = error.is_authentication();
        Failure {
            fault: error.fault(),
            code: code.to_owned(),
            status: status.as_u16(),
            message: message.to_owned(),
            about_sender,
        }
    };
    let failures = Error::ALL.iter().map(failure).collect();
    vec![Failures { operation: QRCODE_GENERATE, content: &[QRCODE_CONTENT], failures }]
}

impl From<QueryError> for Error {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::BadPercent | QueryError::NotUtf8 => Self::InvalidUri,
        }
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Empty => Self::InvalidContent,
            EncodeError::TooLong { .. } => Self::ContentTooLong,
            EncodeError::NoSuchCharacter { .. } => Self::ContentNotAscii,
        }
    }
}

impl From<WorkError> for Error {
    fn from(error: WorkError) -> Self {
        match error {
            WorkError::Overloaded { .. } => Self::SlowDown,
            WorkError::Died => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_failure_can_be_had_by_a_name_of_its_own() {
        let Failures { operation, failures, .. } = failures().remove(0);
        assert_eq!(operation, "qrcode-generate");
        let names: BTreeSet<_> = failures.iter().map(|failure| failure.fault.as_str()).collect();
        assert_eq!(names.len(), Error::ALL.len(), "{failures:?}");
        assert!(names.contains("AccessDenied") && names.contains("AccessDenied:Expired"), "{names:?}");
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == ':';
        assert!(names.iter().all(|name| name.chars().all(is_of_name)), "{names:?}");
    }

    #[test]
    fn failures_differ_in_code_text_or_server_time() {
        let told: BTreeSet<_> =
            Error::ALL.iter().map(|error| (error.table().1, error.table().2, error.tells_time())).collect();
        assert_eq!(told.len(), Error::ALL.len());
    }
}
