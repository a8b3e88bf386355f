//! Access tokens from their issue to their end.
//!
//! Documented: "Get access token", "Get stable access token". A token lives 7200 s. Each call of `token` gives a new one
//! and leaves the one before five minutes. `stable_token` gives the same one until its last five minutes, in which the
//! old and the new both count; `force_refresh` ends the old one at once, but not within 30 s of the last time. The two
//! kinds do not touch each other.

mod runs;

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::counts;
use super::rows::{Drawn, Gathering, Sweep, insert};
use crate::clock::{Fork, Ids};
use crate::providers::wechat::error::Error;
use crate::providers::wechat::ticket::URL_SAFE;
use crate::recent::Recent;
use crate::shared::Shared;
use crate::store::{self, Change, Made, Outcome};

use runs::{Run, Runs};

/// Seconds that a token lives.
const LIFE: i64 = 7200;
/// Seconds that a superseded token still counts, and left to live when a stable one is renewed.
const OVERLAP: i64 = 300;
/// Seconds after a forced refresh within which there is no other.
const PAUSE: i64 = 30;
/// Seconds that an ended token is remembered, so that it is answered with 42001. Assumed: a week, like rids.
const MEMORY: i64 = 7 * 86_400;

/// Characters of a token.
const LENGTH: usize = 137;
/// Characters with which neighbours begin: two digits, `_`, and three more.
const PREFIX: usize = 6;
/// Digits that a token can begin with, from the first on.
const DIGITS: (u32, u32) = (10, 90);

const PLAIN: &str = "plain";
const STABLE: &str = "stable";

/// A token as its owner receives it.
pub(in super::super) struct Issued {
    pub(in super::super) token: String,
    /// Seconds left to live.
    pub(in super::super) expires_in: i64,
}

/// What is known of a token that was issued.
#[derive(Clone)]
pub(in super::super) struct Known {
    pub(in super::super) appid: Arc<str>,
    expires_at: i64,
    superseded_at: Option<i64>,
}

/// Tokens that were given or presented of late, and the stable ones of accounts.
struct Kept {
    known: Recent<Known>,
    runs: Runs,
    stable: Recent<Stable>,
    sweep: Sweep,
    gathering: Gathering,
}

impl Default for Kept {
    fn default() -> Self {
        let (known, stable) = (Recent::new(4096), Recent::new(1024));
        let (runs, sweep, gathering) = (Runs::default(), Sweep::default(), Gathering::default());
        Self { known, runs, stable, sweep, gathering }
    }
}

impl store::Kept for Kept {
    fn settle(&self, change: &Connection) -> Result<(), rusqlite::Error> {
        self.runs.settle(change)
    }
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
    let kept = shared.store().memory::<Kept>();
    // One that ended long ago may be forgotten by the store.
    let remembered = |known: &Known| known.expires_at >= shared.clock().of(&known.appid).unix_seconds() - MEMORY;
    if let Some(known) = kept.known.get(token).or_else(|| kept.runs.get(token)).filter(remembered) {
        return Ok(Some(known));
    }
    let moments = (kept.known.moment(), kept.runs.moment());
    let asked = token.to_owned();
    let found = shared.store().run(move |connection| {
        let single = read(connection, &asked)?;
        let run = if single.is_none() { runs::read(connection, &asked)? } else { None };
        Ok::<_, Error>((single, run))
    });
    Ok(match found.await? {
        (Some(known), _) => {
            kept.known.keep(moments.0, token, known.clone());
            Some(known)
        }
        (None, Some(run)) => kept.runs.keep(moments.1, run, token),
        (None, None) => None,
    })
}

/// A token that has a row of its own.
fn read(store: &Connection, token: &str) -> Result<Option<Known>, rusqlite::Error> {
    let mut query =
        store.prepare_cached("SELECT appid, expires_at, superseded_at FROM wechat_tokens WHERE token = ?1")?;
    let known = query.query_row([token], |row| {
        Ok(Known { appid: row.get(0)?, expires_at: row.get(1)?, superseded_at: row.get(2)? })
    });
    known.optional()
}

