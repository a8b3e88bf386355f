//! Access tokens from their issue to their end.
//!
//! Documented: "Get access token", "Get stable access token". A token lives 7200 s. Each call of `token` gives a new one
//! and leaves the one before five minutes. `stable_token` gives the same one until its last five minutes, in which the
//! old and the new both count; `force_refresh` ends the old one at once, but not within 30 s of the last time. The two
//! kinds do not touch each other.

use sqlx::{Executor, Sqlite, SqliteConnection};

use super::{DRAWS, counts, lock};
use crate::clock::Ids;
use crate::providers::wechat::error::Error;
use crate::providers::wechat::ticket::URL_SAFE;
use crate::shared::Shared;
use crate::store::Change;

/// Seconds that a token lives.
const LIFE: i64 = 7200;
/// Seconds that a superseded token still counts, and left to live when a stable one is renewed.
const OVERLAP: i64 = 300;
/// Seconds after a forced refresh within which there is no other.
const PAUSE: i64 = 30;
/// Seconds that an ended token is remembered, so that it is answered with 42001. Assumed: a week, like rids.
const MEMORY: i64 = 7 * 86_400;

const PLAIN: &str = "plain";
const STABLE: &str = "stable";

/// A token as its owner receives it.
pub(in super::super) struct Issued {
    pub(in super::super) token: String,
    /// Seconds left to live.
    pub(in super::super) expires_in: i64,
}

/// What is known of a token that was issued.
pub(in super::super) struct Known {
    pub(in super::super) appid: String,
    expires_at: i64,
    superseded_at: Option<i64>,
}

impl Known {
    /// Whether the token counts at `now`.
    pub(in super::super) fn check(&self, now: i64) -> Result<(), Error> {
        let superseded_at = self.superseded_at.unwrap_or(i64::MAX);
        if now < superseded_at.min(self.expires_at) {
            Ok(())
        } else if superseded_at < self.expires_at {
            Err(Error::InvalidCredential)
        } else {
            Err(Error::AccessTokenExpired)
        }
    }
}

/// What is known of `token`; `None` where it was never issued.
pub(in super::super) async fn find(shared: &Shared, token: &str) -> Result<Option<Known>, Error> {
    // No store but SQLite takes a NUL, and no token has one.
    if token.contains('\0') {
        return Ok(None);
    }
    let row: Option<(String, i64, Option<i64>)> =
        sqlx::query_as("SELECT appid, expires_at, superseded_at FROM wechat_tokens WHERE token = $1")
            .bind(token)
            .fetch_optional(shared.store().pool())
            .await?;
    Ok(row.map(|(appid, expires_at, superseded_at)| Known { appid, expires_at, superseded_at }))
}

/// `/cgi-bin/token`: a new token; the one before counts five minutes more, or to its end if that comes first.
pub(in super::super) async fn issue(shared: &Shared, appid: String) -> Result<Issued, Error> {
    shared.store().change(Issue { shared: shared.clone(), appid }).await
}

/// `/cgi-bin/stable_token`: the account's stable token, renewed where it is time or where `force` asks for it.
pub(in super::super) async fn stable(shared: &Shared, appid: String, force: bool) -> Result<Issued, Error> {
    let now = shared.clock().of(&appid).unix_seconds();
    match current(shared.store().pool(), &appid, now).await? {
        Some(current) if current.serves(force, now) => Ok(current.issued(now)),
        _ => shared.store().change(Renew { shared: shared.clone(), appid, force }).await,
    }
}

/// Issues a plain token.
struct Issue {
    shared: Shared,
    appid: String,
}

impl Change for Issue {
    type Done = Issued;
    type Refusal = Error;

    async fn make(&self, change: &mut SqliteConnection) -> Result<Issued, Error> {
        let now = self.shared.clock().of(&self.appid).unix_seconds();
        lock(change, &self.appid).await?;
        supersede(change, &self.appid, PLAIN, now, now + OVERLAP).await?;
        insert(change, &self.shared, &self.appid, PLAIN, false).await
    }
}

/// Renews the stable token.
struct Renew {
    shared: Shared,
    appid: String,
    force: bool,
}

impl Change for Renew {
    type Done = Issued;
    type Refusal = Error;

    async fn make(&self, change: &mut SqliteConnection) -> Result<Issued, Error> {
        let Self { shared, appid, force } = self;
        let now = shared.clock().of(appid).unix_seconds();
        lock(change, appid).await?;
        // Another caller may have renewed it while this one waited.
        if let Some(current) = current(&mut *change, appid, now).await?.filter(|current| current.serves(*force, now)) {
            return Ok(current.issued(now));
        }
        if *force {
            counts::force_refresh(change, shared, appid).await?;
            supersede(change, appid, STABLE, now, now).await?;
        }
        insert(change, shared, appid, STABLE, *force).await
    }
}

