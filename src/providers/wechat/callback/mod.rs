//! Callbacks: where the vendor tells an application what users do, and what it answers.
//!
//! Documented: "Receive event messages", "Message encryption and decryption". A message is sent up to three times, each
//! time with 5 s for the answer. Recorded: how werobot, wechatpy, npm wechat and WxJava receive it.
//!
//! Here: who is told, and the sending. `event` is the message, `crypto` what it is signed and encrypted with, `reply` what
//! comes back.

mod crypto;
pub(super) mod event;
mod reply;

use std::time::{Duration, Instant};

use axum::body::Bytes;
use url::Url;

use self::crypto::{AesKey, signature};
use self::event::Event;
use self::reply::Opener;
use crate::clock::{Clock, Ids};
use crate::fetch::{Fetch, FetchError, FetchLimits};
use crate::secret::Secret;
use crate::signing::percent_encode;
use crate::simulator::{Attempt, Callback, Mode, ScanError, ShownCallback, Verified, shown};

/// Attempts for one message. Documented.
const ATTEMPTS: usize = 3;
/// Time between two attempts. Assumed: the pages name none.
const PAUSE: Duration = Duration::from_secs(1);
/// What an answer may take: Documented time; Assumed size.
const ANSWER: FetchLimits = FetchLimits { redirects: 0, total: Duration::from_secs(5), max_bytes: 1 << 20 };

/// Where one account is told.
#[derive(Clone)]
pub(super) struct Target {
    appid: String,
    url: Url,
    token: Secret,
    key: Option<AesKey>,
    mode: Mode,
}