/// `/cgi-bin/token`: a new token; the one before counts five minutes more, or to its end if that comes first.
pub(in super::super) async fn issue(shared: &Shared, appid: Arc<str>) -> Result<Issued, Error> {
    let (now, ids) = (shared.clock().of(&appid).unix_seconds(), shared.ids().of(&appid));
    let kept = shared.store().memory::<Kept>();
    // What a seed gives does not depend on how fast it is asked for.
    let next = if ids.is_seeded() { None } else { kept.runs.next(&appid, now) };
    let token = if let Some(token) = next {
        token
    } else {
        let draws = ids.fork();
        shared.store().change(Issue { shared: shared.clone(), kept, now, draws, appid }).await?.into_token()
    };
    Ok(Issued { token, expires_in: LIFE })
}

/// `/cgi-bin/stable_token`: the account's stable token, renewed where it is time or where `force` asks for it.
pub(in super::super) async fn stable(shared: &Shared, appid: Arc<str>, force: bool) -> Result<Issued, Error> {
    let now = shared.clock().of(&appid).unix_seconds();
    let current = match kept_or_read(shared, &appid, now).await? {
        Some(current) if current.serves(force, now) => current,
        _ => {
            let draws = shared.ids().of(&appid).fork();
            shared.store().change(Renew { shared: shared.clone(), now, draws, appid, force }).await?.into_stable()
        }
    };
    Ok(Issued { expires_in: current.left(now), token: current.token })
}

/// Issues a plain token.
struct Issue {
    shared: Shared,
    kept: Arc<Kept>,
    now: i64,
    draws: Fork,
    appid: Arc<str>,
}

/// A stable token that was made, and those that it supersedes.
struct Given {
    row: Row,
    superseded: Superseded,
}

/// Tokens that have rows of their own, and stems of runs.
#[derive(Default)]
struct Superseded {
    tokens: Vec<String>,
    stems: Vec<String>,
}

impl Superseded {
    /// Brings what is kept in memory up to date.
    fn note(&self, kept: &Kept) {
        for token in &self.tokens {
            kept.known.forget(token);
        }
        kept.runs.forget(&self.stems);
    }
}

/// A plain token that was given, and those that it supersedes.
struct Plain {
    from: Source,
    superseded: Superseded,
}

/// Where a plain token comes from.
enum Source {
    /// It has a row of its own.
    Row(Row),
    /// The one of this number of a run that was begun.
    Run(Arc<Run>, u32),
}

impl Plain {
    fn into_token(self) -> String {
        match self.from {
            Source::Row(row) => row.token,
            Source::Run(run, number) => run.token(number),
        }
    }
}

/// Where a token of a group comes from.
enum Place {
    Row(usize),
    Run(usize, u32),
}

impl Change for Issue {
    type Done = Plain;
    type Refusal = Error;
    /// A client whose token nobody knows any more asks for another.
    const OUTLASTS_POWER: bool = false;

