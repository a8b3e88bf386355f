//! qrstack: several vendors' doors, one workshop behind them. A door speaks one vendor's protocol to the letter; the
//! workshop draws and reads symbols and has never heard of HTTP or of any vendor.
//!
//! | module | holds |
//! |---|---|
//! | [`cli`] | one file a subcommand |
//! | [`emulator`] | a whole server inside a Rust test |
//! | [`server`] | puts the house together; the only module that names providers |
//! | [`providers`] | the doors: one folder a vendor, each with the same rooms |
//! | [`shared`] | the handle that every provider gets |
//! | [`intake`] | bodies, queries, hosts and forms, as every door needs them |
//! | [`signing`], [`secret`] | what signatures and credentials are made of |
//! | [`fetch`] | every request that we send out |
//! | [`work`] | reading off the async threads, bounded |
//! | [`store`] | the database |
//! | [`metrics`] | what is counted, and the page of it |
//! | [`clock`] | the only source of time and randomness |
//! | [`config`] | every setting once |
//! | [`codec`] | the workshop |
//!
//! Dependencies point one way: `{ cli, emulator } → server → providers → shared → { work, fetch, store, metrics, clock, config }`, and
//! providers use `codec`, `intake` and `signing` directly. No provider knows another.

pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod emulator;
pub mod fetch;
pub mod intake;
pub mod metrics;
pub mod providers;
pub mod secret;
pub mod server;
pub mod shared;
pub mod signing;
pub mod store;
pub mod work;

pub use emulator::{Emulator, EmulatorError};
