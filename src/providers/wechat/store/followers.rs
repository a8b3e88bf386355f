//! Users who follow an account: whoever has scanned one of its codes.

use sqlx::SqliteConnection;

use crate::providers::wechat::error::Error;
use crate::shared::Shared;
use crate::store::Change;

/// Makes a user a follower; whether he was one before, which `before` overrides.
pub(in super::super) async fn follow(
    shared: &Shared,
    appid: &str,
    openid: &str,
    before: Option<bool>,
) -> Result<bool, Error> {
    let was_known = shared.store().change(Follow { appid: appid.to_owned(), openid: openid.to_owned() }).await?;
    Ok(before.unwrap_or(was_known))
}

/// Adds a follower.
struct Follow {
    appid: String,
    openid: String,
}

impl Change for Follow {
    /// Whether it was there before.
    type Done = bool;
    type Refusal = Error;

    async fn make(&self, change: &mut SqliteConnection) -> Result<bool, Error> {
        let added = sqlx::query("INSERT INTO wechat_followers (appid, openid) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&self.appid)
            .bind(&self.openid)
            .execute(change)
            .await?;
        Ok(added.rows_affected() == 0)
    }
}
