//! Calls of an account, counted against the vendor's quotas. Nothing is counted where a setting grants any number.
//!
//! Documented: the quotas. Assumed: a day ends at midnight in Beijing, a minute with the clock's minute.

use rusqlite::Connection;

use crate::providers::wechat::error::Error;
use crate::shared::Shared;

/// Seconds by which Beijing is ahead of UTC.
const BEIJING: i64 = 8 * 3600;

/// Counts a call of `/cgi-bin/token`.
pub(in super::super) async fn token(shared: &Shared, appid: &str) -> Result<(), Error> {
    let limit = shared.config().wechat_token_daily_limit;
    count(shared, appid, "token/day", day(shared, appid), limit, Error::TokenQuota).await
}

/// Counts a call of `/cgi-bin/stable_token`.
pub(in super::super) async fn stable_token(shared: &Shared, appid: &str) -> Result<(), Error> {
    let config = shared.config();
    let minute = shared.clock().of(appid).unix_seconds().div_euclid(60);
    let limit = config.wechat_stable_token_minute_limit;
    count(shared, appid, "stable_token/minute", minute, limit, Error::MinuteQuota).await?;
    let limit = config.wechat_stable_token_daily_limit;
    count(shared, appid, "stable_token/day", day(shared, appid), limit, Error::DailyQuota).await
}

/// Counts a forced refresh, within the transaction that does it; whether it is granted.
pub(super) fn force_refresh(change: &Connection, shared: &Shared, appid: &str) -> Result<bool, rusqlite::Error> {
    let limit = shared.config().wechat_force_refresh_daily_limit;
    if limit == 0 {
        return Ok(true);
    }
    is_granted(change, appid, "force_refresh/day", day(shared, appid), limit)
}

/// Counts a call of `/cgi-bin/qrcode/create`.
pub(in super::super) async fn create(shared: &Shared, appid: &str) -> Result<(), Error> {
    let limit = shared.config().wechat_create_daily_limit;
    count(shared, appid, "qrcode/create/day", day(shared, appid), limit, Error::DailyQuota).await
}

fn day(shared: &Shared, appid: &str) -> i64 {
    (shared.clock().of(appid).unix_seconds() + BEIJING).div_euclid(86_400)
}

/// Counts a call in `period`, and refuses it past `limit`; 0 is no limit.
async fn count(
    shared: &Shared,
    appid: &str,
    calls_of: &'static str,
    period: i64,
    limit: u64,
    refusal: Error,
) -> Result<(), Error> {
    if limit == 0 {
        return Ok(());
    }
    let appid = appid.to_owned();
    let counted = shared.store().run(move |store| Ok::<_, Error>(is_granted(store, &appid, calls_of, period, limit)?));
    if counted.await? { Ok(()) } else { Err(refusal) }
}

fn is_granted(
    store: &Connection,
    appid: &str,
    calls_of: &str,
    period: i64,
    limit: u64,
) -> Result<bool, rusqlite::Error> {
    let mut count = store.prepare_cached(
        "INSERT INTO wechat_counts (appid, calls_of, period, calls) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT (appid, calls_of) DO UPDATE SET
             calls = CASE WHEN wechat_counts.period = excluded.period THEN wechat_counts.calls + 1 ELSE 1 END,
             period = excluded.period
         RETURNING calls",
    )?;
    let calls: i64 = count.query_one((appid, calls_of, period), |row| row.get(0))?;
    Ok(calls.unsigned_abs() <= limit)
}
