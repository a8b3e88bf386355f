//! Codes that were made: temporary ones until they expire, permanent ones for ever and once a scene.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::rows::{self, Drawn, Gathering, Sweep, insert};
use crate::clock::{Fork, Ids};
use crate::providers::wechat::error::Error;
use crate::providers::wechat::ticket;
use crate::providers::wechat::wire::Scene;
use crate::recent::Recent;
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
    appid: Arc<str>,
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
pub(in super::super) async fn permanent(shared: &Shared, appid: Arc<str>, scene: Scene) -> Result<Made, Error> {
    let (now, draws) = (shared.clock().of(&appid).unix_seconds(), shared.ids().of(&appid).fork());
    let given = shared.store().change(Permanent { shared: shared.clone(), now, draws, appid, scene }).await?;
    Ok(given.made)
}

/// Characters with which neighbours begin: `02` and three more.
const PREFIX: usize = 5;

/// When expired codes were last forgotten, how new ones begin, and how many permanent ones accounts have.
struct Kept {
    sweep: Sweep,
    gathering: Gathering,
    counts: Recent<i64>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { sweep: Sweep::default(), gathering: Gathering::default(), counts: Recent::new(1024) }
    }
}

impl store::Kept for Kept {}

/// Adds a temporary code.
struct Temporary {
    shared: Shared,
    now: i64,
    draws: Fork,
    appid: Arc<str>,
    scene: Scene,
    seconds: u32,
}

impl store::Change for Temporary {
    type Done = Made;
    type Refusal = Error;
    /// Who has made a code that ends of itself can make another.
    const OUTLASTS_POWER: bool = false;

    fn make(changes: &[Self], connection: &Connection) -> store::Made<Self> {
        let now = changes.iter().map(|change| change.now).min().unwrap_or_default();
        let (shared, kept) = (&changes[0].shared, changes[0].shared.store().memory::<Kept>());
        // Of a time that was moved, what is long over may come again.
        if shared.clock().is_untouched()
            && let Some(part) = kept.sweep.due(now, ticket::URL_SAFE.len())
        {
            forget_part(connection, part, now)?;
        }
        let draw = changes.iter().map(|Self { draws, appid, scene, now, seconds, .. }| {
            Row::draw(*draws, appid, scene, *now, *seconds, &kept.gathering)
        });
        let mut rows: Vec<_> = draw.collect();
        insert(connection, &mut rows)?;
        Ok(rows.into_iter().map(|row| Ok(row.made)).collect())
    }
}

/// Those of a part have the same character behind `02`.
fn forget_part(connection: &Connection, part: usize, now: i64) -> Result<(), rusqlite::Error> {
    let first = ticket::URL_SAFE[part];
    let (from, to) = (format!("02{}", char::from(first)), format!("02{}", char::from(first + 1)));
    let forget = "DELETE FROM wechat_codes WHERE code >= ?1 AND code < ?2 AND expires_at < ?3";
    connection.execute(forget, (from, to, now - MEMORY))?;
    Ok(())
}

/// A permanent code, and how many its account has by then.
struct Given {
    made: Made,
    all: i64,
    /// Where they were counted, which may be forgotten by now.
    kept: Arc<Kept>,
}

/// Adds the permanent code of a scene.
struct Permanent {
    shared: Shared,
    now: i64,
    draws: Fork,
    appid: Arc<str>,
    scene: Scene,
}

impl store::Change for Permanent {
    type Done = Given;
    type Refusal = Error;
    /// A printed code that nobody knows any more cannot be mended.
    const OUTLASTS_POWER: bool = true;

    fn make(changes: &[Self], connection: &Connection) -> store::Made<Self> {
        let (shared, kept) = (&changes[0].shared, changes[0].shared.store().memory::<Kept>());
        let most = i64::try_from(shared.config().wechat_permanent_limit).unwrap_or(i64::MAX);
        // How many each account has.
        let mut counts: HashMap<&str, i64> = HashMap::new();
        let mut add = connection.prepare_cached(Row::INSERT)?;
        let mut given = Vec::with_capacity(changes.len());
        for Self { draws, appid, scene, now, .. } in changes {
            let all = match counts.entry(appid) {
                Entry::Occupied(all) => all.into_mut(),
                Entry::Vacant(all) => all.insert(count(connection, &kept, appid)?),
            };
            let mut row = Row::draw(*draws, appid, scene, *now, 0, &kept.gathering);
            // Most scenes are new: it takes less to find out by adding one.
            let made = if *all < most && rows::add(&mut add, &mut row)? {
                *all += 1;
                Some(row.made)
            } else {
                of_scene(connection, appid, scene)?
            };
            let made = made.ok_or(Error::CodeCount);
            given.push(made.map(|made| Given { made, all: *all, kept: Arc::clone(&kept) }));
        }
        Ok(given)
    }

    fn made(changes: &[Self], outcomes: &[store::Outcome<Self>]) {
        for (Self { appid, .. }, outcome) in changes.iter().zip(outcomes) {
            if let Ok(Given { all, kept, .. }) = outcome {
                kept.counts.change(appid, *all);
            }
        }
    }
}

/// The permanent code that is there already.
fn of_scene(connection: &Connection, appid: &str, scene: &Scene) -> Result<Option<Made>, rusqlite::Error> {
    let mut query = connection.prepare_cached(
        "SELECT ticket, code FROM wechat_codes WHERE appid = ?1 AND action = ?2 AND scene = ?3 AND expires_at IS NULL",
    )?;
    let made = query.query_row((appid, scene.action.name(), &scene.value), |row| {
        Ok(Made { ticket: row.get(0)?, code: row.get(1)? })
    });
    made.optional()
}

