//! The only source of time and of randomness. Everything else asks [`Clock`] and [`Ids`]; clippy refuses the rest.
//!
//! What the vendors time (signatures, tokens, tickets, `Date`) follows the clock, which can be stopped, set, advanced and
//! scaled while the server runs. Deadlines of sockets and jobs do not: they are tokio's.
//!
//! Clock and ids belong to the server, and a credential can be given its own ([`Clock::of`], [`Ids::of`]), so that tests
//! that share a server do not disturb each other.

mod ids;
mod motion;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::LocalKey;
use std::time::{Duration, Instant};

use jiff::Timestamp;

pub use ids::{Fork, Ids, Owned, Seeding};
pub use motion::{Adjustment, Motion, Scale, Unreachable};

/// Tells the time: the system's, or one that was moved; the server's, or a credential's own.
#[derive(Clone, Debug)]
pub struct Clock {
    house: Arc<House>,
    /// The hand that this one reads, where it is not the server's.
    own: Option<Arc<Hand>>,
}

/// The server's time and the credentials' own ones.
#[derive(Debug)]
struct House {
    /// How the server's time went at the start.
    start: Motion,
    server: Hand,
    /// Whether any credential has its own time: without one, nobody looks for it.
    has_own: AtomicBool,
    own: RwLock<HashMap<Arc<str>, Arc<Hand>>>,
}

/// One time that goes its way.
#[derive(Debug)]
struct Hand {
    /// Whether the time is another than the system's: without that, nobody takes the lock.
    is_moved: AtomicBool,
    motion: RwLock<Motion>,
}

impl Hand {
    fn new(motion: Motion) -> Self {
        Self { is_moved: AtomicBool::new(!motion.is_real()), motion: RwLock::new(motion) }
    }

    fn motion(&self) -> Motion {
        *self.motion.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        if self.is_moved.load(Ordering::Acquire) { self.motion().now() } else { Motion::default().now() }
    }

    fn adjust(&self, adjustment: &Adjustment) -> Result<Motion, Unreachable> {
        let mut motion = self.motion.write().unwrap_or_else(PoisonError::into_inner);
        *motion = motion.adjusted(adjustment)?;
        self.is_moved.store(!motion.is_real(), Ordering::Release);
        Ok(*motion)
    }

    fn replace(&self, motion: Motion) {
        *self.motion.write().unwrap_or_else(PoisonError::into_inner) = motion;
        self.is_moved.store(!motion.is_real(), Ordering::Release);
    }
}

impl Clock {
    /// The system's time, until it is moved.
    pub fn system() -> Self {
        Self::starting(Motion::default())
    }

    /// A clock that stands at `unix_seconds` until it is moved.
    ///
    /// # Panics
    /// Where the moment is one that no clock can show ([`Motion::EARLIEST`] to [`Motion::LATEST`]).
    pub fn fixed(unix_seconds: i64) -> Self {
        let set = Some(Timestamp::from_second(unix_seconds).expect("a moment between 1970 and 2106"));
        let standing = Adjustment { set, freeze: Some(true), ..Adjustment::default() };
        Self::starting(Motion::default().adjusted(&standing).expect("a moment between 1970 and 2106"))
    }

    fn starting(motion: Motion) -> Self {
        let server = Hand::new(motion);
        let house = House { start: motion, server, has_own: AtomicBool::new(false), own: RwLock::default() };
        Self { house: house.into(), own: None }
    }

    /// The time of a credential: its own where it was given one, else the server's.
    #[must_use]
    pub fn of(&self, credential: &str) -> Self {
        Self { house: Arc::clone(&self.house), own: self.hand(credential) }
    }

    fn hand(&self, credential: &str) -> Option<Arc<Hand>> {
        if !self.house.has_own.load(Ordering::Acquire) {
            return None;
        }
        self.house.own.read().unwrap_or_else(PoisonError::into_inner).get(credential).cloned()
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.own.as_deref().unwrap_or(&self.house.server).now()
    }

    /// The present moment in whole seconds since 1970.
    pub fn unix_seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// The present moment as HTTP writes it (RFC 9110, IMF-fixdate).
    pub fn http_date(&self) -> String {
        http_date(self.now())
    }

    /// How the time goes.
    pub fn motion(&self) -> Motion {
        self.own.as_deref().unwrap_or(&self.house.server).motion()
    }

    /// Whether everybody's time is the system's, so that nothing that is long over can come again.
    pub fn is_untouched(&self) -> bool {
        self.house.server.motion().is_real() && !self.house.has_own.load(Ordering::Acquire)
    }

    /// Whether a credential has its own time.
    pub fn is_own(&self, credential: &str) -> bool {
        self.hand(credential).is_some()
    }

