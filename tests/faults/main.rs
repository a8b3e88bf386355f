//! The threats and faults that the server must survive, F1 to F60, each with the checks that prove it. A run writes its
//! outcome into `docs/FAULTS.md` (`UPDATE_FIXTURES=1`) or compares it with what stands there, so that the page cannot
//! drift from the code.
//!
//! Here: the list of areas. `harness` runs checks and makes the page, `rows` names the rows, one file an area proves them.
//! Checks run on loopback only and give a figure that is the same in every run: a count, a size, a limit, never a time.

mod access;
mod answers;
mod bodies;
mod callbacks;
mod canary;
mod disk;
mod drawing;
mod fetch;
mod harness;
mod images;
mod journal;
mod listener;
mod memory;
mod metrics;
mod overload;
mod pictures;
// The running program and the server in this process, as the other tests have them.
#[allow(dead_code, reason = "each area needs a part")]
#[path = "../binary/program.rs"]
mod program;
mod raw;
mod reading;
mod rows;
mod secrets;
mod signatures;
mod state;
mod supply;
#[allow(dead_code, reason = "each area needs a part")]
#[path = "../api/support.rs"]
mod support;
mod time;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The checks of `reading` start this program in other roles.
    reading::other_role().unwrap_or_else(|| {
        harness::run(vec![
            access::checks(),
            answers::checks(),
            bodies::checks(),
            callbacks::checks(),
            drawing::checks(),
            fetch::checks(),
            images::checks(),
            journal::checks(),
            listener::checks(),
            metrics::checks(),
            overload::checks(),
            reading::checks(),
            secrets::checks(),
            signatures::checks(),
            state::checks(),
            supply::checks(),
            time::checks(),
            tls::checks(),
        ])
    })
}
