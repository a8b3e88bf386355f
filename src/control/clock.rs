//! `/clock`: stop, set, advance and scale the time that the vendors go by.

use std::fmt;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Control;
use super::area::Area;
use super::body::{Body, Query};
use super::error::Error;
use super::scope::Of;
use crate::clock::{Adjustment, Motion, Scale, Unreachable};

pub(super) fn area() -> Area {
    Area::new(include_str!("openapi/clock.json")).get("/clock", show).post("/clock", change).delete("/clock", give_back)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    credential: Option<String>,
    #[serde(default)]
    real: bool,
    set: Option<Moment>,
    advance: Option<Span>,
    freeze: Option<bool>,
    scale: Option<f64>,
}

#[derive(Serialize)]
struct View {
    credential: Option<String>,
    own: bool,
    now: String,
    unix_seconds: i64,
    mode: &'static str,
    scale: f64,
}

impl From<Unreachable> for Error {
    fn from(error: Unreachable) -> Self {
        Self::invalid(error.to_string())
    }
}

/// `GET /clock`.
async fn show(State(control): State<Control>, Query(of): Query<Of>) -> Result<Json<View>, Error> {
    view(&control, of.credential)
}

/// `POST /clock`.
async fn change(State(control): State<Control>, Body(change): Body<Change>) -> Result<Json<View>, Error> {
    let scope = control.scope(change.credential.as_deref())?;
    let scale = change.scale.map(|number| {
        let wrong = || Error::invalid("scale: a number from 0.001 to 100000 with at most three decimal places");
        Scale::from_number(number).ok_or_else(wrong)
    });
    let adjustment = Adjustment {
        real: change.real,
        set: change.set.map(|moment| moment.0),
        advance: change.advance.map(|span| span.0),
        freeze: change.freeze,
        scale: scale.transpose()?,
    };
    let clock = control.shared.clock();
    match scope {
        None => clock.adjust(&adjustment)?,
        Some(credentials) => clock.adjust_of(&credentials, &adjustment)?,
    };
    view(&control, change.credential)
}

/// `DELETE /clock`: a credential follows the server's time again, the server that of its start.
async fn give_back(State(control): State<Control>, Query(of): Query<Of>) -> Result<Json<View>, Error> {
    let clock = control.shared.clock();
    match of.scope(&control)? {
        None => clock.restart(),
        Some(credentials) => clock.disown(&credentials),
    }
    view(&control, of.credential)
}

fn view(control: &Control, credential: Option<String>) -> Result<Json<View>, Error> {
    // All that a set stands for have one time, unless somebody was given another; the set's own id has the set's.
    let id = control.scope(credential.as_deref())?.and_then(|ids| ids.into_iter().next());
    let (clock, own) =
        (control.shared.clock_of(id.as_deref()), id.is_some_and(|id| control.shared.clock().is_own(&id)));
    let (now, motion) = (clock.now(), clock.motion());
    let mode = match (motion.is_real(), motion.is_frozen()) {
        (true, _) => "real",
        (false, true) => "frozen",
        (false, false) => "running",
    };
    let scale = motion.scale().number();
    Ok(Json(View { credential, own, now: now.to_string(), unix_seconds: now.as_second(), mode, scale }))
}

/// A moment that a clock can show: RFC 3339, or Unix seconds.
#[derive(Clone, Copy)]
pub(super) struct Moment(pub(super) Timestamp);

impl Moment {
    fn shown(moment: Timestamp) -> Option<Self> {
        (Motion::EARLIEST..=Motion::LATEST).contains(&moment).then_some(Self(moment))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberOrText {
            expected: "a moment from 1970 to 2106, in RFC 3339 or Unix seconds",
            number: |span| Timestamp::UNIX_EPOCH.checked_add(span).ok().and_then(Self::shown),
            text: |text: &str| text.parse().ok().and_then(Self::shown),
        })
    }
}

/// A span of time: seconds, or numbers with units (`30d`, `1h30m`, `-250ms`).
#[derive(Debug, PartialEq, Eq)]
struct Span(SignedDuration);

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let (is_negative, mut rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let mut sum = SignedDuration::ZERO;
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            let milliseconds: i64 = match unit {
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            let span = number.parse::<i64>().ok()?.checked_mul(milliseconds)?;
            sum = sum.checked_add(SignedDuration::from_millis(span))?;
            rest = after;
        }
        Some(Self(if is_negative { -sum } else { sum }))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberOrText {
            expected: "a span of time, in seconds or such as 30d, 1h30m or -250ms",
            number: |span| Some(Self(span)),
            text: Self::parse,
        })
    }
}

/// A time that is written as a number of seconds or as a text.
struct NumberOrText<N, T> {
    expected: &'static str,
    number: N,
    text: T,
}

impl<V, N, T> Visitor<'_> for NumberOrText<N, T>
where
    N: FnOnce(SignedDuration) -> Option<V>,
    T: FnOnce(&str) -> Option<V>,
{
    type Value = V;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<V, E> {
        let wrong = E::invalid_value(Unexpected::Str(text), &self.expected);
        (self.text)(text).ok_or(wrong)
    }

    fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<V, E> {
        let wrong = E::invalid_value(Unexpected::Signed(seconds), &self.expected);
        (self.number)(SignedDuration::from_secs(seconds)).ok_or(wrong)
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<V, E> {
        self.visit_i64(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<V, E> {
        let wrong = E::invalid_value(Unexpected::Float(seconds), &self.expected);
        let span = SignedDuration::try_from_secs_f64(seconds).ok();
        span.and_then(self.number).ok_or(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_units_and_a_sign() {
        let seconds = |seconds| Some(Span(SignedDuration::from_secs(seconds)));
        for (text, expected) in [
            ("30d", seconds(2_592_000)),
            ("1h30m", seconds(5400)),
            ("-5m", seconds(-300)),
            ("1500ms", Some(Span(SignedDuration::from_millis(1500)))),
            ("0s", seconds(0)),
            ("", None),
            ("-", None),
            ("30", None),
            ("d", None),
            ("1w", None),
            ("1.5h", None),
            ("1h 30m", None),
            ("--1s", None),
            ("+1s", None),
            ("99999999999999999999s", None),
            ("9999999999999999d", None),
        ] {
            assert_eq!(Span::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn moments_are_texts_or_numbers() {
        for (json, expected) in [
            ("1700000000", Some("2023-11-14T22:13:20Z")),
            ("1700000000.5", Some("2023-11-14T22:13:20.5Z")),
            ("\"2023-11-14T22:13:20Z\"", Some("2023-11-14T22:13:20Z")),
            ("\"2023-11-15T06:13:20+08:00\"", Some("2023-11-14T22:13:20Z")),
            ("4294967295", Some("2106-02-07T06:28:15Z")),
            ("4294967296", None),
            ("-1", None),
            ("\"1969-12-31T23:59:59Z\"", None),
            ("\"2023-11-14\"", None),
            ("\"now\"", None),
            ("1e300", None),
            ("9223372036854775807", None),
            ("18446744073709551615", None),
            ("true", None),
            ("null", None),
        ] {
            let moment = serde_json::from_str::<Moment>(json).ok().map(|moment| moment.0.to_string());
            assert_eq!(moment.as_deref(), expected, "{json}");
        }
    }
}
