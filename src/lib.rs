//! qrstack: several vendors' doors, one workshop behind them. A door speaks one vendor's protocol to the letter; the
//! workshop draws and reads symbols and has never heard of HTTP or of any vendor.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | one file a subcommand |
//! | [`emulator`] | a whole server inside a Rust test |
//! | [`server`] | puts the house together; the only module that names providers |
//! | [`control`] | what a test needs and no vendor has, under `/_qrstack/v1/` |
//! | [`providers`] | the doors: one folder a vendor, each with the same rooms |
//! | [`vendor`], [`simulator`] | what a door is, and what a vendor's app does on a phone, in words that no vendor owns |
//! | [`shared`] | the handle that every provider gets |
//! | [`intake`] | bodies, queries, hosts and forms, as every door needs them |
//! | [`signing`], [`secret`] | what signatures and credentials are made of |
//! | [`explain`] | why a signature was refused |
//! | [`domains`] | names of hosts that are a vendor's own |
//! | [`tls`] | the certificate authority of this installation, and certificates by name |
//! | [`fetch`] | every request that we send out |
//! | [`work`] | reading off the async threads, bounded |
//! | [`store`] | the database |
//! | [`state`] | what requests have left behind: to be cleared, taken along and put back |
//! | [`metrics`] | what is counted, and the page of it |
//! | [`faults`] | failures on demand |
//! | [`underway`] | what becomes known of a request while it is answered |
//! | [`journal`] | the last requests and their answers |
//! | [`recent`], `locks` | a bounded memory, and locks without poison |
//! | [`shell`] | words of a shell, for commands that are printed |
//! | [`clock`] | the only source of time and randomness |
//! | [`credentials`] | who may call: the settings' credentials, and those made at run time |
//! | [`config`] | every setting once |
//! | [`codec`] | the workshop |
//!
//! Dependencies point one way: `{ cli, emulator } → server → { control → state, providers } → vendor → shared → { work,
//! fetch, store, metrics, credentials, clock, config }`, and providers use `codec`, `intake` and `signing` directly; `tls` stands
//! on `clock` and `domains` alone. No provider knows another.

pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod control;
pub mod credentials;
pub mod domains;
pub mod emulator;
pub mod explain;
pub mod faults;
pub mod fetch;
pub mod intake;
pub mod journal;
mod locks;
pub mod metrics;
pub mod providers;
pub mod recent;
pub mod secret;
pub mod server;
pub mod shared;
pub mod shell;
pub mod signing;
pub mod simulator;
pub mod state;
pub mod store;
pub mod tls;
pub mod underway;
pub mod vendor;
pub mod work;

pub use emulator::{Emulator, EmulatorError};
