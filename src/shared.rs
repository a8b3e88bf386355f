//! [`Shared`]: the handle that every provider gets. It has no vendor's fields and names no provider.

use std::borrow::Cow;
use std::sync::Arc;

use axum::response::Response;
use thiserror::Error;

use crate::clock::{Clock, Ids};
use crate::codec::{Budget, Kinds, Limits, LoadError};
use crate::config::Config;
use crate::credentials::Credentials;
use crate::explain::{self, Explanation};
use crate::faults::{Asked, Faults, Phase};
use crate::fetch::Fetch;
use crate::intake::Intake;
use crate::journal::Journal;
use crate::metrics::{Metrics, Read};
use crate::store::Store;
use crate::underway;
pub use crate::work::Decoded;
use crate::work::{Done, Task, Work, WorkError};

/// Everything that doors share; cheap to clone.
#[derive(Clone)]
pub struct Shared(Arc<Parts>);

/// What [`Shared`] is made of.
pub struct Parts {
    /// The effective settings.
    pub config: Config,
    /// The way out, to remote pictures.
    pub fetch: Fetch,
    /// What takes bodies in.
    pub intake: Intake,
    /// The bounded pool for reading.
    pub work: Work,
    /// The database.
    pub store: Store,
    /// What is counted.
    pub metrics: Metrics,
    /// Who may call.
    pub credentials: Credentials,
    /// Failures on demand.
    pub faults: Faults,
    /// The last requests and their answers.
    pub journal: Journal,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
}

/// Why a picture could not be read. A picture without a code is no error.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The bytes are no picture within the limits.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The queue is full, or the reader died.
    #[error(transparent)]
    Work(#[from] WorkError),
}

/// What log, metrics and journal know of an answer beyond its bytes; providers put it into the answer's extensions.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The vendor's own code, or `ok`.
    pub code: Cow<'static, str>,
    /// The vendor's name of the operation, where the answer knows better than the path.
    pub operation: Option<&'static str>,
    /// The id of the credential that the request named, whether or not it was the caller's.
    pub credential: Option<Arc<str>>,
    /// Why the signature was refused, if it was.
    pub explanation: Option<Arc<Explanation>>,
}

impl Outcome {
    /// The code of every success.
    pub const OK: &str = "ok";

    /// An answer with `code`, of which nothing else is known.
    pub fn new(code: impl Into<Cow<'static, str>>) -> Self {
        Self { code: code.into(), operation: None, credential: None, explanation: None }
    }

    /// A success, of which nothing else is known.
    pub fn ok() -> Self {
        Self::new(Self::OK)
    }

    /// The same, of an operation that the path does not tell.
    #[must_use]
    pub fn of(self, operation: Option<&'static str>) -> Self {
        Self { operation, ..self }
    }

    /// Tells the outcome of `answer` why the signature was refused, if anything is wrong with it.
    pub fn explain(answer: &mut Response, explanation: Option<Explanation>) {
        let outcome = answer.extensions_mut().get_mut::<Self>();
        if let (Some(outcome), Some(explanation)) = (outcome, explanation.filter(|explanation| !explanation.right)) {
            outcome.explanation = Some(Arc::new(explanation));
        }
    }

    /// The same, for a request that named `credential`.
    #[must_use]
    pub fn by(self, credential: Option<Arc<str>>) -> Self {
        Self { credential, ..self }
    }
}

impl Shared {
    /// Shares `parts`.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The effective settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The way out, to remote pictures.
    pub fn fetch(&self) -> &Fetch {
        &self.0.fetch
    }

    /// What takes bodies in.
    pub fn intake(&self) -> &Intake {
        &self.0.intake
    }

    /// The bounded pool for reading.
    pub fn work(&self) -> &Work {
        &self.0.work
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What is counted.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Who may call.
    pub fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    /// Failures on demand.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The last requests and their answers.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// The code that a request is to be answered with, if a fault strikes it at this phase. What shall happen to its
    /// answer besides is noted, and so is what it is about.
    pub fn fault(&self, asked: Asked<'_>, phase: Phase<'_>) -> Option<String> {
        if let Phase::Read(texts) = phase {
            underway::about(texts);
        }
        let plan = self.0.faults.strike(asked, phase, &self.0.ids)?;
        underway::planned(&plan);
        plan.code
    }

    /// The time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The time of whoever asks: the server's where nobody is named.
    pub fn clock_of(&self, credential: Option<&str>) -> Clock {
        credential.map_or_else(|| self.0.clock.clone(), |credential| self.0.clock.of(credential))
    }

    /// The randomness of whoever asks: the server's where nobody is named.
    pub fn ids_of(&self, credential: Option<&str>) -> Ids {
        credential.map_or_else(|| self.0.ids.clone(), |credential| self.0.ids.of(credential))
    }

    /// Randomness.
    pub fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// What explanations of signatures are made from.
    pub fn explaining(&self) -> explain::Context<'_> {
        explain::Context { config: &self.0.config, credentials: &self.0.credentials, clock: &self.0.clock }
    }

    /// The limits of pictures that hold for all vendors.
    pub fn limits(&self) -> Limits {
        Limits { max_side: self.0.config.max_side, max_pixels: self.0.config.max_pixels, ..Limits::default() }
    }

    /// Reads the codes of `kinds` in a picture, off the async threads.
    ///
    /// A picture that spends its budget gives what was found until then, and a line in the log.
    ///
    /// # Errors
    /// Where the bytes are no picture within `limits`, the queue is full, or the reader died.
    pub async fn decode(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        limits: Limits,
        kinds: Kinds,
    ) -> Result<Decoded, DecodeError> {
        let decoded = self.read(bytes, limits, kinds).await;
        let outcome = match &decoded {
            Ok(decoded) if decoded.symbols.is_empty() => Read::Nothing,
            Ok(_) => Read::Found,
            Err(DecodeError::Load(_)) => Read::NoPicture,
            Err(DecodeError::Work(WorkError::Overloaded { .. })) => Read::Overloaded,
            Err(DecodeError::Work(WorkError::Died)) => Read::Died,
        };
        let symbols = decoded.as_ref().map_or(&[][..], |decoded| &decoded.symbols);
        self.metrics().read(outcome, symbols.iter().map(|symbol| symbol.kind));
        decoded
    }

    async fn read(
        &self,
        bytes: impl AsRef<[u8]> + Send + 'static,
        limits: Limits,
        kinds: Kinds,
    ) -> Result<Decoded, DecodeError> {
        let task = Task { limits, kinds, budget: Budget { cpu: self.0.config.read_budget } };
        let Done { decoded, budget_spent } = self.0.work.read(bytes, task).await??;
        if budget_spent {
            self.metrics().budget_spent();
            let Decoded { width, height, symbols, .. } = &decoded;
            tracing::warn!(width, height, found = symbols.len(), "reading a picture took its whole budget");
        }
        Ok(decoded)
    }
}
