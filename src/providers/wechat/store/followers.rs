//! Users who follow an account: whoever has scanned one of its codes.

use crate::providers::wechat::error::Error;
use crate::shared::Shared;

/// Makes a user a follower; whether he was one before, which `before` overrides.
pub(in super::super) async fn follow(
    shared: &Shared,
    appid: &str,
    openid: &str,
    before: Option<bool>,
) -> Result<bool, Error> {
    let row = [appid, openid].map(str::to_owned);
    let add = "INSERT INTO wechat_followers (appid, openid) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let added =
        shared.store().run(move |connection| Ok::<_, Error>(connection.prepare_cached(add)?.execute(row)?)).await?;
    Ok(before.unwrap_or(added == 0))
}
