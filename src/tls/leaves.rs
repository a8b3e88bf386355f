//! Certificates by name: made when a handshake asks for a name, kept until they are about to end, bounded in number.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use rcgen::SanType;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::authority::{Authority, LEAF_REST, Leaf};
use super::{Keeper, TlsError, is_local};
use crate::domains::Domain;
use crate::locks::locked;

/// Names in one generation. There is no end of names that clients may ask for, and each takes some two KiB.
const GENERATION: usize = 512;

/// Makes certificates for names of its domains, and for loopback.
pub(super) struct Leaves {
    keeper: Arc<Keeper>,
    domains: Vec<Domain>,
    known: Mutex<Known>,
}

/// Two generations of certificates: what is asked for moves to the younger one; once that is full, it becomes the older
/// one, and what nobody asked for meanwhile is forgotten.
#[derive(Default)]
struct Known {
    /// Who made them.
    authority: Option<Arc<Authority>>,
    younger: HashMap<String, Leaf>,
    older: HashMap<String, Leaf>,
}

impl Leaves {
    pub(super) fn new(keeper: Arc<Keeper>, domains: Vec<Domain>) -> Self {
        Self { keeper, domains, known: Mutex::default() }
    }

    /// The certificate for `name`, or for loopback where none is asked for; none where nobody here has that name.
    fn of(&self, name: Option<&str>) -> Result<Option<Arc<CertifiedKey>>, TlsError> {
        let name = name.unwrap_or("localhost").to_ascii_lowercase();
        let names = if is_local(&name) {
            local()?
        } else if self.domains.iter().any(|domain| domain.matches(&name)) {
            vec![SanType::DnsName(name.as_str().try_into()?)]
        } else {
            return Ok(None);
        };
        let (authority, clock) = (self.keeper.current(), self.keeper.clock());
        let enough = clock.unix_seconds() + LEAF_REST.as_secs() as i64;
        // What the authority does not live for cannot be had.
        let enough = enough.min(authority.ends());
        if let Some(shown) = self.known().find(&name, &authority, enough) {
            return Ok(Some(shown));
        }
        // Outside the lock; where two handshakes make one for the same name, either will do.
        let leaf = authority.vouch(names, clock)?;
        let shown = Arc::clone(&leaf.shown);
        self.known().keep(name, leaf);
        Ok(Some(shown))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        locked(&self.known)
    }
}

impl Known {
    fn find(&mut self, name: &str, authority: &Arc<Authority>, enough: i64) -> Option<Arc<CertifiedKey>> {
        if !self.authority.as_ref().is_some_and(|known| Arc::ptr_eq(known, authority)) {
            *self = Self { authority: Some(Arc::clone(authority)), ..Self::default() };
        }
        let good = |leaf: &&Leaf| leaf.ends >= enough;
        if let Some(leaf) = self.younger.get(name).filter(good) {
            return Some(Arc::clone(&leaf.shown));
        }
        let leaf = self.older.remove(name).filter(|leaf| good(&leaf))?;
        let shown = Arc::clone(&leaf.shown);
        self.keep(name.to_owned(), leaf);
        Some(shown)
    }

    fn keep(&mut self, name: String, leaf: Leaf) {
        if self.younger.len() >= GENERATION {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(name, leaf);
    }
}

/// The names of this machine for itself.
fn local() -> Result<Vec<SanType>, TlsError> {
    Ok(vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ])
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.of(hello.server_name()).unwrap_or_else(|error| {
            tracing::error!(%error, "there is no certificate for a handshake");
            None
        })
    }
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaves").field("domains", &self.domains).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Ids};

    const DOMAINS: [Domain; 2] = [Domain::new("api.example.com"), Domain::new("<a>.b.example.com")];

    fn leaves(clock: &Clock) -> Leaves {
        let authority = Authority::make(&DOMAINS, clock, &Ids::seeded(1)).expect("made");
        Leaves::new(Arc::new(Keeper::in_memory(authority, clock.clone())), DOMAINS.to_vec())
    }

    #[test]
    fn names_of_the_domains_and_loopback_have_certificates_and_no_others() {
        let leaves = leaves(&Clock::system());
        let of = |name| leaves.of(name).expect("made");
        for name in ["api.example.com", "API.EXAMPLE.COM", "x.b.example.com", "localhost", "127.0.0.1", "::1"] {
            assert!(of(Some(name)).is_some(), "{name}");
        }
        assert!(of(None).is_some());
        for name in ["example.com", "b.example.com", "x.api.example.com", "10.0.0.1", "*.b.example.com", ""] {
            assert!(of(Some(name)).is_none(), "{name}");
        }
    }

    #[test]
    fn a_certificate_is_shown_again_until_it_is_about_to_end() {
        const DAY: i64 = 24 * 60 * 60;
        let clock = Clock::fixed(1_700_000_000);
        let leaves = leaves(&clock);
        let of = || leaves.of(Some("api.example.com")).expect("made").expect("known");
        let first = of();
        clock.set(1_700_000_000 + 58 * DAY);
        assert!(Arc::ptr_eq(&first, &of()));
        clock.set(1_700_000_000 + 60 * DAY);
        assert!(!Arc::ptr_eq(&first, &of()));
    }

    #[test]
    fn the_number_of_certificates_is_bounded_and_those_in_use_stay() {
        let leaves = leaves(&Clock::system());
        let of = |name: &str| leaves.of(Some(name)).expect("made").expect("known");
        let wanted = of("api.example.com");
        for number in 0..3 * GENERATION {
            of(&format!("n{number}.b.example.com"));
            if number % 100 == 0 {
                assert!(Arc::ptr_eq(&wanted, &of("api.example.com")), "{number}");
            }
        }
        let known = leaves.known();
        assert!(known.younger.len() <= GENERATION && known.older.len() <= GENERATION);
    }
}
