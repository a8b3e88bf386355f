//! Why a remote picture could not be had. Which vendor code that is, is the provider's decision.

use thiserror::Error;

/// Why a remote picture could not be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The text is no `http` or `https` address, or names a user.
    #[error("not an address to fetch: {0}")]
    BadUrl(String),
    /// The address is not public, and no setting allows it.
    #[error("{host} is refused: {reason}; QRSTACK_FETCH_ALLOW={host} would allow it")]
    Refused {
        /// Host as the address names it.
        host: String,
        /// What kind of address it is.
        reason: &'static str,
    },
    /// The address is one of our own listeners, which no setting allows.
    #[error("{host} is this server itself")]
    Ourselves {
        /// Host as the address names it.
        host: String,
    },
    /// No connection, no name, or a broken transfer.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// The time is up.
    #[error("no complete answer in time")]
    TooSlow,
    /// The answer's status is not 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// More redirects than allowed, or one without a usable `Location`.
    #[error("too many redirects, or one that leads nowhere")]
    Redirects,
    /// More bytes than allowed.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The answer is compressed although identity was asked for.
    #[error("the answer is encoded as {0}")]
    Encoded(String),
}
