//! Tokens of an account that asks for many within a second: a run of numbered ones, which is one row.
//!
//! A row says how many the run may have, so that most of them are given without the store. Each is made of the row's secret
//! and its number, and can be told from any that is made up. How many were given is written when the run ends, and before
//! memory is emptied; where a sudden end cut a run short, each token of which no later one is known counts like the last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::{Known, LENGTH, LIFE, OVERLAP, PREFIX, draw};
use crate::clock::{Fork, Ids};
use crate::locks::locked;
use crate::providers::wechat::store::rows::{Drawn, Gathering};
use crate::providers::wechat::ticket::URL_SAFE;
use crate::recent::{Moment, Recent};
use crate::secret::equal;
use crate::signing::hmac_sha256;

/// Tokens of an account within a second that have a row each; there are runs from the next one on.
const SINGLE: u32 = 8;
/// Tokens in a run, about, at most.
const LONG: u32 = 4096;
/// Accounts whose last second is remembered.
const ACCOUNTS: usize = 1024;

/// Characters of what all tokens of a run have in common, their stem, before the rest: two digits and `_`.
const HEAD: usize = 3;
/// Characters of the code that only the row's secret gives: 256 bits. It comes first, so that tokens look different.
const CODE: usize = 43;
/// Characters of the number: 24 bits. Behind it comes the rest of the stem.
const NUMBER: usize = 4;
const STEM: usize = LENGTH - CODE - NUMBER;

/// A row of `wechat_token_runs`.
#[derive(Clone)]
pub(super) struct Run {
    ids: Ids,
    stem: String,
    key: String,
    appid: Arc<str>,
    issued_at: i64,
    /// How many there may be.
    size: u32,
    /// How many were given for certain.
    given: u32,
    /// When the last one stops to count, once that is known.
    superseded_at: Option<i64>,
}

impl Run {
    /// A run of so many tokens, the first of which is given.
    pub(super) fn draw(draws: Fork, appid: &Arc<str>, now: i64, size: u32, gathering: &Gathering) -> Self {
        let ids = draws.ids();
        let (mut stem, key, appid) = (draw(&ids, STEM), ids.text(CODE, URL_SAFE), Arc::clone(appid));
        gathering.take_in(&ids, &mut stem, PREFIX);
        Self { ids, stem, key, appid, issued_at: now, size, given: 1, superseded_at: None }
    }

    /// The token of a number.
    pub(super) fn token(&self, number: u32) -> String {
        let mut token = String::with_capacity(LENGTH);
        let (head, rest) = self.stem.split_at(HEAD);
        token.push_str(head);
        BASE64_URL_SAFE_NO_PAD.encode_string(hmac_sha256(self.key.as_bytes(), &number.to_be_bytes()), &mut token);
        for place in (0..NUMBER).rev() {
            token.push(char::from(URL_SAFE[(number >> (6 * place)) as usize % URL_SAFE.len()]));
        }
        token.push_str(rest);
        token
    }

    /// The number of a token that has the stem of this run, if it is one.
    fn number(&self, token: &str) -> Option<u32> {
        let digits = token.as_bytes().get(HEAD + CODE..HEAD + CODE + NUMBER)?;
        let mut number = 0;
        for digit in digits {
            number = number << 6 | URL_SAFE.iter().position(|known| known == digit)? as u32;
        }
        (number < self.size && equal(self.token(number).as_bytes(), token.as_bytes())).then_some(number)
    }

    /// The number of the next token, if there is one at `now`.
    pub(super) fn take(&mut self, now: i64) -> Option<u32> {
        let number = (self.issued_at == now && self.given < self.size).then_some(self.given)?;
        self.given += 1;
        Some(number)
    }

    /// There are no more tokens than were given, and the last one stops to count at `end`.
    pub(super) fn close(&mut self, end: i64) {
        (self.size, self.superseded_at) = (self.given, Some(end));
    }

    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let (stem, key, appid, issued_at) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (size, given, superseded_at): (i64, i64, _) = (row.get(4)?, row.get(5)?, row.get(6)?);
        // A state that was written by hand may have any numbers.
        let [size, given] = [size, given].map(|count| u32::try_from(count).unwrap_or_default());
        Ok(Self { ids: Ids::system(), stem, key, appid, issued_at, size, given, superseded_at })
    }
}

impl Drawn for Run {
    const INSERT: &'static str =
        "INSERT INTO wechat_token_runs (stem, key, appid, issued_at, size, given, superseded_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

    fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<usize, rusqlite::Error> {
        let Self { stem, key, appid, issued_at, size, given, superseded_at, .. } = self;
        statement.execute(params![stem, key, appid, issued_at, size, given, superseded_at])
    }

    fn draw_again(&mut self) {
        self.stem = draw(&self.ids, STEM);
    }
}

/// Runs that were begun or looked for of late, and how fast accounts ask.
pub(super) struct Runs {
    known: Recent<Arc<Run>>,
    paces: Mutex<Paces>,
}

