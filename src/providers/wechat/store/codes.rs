//! Codes that were made: temporary ones until they expire, permanent ones for ever and once a scene.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::SqliteConnection;

use super::rows::{Drawn, Sweep, insert, listed};
use crate::clock::{Fork, Ids};
use crate::providers::wechat::error::Error;
use crate::providers::wechat::ticket;
use crate::providers::wechat::wire::Scene;
use crate::shared::Shared;
use crate::store;

/// Seconds that an expired code is kept: a clock that is set back finds it again.
const MEMORY: i64 = 86_400;

/// A code that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Made {
    pub(in super::super) ticket: String,
    pub(in super::super) code: String,
}

/// A code that somebody wants to see.
pub(in super::super) struct Shown {
    pub(in super::super) ticket: String,
    pub(in super::super) code: String,
    /// As scan events show it.
    pub(in super::super) scene: String,
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
    let (now, draws) = (shared.clock().of(&appid).unix_seconds(), shared.ids().of(&appid).fork());
    shared.store().change(Temporary { shared: shared.clone(), now, draws, appid, scene, seconds }).await
}

/// The one permanent code of a scene, made where it is not there yet.
///
/// # Errors
/// [`Error::CodeCount`] where the account has all it may have.
pub(in super::super) async fn permanent(shared: &Shared, appid: String, scene: Scene) -> Result<Made, Error> {
    let (now, draws) = (shared.clock().of(&appid).unix_seconds(), shared.ids().of(&appid).fork());
    shared.store().change(Permanent { shared: shared.clone(), now, draws, appid, scene }).await
}

/// When expired codes were last forgotten.
#[derive(Default)]
struct Kept(Sweep);

/// Adds a temporary code.
struct Temporary {
    shared: Shared,
    now: i64,
    draws: Fork,
    appid: String,
    scene: Scene,
    seconds: u32,
}

impl store::Change for Temporary {
    type Done = Made;
    type Refusal = Error;
    /// A printed code that nobody knows any more cannot be mended.
    const OUTLASTS_POWER: bool = true;

    async fn make(changes: &[Self], connection: &mut SqliteConnection) -> store::Made<Self> {
        let now = changes.iter().map(|change| change.now).min().unwrap_or_default();
        let shared = &changes[0].shared;
        // Of a time that was moved, what is long over may come again.
        if shared.clock().is_untouched() && shared.store().memory::<Kept>().0.is_due(now) {
            let forgotten = sqlx::query("DELETE FROM wechat_codes WHERE expires_at < $1").bind(now - MEMORY);
            forgotten.execute(&mut *connection).await?;
        }
        let draw = |change: &Self| Row::draw(change.draws, &change.appid, &change.scene, change.now, change.seconds);
        let mut rows: Vec<_> = changes.iter().map(draw).collect();
        insert(connection, &mut rows).await?;
        Ok(rows.into_iter().map(|row| Ok(row.made)).collect())
    }
}

/// Adds the permanent code of a scene.
struct Permanent {
    shared: Shared,
    now: i64,
    draws: Fork,
    appid: String,
    scene: Scene,
}

/// What a permanent code is of: account, action, scene.
type Place<'a> = (&'a str, &'a str, &'a str);

impl Permanent {
    fn place(&self) -> Place<'_> {
        (&self.appid, self.scene.action.name(), &self.scene.value)
    }
}

/// Where the permanent code of a change comes from.
enum Source {
    Store(Made),
    Row(usize),
    Nowhere,
}

impl store::Change for Permanent {
    type Done = Made;
    type Refusal = Error;
    const OUTLASTS_POWER: bool = true;

    async fn make(changes: &[Self], connection: &mut SqliteConnection) -> store::Made<Self> {
        let (shared, there) = (&changes[0].shared, of_places(connection, changes).await?);
        let most = i64::try_from(shared.config().wechat_permanent_limit).unwrap_or(i64::MAX);
        // Of each account: how many it has, and how many of them are new.
        let mut counts: HashMap<&str, (i64, i64)> = HashMap::new();
        let mut added: HashMap<Place<'_>, usize> = HashMap::new();
        let (mut rows, mut found) = (Vec::new(), Vec::new());
        for change in changes {
            let place = change.place();
            let owned = (place.0.to_owned(), place.1.to_owned(), place.2.to_owned());
            found.push(if let Some(made) = there.get(&owned) {
                Source::Store(made.clone())
            } else if let Some(row) = added.get(&place) {
                Source::Row(*row)
            } else {
                if !counts.contains_key(place.0) {
                    counts.insert(place.0, (count(connection, place.0).await?, 0));
                }
                let (all, new) = counts.entry(place.0).or_default();
                if *all >= most {
                    Source::Nowhere
                } else {
                    (*all, *new) = (*all + 1, *new + 1);
                    added.insert(place, rows.len());
                    rows.push(Row::draw(change.draws, &change.appid, &change.scene, change.now, 0));
                    Source::Row(rows.len() - 1)
                }
            });
        }
        insert(connection, &mut rows).await?;
        for (appid, (_, new)) in counts {
            add_to_count(connection, appid, new).await?;
        }
        let outcome = |from| match from {
            Source::Store(made) => Ok(made),
            Source::Row(row) => Ok(rows[row].made.clone()),
            Source::Nowhere => Err(Error::CodeCount),
        };
        Ok(found.into_iter().map(outcome).collect())
    }
}

