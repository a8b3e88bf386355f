//! Who may call: the credentials of the settings, and the sets that are made at run time, a set for each test. Providers
//! ask here for what a caller names, and compare.
//!
//! A credential has a public id, which scopes whatever can be scoped (clock, seeds, faults, journal): an AppID, a
//! SecretId, for API keys a name, because they are secret themselves. A set has an id too, which stands for all that is
//! in it. Sets live in memory; a snapshot keeps them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::clock::Ids;
use crate::config::{Config, TencentCredential, WechatApp};
use crate::secret::Secret;

/// Sets that may be there at the same time.
pub const MAX_SETS: usize = 100_000;

/// Draws of an id until one is free. More than one is only ever needed where ids come from a seed.
const DRAWS: usize = 64;

const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const HEXADECIMAL: &[u8] = b"0123456789abcdef";

/// All credentials; clones share them.
#[derive(Clone)]
pub struct Credentials(Arc<RwLock<Registry>>);

#[derive(Default)]
struct Registry {
    /// By SecretId, which may stand there with several tokens.
    key_pairs: HashMap<Arc<str>, Vec<Arc<TencentCredential>>>,
    /// By AppID.
    apps: HashMap<Arc<str>, Arc<WechatApp>>,
    /// By digest: what is looked up tells nothing of how near a guess is.
    api_keys: HashMap<[u8; 32], Arc<ApiKey>>,
    /// Of sets alone; what the settings have is theirs.
    buckets: HashMap<Arc<str>, Arc<str>>,
    /// Ids of the settings' credentials, in their order.
    configured: Vec<Arc<str>>,
    sets: BTreeMap<Arc<str>, Arc<Set>>,
}

/// A key that stands for its owner, and the id that it is known by.
pub struct ApiKey {
    /// Public.
    pub id: Arc<str>,
    /// The key itself.
    pub key: Secret,
}

/// One of everything that callers need.
pub struct Set {
    /// Stands for all of it.
    pub id: Arc<str>,
    /// AppID and its secret.
    pub app: Arc<WechatApp>,
    /// SecretId and SecretKey.
    pub key_pair: Arc<TencentCredential>,
    /// API key.
    pub api_key: Arc<ApiKey>,
    /// A bucket that exists.
    pub bucket: Arc<str>,
}

impl Set {
    /// The ids that the set's requests go by, and its own.
    pub fn members(&self) -> Vec<Arc<str>> {
        let Self { id, app, key_pair, api_key, .. } = self;
        vec![Arc::clone(id), app.appid.as_str().into(), key_pair.id.as_str().into(), Arc::clone(&api_key.id)]
    }
}

/// Why no set was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddError {
    /// There are as many as there may be.
    #[error("there are {MAX_SETS} sets of credentials already; delete those that are not needed any more")]
    Full,
    /// One of its ids, or its key, is somebody else's.
    #[error("one of the credentials exists already")]
    Taken,
}

impl Credentials {
    /// Those of the settings.
    pub fn new(config: &Config) -> Self {
        let mut registry = Registry::default();
        for app in &config.wechat_apps {
            let id: Arc<str> = app.appid.as_str().into();
            // Of a repeated one the first counts.
            registry.apps.entry(Arc::clone(&id)).or_insert_with(|| Arc::new(app.clone()));
            registry.note(id);
        }
        for key_pair in &config.tencent_credentials {
            let id: Arc<str> = key_pair.id.as_str().into();
            registry.key_pairs.entry(Arc::clone(&id)).or_default().push(Arc::new(key_pair.clone()));
            registry.note(id);
        }
        for (key, number) in config.cli_im_keys.iter().zip(1..) {
            let id: Arc<str> = format!("api-key-{number}").into();
            let key = ApiKey { id: Arc::clone(&id), key: key.clone() };
            registry.api_keys.entry(digest(key.key.expose())).or_insert_with(|| Arc::new(key));
            registry.note(id);
        }
        // Fixed tokens may name accounts that have no secret.
        for token in &config.wechat_tokens {
            registry.note(token.appid.as_str().into());
        }
        Self(Arc::new(RwLock::new(registry)))
    }

