//! One rule: which requests it strikes, with what, and how often.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::catalogue::Catalogue;
use super::plan::{Plan, PlanError, fraction};
use super::{Asked, MAX_RULES, Phase};
use crate::clock::Ids;
use crate::locks::locked;

/// Plans that one sequence may have.
const MAX_STEPS: usize = 1000;

/// A rule as it is asked for. What is absent matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    /// The vendor's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// The operation as its vendor calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Who asks, by the public part of the credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// What is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<TextMatch>,
    /// What happens, every time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Plan>,
    /// What happens one time after the other, in place of `fault`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<Vec<Plan>>,
    /// How often the fault strikes, or the sequence runs; 0 means without end. Absent, it is 0 for a fault and 1 for a
    /// sequence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// How likely a request is struck that the rule is for; absent, each is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

impl Spec {
    /// A rule for every request: `plan` is written as in [`Plan`].
    ///
    /// # Errors
    /// Where `plan` is none.
    pub fn fault(plan: &str) -> Result<Self, PlanError> {
        Ok(Self { fault: Some(plan.parse()?), ..Self::default() })
    }

    /// A rule for every request, with another plan each time: `["45009", "45009", "pass"]`.
    ///
    /// # Errors
    /// Where one of `plans` is none.
    pub fn sequence(plans: &[&str]) -> Result<Self, PlanError> {
        let plans = plans.iter().map(|plan| plan.parse()).collect::<Result<_, _>>()?;
        Ok(Self { sequence: Some(plans), ..Self::default() })
    }

    /// The same for one operation, as its vendor calls it.
    #[must_use]
    pub fn of(self, operation: impl Into<String>) -> Self {
        Self { operation: Some(operation.into()), ..self }
    }

    /// The same for one credential, or one set of them.
    #[must_use]
    pub fn by(self, credential: impl Into<String>) -> Self {
        Self { credential: Some(credential.into()), ..self }
    }

    /// The same for some contents.
    #[must_use]
    pub fn about(self, content: TextMatch) -> Self {
        Self { content: Some(content), ..self }
    }

    /// The same for so many times; 0 is without end.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times: Some(times), ..self }
    }

    /// The same with a probability.
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability: Some(probability), ..self }
    }
}

/// Which texts a rule is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextMatch {
    /// This one.
    Equals(String),
    /// Those that begin with it.
    Prefix(String),
    /// Those that have it somewhere.
    Contains(String),
}

impl TextMatch {
    /// Whether `text` is one of them.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equals(expected) => text == expected,
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Contains(part) => text.contains(part.as_str()),
        }
    }
}

/// Why a rule is refused.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum Refused {
    /// Neither `fault` nor `sequence`, or both.
    #[error("a rule has either a fault or a sequence")]
    NotOnePlan,
    /// A sequence without steps, or with too many.
    #[error("a sequence has 1 to {MAX_STEPS} faults")]
    Steps,
    /// No probability.
    #[error("{0} is no probability from 0 to 1")]
    Probability(f64),
    /// A vendor or operation that does not exist.
    #[error("no operation is {vendor} {operation}; there are {known}")]
    NoSuchOperation {
        /// As asked for.
        vendor: String,
        /// As asked for.
        operation: String,
        /// All that there are.
        known: String,
    },
    /// A code that none of the operations has.
    #[error("{operations} has no error {code:?}; it has {known}")]
    NoSuchCode {
        /// The operations that the rule is for.
        operations: String,
        /// As asked for.
        code: String,
        /// What these have.
        known: String,
    },
    /// As many rules as there may be.
    #[error("there are {MAX_RULES} rules, and there is no room for more")]
    TooMany,
}

/// A rule as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct View {
    /// Its number, by which it is removed.
    pub id: u64,
    /// What was asked for.
    #[serde(flatten)]
    pub spec: Spec,
    /// Requests that it has struck, a `pass` of a sequence included.
    pub struck: u64,
    /// Requests that it can still strike; absent where there is no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
    /// Whether it comes from the settings, so that it is not cleared.
    pub configured: bool,
}

/// A rule with its progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// What was asked for.
    pub spec: Spec,
    /// The ids that its credential stands for.
    pub members: Vec<String>,
    /// Requests that it has struck.
    pub struck: u64,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Configured,
    Asked,
}

/// A rule that strikes.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: u64,
    pub(super) origin: Origin,
    spec: Spec,
    members: Vec<Arc<str>>,
    steps: Vec<Plan>,
    /// The operations that it is for and that have all its codes: vendor and name.
    operations: Vec<(&'static str, &'static str)>,
    /// Strikes after which it is spent.
    limit: Option<u64>,
    struck: Mutex<u64>,
}

impl Rule {
    pub(super) fn new(id: u64, saved: Saved, origin: Origin, catalogue: &Catalogue) -> Result<Self, Refused> {
        let Saved { spec, members, struck } = saved;
        let members = members.into_iter().map(Arc::from).collect();
        let (steps, default_times) = match (&spec.fault, &spec.sequence) {
            (Some(fault), None) => (vec![fault.clone()], 0),
            (None, Some(sequence)) => (sequence.clone(), 1),
            (None, None) | (Some(_), Some(_)) => return Err(Refused::NotOnePlan),
        };
        if steps.is_empty() || steps.len() > MAX_STEPS {
            return Err(Refused::Steps);
        }
        if let Some(probability) = spec.probability.filter(|number| !(0.0..=1.0).contains(number)) {
            return Err(Refused::Probability(probability));
        }
        let operations = operations(&spec, &steps, catalogue)?;
        let times = spec.times.unwrap_or(default_times);
        let limit = (times > 0).then(|| times.saturating_mul(steps.len() as u64));
        Ok(Self { id, origin, spec, members, steps, operations, limit, struck: Mutex::new(struck) })
    }