/// The permanent codes that are there already of what `changes` ask for.
async fn of_places(
    connection: &mut SqliteConnection,
    changes: &[Permanent],
) -> Result<HashMap<(String, String, String), Made>, sqlx::Error> {
    // A cross join is done from left to right: each place is looked up in the index of permanent codes.
    let query = sqlx::query_as(
        "SELECT codes.appid, codes.action, codes.scene, ticket, code
         FROM json_each($1) AS asked CROSS JOIN wechat_codes AS codes
         WHERE codes.appid = asked.value->>0 AND codes.action = asked.value->>1 AND codes.scene = asked.value->>2
         AND expires_at IS NULL",
    );
    let places = listed(changes.iter().map(Permanent::place));
    let rows: Vec<(String, String, String, String, String)> = query.bind(places).fetch_all(connection).await?;
    let made = |(appid, action, scene, ticket, code)| ((appid, action, scene), Made { ticket, code });
    Ok(rows.into_iter().map(made).collect())
}

/// How many permanent codes an account has.
async fn count(connection: &mut SqliteConnection, appid: &str) -> Result<i64, sqlx::Error> {
    let query = sqlx::query_scalar("SELECT permanent_codes FROM wechat_accounts WHERE appid = $1").bind(appid);
    Ok(query.fetch_optional(connection).await?.unwrap_or_default())
}

async fn add_to_count(connection: &mut SqliteConnection, appid: &str, new: i64) -> Result<(), sqlx::Error> {
    if new == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO wechat_accounts (appid, permanent_codes) VALUES ($1, $2)
         ON CONFLICT (appid) DO UPDATE SET permanent_codes = permanent_codes + excluded.permanent_codes",
    )
    .bind(appid)
    .bind(new)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a code is looked for by.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum By<'a> {
    Ticket(&'a str),
    Code(&'a str),
    Scene(&'a str),
}

impl<'a> By<'a> {
    /// The query, whose second parameter is an account or null, and its first parameter. Of several codes the one that was
    /// made last.
    fn query(self) -> (&'static str, &'a str) {
        macro_rules! by {
            ($column:literal) => {
                concat!(
                    "SELECT ticket, code, appid, scene, expires_at FROM wechat_codes WHERE ",
                    $column,
                    " = $1 AND ($2 IS NULL OR appid = $2) ORDER BY created_at DESC, rowid DESC LIMIT 1"
                )
            };
        }
        match self {
            Self::Ticket(ticket) => (by!("ticket"), ticket),
            Self::Code(code) => (by!("code"), code),
            Self::Scene(scene) => (by!("scene"), scene),
        }
    }
}

/// A code, of `appid` if that is given, expired or not.
pub(in super::super) async fn find(shared: &Shared, by: By<'_>, appid: Option<&str>) -> Result<Option<Shown>, Error> {
    let (query, value) = by.query();
    // No store but SQLite takes a NUL, and nothing that is looked for has one.
    if value.contains('\0') || appid.is_some_and(|appid| appid.contains('\0')) {
        return Ok(None);
    }
    let row: Option<(String, String, String, String, Option<i64>)> =
        sqlx::query_as(query).bind(value).bind(appid).fetch_optional(shared.store().pool()).await?;
    Ok(row.map(|(ticket, code, appid, scene, expires_at)| Shown { ticket, code, scene, appid, expires_at }))
}

/// A row of `wechat_codes`.
struct Row {
    ids: Ids,
    made: Made,
    appid: String,
    scene: Scene,
    created_at: i64,
    /// 0 for ever.
    seconds: u32,
}

impl Row {
    fn draw(draws: Fork, appid: &str, scene: &Scene, created_at: i64, seconds: u32) -> Self {
        let ids = draws.ids();
        let made = Made::draw(&ids, scene, created_at, seconds);
        Self { ids, made, appid: appid.to_owned(), scene: scene.clone(), created_at, seconds }
    }
}

impl Made {
    fn draw(ids: &Ids, scene: &Scene, created_at: i64, seconds: u32) -> Self {
        let code = ticket::draw_code(ids, scene.action.is_permanent());
        Self { ticket: ticket::ticket(&code, created_at as u32, seconds), code }
    }
}

impl Drawn for Row {
    const INSERT: &'static str = "INSERT INTO wechat_codes (ticket, code, appid, action, scene, created_at, expires_at)
         SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 FROM json_each($1)";

    fn columns(&self) -> impl Serialize {
        let Self { made, appid, scene, created_at, seconds, .. } = self;
        let expires_at = (*seconds > 0).then(|| created_at + i64::from(*seconds));
        (&made.ticket, &made.code, appid, scene.action.name(), &scene.value, created_at, expires_at)
    }

    fn draw_again(&mut self) {
        self.made = Made::draw(&self.ids, &self.scene, self.created_at, self.seconds);
    }
}
