//! Codes that were made: temporary ones until they expire, permanent ones for ever and once a scene.

use sqlx::{Executor, Sqlite, SqliteConnection};

use super::{DRAWS, lock};
use crate::clock::Ids;
use crate::providers::wechat::error::Error;
use crate::providers::wechat::ticket;
use crate::providers::wechat::wire::Scene;
use crate::shared::Shared;
use crate::store::Change;

/// Seconds that an expired code is kept: a clock that is set back finds it again.
const MEMORY: i64 = 86_400;

/// A code that was made.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Made {
    pub(in super::super) ticket: String,
    pub(in super::super) code: String,
}

/// A code that somebody wants to see.
pub(in super::super) struct Shown {
    pub(in super::super) code: String,
    /// Whose it is.
    pub(in super::super) appid: String,
    expires_at: Option<i64>,
}

impl Shown {
    /// Whether the code has expired at `now`.
    pub(in super::super) fn has_ended(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// A code that lives `seconds`; each call makes another.
pub(in super::super) async fn temporary(
    shared: &Shared,
    appid: String,
    scene: Scene,
    seconds: u32,
) -> Result<Made, Error> {
    shared.store().change(Temporary { shared: shared.clone(), appid, scene, seconds }).await
}

/// The one permanent code of a scene, made where it is not there yet.
///
/// # Errors
/// [`Error::CodeCount`] where the account has all it may have.
pub(in super::super) async fn permanent(shared: &Shared, appid: String, scene: Scene) -> Result<Made, Error> {
    if let Some(made) = of_scene(shared.store().pool(), &appid, &scene).await? {
        return Ok(made);
    }
    shared.store().change(Permanent { shared: shared.clone(), appid, scene }).await
}

/// Adds a temporary code.
struct Temporary {
    shared: Shared,
    appid: String,
    scene: Scene,
    seconds: u32,
}

impl Change for Temporary {
    type Done = Made;
    type Refusal = Error;

    async fn make(&self, change: &mut SqliteConnection) -> Result<Made, Error> {
        let clock = self.shared.clock().of(&self.appid);
        let now = clock.unix_seconds();
        // A time that was moved may go back.
        if clock.is_real() {
            let ended = sqlx::query("DELETE FROM wechat_codes WHERE expires_at < $1 AND appid = $2");
            ended.bind(now - MEMORY).bind(&self.appid).execute(&mut *change).await?;
        }
        insert(change, &self.shared.ids().of(&self.appid), &self.appid, &self.scene, now, self.seconds).await
    }
}

/// Adds the permanent code of a scene.
struct Permanent {
    shared: Shared,
    appid: String,
    scene: Scene,
}

impl Change for Permanent {
    type Done = Made;
    type Refusal = Error;

    async fn make(&self, change: &mut SqliteConnection) -> Result<Made, Error> {
        let Self { shared, appid, scene } = self;
        let count = lock(change, appid).await?;
        // Another caller may have made it while this one waited.
        if let Some(made) = of_scene(&mut *change, appid, scene).await? {
            return Ok(made);
        }
        if count >= i64::try_from(shared.config().wechat_permanent_limit).unwrap_or(i64::MAX) {
            return Err(Error::CodeCount);
        }
        let now = shared.clock().of(appid).unix_seconds();
        let made = insert(change, &shared.ids().of(appid), appid, scene, now, 0).await?;
        sqlx::query("UPDATE wechat_accounts SET permanent_codes = permanent_codes + 1 WHERE appid = $1")
            .bind(appid)
            .execute(change)
            .await?;
        Ok(made)
    }
}

/// The code of a ticket, expired or not.
pub(in super::super) async fn of_ticket(shared: &Shared, ticket: &str) -> Result<Option<Shown>, Error> {
    // No store but SQLite takes a NUL, and no ticket has one.
    if ticket.contains('\0') {
        return Ok(None);
    }
    let row: Option<(String, String, Option<i64>)> =
        sqlx::query_as("SELECT code, appid, expires_at FROM wechat_codes WHERE ticket = $1")
            .bind(ticket)
            .fetch_optional(shared.store().pool())
            .await?;
    Ok(row.map(|(code, appid, expires_at)| Shown { code, appid, expires_at }))
}

/// A code as the one who scans it finds it.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Scannable {
    pub(in super::super) ticket: String,
    pub(in super::super) appid: String,
    pub(in super::super) scene: String,
    expires_at: Option<i64>,
}

impl Scannable {
    /// Whether the code has expired at `now`.
    pub(in super::super) fn has_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// What a code is looked for by.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum By<'a> {
    Ticket(&'a str),
    Code(&'a str),
    Scene(&'a str),
}

/// The code to scan, of `appid` if that is given, expired or not; of several the one made last.
pub(in super::super) async fn scannable(
    shared: &Shared,
    by: By<'_>,
    appid: Option<&str>,
) -> Result<Option<Scannable>, Error> {
    const FOUND: &str = "SELECT ticket, appid, scene, expires_at FROM wechat_codes WHERE";
    const LAST: &str = "AND ($2 IS NULL OR appid = $2) ORDER BY created_at DESC, rowid DESC LIMIT 1";
    let (column, value) = match by {
        By::Ticket(ticket) => ("ticket", ticket),
        By::Code(code) => ("code", code),
        By::Scene(scene) => ("scene", scene),
    };
    if value.contains('\0') || appid.is_some_and(|appid| appid.contains('\0')) {
        return Ok(None);
    }
    let query = sqlx::AssertSqlSafe(format!("{FOUND} {column} = $1 {LAST}"));
    let row: Option<(String, String, String, Option<i64>)> =
        sqlx::query_as(query).bind(value).bind(appid).fetch_optional(shared.store().pool()).await?;
    Ok(row.map(|(ticket, appid, scene, expires_at)| Scannable { ticket, appid, scene, expires_at }))
}

async fn of_scene<'a>(
    store: impl Executor<'a, Database = Sqlite>,
    appid: &str,
    scene: &Scene,
) -> Result<Option<Made>, sqlx::Error> {
    let row: Option<(String, String)> = sqlx::query_as(
        "SELECT ticket, code FROM wechat_codes
         WHERE appid = $1 AND action = $2 AND scene = $3 AND expires_at IS NULL",
    )
    .bind(appid)
    .bind(scene.action.name())
    .bind(&scene.value)
    .fetch_optional(store)
    .await?;
    Ok(row.map(|(ticket, code)| Made { ticket, code }))
}

/// Adds a code; `seconds` 0 means for ever.
async fn insert(
    change: &mut SqliteConnection,
    ids: &Ids,
    appid: &str,
    scene: &Scene,
    now: i64,
    seconds: u32,
) -> Result<Made, Error> {
    for _ in 0..DRAWS {
        let code = ticket::draw_code(ids, scene.action.is_permanent());
        let ticket = ticket::ticket(&code, now as u32, seconds);
        let inserted = sqlx::query(
            "INSERT INTO wechat_codes (ticket, code, appid, action, scene, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(&ticket)
        .bind(&code)
        .bind(appid)
        .bind(scene.action.name())
        .bind(&scene.value)
        .bind(now)
        .bind((seconds > 0).then(|| now + i64::from(seconds)))
        .execute(&mut *change)
        .await?;
        if inserted.rows_affected() == 1 {
            return Ok(Made { ticket, code });
        }
    }
    Err(Error::System)
}
