//! Puts the house together: opens every door, decides who owns a request, and attends to all of them alike. The only
//! module that names providers.

mod attend;
mod certificates;
mod connection;
mod damage;
mod front;
mod gate;
mod handshake;
mod health;
mod listener;
mod proxy;
mod root;
mod spelling;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

pub use front::Front;
pub use gate::Gate;
pub use listener::{Listener, bind};
pub use providers::tencent_ocr::catalog as products;

use attend::{Attendant, attend};
use root::{Elsewhere, Root};

use crate::clock::{Clock, Ids};
use crate::codec::PEAK_BYTES_PER_PIXEL;
use crate::config::{Config, Mistake, ReadIsolation};
use crate::control;
use crate::credentials::Credentials;
use crate::domains::Domain;
use crate::faults::{Catalogue, Failures, Faults};
use crate::fetch::{Fetch, FetchError, Setup, StandIn};
use crate::intake::Intake;
use crate::journal::Journal;
use crate::metrics::Metrics;
use crate::providers;
use crate::shared::{Outcome, Parts, Shared};
use crate::simulator::Simulators;
use crate::state::State;
use crate::store::{Access, Migration, OpenError, Store};
use crate::tls::{Authority, Keeper, Tls, TlsError};
use crate::vendor::Vendor;
use crate::work::{Launch, LaunchError, Work, Workers};

/// Every vendor; of equal claims to a request the earlier one's wins.
pub const VENDORS: &[Vendor] = &[
    providers::tencent_cos::VENDOR,
    providers::tencent_ocr::VENDOR,
    providers::wechat::VENDOR,
    providers::cli_im::VENDOR,
];

