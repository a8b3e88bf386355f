//! What a test has to itself on a server that it shares: fresh credentials, and clock, seed and state for them alone.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Emulator, Keys};
use crate::clock::{Adjustment, Scale, Unreachable};
use crate::credentials::AddError;
use crate::state::{Document, RestoreError};
use crate::store;

/// A set of credentials that was made for a test.
#[derive(Clone, PartialEq, Eq)]
pub struct Fresh {
    /// Stands for all of the set ([`Emulator::of`]).
    pub id: String,
    /// What clients need.
    pub keys: Keys,
}

/// What is done for some credentials alone, or for the whole server.
#[derive(Clone)]
pub struct Scope<'a> {
    emulator: &'a Emulator,
    credentials: Option<Vec<Arc<str>>>,
}

/// The time that the vendors go by.
pub struct Time<'a>(Scope<'a>);

impl Emulator {
    /// Makes fresh credentials for every API. Limits, tokens, codes and faults are each one's own, so that tests do not
    /// disturb each other.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let emulator = qrstack::Emulator::start().await;
    /// let (mine, other) = (emulator.create_credentials()?, emulator.create_credentials()?);
    /// assert_ne!(mine.keys.wechat_appid, other.keys.wechat_appid);
    /// // Thirty days go by for one of them.
    /// emulator.of(&mine.id).clock().advance(std::time::Duration::from_secs(30 * 86_400))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Where there are as many sets as there may be.
    pub fn create_credentials(&self) -> Result<Fresh, AddError> {
        let shared = &self.app.shared;
        let set = shared.credentials().create(shared.ids())?;
        let keys = Keys {
            tencent_secret_id: set.key_pair.id.clone(),
            tencent_secret_key: set.key_pair.key.expose().to_owned(),
            cos_bucket: set.bucket.to_string(),
            wechat_appid: set.app.appid.clone(),
            wechat_secret: set.app.secret.expose().to_owned(),
            cli_im_key: set.api_key.key.expose().to_owned(),
        };
        Ok(Fresh { id: set.id.to_string(), keys })
    }

    /// Takes a set away with everything that belongs to it; whether it was there.
    ///
    /// # Errors
    /// The store's.
    pub async fn delete_credentials(&self, id: &str) -> Result<bool, store::Error> {
        let (state, id) = (self.app.state.clone(), id.to_owned());
        self.on_its_runtime(async move { state.remove(&id).await }).await
    }

    /// What is done for a credential alone: an AppID, a SecretId, the id of an API key, or that of a set, which stands for
    /// all that is in it.
    pub fn of(&self, credential: &str) -> Scope<'_> {
        let named = self.app.shared.credentials().named(credential);
        Scope { emulator: self, credentials: Some(named.unwrap_or_else(|| vec![credential.into()])) }
    }

    /// What is done for the whole server.
    pub fn all(&self) -> Scope<'_> {
        Scope { emulator: self, credentials: None }
    }

    /// The time of the whole server.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let emulator = qrstack::Emulator::start().await;
    /// emulator.clock().freeze()?;
    /// let before = emulator.clock().now();
    /// emulator.clock().advance(std::time::Duration::from_secs(60))?;
    /// assert_eq!(emulator.clock().now().duration_since(before).as_secs(), 60);
    /// # Ok::<(), qrstack::clock::Unreachable>(()) }).unwrap();
    /// ```
    pub fn clock(&self) -> Time<'_> {
        self.all().clock()
    }
}

impl<'a> Scope<'a> {
    /// The time.
    pub fn clock(&self) -> Time<'a> {
        Time(self.clone())
    }

    /// Makes tickets, tokens and request ids the same in every run from here on; `None` makes them unguessable.
    pub fn seed(&self, seed: Option<u64>) {
        let (ids, seed) = (self.emulator.app.shared.ids(), seed.map(Into::into));
        match &self.credentials {
            None => ids.seed(seed),
            Some(credentials) => ids.seed_of(credentials, seed),
        }
    }

    /// Forgets what requests have left behind.
    ///
    /// # Errors
    /// The store's.
    pub async fn reset(&self) -> Result<(), store::Error> {
        let (state, credentials) = (self.emulator.app.state.clone(), self.credentials.clone());
        self.emulator.on_its_runtime(async move { state.reset(credentials.as_deref()).await }).await
    }

    /// What requests have left behind, to be put back by [`Emulator::restore`].
    ///
    /// # Errors
    /// The store's.
    pub async fn state(&self) -> Result<Document, store::Error> {
        let (state, credentials) = (self.emulator.app.state.clone(), self.credentials.clone());
        self.emulator.on_its_runtime(async move { state.document(credentials.as_deref()).await }).await
    }
}

impl Emulator {
    /// Puts a state back, also that of another server; one of some credentials touches nothing else.
    ///
    /// # Errors
    /// Where the document is none of this server's, or the store fails.
    pub async fn restore(&self, document: Document) -> Result<(), RestoreError> {
        let state = self.app.state.clone();
        self.on_its_runtime(async move { state.restore(document).await }).await
    }
}

impl Time<'_> {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        let Scope { emulator, credentials } = &self.0;
        let first = credentials.as_ref().and_then(|ids| ids.first());
        emulator.app.shared.clock_of(first.map(AsRef::as_ref)).now()
    }

    /// Stops it.
    ///
    /// # Errors
    /// Where it is beyond what a clock can show already.
    pub fn freeze(&self) -> Result<(), Unreachable> {
        self.adjust(&Adjustment { freeze: Some(true), ..Adjustment::default() })
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// As [`Time::freeze`].
    pub fn unfreeze(&self) -> Result<(), Unreachable> {
        self.adjust(&Adjustment { freeze: Some(false), ..Adjustment::default() })
    }

    /// Sets it; it stands or goes on as before.
    ///
    /// # Errors
    /// Where the moment is beyond what a clock can show.
    pub fn set(&self, moment: Timestamp) -> Result<(), Unreachable> {
        self.adjust(&Adjustment { set: Some(moment), ..Adjustment::default() })
    }

    /// Lets so much time go by at once.
    ///
    /// # Errors
    /// As [`Time::set`].
    pub fn advance(&self, by: Duration) -> Result<(), Unreachable> {
        let advance = Some(SignedDuration::try_from(by).map_err(|_| Unreachable)?);
        self.adjust(&Adjustment { advance, ..Adjustment::default() })
    }

    /// Goes back by so much.
    ///
    /// # Errors
    /// As [`Time::set`].
    pub fn rewind(&self, by: Duration) -> Result<(), Unreachable> {
        let by = SignedDuration::try_from(by).map_err(|_| Unreachable)?;
        self.adjust(&Adjustment { advance: Some(-by), ..Adjustment::default() })
    }

    /// Lets it go so many times as fast as the system's.
    ///
    /// # Errors
    /// As [`Time::freeze`].
    pub fn scale(&self, scale: Scale) -> Result<(), Unreachable> {
        self.adjust(&Adjustment { scale: Some(scale), ..Adjustment::default() })
    }

    /// Gives it back: a credential follows the server's time again, the server that of its start.
    pub fn give_back(&self) {
        let clock = self.0.emulator.app.shared.clock();
        match &self.0.credentials {
            None => clock.restart(),
            Some(credentials) => clock.disown(credentials),
        }
    }

    fn adjust(&self, adjustment: &Adjustment) -> Result<(), Unreachable> {
        let clock = self.0.emulator.app.shared.clock();
        match &self.0.credentials {
            None => clock.adjust(adjustment).map(drop),
            Some(credentials) => clock.adjust_of(credentials, adjustment).map(drop),
        }
    }
}