    fn make(changes: &[Self], connection: &Connection) -> Made<Self> {
        let kept = &changes[0].kept;
        let (mut rows, mut runs): (Vec<Row>, Vec<Run>) = (Vec::new(), Vec::new());
        let mut found: Vec<(Place, Superseded)> = Vec::with_capacity(changes.len());
        for Self { now, draws, appid, .. } in changes {
            // Of several for one account, each supersedes the one before.
            let before = changes[..found.len()].iter().rposition(|change| change.appid == *appid);
            let (end, mut superseded) = (now + OVERLAP, Superseded::default());
            match before.map(|before| &found[before]) {
                Some((Place::Run(run, _), _)) => {
                    let number = if draws.is_seeded() { None } else { runs[*run].take(*now) };
                    if let Some(number) = number {
                        found.push((Place::Run(*run, number), superseded));
                        continue;
                    }
                    runs[*run].close(end);
                }
                Some((Place::Row(row), _)) => rows[*row].superseded_at = Some(end),
                None => {
                    superseded.tokens = supersede(connection, appid, PLAIN, *now, end)?;
                    superseded.stems = kept.runs.supersede(connection, appid, *now, end)?;
                }
            }
            let tokens = kept.runs.count(connection, appid, *now, changes.len())?;
            let place = if let Some(tokens) = tokens.filter(|_| !draws.is_seeded()) {
                runs.push(Run::draw(*draws, appid, *now, tokens, &kept.gathering));
                Place::Run(runs.len() - 1, 0)
            } else {
                rows.push(Row::draw(*draws, appid, PLAIN, false, *now, &kept.gathering));
                Place::Row(rows.len() - 1)
            };
            found.push((place, superseded));
        }
        let now = changes.iter().map(|change| change.now).min().unwrap_or_default();
        forget_ended(connection, &changes[0].shared, kept, now)?;
        insert(connection, &mut rows)?;
        insert(connection, &mut runs)?;
        let runs: Vec<_> = runs.into_iter().map(Arc::new).collect();
        let mut rows = rows.into_iter();
        let given = found.into_iter().filter_map(|(place, superseded)| {
            let from = match place {
                Place::Row(_) => Source::Row(rows.next()?),
                Place::Run(run, number) => Source::Run(Arc::clone(&runs[run]), number),
            };
            Some(Ok(Plain { from, superseded }))
        });
        Ok(given.collect())
    }

    fn made(changes: &[Self], outcomes: &[Outcome<Self>]) {
        // What was kept when the first of them came may be forgotten by now: nothing goes on from it, and what is kept
        // since may be from before the change.
        let (kept, since) = (&changes[0].kept, changes[0].shared.store().memory::<Kept>());
        for Plain { from, superseded } in outcomes.iter().flatten() {
            superseded.note(kept);
            superseded.note(&since);
            match from {
                Source::Row(row) => row.note(kept),
                Source::Run(run, 0) => kept.runs.begin(run),
                Source::Run(..) => {}
            }
        }
    }
}

/// Renews the stable token.
struct Renew {
    shared: Shared,
    now: i64,
    draws: Fork,
    appid: Arc<str>,
    force: bool,
}

/// What came of a renewal.
enum Renewed {
    /// Another caller had renewed it while this one waited.
    Before(Stable),
    Now(Given),
}

impl Renewed {
    fn into_stable(self) -> Stable {
        match self {
            Self::Before(stable) => stable,
            Self::Now(given) => given.row.into(),
        }
    }
}

impl Renew {
    fn make_one(&self, connection: &Connection) -> Result<Outcome<Self>, store::Error> {
        let Self { shared, now, draws, appid, force } = self;
        let current = current(connection, appid, *now)?;
        if let Some(current) = current.filter(|current| current.serves(*force, *now)) {
            return Ok(Ok(Renewed::Before(current)));
        }
        let mut superseded = Superseded::default();
        if *force {
            if !counts::force_refresh(connection, shared, appid)? {
                return Ok(Err(Error::DailyQuota));
            }
            superseded.tokens = supersede(connection, appid, STABLE, *now, *now)?;
        }
        let kept = shared.store().memory::<Kept>();
        forget_ended(connection, shared, &kept, *now)?;
        let mut row = [Row::draw(*draws, appid, STABLE, *force, *now, &kept.gathering)];
        insert(connection, &mut row)?;
        let [row] = row;
        Ok(Ok(Renewed::Now(Given { row, superseded })))
    }
}

impl Change for Renew {
    type Done = Renewed;
    type Refusal = Error;
    const OUTLASTS_POWER: bool = false;

    /// One after another: an account's token is renewed every two hours.
    fn make(changes: &[Self], connection: &Connection) -> Made<Self> {
        changes.iter().map(|change| change.make_one(connection)).collect()
    }

    fn made(changes: &[Self], outcomes: &[Outcome<Self>]) {
        let kept = changes[0].shared.store().memory::<Kept>();
        for renewed in outcomes.iter().flatten() {
            if let Renewed::Now(given) = renewed {
                given.superseded.note(&kept);
                given.row.note(&kept);
                kept.stable.change(&given.row.appid, given.row.clone().into());
            }
        }
    }
}

/// A stable token that counts.
#[derive(Clone)]
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
}