/// Why the house cannot be put together.
#[derive(Debug, Error)]
pub enum StartError {
    /// Settings that only the vendors can judge.
    #[error("{}", join(.0))]
    Settings(Vec<Mistake>),
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The way out.
    #[error("remote pictures cannot be set up: {0}")]
    Fetch(#[from] FetchError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

fn join(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The whole server, ready to answer.
#[derive(Clone)]
pub struct App {
    /// What it runs on.
    pub shared: Shared,
    /// What requests have left behind.
    pub state: State,
    /// What it answers.
    pub front: Front,
    /// Whether it takes requests.
    pub gate: Gate,
    /// Certificates for the vendors' names, once it has any.
    pub tls: Option<Tls>,
    /// What acts as vendors' apps on users' phones.
    pub simulators: Simulators,
}

impl App {
    /// The same, with certificates: for a listener that speaks TLS, for tunnels, and for clients that fetch the authority.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        let front = self.front.with(certificates::routes(self.shared.clone(), tls.clone()));
        Self { front, tls: Some(tls), ..self }
    }
}

/// Every name that is a vendor's own.
pub fn domains() -> Vec<Domain> {
    VENDORS.iter().flat_map(|vendor| vendor.domains).copied().collect()
}

/// Which of the vendors has the host `name`.
fn vendor_of(name: &str) -> Option<usize> {
    VENDORS.iter().position(|vendor| vendor.domains.iter().any(|domain| domain.matches(name)))
}

/// The certificates of `config`: those that the operator gave, else those of this installation's own authority, which is
/// made here the first time.
///
/// # Errors
/// Where files cannot be read or written, or hold something else.
pub fn configured_tls(config: &Config) -> Result<Tls, TlsError> {
    match (&config.tls_cert, &config.tls_key) {
        (Some(certificate), Some(key)) => Tls::given(certificate, key, domains()),
        // One without the other is a mistake that `check_settings` tells.
        _ => Tls::minted(Keeper::open(&config.data_dir, &domains(), Clock::system(), &Ids::system())?, domains()),
    }
}

/// Certificates of an authority that lives in memory, and no longer than this process.
///
/// # Errors
/// Where no key can be had.
pub fn passing_tls() -> Result<Tls, TlsError> {
    let authority = Authority::make(&domains(), &Clock::system(), &Ids::system())?;
    Tls::minted(Keeper::in_memory(authority, Clock::system()), domains())
}

/// All steps of the store's schema.
pub fn migrations() -> Vec<Migration> {
    VENDORS.iter().flat_map(|vendor| vendor.migrations).copied().collect()
}

/// Opens the store of `config`.
///
/// # Errors
/// As [`Store::open`].
pub async fn open_store(config: &Config, access: Access) -> Result<Store, OpenError> {
    Store::open(&config.data_dir, &migrations(), access, config.store_sync).await
}

/// Puts the server together on an open store. Pictures are read on threads of this process.
///
/// # Errors
/// Where a setting names what no vendor has, or remote pictures cannot be set up.
pub fn open(config: Config, store: Store, clock: Clock, ids: Ids) -> Result<App, StartError> {
    let work = Work::new(config.read_threads, config.read_memory_mib, config.read_queue);
    open_with(work, config, store, clock, ids)
}

/// As [`open`], with a pool for reading that the caller made, for instance by [`configured_work`].
///
/// # Errors
/// As [`open`].
pub fn open_with(work: Work, config: Config, store: Store, clock: Clock, ids: Ids) -> Result<App, StartError> {
    let faults = faults(&config).map_err(StartError::Settings)?;
    let journal_mib = if config.control { config.journal_mib } else { 0 };
    let journal = Journal::new(config.journal_entries, journal_mib << 20);
    let mut stand_ins: HashMap<_, _> = VENDORS.iter().flat_map(|vendor| (vendor.stand_ins)()).collect();
    stand_ins.extend(config.fetch_stand_ins.iter().map(|item| (item.url.clone(), StandIn::File(item.file.clone()))));
    let metrics = Metrics::new(codes());
    let shared = Shared::new(Parts {
        fetch: Fetch::new(Setup {
            enabled: config.fetch_enabled,
            allow: config.fetch_allow.clone(),
            stand_ins,
            memory_mib: config.fetch_memory_mib,
            served_mib: config.pictures_memory_mib,
            metrics: metrics.clone(),
            ..Setup::default()
        })?,
        intake: Intake::new(config.body_memory_mib),
        work,
        store,
        metrics,
        credentials: Credentials::new(&config),
        faults,
        journal,
        clock,
        ids,
        config,
    });

    let gate = Gate::default();
    let mut router = health::routes(shared.clone(), gate.clone());
    let (mut elsewhere, mut doors, mut simulators, mut forget) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for vendor in VENDORS {
        let door = (vendor.open)(&shared);
        simulators.extend(door.simulator);
        let attendant =
            Attendant { vendor: vendor.name, operation: door.operation, defect: door.defect, shared: shared.clone() };
        doors.push(attend(door.routes.clone().fallback_service(door.elsewhere.clone()), attendant.clone()));
        router = router.merge(attend(door.routes, attendant.clone()));
        elsewhere.push(Elsewhere { vendor, router: attend(door.elsewhere, attendant.clone()), attendant });
        forget.extend(door.forget);
    }
    let simulators = Simulators::from(simulators);
    let tables = VENDORS.iter().flat_map(|vendor| vendor.tables).copied().collect();
    let state = State::new(shared.clone(), tables, forget);
    let control = Attendant {
        vendor: attend::OURS,
        operation: |_| "control",
        defect: |_| control::defect(),
        shared: shared.clone(),
    };
    router = router.merge(attend(control::routes(&shared, &state, VENDORS, &simulators), control));
    let root = Arc::new(Root::new(elsewhere, shared.clone()));
    let house = router.fallback(move |request| Arc::clone(&root).answer(request));
    let front = Front::new(doors, house);
    Ok(App { shared, state, front, gate, tls: None, simulators })
}

/// Every code that the answers of each vendor can carry, and those of our own pages.
fn codes() -> HashMap<&'static str, HashSet<String>> {
    let of = |vendor: &Vendor| {
        let failures = (vendor.failures)();
        let codes = failures.iter().flat_map(Failures::codes).chain(vendor.codes_elsewhere.iter().copied());
        (vendor.name, codes.chain([Outcome::OK]).map(str::to_owned).collect())
    };
    let own = [attend::OURS, attend::NOBODYS].map(|name| (name, attend::STATUSES.map(str::to_owned).into()));
    VENDORS.iter().map(of).chain(own).collect()
}

/// A pool that reads pictures where `config` says, in worker processes or on threads.
///
/// `program` is what workers run, for tests; else this very program.
///
/// # Errors
/// Where workers are asked for and cannot be started.
pub async fn configured_work(config: &Config, program: Option<PathBuf>) -> Result<Work, LaunchError> {
    let (threads, memory_mib, queue) = (config.read_threads, config.read_memory_mib, config.read_queue);
    match config.read_isolation {
        ReadIsolation::Thread => Ok(Work::new(threads, memory_mib, queue)),
        ReadIsolation::Process => {
            let launch = Launch { program, memory_mib: worker_memory_mib(config), idle: config.read_worker_idle };
            let (workers, confinement) = Workers::start(launch).await?;
            tracing::info!(%confinement, "pictures are read in worker processes");
            if !confinement.is_full() {
                tracing::warn!(%confinement, "this kernel does not confine worker processes as far as it could");
            }
            Ok(Work::isolated(workers, threads, memory_mib, queue))
        }
    }
}

/// What a worker may take: what is reserved for all pictures together, or what the largest takes alone.
fn worker_memory_mib(config: &Config) -> u64 {
    /// What a reader takes for any picture, however small.
    const READER_MIB: u64 = 64;
    let largest = config.max_pixels.saturating_mul(PEAK_BYTES_PER_PIXEL) >> 20;
    READER_MIB + largest.max(config.read_memory_mib.into())
}

/// What is wrong in settings beyond their values: every forced error must be one that its operation can give, a certificate
/// needs its key.
pub fn check_settings(config: &Config) -> Vec<Mistake> {
    let half = match (&config.tls_cert, &config.tls_key) {
        (Some(_), None) => Some(Mistake::new("tls_cert", "tls_key is missing")),
        (None, Some(_)) => Some(Mistake::new("tls_key", "tls_cert is missing")),
        _ => None,
    };
    half.into_iter().chain(faults(config).err().unwrap_or_default()).collect()
}

/// What every operation can fail with, and the failures that the settings ask for.
fn faults(config: &Config) -> Result<Faults, Vec<Mistake>> {
    let catalogue = Catalogue::new(VENDORS.iter().map(|vendor| (vendor.name, (vendor.failures)())));
    let faults = Faults::new(catalogue, config.control);
    let refused = config.force_error.iter().filter_map(|forced| {
        let added = faults.add_configured(&forced.operation, &forced.code);
        added.err().map(|refused| Mistake::new("force_error", refused))
    });
    let mistakes: Vec<_> = refused.collect();
    if mistakes.is_empty() { Ok(faults) } else { Err(mistakes) }
}