/// A stable token that counts.
struct Stable {
    token: String,
    forced: bool,
    issued_at: i64,
    expires_at: i64,
}

impl Stable {
    fn left(&self, now: i64) -> i64 {
        self.expires_at - now
    }

    /// Whether a caller gets this one, so that none is made.
    fn serves(&self, force: bool, now: i64) -> bool {
        // Where the time went back, one may be from a moment that is still to come.
        let is_issued = self.issued_at <= now;
        is_issued && if force { self.forced && now - self.issued_at < PAUSE } else { self.left(now) > OVERLAP }
    }

    fn issued(self, now: i64) -> Issued {
        Issued { expires_in: self.left(now), token: self.token }
    }
}

/// The account's newest stable token that counts.
async fn current<'a>(
    store: impl Executor<'a, Database = Sqlite>,
    appid: &str,
    now: i64,
) -> Result<Option<Stable>, sqlx::Error> {
    let row: Option<(String, bool, i64, i64)> = sqlx::query_as(
        "SELECT token, forced, issued_at, expires_at FROM wechat_tokens
         WHERE appid = $1 AND kind = $2 AND expires_at > $3 AND superseded_at IS NULL
         ORDER BY expires_at DESC LIMIT 1",
    )
    .bind(appid)
    .bind(STABLE)
    .bind(now)
    .fetch_optional(store)
    .await?;
    Ok(row.map(|(token, forced, issued_at, expires_at)| Stable { token, forced, issued_at, expires_at }))
}

/// Lets the account's tokens of this kind end at `end`. A token whose end is set already keeps it.
async fn supersede(
    change: &mut SqliteConnection,
    appid: &str,
    kind: &str,
    now: i64,
    end: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "UPDATE wechat_tokens SET superseded_at = $1
         WHERE appid = $2 AND kind = $3 AND expires_at > $4 AND superseded_at IS NULL",
    )
    .bind(end)
    .bind(appid)
    .bind(kind)
    .bind(now)
    .execute(change)
    .await?;
    Ok(())
}

/// Adds a token, and forgets those that ended long ago.
async fn insert(
    change: &mut SqliteConnection,
    shared: &Shared,
    appid: &str,
    kind: &str,
    forced: bool,
) -> Result<Issued, Error> {
    let (clock, ids) = (shared.clock().of(appid), shared.ids().of(appid));
    let now = clock.unix_seconds();
    // A time that was moved may go back.
    if clock.is_real() {
        let ended = sqlx::query("DELETE FROM wechat_tokens WHERE expires_at < $1 AND appid = $2");
        ended.bind(now - MEMORY).bind(appid).execute(&mut *change).await?;
    }
    for _ in 0..DRAWS {
        let token = draw(&ids);
        let inserted = sqlx::query(
            "INSERT INTO wechat_tokens (token, appid, kind, forced, issued_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(&token)
        .bind(appid)
        .bind(kind)
        .bind(forced)
        .bind(now)
        .bind(now + LIFE)
        .execute(&mut *change)
        .await?;
        if inserted.rows_affected() == 1 {
            return Ok(Issued { token, expires_in: LIFE });
        }
    }
    Err(Error::System)
}

/// A token as real ones look: two digits, `_`, and characters that need no escaping in an address.
fn draw(ids: &Ids) -> String {
    format!("{}_{}", 10 + ids.number() % 90, ids.text(134, URL_SAFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_looks_like_a_real_one() {
        let token = draw(&Ids::seeded(1));
        let (digits, rest) = token.split_once('_').expect("an underscore");
        assert!(digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{token}");
        assert!(rest.len() >= 130 && token.len() <= 512, "{token}");
        assert!(rest.bytes().all(|byte| URL_SAFE.contains(&byte)), "{token}");
    }

    #[test]
    fn the_end_that_comes_first_gives_the_reason() {
        let known = |superseded_at| Known { appid: String::new(), expires_at: 100, superseded_at };
        for (superseded_at, now, expected) in [
            (None, 99, Ok(())),
            (None, 100, Err(Error::AccessTokenExpired)),
            (Some(50), 49, Ok(())),
            (Some(50), 50, Err(Error::InvalidCredential)),
            (Some(50), 100, Err(Error::InvalidCredential)),
            (Some(150), 99, Ok(())),
            (Some(150), 200, Err(Error::AccessTokenExpired)),
        ] {
            assert_eq!(known(superseded_at).check(now), expected, "{superseded_at:?} at {now}");
        }
    }
}