    /// Moves the server's time, for all who have none of their own.
    ///
    /// # Errors
    /// Where it would leave what a clock can show; nothing changes then.
    pub fn adjust(&self, adjustment: &Adjustment) -> Result<Motion, Unreachable> {
        self.house.server.adjust(adjustment)
    }

    /// Moves the one time of `credentials`, who get it from the server's where they have none of their own yet.
    ///
    /// # Errors
    /// Where it would leave what a clock can show; nothing changes then.
    pub fn adjust_of(&self, credentials: &[Arc<str>], adjustment: &Adjustment) -> Result<Motion, Unreachable> {
        let Some(first) = credentials.first() else { return self.adjust(adjustment) };
        let mut own = self.house.own.write().unwrap_or_else(PoisonError::into_inner);
        let before = own.get(first).map_or_else(|| self.house.server.motion(), |hand| hand.motion());
        let motion = before.adjusted(adjustment)?;
        Self::give(&mut own, credentials, motion);
        self.house.has_own.store(true, Ordering::Release);
        Ok(motion)
    }

    fn give(own: &mut HashMap<Arc<str>, Arc<Hand>>, credentials: &[Arc<str>], motion: Motion) {
        let hand = Arc::new(Hand::new(motion));
        own.extend(credentials.iter().map(|credential| (Arc::clone(credential), Arc::clone(&hand))));
    }

    /// Gives credentials their own times.
    pub fn give_all(&self, motions: BTreeMap<Arc<str>, Motion>) {
        let mut own = self.house.own.write().unwrap_or_else(PoisonError::into_inner);
        own.extend(motions.into_iter().map(|(credential, motion)| (credential, Hand::new(motion).into())));
        self.house.has_own.store(!own.is_empty(), Ordering::Release);
    }

    /// Takes their own time from `credentials`, so that they follow the server's.
    pub fn disown(&self, credentials: &[Arc<str>]) {
        let mut own = self.house.own.write().unwrap_or_else(PoisonError::into_inner);
        own.retain(|credential, _| !credentials.contains(credential));
        self.house.has_own.store(!own.is_empty(), Ordering::Release);
    }

    /// Sets the server's time, which stands or runs as before.
    ///
    /// # Panics
    /// As [`Clock::fixed`].
    pub fn set(&self, unix_seconds: i64) {
        let set = Some(Timestamp::from_second(unix_seconds).expect("a moment between 1970 and 2106"));
        self.adjust(&Adjustment { set, ..Adjustment::default() }).expect("a moment between 1970 and 2106");
    }

    /// Lets the server's time go as at the start. Credentials keep their own.
    pub fn restart(&self) {
        self.house.server.replace(self.house.start);
    }

    /// As at the start: the server's time, and no credential with its own.
    pub fn reset(&self) {
        self.replace_all(self.house.start, BTreeMap::new());
    }

    /// The server's time as it goes, and the credentials' own ones.
    pub fn all(&self) -> (Motion, BTreeMap<Arc<str>, Motion>) {
        let own = self.house.own.read().unwrap_or_else(PoisonError::into_inner);
        let own = own.iter().map(|(credential, hand)| (Arc::clone(credential), hand.motion())).collect();
        (self.house.server.motion(), own)
    }

    /// Lets the server's time, and the credentials' own ones, go as told; nobody else has one.
    pub fn replace_all(&self, server: Motion, credentials: BTreeMap<Arc<str>, Motion>) {
        let mut own = self.house.own.write().unwrap_or_else(PoisonError::into_inner);
        self.house.server.replace(server);
        *own = credentials.into_iter().map(|(credential, motion)| (credential, Hand::new(motion).into())).collect();
        self.house.has_own.store(!own.is_empty(), Ordering::Release);
    }
}

/// A moment as HTTP writes it (RFC 9110, IMF-fixdate): `Sat, 21 Nov 2026 10:00:00 GMT`.
pub fn http_date(moment: Timestamp) -> String {
    thread_local! { static LAST: Second = const { RefCell::new((i64::MIN, String::new())) } }
    within_second(&LAST, moment, "%a, %d %b %Y %H:%M:%S GMT")
}

/// A moment as logs write it (RFC 3339), to the microsecond: `2026-11-21T10:00:00.000000Z`.
pub fn log_time(moment: Timestamp) -> String {
    thread_local! { static LAST: Second = const { RefCell::new((i64::MIN, String::new())) } }
    let mut text = within_second(&LAST, moment, "%Y-%m-%dT%H:%M:%S.");
    let mut micros = moment.subsec_nanosecond().unsigned_abs() / 1000;
    let mut digits = *b"000000Z";
    for digit in digits[..6].iter_mut().rev() {
        *digit += (micros % 10) as u8;
        micros /= 10;
    }
    text.extend(digits.map(char::from));
    text
}