    fn read<T>(&self, look: impl FnOnce(&Registry) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The key pairs with this SecretId; the same id may stand there with several tokens.
    pub fn key_pairs(&self, secret_id: &str) -> Vec<Arc<TencentCredential>> {
        self.read(|registry| registry.key_pairs.get(secret_id).cloned().unwrap_or_default())
    }

    /// At most `limit` key pairs, whichever, to look for the one that a client meant.
    pub fn some_key_pairs(&self, limit: usize) -> Vec<Arc<TencentCredential>> {
        self.read(|registry| registry.key_pairs.values().flatten().take(limit).cloned().collect())
    }

    /// The application with this AppID.
    pub fn app(&self, appid: &str) -> Option<Arc<WechatApp>> {
        self.read(|registry| registry.apps.get(appid).cloned())
    }

    /// The id of an API key, if it is one.
    pub fn api_key(&self, key: &str) -> Option<Arc<str>> {
        let digest = digest(key);
        let found = self.read(|registry| registry.api_keys.get(&digest).cloned())?;
        found.key.matches(key).then(|| Arc::clone(&found.id))
    }

    /// Whether a set has this bucket.
    pub fn has_bucket(&self, bucket: &str) -> bool {
        self.read(|registry| registry.buckets.contains_key(bucket))
    }

    /// The ids that `name` stands for: all of a set's, or itself alone; `None` where nobody has it.
    pub fn named(&self, name: &str) -> Option<Vec<Arc<str>>> {
        self.read(|registry| {
            if let Some(set) = registry.sets.get(name) {
                return Some(set.members());
            }
            let known = |ids: &[Arc<str>]| ids.iter().find(|id| id.as_ref() == name).cloned();
            let id = known(&registry.configured).or_else(|| registry.member(name))?;
            Some(vec![id])
        })
    }

    /// The ids of the settings' credentials, in their order.
    pub fn configured(&self) -> Vec<Arc<str>> {
        self.read(|registry| registry.configured.clone())
    }

    /// The set with this id.
    pub fn set(&self, id: &str) -> Option<Arc<Set>> {
        self.read(|registry| registry.sets.get(id).cloned())
    }

    /// At most `limit` sets by their ids, from the first one after `after`; and how many there are in all.
    pub fn sets(&self, after: &str, limit: usize) -> (Vec<Arc<Set>>, usize) {
        use std::ops::Bound::{Excluded, Unbounded};
        self.read(|registry| {
            let rest = registry.sets.range::<str, _>((Excluded(after), Unbounded));
            (rest.take(limit).map(|(_, set)| Arc::clone(set)).collect(), registry.sets.len())
        })
    }

    /// Makes a set of fresh credentials.
    ///
    /// # Errors
    /// [`AddError::Full`].
    pub fn create(&self, ids: &Ids) -> Result<Arc<Set>, AddError> {
        for _ in 0..DRAWS {
            match self.add(fresh(ids)) {
                // A seed that was begun anew gives what is there already, and then something else.
                Err(AddError::Taken) => {}
                added => return added,
            }
        }
        Err(AddError::Taken)
    }

    /// Adds a set that was made before.
    ///
    /// # Errors
    /// Where there is no room, or something in it exists already.
    pub fn add(&self, set: Set) -> Result<Arc<Set>, AddError> {
        let set = Arc::new(set);
        self.write(|registry| registry.add(&set))?;
        Ok(set)
    }

    /// Takes a set away.
    pub fn remove(&self, id: &str) -> Option<Arc<Set>> {
        self.write(|registry| registry.remove(id))
    }

    /// Takes all sets away.
    pub fn clear(&self) {
        self.write(|registry| drop(registry.clear()));
    }

    /// Takes all sets away, and adds these; gives those that were there. All or nothing.
    ///
    /// # Errors
    /// As [`Credentials::add`].
    pub fn replace_all(&self, sets: Vec<Set>) -> Result<Vec<Arc<Set>>, AddError> {
        self.write(|registry| {
            let before = registry.clear();
            let added = sets.into_iter().try_for_each(|set| registry.add(&Arc::new(set)));
            if let Err(error) = added {
                registry.put_back(&before);
                return Err(error);
            }
            Ok(before)
        })
    }

    /// Takes all sets away, and puts back what [`Credentials::replace_all`] gave.
    pub fn put_back(&self, before: &[Arc<Set>]) {
        self.write(|registry| registry.put_back(before));
    }
}

impl Registry {
    /// Notes an id of the settings.
    fn note(&mut self, id: Arc<str>) {
        if !self.configured.contains(&id) {
            self.configured.push(id);
        }
    }

