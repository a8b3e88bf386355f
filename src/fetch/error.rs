//! Why a remote picture or the answer of a callback could not be had. Which vendor code that is, is the provider's
//! decision.

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
    #[error("{host} is this server itself, which no setting allows")]
    Ourselves {
        /// Host as the address names it.
        host: String,
    },
    /// Nothing is fetched from other hosts.
    #[error("requests to other hosts are off; QRSTACK_FETCH_ENABLED=true turns them on")]
    Off,
    /// A port that is another service's.
    #[error("port {port} of {host} is another service's, which no setting allows")]
    Port {
        /// Host as the address names it.
        host: String,
        /// The port.
        port: u16,
    },
    /// The pictures under way take all the memory there is for them.
    #[error("no memory for another remote picture; QRSTACK_FETCH_MEMORY_MIB gives more")]
    Overloaded,
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

impl FetchError {
    /// Its name in the metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad_url",
            Self::Refused { .. } => "refused",
            Self::Off => "off",
            Self::Ourselves { .. } => "ourselves",
            Self::Port { .. } => "port",
            Self::Overloaded => "overloaded",
            Self::Unreachable(_) => "unreachable",
            Self::TooSlow => "too_slow",
            Self::Status(_) => "status",
            Self::Redirects => "redirects",
            Self::TooLarge { .. } => "too_large",
            Self::Encoded(_) => "encoded",
        }
    }
}