/// What accounts were given in their last seconds.
#[derive(Default)]
struct Paces {
    accounts: HashMap<String, Pace>,
    /// Whether there are no more runs: all this is about to be forgotten.
    are_over: bool,
}

/// What an account was given in its last second.
struct Pace {
    second: i64,
    tokens: u32,
    open: Option<Open>,
}

/// The run from which an account is given tokens, and how many it was given.
struct Open {
    run: Arc<Run>,
    given: u32,
    /// Whether there are no more: the row is about to say so.
    is_over: bool,
}

impl Default for Runs {
    fn default() -> Self {
        Self { known: Recent::new(1024), paces: Mutex::default() }
    }
}

impl Open {
    /// Writes how many there were.
    fn settle(&self, change: &Connection) -> Result<(), rusqlite::Error> {
        let settle = "UPDATE wechat_token_runs SET size = ?1, given = ?1 WHERE stem = ?2";
        change.prepare_cached(settle)?.execute((self.given, &self.run.stem))?;
        Ok(())
    }
}

impl Runs {
    /// The next token of the account's run, if there is one at `now`.
    pub(super) fn next(&self, appid: &str, now: i64) -> Option<String> {
        let (run, number) = {
            let mut paces = locked(&self.paces);
            let is_over = paces.are_over;
            let pace = paces.accounts.get_mut(appid)?;
            let open = pace.open.as_mut().filter(|open| !(open.is_over || is_over))?;
            if open.run.issued_at != now || open.given >= open.run.size {
                return None;
            }
            open.given += 1;
            pace.tokens += 1;
            (Arc::clone(&open.run), open.given - 1)
        };
        Some(run.token(number))
    }

    /// Counts a token that the account is to be given at `now`, beside so many others at most. How many a run is to have
    /// that it begins; `None` where it has a row of its own.
    pub(super) fn count(
        &self,
        change: &Connection,
        appid: &str,
        now: i64,
        others: usize,
    ) -> Result<Option<u32>, rusqlite::Error> {
        let mut paces = locked(&self.paces);
        if paces.accounts.len() >= ACCOUNTS && !paces.accounts.contains_key(appid) {
            for open in std::mem::take(&mut paces.accounts).into_values().filter_map(|pace| pace.open) {
                open.settle(change)?;
                self.known.forget(&open.run.stem);
            }
        }
        let is_over = paces.are_over;
        let pace = paces.accounts.entry(appid.to_owned()).or_insert(Pace { second: now, tokens: 0, open: None });
        if pace.second != now {
            (pace.second, pace.tokens) = (now, 0);
        }
        pace.tokens += 1;
        Ok((pace.tokens > SINGLE && !is_over).then(|| pace.tokens.min(LONG) + others as u32))
    }

    /// Goes on with `run`, which is in the store; or knows it, if it has ended already.
    pub(super) fn begin(&self, run: &Arc<Run>) {
        self.known.change(&run.stem, Arc::clone(run));
        let mut paces = locked(&self.paces);
        if run.superseded_at.is_none()
            && let Some(pace) = paces.accounts.get_mut(&*run.appid)
        {
            pace.open = Some(Open { run: Arc::clone(run), given: run.given, is_over: false });
        }
    }

