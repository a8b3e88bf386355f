//! Acts as WeChat does where a user scans a parameter code: finds the code, knows whether the user follows the account, and
//! tells the account's application.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};

use super::callback::Target;
use super::callback::event::{Event, Kind};
use super::store::codes::{self, By, Shown as Code};
use super::store::followers;
use super::ticket;
use crate::clock::{Clock, Ids};
use crate::config::{Config, WechatCallback};
use crate::fetch::Fetch;
use crate::shared::Shared;
use crate::simulator::{Callback, Scan, ScanError, Scanned, Shown, ShownCallback, Simulator, Verified};

/// The setting that names callbacks.
const SETTING: &str = "QRSTACK_WECHAT_CALLBACKS";
/// Characters of an openid, at most; real ones have 28.
const MAX_OPENID: usize = 128;
/// Callbacks that may be set at the same time: one for each account of as many tests as there may be.
const MAX_CALLBACKS: usize = 100_000;

/// The simulator of one server.
pub(super) struct Wechat {
    shared: Shared,
    targets: RwLock<BTreeMap<String, Target>>,
}

impl Wechat {
    /// With the callbacks of the settings.
    pub(super) fn new(shared: Shared) -> Self {
        let targets = configured(shared.config());
        Self { shared, targets: RwLock::new(targets) }
    }

    /// Puts callbacks back as the settings have them: of these accounts, or of all.
    pub(super) fn forget(&self, appids: Option<&[Arc<str>]>) {
        let mut configured = configured(self.shared.config());
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        match appids {
            None => *targets = configured,
            Some(appids) => {
                for appid in appids {
                    targets.remove(appid.as_ref());
                    targets.extend(configured.remove_entry(appid.as_ref()));
                }
            }
        }
    }

    fn target(&self, appid: &str) -> Result<Target, ScanError> {
        let targets = self.targets.read().unwrap_or_else(PoisonError::into_inner);
        let none = || ScanError::NoCallback { credential: appid.to_owned(), setting: SETTING };
        targets.get(appid).cloned().ok_or_else(none)
    }

    /// The way out, and the account's own time and ids.
    fn means(&self, appid: &str) -> (&Fetch, Clock, Ids) {
        (self.shared.fetch(), self.shared.clock().of(appid), self.shared.ids().of(appid))
    }

    async fn find(&self, scan: &Scan) -> Result<Code, ScanError> {
        let appid = scan.credential.as_deref();
        let find = async |by: By<'_>| codes::find(&self.shared, by, appid).await.map_err(|_| ScanError::Store);
        let found = match &scan.code {
            Shown::Ticket(ticket) => find(By::Ticket(ticket)).await?,
            Shown::Code(code) => find(By::Code(code)).await?,
            Shown::Scene(scene) => find(By::Scene(scene)).await?,
            Shown::Texts(texts) => {
                let mut found = None;
                for code in texts.iter().filter_map(|text| ticket::code_of(text)) {
                    found = find(By::Code(code)).await?;
                    if found.is_some() {
                        break;
                    }
                }
                found
            }
        };
        let code = found.ok_or(ScanError::NoSuchCode)?;
        let now = self.shared.clock().of(&code.appid).unix_seconds();
        if code.has_ended(now) { Err(ScanError::Expired) } else { Ok(code) }
    }

    async fn act(&self, scan: Scan) -> Result<Scanned, ScanError> {
        let Code { ticket, appid, scene, .. } = &self.find(&scan).await?;
        let target = self.target(appid)?;
        let openid = scan.openid.unwrap_or_else(|| some_openid(appid));
        if !(1..=MAX_OPENID).contains(&openid.chars().count()) || openid.chars().any(char::is_control) {
            return Err(ScanError::BadUser(format!("openid: not 1 to {MAX_OPENID} visible characters")));
        }
        let followed = followers::follow(&self.shared, appid, &openid, scan.follows).await;
        let kind = if followed.map_err(|_| ScanError::Store)? { Kind::Scan } else { Kind::Subscribe };
        let (fetch, clock, ids) = self.means(appid);
        let event = Event {
            to: original_id(appid),
            openid: openid.clone(),
            created: clock.unix_seconds(),
            kind,
            scene: scene.clone(),
            ticket: ticket.clone(),
        };
        let attempts = target.push(&event, fetch, &clock, &ids).await;
        let delivered = attempts.last().is_some_and(|attempt| attempt.answered);
        tracing::info!(appid, event = kind.name(), delivered, attempts = attempts.len(), "a scan was acted out");
        Ok(Scanned {
            credential: appid.clone(),
            openid,
            event: kind.name(),
            scene: scene.clone(),
            ticket: ticket.clone(),
            message: event.xml(),
            delivered,
            attempts,
        })
    }
}

impl Simulator for Wechat {
    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Scanned, ScanError>> {
        Box::pin(self.act(scan))
    }

    fn verify<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Verified, ScanError>> {
        Box::pin(async move {
            let (fetch, clock, ids) = self.means(credential);
            Ok(self.target(credential)?.verify(fetch, &clock, &ids).await)
        })
    }

    fn callbacks(&self) -> Vec<ShownCallback> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).values().map(Target::shown).collect()
    }

    fn set_callback(&self, callback: Callback) -> Result<ShownCallback, ScanError> {
        let (appid, target) = (callback.credential.clone(), Target::new(callback)?);
        let shown = target.shown();
        let mut targets = self.targets.write().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= MAX_CALLBACKS && !targets.contains_key(&appid) {
            return Err(ScanError::BadCallback(format!("there are {MAX_CALLBACKS} callbacks already; delete some")));
        }
        targets.insert(appid, target);
        Ok(shown)
    }

    fn remove_callback(&self, credential: &str) -> bool {
        self.targets.write().unwrap_or_else(PoisonError::into_inner).remove(credential).is_some()
    }
}

/// The callbacks of the settings, which are checked already.
fn configured(config: &Config) -> BTreeMap<String, Target> {
    let target = |setting: &WechatCallback| {
        let callback = Callback {
            credential: setting.appid.clone(),
            url: setting.url.to_string(),
            token: setting.token.clone(),
            aes_key: setting.aes_key.clone(),
            mode: None,
        };
        Some((setting.appid.clone(), Target::new(callback).ok()?))
    };
    config.wechat_callbacks.iter().filter_map(target).collect()
}

/// The account's own id in messages. Documented: `gh_` and twelve hexadecimal digits, another than the appid.
fn original_id(appid: &str) -> String {
    format!("gh_{}", &hex::encode(Sha256::digest(appid.as_bytes()))[..12])
}

/// The one user where a scan names none. Recorded: an openid has 28 characters, begins with `o`, and is another for each
/// account.
fn some_openid(appid: &str) -> String {
    let digest = Sha256::digest(format!("user of {appid}").as_bytes());
    let characters = digest.iter().map(|byte| char::from(ticket::URL_SAFE[usize::from(byte % 64)]));
    std::iter::once('o').chain(characters.take(27)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_real_ones_and_are_an_accounts_own() {
        let (one, other) = (some_openid("wx1"), some_openid("wx2"));
        assert_eq!((one.len(), one.starts_with('o')), (28, true));
        assert_ne!(one, other);
        assert_eq!(one, some_openid("wx1"));
        let id = original_id("wx1");
        assert!(id.len() == 15 && id.starts_with("gh_"), "{id}");
        assert_ne!(id, original_id("wx2"));
    }
}
