//! Failures on demand: rules that say which requests meet which fault, and inputs that ask for one themselves.
//!
//! Nothing here names a vendor: what can be answered comes from the vendors' own tables ([`Catalogue`]), and a vendor asks
//! at three moments of a request whether it meets a fault ([`Phase`]), so that each rule is considered once. What happens
//! to the answer beside its code is noted for who sends it ([`crate::underway`]).
//!
//! How a fault is written is `plan.rs`, which requests meet it `rule.rs`, inputs that ask for one `magic.rs`.

mod catalogue;
mod magic;
mod plan;
mod rule;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use catalogue::{Catalogue, Failure, Failures, name};
pub use plan::{Damage, Latency, MAX_DELAY, Plan, PlanError};
pub use rule::{Refused, Saved, Spec, TextMatch, View};

use crate::clock::Ids;
use crate::locks::locked;
use magic::Magic;
use rule::{Origin, Rule};

/// Rules at the same time, those of the setting not counted.
pub const MAX_RULES: usize = 4096;

/// What a vendor knows of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The vendor.
    pub vendor: &'static str,
    /// Its operation.
    pub operation: &'static str,
    /// Who asks, once that is proven; `None` where it is not known, or nobody was asked.
    pub credential: Option<&'a str>,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase<'a> {
    /// It is not known who sends it. Failures about the sender strike here, if their rule names nobody.
    Arrived,
    /// Its sender may ask. Everything strikes here that does not depend on what is asked.
    Admitted,
    /// These are the texts that it is about: what is to be drawn, a scene, an address, a number.
    Read(&'a [&'a str]),
}

/// All rules; clones share them.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    catalogue: Catalogue,
    /// The latest first.
    rules: RwLock<Vec<Arc<Rule>>>,
    /// Whether there is any rule: all that a request looks at where there is none.
    has_rules: AtomicBool,
    last_id: AtomicU64,
    /// Whether inputs may ask for faults.
    takes_wishes: bool,
    magic: Mutex<Magic>,
}

impl Faults {
    /// No rules yet. Inputs are not looked at for what they ask unless `takes_wishes`.
    pub fn new(catalogue: Catalogue, takes_wishes: bool) -> Self {
        Self(Arc::new(Inner {
            catalogue,
            takes_wishes,
            rules: RwLock::default(),
            has_rules: AtomicBool::new(false),
            last_id: AtomicU64::new(0),
            magic: Mutex::default(),
        }))
    }

    /// What every operation can fail with.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// Adds a rule, which is considered before all that are there. `members` are the ids that the credential in `spec`
    /// stands for, where there is one: its own, or all of a set.
    ///
    /// # Errors
    /// Where it could never strike, or there are [`MAX_RULES`].
    pub fn add(&self, spec: Spec, members: &[Arc<str>]) -> Result<View, Refused> {
        let members = members.iter().map(ToString::to_string).collect();
        self.insert(Saved { spec, members, struck: 0 }, Origin::Asked)
    }

    /// Adds what the settings ask for: `code` at every call of `operation`. Such a rule is never cleared.
    ///
    /// # Errors
    /// Where no vendor has the operation, or the operation not the code.
    pub fn add_configured(&self, operation: &str, code: &str) -> Result<View, Refused> {
        let plan = Plan { code: Some(code.to_owned()), ..Plan::default() };
        let spec = Spec { operation: Some(operation.to_owned()), fault: Some(plan), ..Spec::default() };
        self.insert(Saved { spec, members: Vec::new(), struck: 0 }, Origin::Configured)
    }

    fn insert(&self, saved: Saved, origin: Origin) -> Result<View, Refused> {
        let id = self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let rule = Rule::new(id, saved, origin, &self.0.catalogue)?;
        let view = rule.view();
        let mut rules = self.0.rules.write().unwrap_or_else(PoisonError::into_inner);
        if origin == Origin::Asked && rules.iter().filter(|rule| rule.origin == Origin::Asked).count() >= MAX_RULES {
            return Err(Refused::TooMany);
        }
        // Of what the settings say the first counts, as of anything else there.
        let place = if origin == Origin::Asked { 0 } else { rules.len() };
        rules.insert(place, Arc::new(rule));
        self.0.has_rules.store(true, Ordering::Release);
        Ok(view)
    }

    /// The rules in the order in which they are considered; those for some of `credentials` alone, where these are given.
    pub fn list(&self, credentials: Option<&[Arc<str>]>) -> Vec<View> {
        let rules = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.iter().filter(|rule| rule.is_within(credentials)).map(|rule| rule.view()).collect()
    }

