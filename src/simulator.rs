//! What a vendor's own app does on a user's phone, and no API can ask for: a user scans a code, and the vendor tells the
//! customer's server. The control API asks for it; a vendor that has such codes answers ([`Simulator`]).

use axum::body::Bytes;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

/// A user who scans a code.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The code.
    pub code: Shown,
    /// Whose code it must be; `None` where it may be anybody's.
    pub credential: Option<String>,
    /// The user, as the account knows him; `None` stands for one user, always the same.
    pub openid: Option<String>,
    /// Whether he follows the account already; `None` where that is remembered.
    pub follows: Option<bool>,
}

impl Scan {
    /// Somebody scans a code.
    pub fn of(code: Shown) -> Self {
        Self { code, credential: None, openid: None, follows: None }
    }
}

/// How a code is known.
#[derive(Clone, Debug)]
pub enum Shown {
    /// By what its creator was given.
    Ticket(String),
    /// By the text in the picture. Of several texts the first that is a code of the vendor.
    Texts(Vec<String>),
    /// By what ends the address in the picture, which is also the address of its page here: `/q/<code>`.
    Code(String),
    /// By what its creator meant by it. Of several codes the one made last.
    Scene(String),
}

/// What came of a scan.
#[derive(Clone, Debug, Serialize)]
pub struct Scanned {
    /// Whose code it was.
    pub credential: String,
    /// The user.
    pub openid: String,
    /// The vendor's name of the event.
    pub event: &'static str,
    /// What the creator of the code meant by it.
    pub scene: String,
    /// What the creator of the code was given.
    pub ticket: String,
    /// The message, as it is before anything is encrypted.
    pub message: String,
    /// Whether the customer's server took it.
    pub delivered: bool,
    /// Each attempt to tell it.
    pub attempts: Vec<Attempt>,
}

/// One attempt to tell a customer's server.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// Whether the server answered as it should; otherwise there is another attempt, up to the vendor's number of them.
    pub answered: bool,
    /// The target of the request, with its signature.
    pub url: String,
    /// Its body.
    pub body: String,
    /// Time until the answer was here or given up, in milliseconds.
    pub elapsed_ms: u64,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// Why there was no answer, or why it does not count.
    pub error: Option<String>,
    /// What the server answered.
    pub reply: Option<Reply>,
}

/// What a customer's server answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reply {
    /// What it means.
    pub kind: ReplyKind,
    /// Whether it was encrypted.
    pub encrypted: bool,
    /// Its text, decrypted where it was encrypted, cut where it is long.
    pub text: String,
    /// The message in it, field by field.
    pub message: Option<Value>,
    /// What the vendor would not take about it.
    pub problem: Option<String>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// Taken, and nothing to tell the user.
    Success,
    /// The same, by an empty body.
    Empty,
    /// A message for the user.
    Message,
    /// Nothing that the vendor knows.
    Unreadable,
}

/// What came of verifying a customer's address.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whose address it is.
    pub credential: String,
    /// Whether the server gave the text back.
    pub verified: bool,
    /// The text.
    pub echo: String,
    /// The request, with its signature.
    pub url: String,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// What it said, cut where it is long.
    pub answer: Option<String>,
    /// Why it is not verified.
    pub error: Option<String>,
}

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In the clear.
    Plain,
    /// In the clear and encrypted as well.
    Compatible,
    /// Encrypted.
    Security,
}

/// Where a customer is told.
#[derive(Clone)]
pub struct Callback {
    /// Whose it is.
    pub credential: String,
    /// The address.
    pub url: String,
    /// What signatures are made with.
    pub token: crate::secret::Secret,
    /// What messages are encrypted with.
    pub aes_key: Option<crate::secret::Secret>,
    /// How messages are sent; by default encrypted where there is a key.
    pub mode: Option<Mode>,
}

impl Callback {
    /// Messages in the clear.
    pub fn new(credential: impl Into<String>, url: impl Into<String>, token: &str) -> Self {
        let (credential, url, token) = (credential.into(), url.into(), crate::secret::Secret::new(token));
        Self { credential, url, token, aes_key: None, mode: None }
    }
}

/// A callback as it is shown: without token and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownCallback {
    /// Whose it is.
    pub credential: String,
    /// The address.
    pub url: String,
    /// How messages are sent.
    pub mode: Mode,
}

/// Why a scan cannot be acted out.
#[derive(Debug, Error)]
pub enum ScanError {
    /// No such code, or none of that credential.
    #[error("there is no such code")]
    NoSuchCode,
    /// The code has expired; the app would say so and tell nobody.
    #[error("the code has expired")]
    Expired,
    /// Nobody is to be told.
    #[error("{credential} has no callback: set one by PUT /_qrstack/v1/callbacks, or by {setting}")]
    NoCallback {
        /// Whose code it is.
        credential: String,
        /// The setting that names callbacks.
        setting: &'static str,
    },
    /// A callback that cannot be.
    #[error("{0}")]
    BadCallback(String),
    /// A user who cannot be.
    #[error("{0}")]
    BadUser(String),
    /// The store failed.
    #[error("the store failed")]
    Store,
}

/// All there are; the first one has the codes that are asked for, since no two vendors have any.
pub type Simulators = std::sync::Arc<[std::sync::Arc<dyn Simulator>]>;

/// Acts as the vendor's app.
pub trait Simulator: Send + Sync {
    /// Acts a scan out: finds the code, tells the customer's server, and waits for its answer.
    fn scan(&self, scan: Scan) -> BoxFuture<'_, Result<Scanned, ScanError>>;

    /// Verifies the address of a customer, as the vendor does when it is set.
    fn verify<'a>(&'a self, credential: &'a str) -> BoxFuture<'a, Result<Verified, ScanError>>;

    /// All callbacks, in the order of their credentials.
    fn callbacks(&self) -> Vec<ShownCallback>;

    /// Sets the callback of a customer.
    ///
    /// # Errors
    /// [`ScanError::BadCallback`].
    fn set_callback(&self, callback: Callback) -> Result<ShownCallback, ScanError>;

    /// Takes the callback of a customer away; whether there was one.
    fn remove_callback(&self, credential: &str) -> bool;
}

/// At most this many bytes of a text that is shown.
pub const SHOWN_BYTES: usize = 16 << 10;

/// A text from bytes, cut where it is long.
pub fn shown(bytes: &Bytes) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN_BYTES)];
    String::from_utf8_lossy(cut).into_owned()
}
