//! `/cgi-bin/token` and `/cgi-bin/stable_token`.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::Method;

use super::Posted;
use crate::intake::Peer;
use crate::providers::wechat::Operation;
use crate::providers::wechat::auth::{Caller, identify};
use crate::providers::wechat::error::Error;
use crate::providers::wechat::store::{counts, tokens};
use crate::providers::wechat::wire::{Credentials, Reply, StableToken, Token};
use crate::shared::Shared;

/// `GET /cgi-bin/token`, and by POST: a new token.
pub(super) async fn token(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<Peer>>,
    method: Method,
    RawQuery(query): RawQuery,
) -> Result<Reply<Token>, Error> {
    let credentials = Credentials::from_query(&query.unwrap_or_default());
    if let Some(appid) = &credentials.appid {
        caller.is(appid.as_str());
    }
    let appid = identify(&shared, Operation::Token, &credentials, peer.map(|peer| peer.0))?;
    if method != Method::GET && method != Method::POST {
        return Err(Error::RequirePost);
    }
    counts::token(&shared, &appid).await?;
    let issued = tokens::issue(&shared, appid).await?;
    Ok(Reply(issued.into()))
}

/// `POST /cgi-bin/stable_token`: the same token until its last five minutes.
pub(super) async fn stable_token(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    peer: Option<Extension<Peer>>,
    Posted(fields): Posted,
) -> Result<Reply<Token>, Error> {
    let request = StableToken::try_from(fields)?;
    if let Some(appid) = &request.credentials.appid {
        caller.is(appid.as_str());
    }
    let appid = identify(&shared, Operation::StableToken, &request.credentials, peer.map(|peer| peer.0))?;
    counts::stable_token(&shared, &appid).await?;
    let issued = tokens::stable(&shared, appid, request.force_refresh).await?;
    Ok(Reply(issued.into()))
}