/// The system's time at a moment that is hardly past, at less cost than asking for it: the system is asked once a second.
pub fn real_time(moment: Instant) -> Timestamp {
    const FRESH: Duration = Duration::from_secs(1);
    thread_local! { static LAST: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) } }
    let at = |(known, time): (Instant, Timestamp)| match moment.checked_duration_since(known) {
        Some(since) => (since < FRESH).then(|| time + since),
        None => Some(known - moment).filter(|until| *until < FRESH).map(|until| time - until),
    };
    LAST.get().and_then(at).unwrap_or_else(|| {
        let (now, time) = (Instant::now(), Motion::default().now());
        LAST.set(Some((now, time)));
        time - now.saturating_duration_since(moment)
    })
}

/// A second since 1970, and how it is written.
type Second = RefCell<(i64, String)>;

/// `moment` in whole seconds as `format` writes it. Every request has a date, and many have the same.
fn within_second(last: &'static LocalKey<Second>, moment: Timestamp, format: &str) -> String {
    last.with_borrow_mut(|(second, text)| {
        let now = moment.as_second();
        if *second != now {
            *text = moment.strftime(format).to_string();
            *second = now;
        }
        text.clone()
    })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn by(seconds: i64) -> Adjustment {
        Adjustment { advance: Some(SignedDuration::from_secs(seconds)), ..Adjustment::default() }
    }

    #[test]
    fn a_fixed_clock_stands_until_it_is_set() {
        let clock = Clock::fixed(1_700_000_000);
        assert_eq!(clock.http_date(), "Tue, 14 Nov 2023 22:13:20 GMT");
        let held_elsewhere = clock.clone();
        clock.set(1_700_000_001);
        assert_eq!(held_elsewhere.unix_seconds(), 1_700_000_001);
    }

    #[test]
    fn the_time_of_a_moment_is_the_systems() {
        let (before, moment) = (Motion::default().now(), Instant::now());
        let later = moment + Duration::from_millis(999);
        let (first, then, again) = (real_time(moment), real_time(later), real_time(moment));
        let after = Motion::default().now();
        assert!(before <= first && first <= after && first == again, "{before} {first} {again} {after}");
        assert_eq!(then, first + Duration::from_millis(999));
    }

    #[test]
    fn moments_are_written_whatever_was_written_before() {
        let moment = |text: &str| text.parse().expect("a moment");
        for (text, date, logged) in [
            ("2026-11-21T10:00:00Z", "Sat, 21 Nov 2026 10:00:00 GMT", "2026-11-21T10:00:00.000000Z"),
            ("2026-11-21T10:00:00.0123456Z", "Sat, 21 Nov 2026 10:00:00 GMT", "2026-11-21T10:00:00.012345Z"),
            ("2026-11-21T10:00:01.999999999Z", "Sat, 21 Nov 2026 10:00:01 GMT", "2026-11-21T10:00:01.999999Z"),
            ("1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00.000000Z"),
            ("2026-11-21T10:00:00Z", "Sat, 21 Nov 2026 10:00:00 GMT", "2026-11-21T10:00:00.000000Z"),
        ] {
            assert_eq!((http_date(moment(text)), log_time(moment(text))), (date.to_owned(), logged.to_owned()));
        }
    }

    #[test]
    fn a_credential_with_its_own_time_does_not_follow_the_servers() {
        let clock = Clock::fixed(1000);
        let [one, both, other] = ["one", "both", "other"].map(Arc::<str>::from);
        clock.adjust_of(&[Arc::clone(&one), Arc::clone(&both)], &by(50)).expect("within bounds");
        clock.adjust(&by(7)).expect("within bounds");
        let seconds = |credential: &str| clock.of(credential).unix_seconds();
        assert_eq!(["one", "both", "other"].map(seconds), [1050, 1050, 1007]);
        clock.adjust_of(&[other], &by(-7)).expect("within bounds");
        assert_eq!(["one", "both", "other"].map(seconds), [1050, 1050, 1000]);
        clock.disown(&[one]);
        assert_eq!(["one", "both", "other"].map(seconds), [1007, 1050, 1000]);
        assert!(clock.is_own("both") && !clock.is_own("one"));
    }

    #[test]
    fn all_times_are_taken_and_given_back() {
        let clock = Clock::fixed(1000);
        clock.adjust_of(&["one".into()], &by(50)).expect("within bounds");
        let (server, own) = clock.all();
        clock.set(5);
        clock.disown(&["one".into()]);
        clock.adjust_of(&["other".into()], &by(1)).expect("within bounds");
        clock.replace_all(server, own);
        let seconds = |credential: &str| clock.of(credential).unix_seconds();
        assert_eq!(["one", "other"].map(seconds), [1050, 1000]);
    }
}
