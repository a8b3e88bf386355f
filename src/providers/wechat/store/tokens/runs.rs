//! Tokens of an account that asks for many within a second: a run of numbered ones, which is one row.
//!
//! A row says how many the run may have, so that most of them are given without the store. Each is made of the row's secret
//! and its number, and can be told from any that is made up. How many were given is written when the run ends; of one
//! that was cut short by a sudden end each token may have been the last, and counts like it.

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
/// Accounts whose last second is remembered, about.
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
    appid: String,
    issued_at: i64,
    /// How many there may be.
    tokens: u32,
    /// How many were given together with the row; nobody knows of one that was read.
    given: u32,
    /// The number of the last one, once that is known.
    last: Option<u32>,
    /// When the last one stops to count, once that is known.
    superseded_at: Option<i64>,
}

impl Run {
    /// A run of so many tokens, the first of which is given.
    pub(super) fn draw(draws: Fork, appid: &str, now: i64, tokens: u32, gathering: &Gathering) -> Self {
        let ids = draws.ids();
        let (mut stem, key, appid) = (draw(&ids, STEM), ids.text(CODE, URL_SAFE), appid.to_owned());
        gathering.take_in(&ids, &mut stem, PREFIX);
        Self { ids, stem, key, appid, issued_at: now, tokens, given: 1, last: None, superseded_at: None }
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
        (number < self.tokens && equal(self.token(number).as_bytes(), token.as_bytes())).then_some(number)
    }

    /// The number of the next token, if there is one at `now`.
    pub(super) fn take(&mut self, now: i64) -> Option<u32> {
        let number = (self.issued_at == now && self.given < self.tokens).then_some(self.given)?;
        self.given += 1;
        Some(number)
    }

    /// There are no more tokens than were given, and the last one stops to count at `end`.
    pub(super) fn close(&mut self, end: i64) {
        (self.tokens, self.last, self.superseded_at) = (self.given, Some(self.given - 1), Some(end));
    }

    fn from_row(row: &Row<'_>) -> Result<Self, rusqlite::Error> {
        let (stem, key, appid, issued_at) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let (tokens, last, superseded_at): (i64, Option<i64>, _) = (row.get(4)?, row.get(5)?, row.get(6)?);
        // A state that was written by hand may have any numbers.
        let number = |number: i64| u32::try_from(number).ok();
        let (tokens, last) = (number(tokens).unwrap_or_default(), last.and_then(number));
        Ok(Self { ids: Ids::system(), stem, key, appid, issued_at, tokens, given: 0, last, superseded_at })
    }
}

impl Drawn for Run {
    const INSERT: &'static str =
        "INSERT INTO wechat_token_runs (stem, key, appid, issued_at, tokens, last, superseded_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

    fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<usize, rusqlite::Error> {
        let Self { stem, key, appid, issued_at, tokens, last, superseded_at, .. } = self;
        statement.execute(params![stem, key, appid, issued_at, tokens, last, superseded_at])
    }

    fn draw_again(&mut self) {
        self.stem = draw(&self.ids, STEM);
    }
}

/// Runs that were begun or looked for of late, and how fast accounts ask.
pub(super) struct Runs {
    known: Recent<Arc<Run>>,
    paces: Mutex<HashMap<String, Pace>>,
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
}

impl Default for Runs {
    fn default() -> Self {
        Self { known: Recent::new(1024), paces: Mutex::default() }
    }
}

impl Runs {
    /// The next token of the account's run, if there is one at `now`.
    pub(super) fn next(&self, appid: &str, now: i64) -> Option<String> {
        let (run, number) = {
            let mut paces = locked(&self.paces);
            let pace = paces.get_mut(appid)?;
            let open = pace.open.as_mut().filter(|open| open.run.issued_at == now && open.given < open.run.tokens)?;
            open.given += 1;
            pace.tokens += 1;
            (Arc::clone(&open.run), open.given - 1)
        };
        Some(run.token(number))
    }

    /// Counts a token that the account is to be given at `now`, beside so many others at most. How many a run is to have
    /// that it begins; `None` where it has a row of its own.
    pub(super) fn count(&self, appid: &str, now: i64, others: usize) -> Option<u32> {
        let mut paces = locked(&self.paces);
        if paces.len() >= ACCOUNTS && !paces.contains_key(appid) {
            paces.retain(|_, pace| pace.second == now || pace.open.is_some() && pace.second + LIFE > now);
        }
        let pace = paces.entry(appid.to_owned()).or_insert(Pace { second: now, tokens: 0, open: None });
        if pace.second != now {
            (pace.second, pace.tokens) = (now, 0);
        }
        pace.tokens += 1;
        (pace.tokens > SINGLE).then(|| pace.tokens.min(LONG) + others as u32)
    }

    /// Goes on with `run`, which is in the store; or knows it, if it has ended already.
    pub(super) fn begin(&self, run: &Arc<Run>) {
        self.known.change(&run.stem, Arc::clone(run));
        if run.superseded_at.is_none()
            && let Some(pace) = locked(&self.paces).get_mut(&run.appid)
        {
            pace.open = Some(Open { run: Arc::clone(run), given: run.given });
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
        let open = locked(&self.paces).get_mut(appid).and_then(|pace| pace.open.take());
        let mut current = change.prepare_cached(
            "SELECT stem FROM wechat_token_runs WHERE appid = ?1 AND issued_at > ?2 AND superseded_at IS NULL",
        )?;
        let stems = current.query_map((appid, now - LIFE), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let mut supersede = change.prepare_cached(
            "UPDATE wechat_token_runs SET superseded_at = ?1, tokens = ifnull(?2, tokens), last = ?2 - 1 WHERE stem = ?3",
        )?;
        for stem in &stems {
            let given = open.as_ref().filter(|open| open.run.stem == *stem).map(|open| open.given);
            supersede.execute((end, given, stem))?;
        }
        Ok(stems)
    }

    /// Runs are others in the store.
    pub(super) fn forget(&self, stems: &[String]) {
        for stem in stems {
            self.known.forget(stem);
        }
    }

    /// The moment before a reading.
    pub(super) fn moment(&self) -> Moment {
        self.known.moment()
    }

    /// Keeps a run that was read after `moment`.
    pub(super) fn keep(&self, moment: Moment, run: &Arc<Run>) {
        self.known.keep(moment, &run.stem, Arc::clone(run));
    }

    /// The run that `token` may be of, if it is kept.
    pub(super) fn get(&self, token: &str) -> Option<Arc<Run>> {
        self.known.get(&stem(token)?)
    }

    /// What is known of `token`, which has the stem of `run`; `None` where it was never given.
    pub(super) fn look_up(&self, run: &Run, token: &str) -> Option<Known> {
        let number = run.number(token)?;
        let given = || {
            let paces = locked(&self.paces);
            let open = paces.get(&run.appid)?.open.as_ref()?;
            (open.run.stem == run.stem).then_some(open.given - 1)
        };
        let last = run.last.or_else(given);
        // Whoever was not the last was followed within the same second.
        let superseded_at =
            if last.is_some_and(|last| number < last) { Some(run.issued_at + OVERLAP) } else { run.superseded_at };
        Some(Known { appid: run.appid.clone(), expires_at: run.issued_at + LIFE, superseded_at })
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
        "SELECT stem, key, appid, issued_at, tokens, last, superseded_at FROM wechat_token_runs WHERE stem = ?1",
    )?;
    query.query_row([stem], Run::from_row).optional()
}
