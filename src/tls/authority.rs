//! The certificate authority of this installation. It is made on the first start, belongs to this data folder alone, and
//! can vouch for nothing but the vendors' names and loopback: clients that trust it give away no more than that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::{TlsError, export};
use crate::clock::{Clock, Ids};
use crate::domains::Domain;

/// Key and certificate in the data folder, for the owner alone. One file, so that both are replaced at the same moment.
const FILE: &str = "authority.pem";

/// How long the authority lives: ten years.
const LIFE: Duration = Duration::from_hours(24 * 3653);
/// How long a certificate lives, and how much of that must be left for it to be shown.
const LEAF_LIFE: Duration = Duration::from_hours(24 * 90);
pub(super) const LEAF_REST: Duration = Duration::from_hours(24 * 30);
/// Certificates begin so long before they are made, for clients whose clocks are behind.
const BEFORE: Duration = Duration::from_hours(24);

/// A key with its certificate, which clients are told to trust.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    /// In seconds since 1970.
    ends: i64,
}

/// A certificate for a name.
pub(super) struct Leaf {
    pub(super) shown: Arc<CertifiedKey>,
    /// In seconds since 1970.
    pub(super) ends: i64,
}

impl Authority {
    /// A new authority, for names of `domains` and loopback alone.
    ///
    /// # Errors
    /// Where no key can be had.
    pub fn make(domains: &[Domain], clock: &Clock, ids: &Ids) -> Result<Self, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let now = clock.unix_seconds();
        let mut params = CertificateParams::default();
        // A name of its own: after a rotation clients can hold both, and tell them apart.
        params.distinguished_name = named(&format!("qrstack local authority {}", ids.text(8, b"0123456789abcdef")));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: permitted(domains), excluded_subtrees: Vec::new() });
        let ends = now + LIFE.as_secs() as i64;
        limit(&mut params, now - BEFORE.as_secs() as i64, ends);
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key), ends })
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When it ends, in seconds since 1970.
    pub fn ends(&self) -> i64 {
        self.ends
    }

    /// A certificate for `names`, with a key of its own.
    pub(super) fn vouch(&self, names: Vec<SanType>, clock: &Clock) -> Result<Leaf, TlsError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let begins = clock.unix_seconds() - BEFORE.as_secs() as i64;
        let ends = (begins + LEAF_LIFE.as_secs() as i64).min(self.ends);
        let mut params = CertificateParams::default();
        params.distinguished_name = named("qrstack");
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, begins, ends);
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        let signing =
            rustls::crypto::ring::sign::any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.serialize_der()).into())?;
        Ok(Leaf { shown: Arc::new(CertifiedKey::new(vec![certificate], signing)), ends })
    }

    fn to_pem(&self) -> String {
        export::pem(&self.certificate) + &self.issuer.key().serialize_pem()
    }

    fn from_pem(pem: &str) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
        let key = KeyPair::try_from(&key).map_err(|error| error.to_string())?;
        let ends = {
            let (_, parsed) = x509_parser::parse_x509_certificate(&certificate).map_err(|error| error.to_string())?;
            if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
                return Err("key and certificate do not belong together".to_owned());
            }
            parsed.validity().not_after.timestamp()
        };
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| error.to_string())?;
        Ok(Self { certificate, issuer, ends })
    }
}

/// Subtrees: without ones for addresses, an authority may vouch for any address.
fn permitted(domains: &[Domain]) -> Vec<GeneralSubtree> {
    let mut roots: Vec<_> = domains.iter().map(|domain| domain.root()).chain(["localhost"]).collect();
    roots.sort_unstable();
    roots.dedup();
    let loopback = [(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8), (IpAddr::V6(Ipv6Addr::LOCALHOST), 128)];
    let names = roots.into_iter().map(|root| GeneralSubtree::DnsName(root.to_owned()));
    names
        .chain(loopback.map(|(ip, prefix)| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, prefix))))
        .collect()
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// Sets the times, in seconds since 1970, between which a certificate is good.
fn limit(params: &mut CertificateParams, begins: i64, ends: i64) {
    let moment = |seconds: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.unsigned_abs());
    (params.not_before, params.not_after) = (moment(begins), moment(ends));
}

/// Keeps the authority of a data folder, and notices where another process replaced it.
pub struct Keeper {
    /// None where it is in memory alone.
    path: Option<PathBuf>,
    clock: Clock,
    held: RwLock<Held>,
}

struct Held {
    authority: Arc<Authority>,
    stamp: Option<Stamp>,
}

/// What changes where a file is replaced.
type Stamp = (u64, i64, i64);

impl Keeper {
    /// The authority in `folder`, which is made if there is none.
    ///
    /// # Errors
    /// Where the file cannot be read or made, or holds something else.
    pub fn open(folder: &Path, domains: &[Domain], clock: Clock, ids: &Ids) -> Result<Self, TlsError> {
        let path = folder.join(FILE);
        let held = match read(&path) {
            Err(TlsError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
                let made = Authority::make(domains, &clock, ids)?;
                fs::create_dir_all(folder).map_err(|source| TlsError::File { path: folder.to_owned(), source })?;
                place(&path, &made.to_pem(), Placing::WhereNone, ids)?;
                // Whoever was first: another process may have made one at the same time.
                read(&path)?
            }
            held => held?,
        };
        Ok(Self { path: Some(path), clock, held: RwLock::new(held) })
    }

