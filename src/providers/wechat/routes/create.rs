//! `/cgi-bin/qrcode/create`.

use axum::extract::State;

use super::Posted;
use crate::faults::Phase;
use crate::providers::wechat::Operation;
use crate::providers::wechat::auth::Account;
use crate::providers::wechat::error::Error;
use crate::providers::wechat::store::codes;
use crate::providers::wechat::wire::{Create, Created, Reply};
use crate::shared::Shared;

/// `POST /cgi-bin/qrcode/create`: a ticket for a scene.
pub(super) async fn qrcode_create(
    State(shared): State<Shared>,
    account: Account,
    Posted(fields): Posted,
) -> Result<Reply<Created>, Error> {
    let Create { scene, expire_seconds } = Create::read(&fields, shared.config().wechat_long_scene_str)?;
    Error::strike(&shared, Operation::Create, Some(&account.appid), Phase::Read(&[&scene.value]))?;
    let made = match expire_seconds {
        Some(seconds) => codes::temporary(&shared, account.appid, scene, seconds).await?,
        None => codes::permanent(&shared, account.appid, scene).await?,
    };
    Ok(Reply(Created::new(made, expire_seconds)))
}
