//! Who calls: an application by its secret at the two token operations, an account by its token at the others.
//!
//! Also here, because the vendor checks it in the same breath: rights and quotas of the caller.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Operation;
use super::error::Error;
use super::store::{counts, tokens};
use super::wire::Credentials;
use crate::config::{Auth, Config};
use crate::faults::Phase;
use crate::intake::{Peer, query};
use crate::shared::Shared;

/// The only grant there is. Documented.
const GRANT_TYPE: &str = "client_credential";

/// The account that a request names, as soon as that is known; the door puts it into the request's extensions and looks
/// at it when the answer is there.
#[derive(Clone, Default)]
pub(super) struct Caller(Arc<OnceLock<Arc<str>>>);

impl Caller {
    /// Notes the account. The first one counts.
    pub(super) fn is(&self, appid: impl Into<Arc<str>>) {
        self.0.get_or_init(|| appid.into());
    }

    /// The account, if one was named.
    pub(super) fn appid(&self) -> Option<Arc<str>> {
        self.0.get().cloned()
    }
}

/// The account that an application's credentials belong to.
///
/// Checked in this order (Recorded for the first two: a transcript; Assumed for the others): account, kind of grant,
/// secret, address.
pub(super) fn identify(
    shared: &Shared,
    operation: Operation,
    credentials: &Credentials,
    peer: Option<Peer>,
) -> Result<Arc<str>, Error> {
    let config = shared.config();
    let address = peer.map(|peer| peer.0.ip().to_canonical());
    let strike = |appid: Option<&str>, phase| {
        Error::strike(shared, operation, appid, phase).map_err(|error| match error {
            Error::IpNotAllowed(None) => Error::IpNotAllowed(address),
            error => error,
        })
    };
    strike(None, Phase::Arrived)?;

    let appid = match (config.auth, credentials.appid.as_deref()) {
        (_, Some(appid)) => appid,
        (Auth::Open, None) => first_app(config),
        (Auth::Verify | Auth::Accept, None) => return Err(Error::AppidMissing),
    };
    let app = shared.credentials().app(appid);
    if config.auth == Auth::Verify && app.is_none() {
        return Err(Error::InvalidAppid);
    }
    if credentials.grant_type.as_deref() != Some(GRANT_TYPE) {
        return Err(Error::InvalidGrantType);
    }
    match (config.auth, credentials.secret.as_deref()) {
        (Auth::Open, _) | (Auth::Accept, Some(_)) => {}
        (Auth::Verify | Auth::Accept, None) => return Err(Error::AppsecretMissing),
        (Auth::Verify, Some(secret)) if app.is_some_and(|app| app.secret.matches(secret)) => {}
        (Auth::Verify, Some(_)) => return Err(Error::InvalidAppsecret),
    }
    let allowed = &config.wechat_ip_allow;
    if !allowed.is_empty() && !address.is_some_and(|address| allowed.iter().any(|net| net.contains(&address))) {
        return Err(Error::IpNotAllowed(address));
    }
    strike(Some(appid), Phase::Admitted)?;
    Ok(appid.into())
}

/// The account of a request, by the token in its query.
pub(super) struct Account {
    pub(super) appid: Arc<str>,
}

impl FromRequestParts<Shared> for Account {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        let operation = Operation::of(parts.uri.path()).ok_or(Error::InvalidUrl)?;
        Error::strike(shared, operation, None, Phase::Arrived)?;
        let caller = parts.extensions.get::<Caller>().cloned().unwrap_or_default();
        let appid = account_of(shared, &caller, presented(parts).as_deref()).await?;
        caller.is(Arc::clone(&appid));
        Error::strike(shared, operation, Some(&appid), Phase::Admitted)?;
        if operation == Operation::Create {
            counts::create(shared, &appid).await?;
        }
        Ok(Self { appid })
    }
}

/// The token as it is presented.
///
/// Documented: both names. Recorded: a token in the body or in a header counts as missing (a published transcript).
fn presented(parts: &Parts) -> Option<Cow<'_, str>> {
    let value = |key| {
        let value = query::first_lossy(parts.uri.query().unwrap_or_default(), key);
        value.filter(|token| !token.is_empty())
    };
    value("access_token").or_else(|| value("cloudbase_access_token"))
}

async fn account_of(shared: &Shared, caller: &Caller, token: Option<&str>) -> Result<Arc<str>, Error> {
    let config = shared.config();
    let Some(token) = token else {
        return match config.auth {
            Auth::Open => Ok(first_app(config).into()),
            Auth::Verify | Auth::Accept => Err(Error::AccessTokenMissing),
        };
    };
    // Every fixed token is compared, so that the time does not tell how many there are before the right one.
    let tokens = config.wechat_tokens.iter();
    let fixed = tokens.fold(None, |found, fixed| if fixed.token.matches(token) { Some(fixed) } else { found });
    if let Some(fixed) = fixed {
        return Ok(fixed.appid.as_str().into());
    }
    let known = tokens::find(shared, token).await?;
    // Also whoever comes with a token that has ended is known.
    if let Some(known) = &known {
        caller.is(Arc::clone(&known.appid));
    }
    match (config.auth, known) {
        (Auth::Verify, Some(known)) => {
            known.check(shared.clock().of(&known.appid).unix_seconds()).map(|()| known.appid)
        }
        (Auth::Verify, None) => Err(Error::InvalidCredential),
        (Auth::Accept | Auth::Open, Some(known)) => Ok(known.appid),
        (Auth::Accept | Auth::Open, None) => Ok(first_app(config).into()),
    }
}

/// The account of callers whom nobody asked who they are.
fn first_app(config: &Config) -> &str {
    config.wechat_apps.first().map_or("", |app| &app.appid)
}