    /// The id of a credential within a set.
    fn member(&self, name: &str) -> Option<Arc<str>> {
        if let Some((id, _)) = self.apps.get_key_value(name) {
            return Some(Arc::clone(id));
        }
        if let Some((id, _)) = self.key_pairs.get_key_value(name) {
            return Some(Arc::clone(id));
        }
        // A set's API key has the set's number.
        let set = self.sets.get(format!("set-{}", name.strip_prefix("key-")?).as_str())?;
        let id = &set.api_key.id;
        (**id == *name).then(|| Arc::clone(id))
    }

    fn add(&mut self, set: &Arc<Set>) -> Result<(), AddError> {
        if self.sets.len() >= MAX_SETS {
            return Err(AddError::Full);
        }
        let is_taken = self.sets.contains_key(&set.id)
            || self.apps.contains_key(set.app.appid.as_str())
            || self.key_pairs.contains_key(set.key_pair.id.as_str())
            || self.api_keys.contains_key(&digest(set.api_key.key.expose()))
            || self.buckets.contains_key(&set.bucket)
            || set.members().iter().any(|id| self.configured.contains(id));
        if is_taken {
            return Err(AddError::Taken);
        }
        self.insert(set);
        Ok(())
    }

    fn insert(&mut self, set: &Arc<Set>) {
        self.apps.insert(set.app.appid.as_str().into(), Arc::clone(&set.app));
        self.key_pairs.insert(set.key_pair.id.as_str().into(), vec![Arc::clone(&set.key_pair)]);
        self.api_keys.insert(digest(set.api_key.key.expose()), Arc::clone(&set.api_key));
        self.buckets.insert(Arc::clone(&set.bucket), Arc::clone(&set.id));
        self.sets.insert(Arc::clone(&set.id), Arc::clone(set));
    }

    fn remove(&mut self, id: &str) -> Option<Arc<Set>> {
        let set = self.sets.remove(id)?;
        self.forget(&set);
        Some(set)
    }

    fn clear(&mut self) -> Vec<Arc<Set>> {
        let all: Vec<_> = std::mem::take(&mut self.sets).into_values().collect();
        for set in &all {
            self.forget(set);
        }
        all
    }

    fn put_back(&mut self, before: &[Arc<Set>]) {
        self.clear();
        for set in before {
            self.insert(set);
        }
    }

