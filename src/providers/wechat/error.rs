//! Every failure of WeChat, in one table, and the way in which they leave.
//!
//! WeChat answers HTTP 200 for every failure; clients look at `errcode` alone, and most take another status for a broken
//! transport. `showqrcode` is the one exception (`routes/show.rs`).

use std::net::{IpAddr, Ipv4Addr};

use axum::response::{IntoResponse, Response};

use super::wire;
use super::{Operation, VENDOR};
use crate::faults::{Asked, Failure, Failures, Phase};
use crate::fetch::FetchError;
use crate::shared::{DecodeError, Outcome, Shared};
use crate::store;
use crate::work::WorkError;

/// What WeChat answers where it does not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// Busy, or our own fault.
    System,
    /// An unknown token, or one that was superseded.
    InvalidCredential,
    /// Another `grant_type` than `client_credential`.
    InvalidGrantType,
    /// An account that nobody has.
    InvalidAppid,
    /// In the vendor's table; real servers answer [`Error::InvalidCredential`] instead. Only ever forced.
    InvalidAccessToken,
    /// None of the four actions.
    InvalidActionName,
    /// A scene outside its bounds.
    InvalidActionInfo,
    /// A path that the API does not have.
    InvalidUrl,
    /// A wrong secret.
    InvalidAppsecret,
    /// The caller's address may not ask for tokens.
    IpNotAllowed(Option<IpAddr>),
    /// Only ever forced.
    AppsecretFrozen,
    /// No token in the query.
    AccessTokenMissing,
    /// No account.
    AppidMissing,
    /// No secret.
    AppsecretMissing,
    /// Neither a picture nor its address.
    MediaDataMissing,
    /// A token past its life.
    AccessTokenExpired,
    /// Another method than `POST`.
    RequirePost,
    /// Nothing in the body.
    EmptyPostData,
    /// The day's calls of `/cgi-bin/token` are spent.
    TokenQuota,
    /// The day's calls of another operation are spent.
    DailyQuota,
    /// The minute's calls are spent.
    MinuteQuota,
    /// The account has all permanent codes it may have.
    CodeCount,
    /// The body is no JSON, or a field has another type.
    DataFormat,
    /// The account lacks the right. Only ever forced.
    Unauthorized,
    /// Only ever forced.
    TokenForbidden,
    /// Only ever forced.
    AccountFrozen,
    /// The picture cannot be fetched.
    InvalidImageUrl,
    /// The bytes are no picture within the limits.
    InvalidImageData,
}

impl Error {
    /// `errcode`, and `errmsg` without its rid.
    fn table(self) -> (i64, &'static str) {
        match self {
            // Documented: "Global return codes".
            Self::System => (-1, "system error"),
            // Documented number; Recorded text: transcripts of 2024 and 2025, whose made-up tokens all got this.
            Self::InvalidCredential => (
                40001,
                "invalid credential, access_token is invalid or not latest, could get access_token by \
                 getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r",
            ),
            // Documented: "Get access token".
            Self::InvalidGrantType => (40002, "invalid grant_type"),
            Self::InvalidAppid => (40013, "invalid appid"),
            // Documented: "Global return codes".
            Self::InvalidAccessToken => (40014, "invalid access_token"),
            // Documented number and cause; Assumed text: in the table's style.
            Self::InvalidActionName => (40052, "invalid action name"),
            // Documented number; Recorded text: reports.
            Self::InvalidActionInfo => (40053, "invalid action info, please check document"),
            // Recorded: reports.
            Self::InvalidUrl => (40066, "invalid url"),
            // Documented: "Get access token".
            Self::InvalidAppsecret => (40125, "invalid appsecret"),
            // Documented number; Recorded text: reports.
            Self::IpNotAllowed(_) => (40164, "invalid ip {4} ipv6 {6}, not in whitelist"),
            // Documented number; Assumed text: the page has Chinese prose.
            Self::AppsecretFrozen => (40243, "AppSecret frozen"),
            // Recorded: transcripts of 2025.
            Self::AccessTokenMissing => (41001, "access_token missing"),
            Self::AppidMissing => (41002, "appid missing"),
            // Recorded: seen with this comma before its rid.
            Self::AppsecretMissing => (41004, "appsecret missing,"),
            // Recorded: reports on this very API.
            Self::MediaDataMissing => (41005, "media data missing"),
            // Documented: "Global return codes".
            Self::AccessTokenExpired => (42001, "access_token expired"),
            Self::RequirePost => (43002, "require POST method"),
            Self::EmptyPostData => (44002, "empty post data"),
            // Documented number; Recorded texts: reports.
            Self::TokenQuota => (
                45009,
                "reach max api daily quota limit, could get access_token by getStableAccessToken, more details at \
                 https://mmbizurl.cn/s/JtxxFh33r",
            ),
            Self::DailyQuota => (45009, "reach max api daily quota limit"),
            // Recorded: reports.
            Self::MinuteQuota => (45011, "api minute-quota reach limit, must slower, retry next minute"),
            Self::CodeCount => (45029, "qrcode count out of limit"),
            // Documented: "Global return codes".
            Self::DataFormat => (47001, "data format error"),
            Self::Unauthorized => (48001, "api unauthorized"),
            // Documented numbers; Assumed texts: the pages have Chinese prose.
            Self::TokenForbidden => (50004, "token interface forbidden"),
            Self::AccountFrozen => (50007, "account frozen"),
            // Documented: "QR Code / Barcode Identification".
            Self::InvalidImageUrl => (101_000, "invalid image url"),
            Self::InvalidImageData => (101_002, "invalid image data"),
        }
    }

