//! What `credential` means in a request: the ids that it stands for, or nobody where it is not there, which is the whole
//! server.

use std::sync::Arc;

use serde::Deserialize;

use super::Control;
use super::error::Error;
use crate::config::Auth;

/// A request that says nothing but that.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    pub(super) credential: Option<String>,
}

impl Of {
    pub(super) fn scope(&self, control: &Control) -> Result<Option<Vec<Arc<str>>>, Error> {
        control.scope(self.credential.as_deref())
    }
}

impl Control {
    /// The ids that a `credential` stands for: those of a set, or itself; `None` is the whole server.
    ///
    /// Where anybody is let in (`auth`), anybody can be meant.
    pub(super) fn scope(&self, credential: Option<&str>) -> Result<Option<Vec<Arc<str>>>, Error> {
        let Some(name) = credential else { return Ok(None) };
        let named = self.shared.credentials().named(name);
        let stranger = || (self.shared.config().auth != Auth::Verify && !name.is_empty()).then(|| vec![name.into()]);
        named.or_else(stranger).map(Some).ok_or_else(|| unknown(name))
    }
}

fn unknown(name: &str) -> Error {
    let shown: String = name.chars().take(100).collect();
    Error::not_found(format!("no credential and no set is called {shown:?}"))
}