/// How many permanent codes an account has. Nothing of it was added in this transaction yet.
fn count(connection: &Connection, kept: &Kept, appid: &str) -> Result<i64, rusqlite::Error> {
    if let Some(all) = kept.counts.get(appid) {
        return Ok(all);
    }
    let moment = kept.counts.moment();
    let mut count =
        connection.prepare_cached("SELECT count(*) FROM wechat_codes WHERE appid = ?1 AND expires_at IS NULL")?;
    let all = count.query_row([appid], |row| row.get(0))?;
    kept.counts.keep(moment, appid, all);
    Ok(all)
}

/// What a code is looked for by.
#[derive(Clone, Copy, Debug)]
pub(in super::super) enum By<'a> {
    Ticket(&'a str),
    Code(&'a str),
    Scene(&'a str),
}

impl By<'_> {
    /// The code that it names, if it names one, and what rows must be like, with that as `?1` and the rest as `?2`.
    fn condition(self) -> Option<(&'static str, String, String)> {
        match self {
            // A ticket has its code within it, and of each code there is one ticket.
            Self::Ticket(ticket) => {
                Some(("code = ?1 AND ticket = ?2", ticket::code_within(ticket)?, ticket.to_owned()))
            }
            Self::Code(code) => Some(("code = ?1 AND code = ?2", code.to_owned(), code.to_owned())),
            Self::Scene(scene) => Some(("?1 = '' AND scene = ?2", String::new(), scene.to_owned())),
        }
    }
}

/// A code, of `appid` if that is given, expired or not. Of several the one that was made last.
pub(in super::super) async fn find(shared: &Shared, by: By<'_>, appid: Option<&str>) -> Result<Option<Shown>, Error> {
    let Some((condition, code, value)) = by.condition() else { return Ok(None) };
    // No store but SQLite takes a NUL, and nothing that is looked for has one.
    if value.contains('\0') || appid.is_some_and(|appid| appid.contains('\0')) {
        return Ok(None);
    }
    let appid = appid.map(str::to_owned);
    shared
        .store()
        .run(move |connection| {
            let mut query = connection.prepare_cached(&format!(
                "SELECT ticket, code, appid, scene, expires_at FROM wechat_codes
                 WHERE {condition} AND (?3 IS NULL OR appid = ?3) ORDER BY created_at DESC, rowid DESC LIMIT 1"
            ))?;
            let shown = query.query_row((code, value, appid), |row| {
                let (ticket, code, appid, scene) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(Shown { ticket, code, appid, scene, expires_at: row.get(4)? })
            });
            Ok(shown.optional()?)
        })
        .await
}

/// A row of `wechat_codes`.
struct Row<'a> {
    ids: Ids,
    made: Made,
    appid: &'a str,
    scene: &'a Scene,
    created_at: i64,
    /// 0 for ever.
    seconds: u32,
}

impl<'a> Row<'a> {
    fn draw(
        draws: Fork,
        appid: &'a str,
        scene: &'a Scene,
        created_at: i64,
        seconds: u32,
        gathering: &Gathering,
    ) -> Self {
        let ids = draws.ids();
        let made = Made::draw(&ids, scene, created_at, seconds, gathering);
        Self { ids, made, appid, scene, created_at, seconds }
    }
}

impl Made {
    fn draw(ids: &Ids, scene: &Scene, created_at: i64, seconds: u32, gathering: &Gathering) -> Self {
        let mut code = ticket::draw_code(ids, scene.action.is_permanent());
        gathering.take_in(ids, &mut code, PREFIX);
        Self { ticket: ticket::ticket(&code, created_at as u32, seconds), code }
    }
}

impl Drawn for Row<'_> {
    /// None is added to a scene that has a permanent one.
    const INSERT: &'static str = "INSERT INTO wechat_codes (ticket, code, appid, action, scene, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (appid, action, scene) WHERE expires_at IS NULL DO NOTHING";

    fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<usize, rusqlite::Error> {
        let Self { made, appid, scene, created_at, seconds, .. } = self;
        let expires_at = (*seconds > 0).then(|| created_at + i64::from(*seconds));
        let Made { ticket, code } = made;
        statement.execute(params![ticket, code, appid, scene.action.name(), scene.value, created_at, expires_at])
    }

    /// Only of a seed is a key taken, and what a seed gives is not moved.
    fn draw_again(&mut self) {
        self.made = Made::draw(&self.ids, self.scene, self.created_at, self.seconds, &Gathering::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::wechat::store::MIGRATIONS;
    use crate::store::Store;

    #[tokio::test]
    async fn all_parts_together_forget_what_ended_long_ago_and_nothing_else() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        let left = store.run(|connection| -> Result<Vec<Option<i64>>, store::Error> {
            let ids = Ids::seeded(5);
            for number in 0..600 {
                let ends = [None, Some(1_000_000 - MEMORY), Some(1_000_000 - MEMORY - 1)][number % 3];
                let add = "INSERT INTO wechat_codes VALUES (?1, ?1, 'a', 'x', ?1, 0, ?2)";
                connection.execute(add, (ticket::draw_code(&ids, ends.is_none()), ends))?;
            }
            for part in 0..ticket::URL_SAFE.len() {
                forget_part(connection, part, 1_000_000)?;
            }
            let mut query = connection.prepare("SELECT expires_at FROM wechat_codes ORDER BY expires_at")?;
            Ok(query.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?)
        });
        let expected = [vec![None; 200], vec![Some(1_000_000 - MEMORY); 200]].concat();
        assert_eq!(left.await.expect("done"), expected);
    }
}