    /// What `operation` can fail with.
    fn of(operation: Operation) -> &'static [Self] {
        match operation {
            Operation::Token => &[
                Self::System,
                Self::InvalidGrantType,
                Self::InvalidAppid,
                Self::InvalidAppsecret,
                Self::IpNotAllowed(None),
                Self::AppsecretFrozen,
                Self::AppidMissing,
                Self::AppsecretMissing,
                Self::RequirePost,
                Self::TokenQuota,
                Self::TokenForbidden,
                Self::AccountFrozen,
            ],
            Operation::StableToken => &[
                Self::System,
                Self::InvalidGrantType,
                Self::InvalidAppid,
                Self::InvalidAppsecret,
                Self::IpNotAllowed(None),
                Self::AppsecretFrozen,
                Self::AppidMissing,
                Self::AppsecretMissing,
                Self::RequirePost,
                Self::EmptyPostData,
                Self::DailyQuota,
                Self::MinuteQuota,
                Self::DataFormat,
                Self::TokenForbidden,
                Self::AccountFrozen,
            ],
            Operation::Scan => &[
                Self::System,
                Self::InvalidCredential,
                Self::InvalidAccessToken,
                Self::AccessTokenMissing,
                Self::MediaDataMissing,
                Self::AccessTokenExpired,
                Self::RequirePost,
                Self::DailyQuota,
                Self::MinuteQuota,
                Self::Unauthorized,
                Self::InvalidImageUrl,
                Self::InvalidImageData,
            ],
            Operation::Create => &[
                Self::System,
                Self::InvalidCredential,
                Self::InvalidAccessToken,
                Self::InvalidActionName,
                Self::InvalidActionInfo,
                Self::AccessTokenMissing,
                Self::AccessTokenExpired,
                Self::RequirePost,
                Self::EmptyPostData,
                Self::DailyQuota,
                Self::MinuteQuota,
                Self::CodeCount,
                Self::DataFormat,
                Self::Unauthorized,
            ],
            // Fails by status alone.
            Operation::Show => &[],
        }
    }

    /// Whether it says that the caller is not who it should be, so that it comes before every other answer.
    fn is_authentication(self) -> bool {
        matches!(
            self,
            Self::InvalidCredential
                | Self::InvalidGrantType
                | Self::InvalidAppid
                | Self::InvalidAccessToken
                | Self::InvalidAppsecret
                | Self::IpNotAllowed(_)
                | Self::AccessTokenMissing
                | Self::AppidMissing
                | Self::AppsecretMissing
                | Self::AccessTokenExpired
        )
    }

    /// Fails where a fault strikes a call of `operation` at this phase.
    pub(super) fn strike(
        shared: &Shared,
        operation: Operation,
        appid: Option<&str>,
        phase: Phase<'_>,
    ) -> Result<(), Self> {
        let asked = Asked { vendor: VENDOR.name, operation: operation.name(), credential: appid };
        let Some(code) = shared.fault(asked, phase) else { return Ok(()) };
        let wanted = |error: &&Self| error.table().0.to_string() == code;
        Self::of(operation).iter().find(wanted).map_or(Ok(()), |error| Err(*error))
    }

    /// `errmsg` without its rid, the caller's address filled in.
    fn text(self) -> String {
        let text = self.table().1;
        let Self::IpNotAllowed(peer) = self else { return text.to_owned() };
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
        let long = match peer {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        text.replace("{4}", &peer.to_string()).replace("{6}", &long.to_string())
    }

    /// The whole answer.
    ///
    /// Documented: the rid on the getRidInfo page, whose first group is the call's time. Assumed: the other two are
    /// random.
    pub(super) fn answer(self, shared: &Shared, credential: Option<&str>) -> Response {
        let (errcode, text) = (self.table().0, self.text());
        let (seconds, ids) = (shared.clock_of(credential).unix_seconds() as u32, shared.ids_of(credential));
        let errmsg = format!("{text} rid: {seconds:08x}-{:08x}-{:08x}", ids.number(), ids.number());
        let mut response = wire::json(&wire::Failure { errcode, errmsg });
        response.extensions_mut().insert(Outcome::new(errcode.to_string()));
        response
    }
}

