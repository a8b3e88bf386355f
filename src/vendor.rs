//! What a vendor's door is, in words that no vendor owns: what each of them says of itself before it is open, and what it is
//! once it is. The doors themselves are in [`crate::providers`], which nobody names but `server`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use axum::response::Response;
use url::Url;

use crate::clock::{Clock, Ids};
use crate::config::Config;
use crate::domains::Domain;
use crate::explain::{self, Context, Explained, Explanation};
use crate::faults::Failures;
use crate::fetch::StandIn;
use crate::shared::Shared;
use crate::simulator::Simulator;
use crate::state::Forget;
use crate::store::{Migration, Table};

/// What `server` needs to know of a vendor before any door is open.
#[derive(Clone, Copy)]
pub struct Vendor {
    /// Name in logs: `tencent_cos`, `wechat` …
    pub name: &'static str,
    /// The names of the vendor's hosts: requests to them are the vendor's, and they have certificates.
    pub domains: &'static [Domain],
    /// What the places in those names usually are, for files that have no wildcards: `bucket`, `region`.
    pub places: fn(&Config, &str) -> Vec<String>,
    /// Steps of the vendor's own tables.
    pub migrations: &'static [Migration],
    /// Those of its tables that hold what requests have left: reset and snapshots are about them.
    pub tables: &'static [Table],
    /// What each operation can fail with, by the vendor's own table.
    pub failures: fn() -> Vec<Failures>,
    /// Codes of answers to requests outside every operation, which no fault gives.
    pub codes_elsewhere: &'static [&'static str],
    /// Why the signature of a request was refused, of which it gets head and body; `None` where it carries no signature of
    /// the vendor's.
    pub explain: fn(&Parts, &[u8], &Context<'_>) -> Option<Explanation>,
    /// Pictures of the vendor's own samples, which are answered without the network.
    pub stand_ins: fn() -> HashMap<Url, StandIn>,
    /// Commands for `qrstack example`.
    pub examples: &'static [Example],
    /// How strongly a request whose path no route has is the vendor's; `None` where it is not.
    pub claim: fn(&Parts) -> Option<Claim>,
    /// How the vendor knows its own forms, if it takes any on paths without a route.
    pub form: Option<Form>,
    /// `paths` and `components` of the OpenAPI document of the emulated APIs.
    pub openapi: &'static str,
    /// Names of headers in its answers that have other capitals than one after each hyphen, as the vendor spells them.
    pub header_names: &'static [&'static str],
    /// Opens the door.
    pub open: fn(&Shared) -> Door,
}

/// How strongly a request is a vendor's, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// By the host, or by a signature that others could carry.
    Trace,
    /// By the path.
    Path,
    /// By its body, if that carries the vendor's mark ([`Vendor::form`]).
    Form,
    /// By a mark of the vendor alone in its head.
    Mark,
}

/// How a vendor knows its own forms.
#[derive(Clone, Copy)]
pub struct Form {
    /// Bytes that are looked through; a longer form is nobody's proof.
    pub max_bytes: usize,
    /// Whether a whole form carries the vendor's mark.
    pub is_mine: fn(&[u8]) -> bool,
}

/// An open door.
pub struct Door {
    /// The vendor's own paths. Every method of them is answered.
    pub routes: Router,
    /// Answers requests that are the vendor's although no route has their path.
    pub elsewhere: Router,
    /// The operation that a request asks for, for the log.
    pub operation: fn(&Parts) -> &'static str,
    /// Forgets what the door has in memory of requests, if it has anything.
    pub forget: Option<Forget>,
    /// The vendor's answer where we failed: a handler panicked or took too long.
    pub defect: fn(&Shared) -> Response,
    /// Acts as the vendor's app on a user's phone, where it has codes for that.
    pub simulator: Option<Arc<dyn Simulator>>,
}

/// Why the signature of a request is refused, which is here as it is on the wire.
///
/// # Errors
/// Where it is no request, or carries no signature of a vendor's, in a sentence.
pub fn explain(vendors: &[Vendor], raw: &[u8], context: &Context<'_>) -> Result<Explained, String> {
    let (parts, body) = explain::request(raw)?;
    let explained = |vendor: &Vendor| {
        Some(Explained { provider: vendor.name, explanation: (vendor.explain)(&parts, &body, context)? })
    };
    vendors.iter().find_map(explained).ok_or_else(|| "the request carries no signature of a vendor".to_owned())
}

/// A command that shows one operation at work.
#[derive(Clone, Copy)]
pub struct Example {
    /// Its name: `cos`, `wechat-scan` …
    pub name: &'static str,
    /// What it shows, in a few words.
    pub about: &'static str,
    /// The command for a POSIX shell, signed at this moment.
    pub command: fn(&ExampleContext<'_>) -> String,
}

/// What a command is made from.
pub struct ExampleContext<'a> {
    /// Credentials.
    pub config: &'a Config,
    /// `http://host:port`, without a slash at the end.
    pub base: &'a str,
    /// The moment of the signature.
    pub clock: &'a Clock,
    /// Nonces.
    pub ids: &'a Ids,
}
