//! How a time goes: with the system's, or on its own from a moment on, standing or at a scale. Whole nanoseconds
//! throughout, so that nothing is lost by going back and forth.

use std::fmt;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// A way for time to go; the system's by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Motion(Option<Moved>);

/// A time that is not the system's.
#[derive(Clone, Copy, Debug)]
struct Moved {
    /// Nanoseconds since 1970 that it showed at `since`.
    from: i128,
    since: Instant,
    is_frozen: bool,
    scale: Scale,
}

/// What to do to a time, in this order: take the system's, set, advance, then stop or go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// Back to the system's time, whatever was before.
    pub real: bool,
    /// The moment to show.
    pub set: Option<Timestamp>,
    /// Forwards, or backwards where it is negative.
    pub advance: Option<SignedDuration>,
    /// Whether to stand still from here on.
    pub freeze: Option<bool>,
    /// How fast to go from here on, while not standing still.
    pub scale: Option<Scale>,
}

/// How fast a time goes beside the system's, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale(u32);

/// A moment that no clock here can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the clock goes from {} to {}", Motion::EARLIEST, Motion::LATEST)]
pub struct Unreachable;

impl Scale {
    /// As fast as the system's.
    pub const ONE: Self = Self(1000);
    /// A hundred thousand times as fast: more than a day a second.
    const MOST: u32 = 100_000_000;

    /// So many thousandths, from 1 to a hundred million.
    pub fn thousandths(thousandths: u32) -> Option<Self> {
        (1..=Self::MOST).contains(&thousandths).then_some(Self(thousandths))
    }

    /// Reads a number with at most three decimal places; `None` where it has more, or is out of bounds.
    pub fn from_number(number: f64) -> Option<Self> {
        let thousandths = (number * 1000.0).round();
        let is_exact = (number * 1000.0 - thousandths).abs() < 1e-6;
        let within = (1.0..=f64::from(Self::MOST)).contains(&thousandths);
        if is_exact && within { Self::thousandths(thousandths as u32) } else { None }
    }