/// The code of [`Error::InvalidUrl`], as text.
pub(super) const INVALID_URL: &str = "40066";

pub(super) fn failures() -> Vec<Failures> {
    let failure = |error: &Error| {
        let (code, about_sender) = (error.table().0.to_string(), error.is_authentication());
        Failure { fault: code.clone(), code, status: 200, message: error.text(), about_sender }
    };
    let of = |operation: Operation| {
        let failures = match operation {
            Operation::Show => {
                let code = super::routes::NOT_FOUND.to_owned();
                vec![Failure { fault: code.clone(), code, status: 404, message: String::new(), about_sender: false }]
            }
            Operation::Token | Operation::StableToken | Operation::Scan | Operation::Create => {
                Error::of(operation).iter().map(failure).collect()
            }
        };
        Failures { operation: operation.name(), content: operation.content(), failures }
    };
    Operation::ALL.into_iter().map(of).collect()
}

pub(super) fn defect(shared: &Shared) -> Response {
    Error::System.answer(shared, None)
}

impl From<FetchError> for Error {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Overloaded => Self::System,
            FetchError::BadUrl(_)
            | FetchError::Refused { .. }
            | FetchError::Port { .. }
            | FetchError::Off
            | FetchError::Ourselves { .. }
            | FetchError::Unreachable(_)
            | FetchError::TooSlow
            | FetchError::Status(_)
            | FetchError::Redirects
            | FetchError::TooLarge { .. }
            | FetchError::Encoded(_) => Self::InvalidImageUrl,
        }
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        tracing::debug!(%error, "a picture could not be read");
        match error {
            DecodeError::Load(_) => Self::InvalidImageData,
            DecodeError::Work(WorkError::Overloaded { .. } | WorkError::Died) => Self::System,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        store::Error::from(error).into()
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        store::note_failure(&error);
        Self::System
    }
}

impl IntoResponse for Error {
    /// Marks the answer; the door (`routes::envelope`) writes it, because the rid needs the time and an id.
    fn into_response(self) -> Response {
        let mut response = ().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_operation_has_each_code_once() {
        for operation in Operation::ALL {
            let codes: BTreeSet<_> = Error::of(operation).iter().map(|error| error.table().0).collect();
            assert_eq!(codes.len(), Error::of(operation).len(), "{operation:?}");
        }
    }

    #[test]
    fn the_code_of_unknown_paths_is_the_tables() {
        assert_eq!(Error::InvalidUrl.table().0.to_string(), INVALID_URL);
    }

    #[test]
    fn an_address_is_shown_in_both_forms() {
        for (peer, expected) in [
            ("1.2.3.4", "invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4, not in whitelist"),
            ("2001:db8::1", "invalid ip 2001:db8::1 ipv6 2001:db8::1, not in whitelist"),
        ] {
            let peer = peer.parse().expect("an address");
            let shown = Error::IpNotAllowed(Some(peer)).text();
            assert_eq!(shown, expected);
        }
    }
}