    /// An authority that lives as long as this value.
    pub fn in_memory(authority: Authority, clock: Clock) -> Self {
        Self { path: None, clock, held: RwLock::new(Held { authority: Arc::new(authority), stamp: None }) }
    }

    /// Puts a new authority in place of the one in `folder`. Servers on that folder show it from their next handshake on.
    ///
    /// # Errors
    /// Where no key can be had, or the file cannot be written.
    pub fn rotate(folder: &Path, domains: &[Domain], clock: &Clock, ids: &Ids) -> Result<Authority, TlsError> {
        let made = Authority::make(domains, clock, ids)?;
        fs::create_dir_all(folder).map_err(|source| TlsError::File { path: folder.to_owned(), source })?;
        place(&folder.join(FILE), &made.to_pem(), Placing::Anyway, ids)?;
        Ok(made)
    }

    /// The authority as it is at this moment.
    pub fn current(&self) -> Arc<Authority> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let (authority, known) = (Arc::clone(&held.authority), held.stamp);
        drop(held);
        let Some(path) = &self.path else { return authority };
        if fs::metadata(path).is_ok_and(|found| Some(stamp(&found)) == known) {
            return authority;
        }
        match read(path) {
            Ok(replaced) => {
                tracing::info!("the certificate authority was replaced");
                let authority = Arc::clone(&replaced.authority);
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = replaced;
                authority
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate authority cannot be read anew; the one in memory stays");
                authority
            }
        }
    }

    /// The clock that its certificates follow.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

fn stamp(found: &fs::Metadata) -> Stamp {
    (found.ino(), found.mtime(), found.mtime_nsec())
}

fn read(path: &Path) -> Result<Held, TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if found.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the key of the certificate authority; `qrstack ca rotate` makes a new one");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    }
    let pem = io::read_to_string(file).map_err(failed)?;
    let authority = Authority::from_pem(&pem).map_err(|what| TlsError::Content { path: path.to_owned(), what })?;
    Ok(Held { authority: Arc::new(authority), stamp: Some(stamp(&found)) })
}

/// Whether what is there already stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placing {
    WhereNone,
    Anyway,
}

/// Puts a file for its owner alone in its place, whole or not at all.
fn place(path: &Path, text: &str, placing: Placing, ids: &Ids) -> Result<(), TlsError> {
    let draft = path.with_extension(format!("draft-{}", ids.text(8, b"0123456789abcdef")));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let placed = written.and_then(|()| match placing {
        Placing::Anyway => fs::rename(&draft, path),
        Placing::WhereNone => match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has links.
            Err(_) if !path.exists() => fs::rename(&draft, path),
            linked => linked,
        },
    });
    // Gone already where it was renamed.
    let _ = fs::remove_file(&draft);
    placed.map_err(|source| TlsError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAINS: [Domain; 1] = [Domain::new("api.example.com")];

    fn open(folder: &Path) -> Result<Keeper, TlsError> {
        Keeper::open(folder, &DOMAINS, Clock::system(), &Ids::system())
    }

    #[test]
    fn an_authority_is_made_once_and_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = open(&folder.path().join("new")).expect("made").current();
        let path = folder.path().join("new").join(FILE);
        let read = open(&folder.path().join("new")).expect("read").current();
        assert_eq!((made.certificate(), made.ends()), (read.certificate(), read.ends()));
        let mode = || fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
        open(&folder.path().join("new")).expect("read");
        assert_eq!(mode(), 0o600);
        assert_eq!(fs::read_dir(folder.path().join("new")).expect("a folder").count(), 1, "no draft is left");
    }

    #[test]
    fn nobody_else_can_read_the_key_from_the_moment_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        for placing in [Placing::WhereNone, Placing::Anyway] {
            place(&path, "a key", placing, &Ids::system()).expect("placed");
            assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600, "{placing:?}");
        }
    }

    #[test]
    fn of_several_that_start_at_once_one_makes_it_for_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = || open(folder.path()).expect("opened").current().certificate().clone();
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn what_is_no_authority_is_said_to_be_none_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join(FILE), tempfile::tempdir().expect("a folder"));
        let (one, two) = (open(folder.path()).expect("made"), open(other.path()).expect("made"));
        let mixed = export::pem(one.current().certificate()) + &two.current().issuer.key().serialize_pem();
        for text in ["", "nothing", &export::pem(one.current().certificate()), &mixed] {
            fs::write(&path, text).expect("written");
            assert!(matches!(open(folder.path()).err().expect("refused"), TlsError::Content { .. }), "{text}");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
            assert_eq!(one.current().ends(), one.current().ends(), "a server goes on with the one it has");
        }
    }
}