    /// The scale as a number: 1 is the system's.
    pub fn number(self) -> f64 {
        f64::from(self.0) / 1000.0
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

impl Motion {
    /// The first moment that a clock can show.
    pub const EARLIEST: Timestamp = Timestamp::UNIX_EPOCH;
    /// The last one: what tickets have room for, which hold their creation in 32 bits.
    pub const LATEST: Timestamp = Timestamp::constant(u32::MAX as i64, 0);

    /// The present moment. A time that reaches the last one stays there.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the system")]
    fn at(&self, instant: Instant) -> Timestamp {
        let Some(moved) = self.0 else { return Timestamp::now() };
        Timestamp::from_nanosecond(moved.at(instant)).unwrap_or(Self::LATEST).min(Self::LATEST)
    }

    /// Whether it is the system's time.
    pub fn is_real(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.0.is_some_and(|moved| moved.is_frozen)
    }

    /// How fast it goes, or would go if it did not stand still.
    pub fn scale(&self) -> Scale {
        self.0.map_or(Scale::ONE, |moved| moved.scale)
    }

    /// The same time with `adjustment` made.
    ///
    /// # Errors
    /// Where it would leave what a clock can show.
    pub fn adjusted(&self, adjustment: &Adjustment) -> Result<Self, Unreachable> {
        self.adjusted_at(Instant::now(), adjustment)
    }

    fn adjusted_at(&self, instant: Instant, adjustment: &Adjustment) -> Result<Self, Unreachable> {
        let before = if adjustment.real { Self(None) } else { *self };
        let Adjustment { set, advance, freeze, scale, .. } = *adjustment;
        if set.is_none() && advance.is_none() && freeze.is_none() && scale.is_none() {
            return Ok(before);
        }
        let is_shown = |moment: &Timestamp| (Self::EARLIEST..=Self::LATEST).contains(moment);
        if !set.as_ref().is_none_or(is_shown) {
            return Err(Unreachable);
        }
        let from = set.unwrap_or_else(|| before.at(instant));
        let from = advance.map_or(Ok(from), |by| from.checked_add(by)).map_err(|_| Unreachable)?;
        if !is_shown(&from) {
            return Err(Unreachable);
        }
        Ok(Self(Some(Moved {
            from: from.as_nanosecond(),
            since: instant,
            is_frozen: freeze.unwrap_or(before.is_frozen()),
            scale: scale.unwrap_or(before.scale()),
        })))
    }
}

impl Moved {
    fn at(&self, instant: Instant) -> i128 {
        if self.is_frozen {
            return self.from;
        }
        let passed = instant.saturating_duration_since(self.since).as_nanos();
        // A hundred thousand years at the highest scale fit many times over.
        self.from + (passed.cast_signed() * i128::from(self.scale.0)) / 1000
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn second(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a moment")
    }

    fn set(seconds: i64) -> Adjustment {
        Adjustment { set: Some(second(seconds)), ..Adjustment::default() }
    }

    fn advance(nanoseconds: i64) -> Adjustment {
        Adjustment { advance: Some(SignedDuration::from_nanos(nanoseconds)), ..Adjustment::default() }
    }

    #[test]
    fn a_time_that_was_set_goes_on_from_there() {
        let start = Instant::now();
        let motion = Motion::default().adjusted_at(start, &set(1000)).expect("within bounds");
        assert_eq!(motion.at(start + Duration::from_secs(5)), second(1005));
        assert!(!motion.is_real() && !motion.is_frozen());
    }

    #[test]
    fn a_frozen_time_stands_and_goes_on_at_its_scale() {
        let (start, scale) = (Instant::now(), Scale::from_number(2.5));
        let later = |seconds| start + Duration::from_secs(seconds);
        let motion = Motion::default().adjusted_at(start, &Adjustment { scale, ..set(1000) }).expect("within bounds");
        let freeze = |freeze| Adjustment { freeze: Some(freeze), ..Adjustment::default() };
        let motion = motion.adjusted_at(later(10), &freeze(true)).expect("within bounds");
        assert_eq!(motion.at(later(500)), second(1025));
        let motion = motion.adjusted_at(later(500), &freeze(false)).expect("within bounds");
        assert_eq!(motion.at(later(502)), second(1030));
    }

    #[test]
    fn no_clock_leaves_its_bounds() {
        let start = Instant::now();
        let last = Motion::default().adjusted_at(start, &set(i64::from(u32::MAX))).expect("the last moment");
        assert_eq!(last.at(start + Duration::from_secs(9)), Motion::LATEST, "it stays there");
        assert_eq!(last.adjusted_at(start, &advance(1)).err(), Some(Unreachable));
        let first = Motion::default().adjusted_at(start, &set(0)).expect("the first moment");
        assert_eq!(first.adjusted_at(start, &advance(-1)).err(), Some(Unreachable));
        for seconds in [-1, i64::from(u32::MAX) + 1, 253_402_207_200] {
            assert_eq!(Motion::default().adjusted_at(start, &set(seconds)).err(), Some(Unreachable), "{seconds}");
        }
        let far = Adjustment { advance: Some(SignedDuration::MAX), ..Adjustment::default() };
        assert_eq!(first.adjusted_at(start, &far).err(), Some(Unreachable));
        // The year 2038 is nothing special.
        let motion = Motion::default().adjusted_at(start, &set(i64::from(i32::MAX))).expect("within bounds");
        assert_eq!(motion.at(start + Duration::from_secs(1)), second(i64::from(i32::MAX) + 1));
    }

    #[test]
    fn a_scale_has_three_decimal_places() {
        for (number, expected) in [
            (1.0, Some(1.0)),
            (0.001, Some(0.001)),
            (100_000.0, Some(100_000.0)),
            (86_400.0, Some(86_400.0)),
            (0.1, Some(0.1)),
            (0.0, None),
            (0.0005, None),
            (1.0005, None),
            (100_000.001, None),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(Scale::from_number(number).map(Scale::number), expected, "{number}");
        }
    }

    #[test]
    fn the_systems_time_comes_back_whatever_was_before() {
        let start = Instant::now();
        let motion = Motion::default().adjusted_at(start, &set(1000)).expect("within bounds");
        let back = motion.adjusted_at(start, &Adjustment { real: true, ..Adjustment::default() });
        assert!(back.expect("within bounds").is_real());
    }

    proptest! {
        #[test]
        fn going_back_and_forth_loses_nothing(steps in proptest::collection::vec(-1_000_000_000_000_i64..1_000_000_000_000, 0..20)) {
            let start = Instant::now();
            let frozen = Adjustment { freeze: Some(true), ..set(1_700_000_000) };
            let begun = Motion::default().adjusted_at(start, &frozen).expect("within bounds");
            let go = |motion: Motion, by| motion.adjusted_at(start, &advance(by)).expect("within bounds");
            let there = steps.iter().fold(begun, |motion, by| go(motion, *by));
            let back = steps.iter().fold(there, |motion, by| go(motion, -by));
            prop_assert_eq!(back.at(start), begun.at(start));
        }
    }
}
