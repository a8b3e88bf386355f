//! What a fault does to one request, and how it is written: items with `;` between them.
//!
//! | item | what happens |
//! |---|---|
//! | a code of the vendor, such as `45009` | the vendor's failure of that code, of several the first |
//! | a code and a name, such as `AccessDenied:Expired` | one of several failures that have the code |
//! | `latency=500ms` | the answer comes so much later |
//! | `latency=100ms..2s` | … a time drawn evenly from between |
//! | `latency=normal(200ms,50ms)` | … by mean and standard deviation |
//! | `latency=lognormal(200ms,0.5)` | … by median and the deviation of its logarithm |
//! | `reset` | the connection ends with a reset instead of an answer |
//! | `half` | half of the body, then the connection ends |
//! | `stall`, `stall=30s` | half of the body, then nothing for a minute or so long, then the connection ends |
//! | `garbage` | random bytes in place of the body, as many |
//! | `pass` | nothing; in a sequence, the request that works |

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::clock::Ids;
use crate::config::Value;

/// The longest delay that can be asked for, and the longest that a distribution gives.
pub const MAX_DELAY: Duration = Duration::from_mins(10);
/// How long a stalled body lasts where nothing is said.
const STALL: Duration = Duration::from_mins(1);

/// What happens to one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The vendor's failure that is called so is answered.
    pub code: Option<String>,
    /// The answer is late.
    pub latency: Option<Latency>,
    /// The answer does not arrive as it was sent.
    pub damage: Option<Damage>,
}

/// How late an answer is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Evenly from between two bounds.
    Uniform(Duration, Duration),
    /// By mean and standard deviation; never less than nothing.
    Normal(Duration, Duration),
    /// By median and the standard deviation of the logarithm.
    LogNormal(Duration, f64),
}

/// What happens to an answer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The connection is reset.
    Reset,
    /// Half of the body arrives.
    Half,
    /// Half of the body arrives, then nothing for so long.
    Stall(Duration),
    /// The body is random bytes.
    Garbage,
}

/// Why a text is no plan.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// Nothing is said.
    #[error("a fault is empty")]
    Empty,
    /// Two items of one kind.
    #[error("{0:?} says a second time what happens")]
    Twice(String),
    /// No time, no distribution, or beyond the bound.
    #[error("{0:?} is no delay such as 500ms, 100ms..2s, normal(200ms,50ms) or lognormal(200ms,0.5), within 10m")]
    Delay(String),
}

impl Latency {
    /// A delay by this distribution, drawn from `ids`, within [`MAX_DELAY`].
    pub fn draw(self, ids: &Ids) -> Duration {
        let drawn = match self {
            Self::Fixed(time) => time,
            Self::Uniform(from, to) => from + to.saturating_sub(from).mul_f64(fraction(ids)),
            Self::Normal(mean, deviation) => {
                let seconds = mean.as_secs_f64() + deviation.as_secs_f64() * deviate(ids);
                Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(MAX_DELAY)
            }
            Self::LogNormal(median, deviation) => {
                Duration::try_from_secs_f64(median.as_secs_f64() * (deviation * deviate(ids)).exp())
                    .unwrap_or(MAX_DELAY)
            }
        };
        drawn.min(MAX_DELAY)
    }
}

/// A number from 0 to 1, 1 excluded.
pub(super) fn fraction(ids: &Ids) -> f64 {
    f64::from(ids.number()) / (f64::from(u32::MAX) + 1.0)
}

/// A number of the standard normal distribution, by Box and Muller.
fn deviate(ids: &Ids) -> f64 {
    let (radius, angle) = (1.0 - fraction(ids), fraction(ids));
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        let mut items = text.split(';').map(str::trim).filter(|item| !item.is_empty()).peekable();
        if items.peek().is_none() {
            return Err(PlanError::Empty);
        }
        let mut passes = false;
        for item in items {
            let is_second = match item.split_once('=') {
                Some(("latency", delay)) => plan.latency.replace(latency(delay)?).is_some(),
                Some(("stall", time)) => plan.damage.replace(Damage::Stall(delay(time)?)).is_some(),
                _ => match item {
                    "reset" => plan.damage.replace(Damage::Reset).is_some(),
                    "half" => plan.damage.replace(Damage::Half).is_some(),
                    "stall" => plan.damage.replace(Damage::Stall(STALL)).is_some(),
                    "garbage" => plan.damage.replace(Damage::Garbage).is_some(),
                    "pass" => std::mem::replace(&mut passes, true),
                    code => plan.code.replace(code.to_owned()).is_some(),
                },
            };
            if is_second || (passes && plan.code.is_some()) {
                return Err(PlanError::Twice(item.to_owned()));
            }
        }
        Ok(plan)
    }
}