    /// Whether it is for some of `credentials` and nobody else; every rule, where none are given.
    pub(super) fn is_within(&self, credentials: Option<&[Arc<str>]>) -> bool {
        let is_one = |credentials: &[Arc<str>]| self.members.iter().all(|member| credentials.contains(member));
        credentials.is_none_or(|credentials| !self.members.is_empty() && is_one(credentials))
    }

    /// What happens to a request at this phase, which counts as struck then.
    pub(super) fn strike(&self, asked: Asked<'_>, phase: Phase<'_>, catalogue: &Catalogue, ids: &Ids) -> Option<Plan> {
        let Spec { credential, content, probability, .. } = &self.spec;
        let is_for = credential.is_none()
            || asked.credential.is_some_and(|asked| self.members.iter().any(|member| **member == *asked));
        if !is_for || !self.operations.contains(&(asked.vendor, asked.operation)) {
            return None;
        }
        match (phase, content) {
            (Phase::Read(texts), Some(content)) if texts.iter().any(|text| content.matches(text)) => {}
            (Phase::Arrived | Phase::Admitted, None) => {}
            (Phase::Read(_), _) | (Phase::Arrived | Phase::Admitted, Some(_)) => return None,
        }
        let mut struck = self.struck();
        if self.limit.is_some_and(|limit| *struck >= limit) {
            return None;
        }
        let plan = &self.steps[(*struck % self.steps.len() as u64) as usize];
        // Each step strikes at one phase alone, so that its probability is drawn once a request.
        let is_early = credential.is_none() && about_sender(plan, asked, catalogue);
        let is_now = match phase {
            Phase::Arrived => is_early,
            Phase::Admitted => !is_early,
            Phase::Read(_) => true,
        };
        if !is_now || probability.is_some_and(|probability| fraction(ids) >= probability) {
            return None;
        }
        *struck += 1;
        Some(plan.clone())
    }

    pub(super) fn view(&self) -> View {
        let struck = *self.struck();
        let left = self.limit.map(|limit| limit.saturating_sub(struck));
        let configured = self.origin == Origin::Configured;
        View { id: self.id, spec: self.spec.clone(), struck, left, configured }
    }

    pub(super) fn save(&self) -> Saved {
        Saved {
            spec: self.spec.clone(),
            members: self.members.iter().map(ToString::to_string).collect(),
            struck: *self.struck(),
        }
    }

    fn struck(&self) -> MutexGuard<'_, u64> {
        locked(&self.struck)
    }
}

fn about_sender(plan: &Plan, asked: Asked<'_>, catalogue: &Catalogue) -> bool {
    let failure = plan.code.as_deref().and_then(|code| catalogue.failure(asked.vendor, asked.operation, code));
    failure.is_some_and(|failure| failure.about_sender)
}

/// The operations that a rule can strike: those that it names, as far as they have all its codes.
fn operations(
    spec: &Spec,
    steps: &[Plan],
    catalogue: &Catalogue,
) -> Result<Vec<(&'static str, &'static str)>, Refused> {
    let is_named = |name: &str, asked: &Option<String>| asked.as_deref().is_none_or(|asked| asked == name);
    let named: Vec<_> = catalogue
        .operations()
        .filter(|(vendor, of)| is_named(vendor, &spec.vendor) && is_named(of.operation, &spec.operation))
        .collect();
    let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
    if named.is_empty() {
        let known = list(&mut catalogue.operations().map(|(vendor, of)| format!("{vendor} {}", of.operation)));
        let asked = |name: &Option<String>| name.clone().unwrap_or_else(|| "*".to_owned());
        let (vendor, operation) = (asked(&spec.vendor), asked(&spec.operation));
        return Err(Refused::NoSuchOperation { vendor, operation, known });
    }
    let codes = || steps.iter().filter_map(|plan| plan.code.as_deref());
    let has = |vendor: &str, operation: &str, code: &str| catalogue.failure(vendor, operation, code).is_some();
    if let Some(code) = codes().find(|code| !named.iter().any(|(vendor, of)| has(vendor, of.operation, code))) {
        let operations = list(&mut named.iter().map(|(_, of)| of.operation.to_owned()));
        let mut seen = HashSet::new();
        let faults = named.iter().flat_map(|(_, of)| &of.failures).map(|failure| failure.fault.clone());
        let known = list(&mut faults.filter(|fault| seen.insert(fault.clone())));
        return Err(Refused::NoSuchCode { operations, code: code.to_owned(), known });
    }
    let able: Vec<_> = named
        .iter()
        .filter(|(vendor, of)| codes().all(|code| has(vendor, of.operation, code)))
        .map(|(vendor, of)| (*vendor, of.operation))
        .collect();
    if able.is_empty() {
        let operations = list(&mut named.iter().map(|(_, of)| of.operation.to_owned()));
        let code = list(&mut codes().map(str::to_owned));
        return Err(Refused::NoSuchCode { operations, code, known: "them in several, none in all".to_owned() });
    }
    Ok(able)
}
