//! qrstack: several vendors' doors, one workshop behind them.
//!
//! [`codec`] draws and reads symbols; [`cli`] holds the subcommands.

pub mod cli;
pub mod codec;