impl From<Row> for Stable {
    fn from(row: Row) -> Self {
        let Row { token, forced, issued_at, expires_at, .. } = row;
        Self { token, forced, issued_at, expires_at }
    }
}

/// The account's newest stable token, from memory where it is there; it may have ended.
async fn kept_or_read(shared: &Shared, appid: &str, now: i64) -> Result<Option<Stable>, Error> {
    let kept = shared.store().memory::<Kept>();
    if let Some(stable) = kept.stable.get(appid) {
        return Ok(Some(stable));
    }
    let (moment, asked) = (kept.stable.moment(), appid.to_owned());
    let stable = shared.store().run(move |connection| Ok::<_, Error>(current(connection, &asked, now)?)).await?;
    if let Some(stable) = &stable {
        kept.stable.keep(moment, appid, stable.clone());
    }
    Ok(stable)
}

/// The account's newest stable token that counts.
fn current(store: &Connection, appid: &str, now: i64) -> Result<Option<Stable>, rusqlite::Error> {
    let mut query = store.prepare_cached(
        "SELECT token, forced, issued_at, expires_at FROM wechat_tokens
         WHERE appid = ?1 AND kind = ?2 AND expires_at > ?3 AND issued_at <= ?3 AND superseded_at IS NULL
         ORDER BY expires_at DESC LIMIT 1",
    )?;
    let stable = query.query_row((appid, STABLE, now), |row| {
        Ok(Stable { token: row.get(0)?, forced: row.get(1)?, issued_at: row.get(2)?, expires_at: row.get(3)? })
    });
    stable.optional()
}