    /// Lets the account's runs end at `end`, and gives their stems.
    pub(super) fn supersede(
        &self,
        change: &Connection,
        appid: &str,
        now: i64,
        end: i64,
    ) -> Result<Vec<String>, rusqlite::Error> {
        let mut current = change.prepare_cached(
            "SELECT stem FROM wechat_token_runs WHERE appid = ?1 AND issued_at > ?2 AND superseded_at IS NULL",
        )?;
        let mut stems =
            current.query_map((appid, now - LIFE), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let mut supersede = change.prepare_cached("UPDATE wechat_token_runs SET superseded_at = ?1 WHERE stem = ?2")?;
        for stem in &stems {
            supersede.execute((end, stem))?;
        }
        // One that has run out is not current any more, and still has to say which token was its last.
        if let Some(pace) = locked(&self.paces).accounts.get_mut(appid)
            && let Some(open) = &mut pace.open
        {
            open.is_over = true;
            open.settle(change)?;
            stems.push(open.run.stem.clone());
        }
        Ok(stems)
    }

    /// Writes how many tokens of each run were given; there are no more.
    pub(super) fn settle(&self, change: &Connection) -> Result<(), rusqlite::Error> {
        let mut paces = locked(&self.paces);
        paces.are_over = true;
        paces.accounts.values().filter_map(|pace| pace.open.as_ref()).try_for_each(|open| open.settle(change))
    }

    /// Runs are others in the store.
    pub(super) fn forget(&self, stems: &[String]) {
        for stem in stems {
            self.known.forget(stem);
        }
    }

    /// What is known of a token of a run that is kept.
    pub(super) fn get(&self, token: &str) -> Option<Known> {
        self.look_up(&*self.known.get(&stem(token)?)?, token)
    }

    /// The moment before a reading.
    pub(super) fn moment(&self) -> Moment {
        self.known.moment()
    }

    /// Keeps a run that was read after `moment`, and gives what is known of `token`, which has its stem.
    pub(super) fn keep(&self, moment: Moment, run: Run, token: &str) -> Option<Known> {
        let known = self.look_up(&run, token);
        let stem = run.stem.clone();
        self.known.keep(moment, &stem, Arc::new(run));
        known
    }

    /// What is known of `token`, which has the stem of `run`; `None` where it was never given.
    fn look_up(&self, run: &Run, token: &str) -> Option<Known> {
        let number = run.number(token)?;
        let paces = locked(&self.paces);
        let open = paces.accounts.get(&*run.appid).and_then(|pace| pace.open.as_ref());
        let given = open.filter(|open| open.run.stem == run.stem).map_or(run.given, |open| open.given);
        // Whoever was not the last was followed within the same second.
        let is_followed = number + 1 < given;
        let superseded_at = if is_followed { Some(run.issued_at.saturating_add(OVERLAP)) } else { run.superseded_at };
        Some(Known { appid: Arc::clone(&run.appid), expires_at: run.issued_at.saturating_add(LIFE), superseded_at })
    }
}

/// The stem of the run that `token` may be of.
fn stem(token: &str) -> Option<String> {
    let rest = token.get(HEAD + CODE + NUMBER..).filter(|_| token.len() == LENGTH)?;
    Some([token.get(..HEAD)?, rest].concat())
}

/// The run that `token` may be of.
pub(super) fn read(store: &Connection, token: &str) -> Result<Option<Run>, rusqlite::Error> {
    let Some(stem) = stem(token) else { return Ok(None) };
    let mut query = store.prepare_cached(
        "SELECT stem, key, appid, issued_at, size, given, superseded_at FROM wechat_token_runs WHERE stem = ?1",
    )?;
    query.query_row([stem], Run::from_row).optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::wechat::store::MIGRATIONS;
    use crate::store::{self, Store};

    #[tokio::test]
    async fn many_accounts_leave_no_more_behind_than_some() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        let left = store.run(|connection| -> Result<_, store::Error> {
            let (runs, draws, mut all) = (Runs::default(), Ids::system().fork(), Vec::new());
            for account in 0..3 * ACCOUNTS {
                let appid: Arc<str> = format!("wx{account}").into();
                let tokens = (0..=SINGLE).find_map(|_| runs.count(connection, &appid, 1, 0).transpose());
                let mut run = [Run::draw(draws, &appid, 1, tokens.expect("a run")?, &Gathering::default())];
                super::super::insert(connection, &mut run)?;
                runs.begin(&Arc::new(run[0].clone()));
                all.push(runs.next(&appid, 1).expect("a token"));
            }
            assert!(locked(&runs.paces).accounts.len() <= ACCOUNTS);
            // Of those that were left behind the rows say what was given.
            let mut query =
                connection.prepare("SELECT count(*) FROM wechat_token_runs WHERE size = 2 AND given = 2")?;
            let settled: u32 = query.query_row((), |row| row.get(0))?;
            assert_eq!(settled as usize, 2 * ACCOUNTS);
            let run = read(connection, &all[0])?.expect("a row");
            Ok((runs.look_up(&run, &all[0]).map(|known| known.appid), runs.look_up(&run, &all[1]).is_some()))
        });
        assert_eq!(left.await.expect("done"), (Some("wx0".into()), false));
    }

    #[tokio::test]
    async fn nothing_goes_on_from_what_is_about_to_be_forgotten() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        let given = store.run(|connection| -> Result<_, store::Error> {
            let (runs, draws) = (Runs::default(), Ids::system().fork());
            let begin = || {
                runs.begin(&Arc::new(Run::draw(draws, &"a".into(), 1, 9, &Gathering::default())));
                runs.next("a", 1).is_some()
            };
            let count = || Ok::<_, store::Error>((0..=SINGLE).map(|_| runs.count(connection, "a", 1, 0)).last());
            let before = (count()?.transpose()?.flatten().is_some(), begin(), runs.next("a", 1).is_some());
            runs.settle(connection)?;
            let next = runs.next("a", 1).is_some();
            Ok((before, (count()?.transpose()?.flatten().is_some(), begin(), next)))
        });
        assert_eq!(given.await.expect("done"), ((true, true, true), (false, false, false)));
    }

    #[test]
    fn what_a_state_says_may_be_anything() {
        let (runs, draws) = (Runs::default(), Ids::system().fork());
        let mut run = Run::draw(draws, &"a".into(), i64::MAX, u32::MAX, &Gathering::default());
        run.given = u32::MAX;
        let known = runs.look_up(&run, &run.token(7)).expect("it is one");
        assert_eq!((known.expires_at, known.superseded_at), (i64::MAX, Some(i64::MAX)));
    }
}