fn latency(text: &str) -> Result<Latency, PlanError> {
    let wrong = || PlanError::Delay(text.to_owned());
    let pair = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')?.split_once(',');
    if let Some((mean, deviation)) = pair("normal") {
        return Ok(Latency::Normal(delay(mean)?, delay(deviation)?));
    }
    if let Some((median, deviation)) = pair("lognormal") {
        let deviation: f64 = deviation.trim().parse().map_err(|_| wrong())?;
        let is_sane = (0.0..=10.0).contains(&deviation);
        return if is_sane { Ok(Latency::LogNormal(delay(median)?, deviation)) } else { Err(wrong()) };
    }
    match text.split_once("..") {
        Some((from, to)) => {
            let (from, to) = (delay(from)?, delay(to)?);
            Ok(Latency::Uniform(from.min(to), from.max(to)))
        }
        None => delay(text).map(Latency::Fixed),
    }
}

fn delay(text: &str) -> Result<Duration, PlanError> {
    let time = Duration::parse(text.trim()).ok().filter(|time| *time <= MAX_DELAY);
    time.ok_or_else(|| PlanError::Delay(text.to_owned()))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = self.latency.map(|latency| format!("latency={latency}"));
        let damage = self.damage.map(|damage| damage.to_string());
        let items: Vec<_> = [latency, damage, self.code.clone()].into_iter().flatten().collect();
        f.write_str(if items.is_empty() { "pass".to_owned() } else { items.join(";") }.as_str())
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(time) => f.write_str(&time.show()),
            Self::Uniform(from, to) => write!(f, "{}..{}", from.show(), to.show()),
            Self::Normal(mean, deviation) => write!(f, "normal({},{})", mean.show(), deviation.show()),
            Self::LogNormal(median, deviation) => write!(f, "lognormal({},{deviation})", median.show()),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("reset"),
            Self::Half => f.write_str("half"),
            Self::Stall(time) => write!(f, "stall={}", time.show()),
            Self::Garbage => f.write_str("garbage"),
        }
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        for (text, written) in [
            ("45009", "45009"),
            ("FailedOperation.DownLoadError", "FailedOperation.DownLoadError"),
            ("-1", "-1"),
            ("pass", "pass"),
            ("latency=500ms", "latency=500ms"),
            ("latency=1m", "latency=60s"),
            (" SlowDown ; latency=100ms..2s ", "latency=100ms..2s;SlowDown"),
            ("latency=normal(200ms, 50ms)", "latency=normal(200ms,50ms)"),
            ("latency=lognormal(2s,0.5);half", "latency=lognormal(2s,0.5);half"),
            ("reset", "reset"),
            ("garbage", "garbage"),
            ("stall", "stall=60s"),
            ("stall=5s;40001", "stall=5s;40001"),
            ("latency=1s;pass", "latency=1s"),
        ] {
            let plan: Plan = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(plan.to_string(), written, "{text}");
            assert_eq!(written.parse(), Ok(plan), "{text}");
        }
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in [
            "",
            " ; ",
            "latency=",
            "latency=soon",
            "latency=2",
            "latency=11m",
            "latency=normal(1s)",
            "latency=lognormal(1s,-1)",
            "latency=lognormal(1s,NaN)",
            "stall=never",
            "reset;half",
            "45009;40001",
            "45009;pass",
            "latency=1s;latency=2s",
        ] {
            assert!(text.parse::<Plan>().is_err(), "{text}");
        }
    }

    #[test]
    fn delays_follow_their_distribution() {
        let ids = Ids::seeded(7);
        let mean = |text: &str| {
            let latency = latency(text).expect("a delay");
            (0..2000).map(|_| latency.draw(&ids).as_secs_f64()).sum::<f64>() / 2000.0
        };
        for (text, expected) in [
            ("2s", 2.0),
            ("1s..3s", 2.0),
            ("normal(2s,100ms)", 2.0),
            // The mean of the lognormal distribution is its median times e to half the variance.
            ("lognormal(2s,0.5)", 2.0 * 0.125_f64.exp()),
        ] {
            let found = mean(text);
            assert!((found - expected).abs() < 0.1, "{text}: {found}");
        }
        for _ in 0..2000 {
            let drawn = latency("1s..3s").expect("a delay").draw(&ids);
            assert!((Duration::from_secs(1)..Duration::from_secs(3)).contains(&drawn));
        }
        assert_eq!(Latency::LogNormal(MAX_DELAY, 10.0).draw(&ids).max(MAX_DELAY), MAX_DELAY);
    }
}