    fn forget(&mut self, set: &Set) {
        self.apps.remove(set.app.appid.as_str());
        self.key_pairs.remove(set.key_pair.id.as_str());
        self.api_keys.remove(&digest(set.api_key.key.expose()));
        self.buckets.remove(&set.bucket);
    }
}

/// A set that nobody has, but for a chance that does not count. Its ids share a number, so that they are known for
/// belonging together wherever they turn up.
fn fresh(ids: &Ids) -> Set {
    let number = ids.text(16, HEXADECIMAL);
    let secret_id = format!("AKID{number}{}", ids.text(16, LETTERS));
    let app = WechatApp { appid: format!("wx{number}"), secret: Secret::new(ids.text(32, HEXADECIMAL)) };
    let key = Secret::new(ids.text(32, LETTERS));
    let api_key = ApiKey { id: format!("key-{number}").into(), key: Secret::new(ids.text(32, LETTERS)) };
    Set {
        id: format!("set-{number}").into(),
        app: app.into(),
        key_pair: TencentCredential { id: secret_id, key, token: None }.into(),
        api_key: api_key.into(),
        bucket: format!("bucket-{number}-1250000000").into(),
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials::new(&Config::defaults())
    }

    #[test]
    fn the_settings_credentials_have_ids() {
        let credentials = credentials();
        let ids = ["wx0123456789abcdef", "AKIDEMUexample0123456789ABCDEFGHIJKL", "api-key-1"];
        assert_eq!(credentials.configured().iter().map(AsRef::as_ref).collect::<Vec<_>>(), ids);
        assert_eq!(credentials.api_key("Abc123456").as_deref(), Some("api-key-1"));
        assert_eq!(credentials.api_key("Abc12345"), None);
        for id in ids {
            assert_eq!(credentials.named(id), Some(vec![id.into()]), "{id}");
        }
        assert_eq!(credentials.named("nobody"), None);
    }

    #[test]
    fn a_set_comes_and_goes_as_a_whole() {
        let credentials = credentials();
        let set = credentials.create(&Ids::system()).expect("room");
        let is_there = || {
            [
                credentials.app(&set.app.appid).is_some(),
                !credentials.key_pairs(&set.key_pair.id).is_empty(),
                credentials.api_key(set.api_key.key.expose()).is_some(),
                credentials.has_bucket(&set.bucket),
                credentials.set(&set.id).is_some(),
            ]
        };
        assert_eq!(is_there(), [true; 5]);
        assert_eq!(credentials.named(&set.id), Some(set.members()));
        for member in set.members().into_iter().skip(1) {
            assert_eq!(credentials.named(&member), Some(vec![member]));
        }
        assert!(credentials.remove(&set.id).is_some() && credentials.remove(&set.id).is_none());
        assert_eq!(is_there(), [false; 5]);
        assert_eq!(credentials.named(&set.api_key.id), None);
    }

    #[test]
    fn a_seed_that_begins_anew_gives_other_sets() {
        let credentials = credentials();
        let one = credentials.create(&Ids::seeded(1)).expect("room");
        let other = credentials.create(&Ids::seeded(1)).expect("room");
        assert_ne!(one.id, other.id);
        let elsewhere = self::credentials().create(&Ids::seeded(1)).expect("room");
        assert_eq!(one.id, elsewhere.id);
    }

    #[test]
    fn sets_are_listed_in_pages() {
        let credentials = credentials();
        let mut all: Vec<_> =
            (0..5).map(|seed| credentials.create(&Ids::seeded(seed)).expect("room").id.clone()).collect();
        all.sort_unstable();
        let (first, count) = credentials.sets("", 3);
        let (rest, _) = credentials.sets(&first[2].id, 3);
        let listed: Vec<_> = first.iter().chain(&rest).map(|set| Arc::clone(&set.id)).collect();
        assert_eq!((listed, count), (all, 5));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let credentials = credentials();
        let kept = credentials.create(&Ids::seeded(1)).expect("room");
        let twice = vec![fresh(&Ids::seeded(2)), fresh(&Ids::seeded(2))];
        assert_eq!(credentials.replace_all(twice).err(), Some(AddError::Taken));
        assert!(credentials.set(&kept.id).is_some() && credentials.app(&kept.app.appid).is_some());
        assert_eq!(credentials.sets("", 9).1, 1);
        credentials.replace_all(vec![fresh(&Ids::seeded(3))]).expect("room");
        assert!(credentials.set(&kept.id).is_none() && credentials.app(&kept.app.appid).is_none());
    }
}