    /// The rule with this id.
    pub fn get(&self, id: u64) -> Option<View> {
        let rules = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|rule| rule.id == id).map(|rule| rule.view())
    }

    /// Removes the rule with this id, whoever made it; gives whether there was one.
    pub fn remove(&self, id: u64) -> bool {
        self.retain(|rule| rule.id != id) > 0
    }

    /// Removes all rules but the settings', or those for some of `credentials` alone, and forgets how often inputs asked
    /// for faults; gives how many rules there were.
    pub fn clear(&self, credentials: Option<&[Arc<str>]>) -> usize {
        self.magic().forget(credentials);
        self.retain(|rule| rule.origin == Origin::Configured || !rule.is_within(credentials))
    }

    fn retain(&self, keep: impl Fn(&Rule) -> bool) -> usize {
        let mut rules = self.0.rules.write().unwrap_or_else(PoisonError::into_inner);
        let before = rules.len();
        rules.retain(|rule| keep(rule));
        self.0.has_rules.store(!rules.is_empty(), Ordering::Release);
        before - rules.len()
    }

    /// All rules but the settings', or those for some of `credentials` alone, with how often each struck.
    pub fn save(&self, credentials: Option<&[Arc<str>]>) -> Vec<Saved> {
        let rules = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |rule: &&Arc<Rule>| rule.origin == Origin::Asked && rule.is_within(credentials);
        rules.iter().filter(is_meant).map(|rule| rule.save()).collect()
    }

    /// Whether saved rules could all be put back.
    ///
    /// # Errors
    /// As [`Faults::add`].
    pub fn check(&self, saved: &[Saved]) -> Result<(), Refused> {
        if saved.len() > MAX_RULES {
            return Err(Refused::TooMany);
        }
        saved.iter().try_for_each(|saved| Rule::new(0, saved.clone(), Origin::Asked, &self.0.catalogue).map(drop))
    }

    /// Puts saved rules in place of all but the settings', or of those for some of `credentials` alone.
    ///
    /// # Errors
    /// As [`Faults::add`]; those before the one refused are there then.
    pub fn restore(&self, saved: Vec<Saved>, credentials: Option<&[Arc<str>]>) -> Result<(), Refused> {
        self.clear(credentials);
        // The latest is added last.
        saved.into_iter().rev().try_for_each(|saved| self.insert(saved, Origin::Asked).map(drop))
    }

    /// The fault that a request meets at this phase, if any. The first rule that applies and is not spent decides; what an
    /// input asks for itself comes before all rules.
    pub fn strike(&self, asked: Asked<'_>, phase: Phase<'_>, ids: &Ids) -> Option<Plan> {
        if self.0.takes_wishes
            && let Phase::Read(texts) = phase
            && let Some(plan) = texts.iter().find_map(|text| self.asked_for(asked, text))
        {
            return Some(plan);
        }
        if !self.0.has_rules.load(Ordering::Acquire) {
            return None;
        }
        let ids = asked.credential.map_or_else(|| ids.clone(), |credential| ids.of(credential));
        let rules = self.0.rules.read().unwrap_or_else(PoisonError::into_inner);
        let strike = |rule: &Arc<Rule>| Some((rule.id, rule.strike(asked, phase, &self.0.catalogue, &ids)?));
        let (id, plan) = rules.iter().find_map(strike)?;
        drop(rules);
        tracing::debug!(provider = asked.vendor, operation = asked.operation, rule = id, fault = %plan, "a rule strikes");
        Some(plan)
    }

    /// What an input asks for.
    fn asked_for(&self, asked: Asked<'_>, text: &str) -> Option<Plan> {
        let wish = magic::wish(text)?;
        let plan = match magic::parse(&wish) {
            Ok((plan, times)) => {
                let has = |code: &str| self.0.catalogue.failure(asked.vendor, asked.operation, code).is_some();
                if let Some(code) = plan.code.as_deref().filter(|code| !has(code)) {
                    tracing::warn!(
                        operation = asked.operation,
                        code,
                        "an input asks for an error that its operation does not have"
                    );
                    return None;
                }
                let is_left = times.is_none_or(|times| self.magic().count(asked, &wish, times));
                is_left.then_some(plan)?
            }
            Err(error) => {
                tracing::warn!(operation = asked.operation, %error, "an input asks for a fault that there is not");
                return None;
            }
        };
        tracing::debug!(provider = asked.vendor, operation = asked.operation, fault = %plan, "an input asks for a fault");
        Some(plan)
    }

    fn magic(&self) -> MutexGuard<'_, Magic> {
        locked(&self.0.magic)
    }
}

#[cfg(test)]
mod tests;
