//! What every operation can fail with, as the vendors' own tables say.

use std::fmt::Debug;

use serde::Serialize;

/// What one operation of a vendor can fail with.
#[derive(Clone, Debug, Serialize)]
pub struct Failures {
    /// The operation as its vendor calls it.
    pub operation: &'static str,
    /// Fields of a request that hold the text which rules call its content, and which may ask for a fault itself.
    pub content: &'static [&'static str],
    /// In the order of the vendor's table.
    pub failures: Vec<Failure>,
}

impl Failures {
    /// The code of each failure; several may have one.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        self.failures.iter().map(|failure| failure.code.as_str())
    }
}

/// One answer of a vendor's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// How it is asked for: see [`name`].
    pub fault: String,
    /// The vendor's code.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// The vendor's text, with an example of what it repeats of a request.
    pub message: String,
    /// Whether it says who may ask, so that it comes before all others.
    pub about_sender: bool,
}

/// How one of a vendor's failures is asked for: by its code; where one before it has the same code, by both the code and
/// its own name: `AccessDenied:Expired`.
pub fn name<E: Debug + PartialEq>(failure: &E, all: &[E], code: impl Fn(&E) -> &'static str) -> String {
    let own = code(failure);
    let is_first = all.iter().find(|other| code(other) == own).is_none_or(|first| first == failure);
    if is_first { own.to_owned() } else { format!("{own}:{failure:?}") }
}

/// The failures of all operations, by vendor.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Vec<(&'static str, Vec<Failures>)>);

impl Catalogue {
    /// Of these vendors, each by its name.
    pub fn new(vendors: impl IntoIterator<Item = (&'static str, Vec<Failures>)>) -> Self {
        Self(vendors.into_iter().collect())
    }

    /// Everything, in the order of the vendors' tables.
    pub fn vendors(&self) -> &[(&'static str, Vec<Failures>)] {
        &self.0
    }

    /// Every operation with its vendor.
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &Failures)> {
        self.0.iter().flat_map(|(vendor, all)| all.iter().map(|of| (*vendor, of)))
    }

    /// The failure of `operation` that is asked for by `fault`.
    pub fn failure(&self, vendor: &str, operation: &str, fault: &str) -> Option<&Failure> {
        let (_, of) = self.operations().find(|(name, of)| *name == vendor && of.operation == operation)?;
        of.failures.iter().find(|failure| failure.fault == fault)
    }
}