/// Lets the account's tokens of this kind end at `end`, and gives them. A token whose end is set already keeps it.
fn supersede(change: &Connection, appid: &str, kind: &str, now: i64, end: i64) -> Result<Vec<String>, rusqlite::Error> {
    // In one statement, the rows would go through a table that is made for it, which costs more than all the rest.
    let mut current = change.prepare_cached(
        "SELECT token FROM wechat_tokens
         WHERE appid = ?1 AND kind = ?2 AND expires_at > ?3 AND superseded_at IS NULL",
    )?;
    let tokens = current.query_map((appid, kind, now), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut supersede = change.prepare_cached("UPDATE wechat_tokens SET superseded_at = ?1 WHERE token = ?2")?;
    for token in &tokens {
        supersede.execute((end, token))?;
    }
    Ok(tokens)
}

/// Forgets the tokens that ended long ago. Of a time that was moved, what is long over may come again.
fn forget_ended(change: &Connection, shared: &Shared, kept: &Kept, now: i64) -> Result<(), rusqlite::Error> {
    if shared.clock().is_untouched()
        && let Some(part) = kept.sweep.due(now, DIGITS.1 as usize)
    {
        forget_part(change, part, now)?;
    }
    Ok(())
}

/// Those of a part have the same two digits; behind `_` comes "`".
fn forget_part(change: &Connection, part: usize, now: i64) -> Result<(), rusqlite::Error> {
    let digits = DIGITS.0 as usize + part;
    let (from, to) = (format!("{digits}_"), format!("{digits}`"));
    let forget = "DELETE FROM wechat_tokens WHERE token >= ?1 AND token < ?2 AND expires_at < ?3";
    change.execute(forget, (&from, &to, now - MEMORY))?;
    let forget = "DELETE FROM wechat_token_runs WHERE stem >= ?1 AND stem < ?2 AND issued_at < ?3";
    change.execute(forget, (&from, &to, now - MEMORY - LIFE))?;
    Ok(())
}

/// A row of `wechat_tokens`.
#[derive(Clone)]
struct Row {
    ids: Ids,
    token: String,
    appid: Arc<str>,
    kind: &'static str,
    forced: bool,
    issued_at: i64,
    expires_at: i64,
    superseded_at: Option<i64>,
}

impl Row {
    fn draw(draws: Fork, appid: &Arc<str>, kind: &'static str, forced: bool, now: i64, gathering: &Gathering) -> Self {
        let (ids, appid) = (draws.ids(), Arc::clone(appid));
        let mut token = draw(&ids, LENGTH);
        gathering.take_in(&ids, &mut token, PREFIX);
        Self { ids, token, appid, kind, forced, issued_at: now, expires_at: now + LIFE, superseded_at: None }
    }

    /// Brings what is kept in memory up to date.
    fn note(&self, kept: &Kept) {
        let Self { token, appid, expires_at, superseded_at, .. } = self;
        let known = Known { appid: Arc::clone(appid), expires_at: *expires_at, superseded_at: *superseded_at };
        kept.known.change(token, known);
    }
}

impl Drawn for Row {
    const INSERT: &'static str =
        "INSERT INTO wechat_tokens (token, appid, kind, forced, issued_at, expires_at, superseded_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

    fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<usize, rusqlite::Error> {
        let Self { token, appid, kind, forced, issued_at, expires_at, superseded_at, .. } = self;
        statement.execute(params![token, appid, kind, forced, issued_at, expires_at, superseded_at])
    }

    fn draw_again(&mut self) {
        self.token = draw(&self.ids, LENGTH);
    }
}

/// Of a token as real ones look, so many characters: two digits, `_`, and characters that need no escaping in an address.
fn draw(ids: &Ids, length: usize) -> String {
    let (first, parts) = DIGITS;
    let mut token = format!("{}_", first + ids.number() % parts);
    token.push_str(&ids.text(length - token.len(), URL_SAFE));
    token
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::wechat::store::MIGRATIONS;
    use crate::store::Store;

    #[tokio::test]
    async fn all_parts_together_forget_what_ended_long_ago_and_nothing_else() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        let left = store.run(|connection| -> Result<Vec<i64>, store::Error> {
            let ids = Ids::seeded(5);
            for number in 0..600 {
                let ended = MEMORY + i64::from(number % 2 == 0);
                let add = "INSERT INTO wechat_tokens VALUES (?1, 'a', 'plain', 0, 0, ?2, NULL)";
                connection.execute(add, (draw(&ids, LENGTH), 2_000_000 - ended))?;
                let add = "INSERT INTO wechat_token_runs VALUES (?1, 'k', 'a', ?2, 9, 9, NULL)";
                connection.execute(add, (draw(&ids, 20), 2_000_000 - ended - LIFE))?;
            }
            for part in 0..DIGITS.1 as usize {
                forget_part(connection, part, 2_000_000)?;
            }
            let left = "SELECT expires_at FROM wechat_tokens UNION ALL SELECT issued_at + ?1 FROM wechat_token_runs";
            let mut query = connection.prepare(left)?;
            Ok(query.query_map([LIFE], |row| row.get(0))?.collect::<Result<_, _>>()?)
        });
        assert_eq!(left.await.expect("done"), vec![2_000_000 - MEMORY; 600]);
    }

    #[tokio::test]
    async fn what_a_seed_gives_twice_is_drawn_again() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        let tokens = store.run(|connection| -> Result<_, store::Error> {
            let (draws, gathering) = (Ids::seeded(1).fork(), Gathering::default());
            let mut rows = [0; 3].map(|now| Row::draw(draws, &"a".into(), PLAIN, false, now, &gathering));
            assert_eq!(rows[0].token, rows[2].token);
            insert(connection, &mut rows)?;
            Ok(rows.map(|row| row.token))
        });
        let tokens = std::collections::BTreeSet::from(tokens.await.expect("done"));
        assert_eq!(tokens.len(), 3);
    }

    #[test]
    fn a_token_looks_like_a_real_one() {
        let token = draw(&Ids::seeded(1), LENGTH);
        let (digits, rest) = token.split_once('_').expect("an underscore");
        assert!(digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{token}");
        assert!(rest.len() >= 130 && token.len() <= 512, "{token}");
        assert!(rest.bytes().all(|byte| URL_SAFE.contains(&byte)), "{token}");
    }

    #[test]
    fn the_end_that_comes_first_gives_the_reason() {
        let known = |superseded_at| Known { appid: "".into(), expires_at: 100, superseded_at };
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