impl Target {
    /// Checks what was set.
    pub(super) fn new(callback: Callback) -> Result<Self, ScanError> {
        let bad = |why: &str| ScanError::BadCallback(why.to_owned());
        let Callback { credential: appid, url, token, aes_key, mode } = callback;
        let url = Url::parse(&url).map_err(|error| bad(&format!("url: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad("url: neither http nor https"));
        }
        if appid.is_empty() || token.expose().is_empty() {
            return Err(bad("credential and token must not be empty"));
        }
        let key = match &aes_key {
            Some(key) => Some(
                AesKey::parse(key.expose())
                    .ok_or_else(|| bad("encoding_aes_key: not 43 letters and digits that are base64 of 32 bytes"))?,
            ),
            None => None,
        };
        let mode = match (mode, &key) {
            (None, None) | (Some(Mode::Plain), _) => Mode::Plain,
            (None, Some(_)) => Mode::Security,
            (Some(mode), Some(_)) => mode,
            (Some(Mode::Compatible | Mode::Security), None) => {
                return Err(bad("mode: messages cannot be encrypted without encoding_aes_key"));
            }
        };
        Ok(Self { appid, url, token, key, mode })
    }

    pub(super) fn shown(&self) -> ShownCallback {
        ShownCallback { credential: self.appid.clone(), url: self.url.to_string(), mode: self.mode }
    }

    /// Tells the application of an event; each attempt is signed anew.
    pub(super) async fn push(&self, event: &Event, fetch: &Fetch, clock: &Clock, ids: &Ids) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        while attempts.len() < ATTEMPTS {
            if !attempts.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
            let (attempt, is_final) = self.attempt(event, fetch, clock, ids).await;
            attempts.push(attempt);
            if is_final {
                break;
            }
        }
        attempts
    }

    /// One attempt, and whether another is no use.
    async fn attempt(&self, event: &Event, fetch: &Fetch, clock: &Clock, ids: &Ids) -> (Attempt, bool) {
        let encrypted = match (&self.key, self.mode) {
            (Some(key), Mode::Compatible | Mode::Security) => {
                Some(key.encrypt(random_text(ids), &event.xml(), &self.appid))
            }
            (_, Mode::Plain) | (None, _) => None,
        };
        let (timestamp, nonce) = (clock.unix_seconds().to_string(), nonce(ids));
        let mut query = self.signed(&timestamp, &nonce, &[("openid", &event.openid)]);
        if let Some(encrypted) = &encrypted {
            let msg_signature = signature(&[self.token.expose(), &timestamp, &nonce, encrypted]);
            query.extend(["&encrypt_type=aes&msg_signature=", &msg_signature]);
        }
        let url = self.with_query(&query);
        let body = event.body(self.mode, encrypted.as_deref());
        let started = Instant::now();
        // Recorded: the type, in whichever format.
        let answered = fetch.call(&url, Some(("text/xml", Bytes::from(body.clone()))), &ANSWER).await;
        let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut attempt = Attempt { answered: false, url, body, elapsed_ms, status: None, error: None, reply: None };
        let hopeless = answered.as_ref().is_err_and(is_hopeless);
        match answered {
            Ok(answer) => {
                let opener =
                    Opener { token: self.token.expose(), key: self.key.as_ref(), mode: self.mode, appid: &self.appid };
                attempt.status = Some(answer.status);
                attempt.reply = Some(reply::read(&answer.body, &opener));
                // Assumed: another status counts as no answer.
                attempt.answered = answer.status == 200;
                if !attempt.answered {
                    attempt.error = Some(format!("the answer has status {}, not 200", answer.status));
                }
            }
            Err(error) => attempt.error = Some(error.to_string()),
        }
        let is_final = attempt.answered || hopeless;
        (attempt, is_final)
    }

    /// Verifies the address: it must give a random text back.
    ///
    /// Documented: "Access guide". Recorded: white space around it, and any type.
    pub(super) async fn verify(&self, fetch: &Fetch, clock: &Clock, ids: &Ids) -> Verified {
        let echo = ids.text(19, b"123456789");
        let (timestamp, nonce) = (clock.unix_seconds().to_string(), nonce(ids));
        let query = self.signed(&timestamp, &nonce, &[]);
        let (signature, rest) = query.split_once('&').unwrap_or((&query, ""));
        let url = self.with_query(&format!("{signature}&echostr={echo}&{rest}"));
        let answered = fetch.call(&url, None, &ANSWER).await;
        let mut verified = Verified {
            credential: self.appid.clone(),
            verified: false,
            echo,
            url,
            status: None,
            answer: None,
            error: None,
        };
        match answered {
            Ok(answer) => {
                verified.status = Some(answer.status);
                let text = shown(&answer.body);
                verified.verified = answer.status == 200 && text.trim() == verified.echo;
                if !verified.verified {
                    let why = if answer.status == 200 { "another text" } else { "another status than 200" };
                    verified.error = Some(format!("the application answered {why}"));
                }
                verified.answer = Some(text);
            }
            Err(error) => verified.error = Some(error.to_string()),
        }
        verified
    }

    /// `signature=…&timestamp=…&nonce=…`, and what follows.
    fn signed(&self, timestamp: &str, nonce: &str, more: &[(&str, &str)]) -> String {
        let signature = signature(&[self.token.expose(), timestamp, nonce]);
        let mut query = format!("signature={signature}&timestamp={timestamp}&nonce={nonce}");
        for (name, value) in more {
            query.extend(["&", name, "=", &percent_encode(value)]);
        }
        query
    }

    /// The address with these parameters behind its own.
    fn with_query(&self, query: &str) -> String {
        let mut url = self.url.clone();
        let own = url.query().filter(|own| !own.is_empty()).map(|own| format!("{own}&")).unwrap_or_default();
        url.set_query(Some(&format!("{own}{query}")));
        url.set_fragment(None);
        url.into()
    }
}

/// Whether the same will come of every further attempt: nothing was sent.
fn is_hopeless(error: &FetchError) -> bool {
    match error {
        FetchError::BadUrl(_)
        | FetchError::Refused { .. }
        | FetchError::Ourselves { .. }
        | FetchError::Off
        | FetchError::Port { .. } => true,
        FetchError::Overloaded
        | FetchError::Unreachable(_)
        | FetchError::TooSlow
        | FetchError::Status(_)
        | FetchError::Redirects
        | FetchError::TooLarge { .. }
        | FetchError::Encoded(_) => false,
    }
}

/// Recorded, in the pages' samples: nine or ten decimal digits.
fn nonce(ids: &Ids) -> String {
    format!("{}{}", ids.text(1, b"123456789"), ids.text(9, b"0123456789"))
}

/// Sixteen random characters.
fn random_text(ids: &Ids) -> [u8; 16] {
    let text = ids.text(16, b"0123456789abcdef");
    std::array::from_fn(|place| text.as_bytes()[place])
}
