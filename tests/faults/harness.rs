//! Runs checks as tests of their own and makes `docs/FAULTS.md` of what came out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::rows::{ROWS, Standing};

/// Proves a row, or a part of it.
pub struct Check {
    /// The row, for instance `F14`.
    row: &'static str,
    /// What is shown, in one line of the page.
    what: &'static str,
    run: fn() -> String,
}

/// A check of `row`: `run` panics where the server does not survive, and gives the figure that it found (empty for none).
pub fn check(row: &'static str, what: &'static str, run: fn() -> String) -> Check {
    Check { row, what, run }
}

/// Runs a future to its end, on a runtime with a thread of its own.
#[allow(dead_code, reason = "only some areas are asynchronous")]
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Figures by place in the list of checks.
type Figures = Arc<Mutex<BTreeMap<usize, String>>>;

/// Runs the checks of all areas that the command line selects; of a whole run the page is written or compared.
pub fn run(areas: Vec<Vec<Check>>) -> ExitCode {
    let arguments = Arguments::from_args();
    let checks: Vec<_> = areas.into_iter().flatten().collect();
    let figures = Figures::default();
    let mut trials: Vec<_> = checks
        .iter()
        .enumerate()
        .map(|(place, check)| {
            let (figures, run) = (Arc::clone(&figures), check.run);
            Trial::test(format!("{}: {}", check.row, check.what), move || {
                let figure = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| Failed::from(message(&*panic)))?;
                figures.lock().expect("no holder panics").insert(place, figure);
                Ok(())
            })
        })
        .collect();
    trials.push(Trial::test("every check belongs to a row, every row stands where it says", {
        let rows: Vec<_> = checks.iter().map(|check| check.row).collect();
        move || judge_rows(&rows)
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let figures = figures.lock().expect("no holder panics");
    if arguments.list || conclusion.has_failed() || figures.len() < checks.len() {
        return conclusion.exit_code();
    }
    settle(&page(&checks, &figures))
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "panicked".to_owned())
}

/// Tests that rows name must exist, and no check proves a row that is said not to apply.
fn judge_rows(checked: &[&'static str]) -> Result<(), Failed> {
    for row in checked {
        if !ROWS.iter().any(|known| known.id == *row && !matches!(known.standing, Standing::Elsewhere(_))) {
            return Err(format!("{row} is no row, or is said not to apply").into());
        }
    }
    for row in ROWS {
        let Standing::By(tests) = row.standing else { continue };
        for (file, test) in tests {
            let source = std::fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))?;
            if !source.contains(&format!("fn {test}(")) {
                return Err(format!("{}: {file} has no test {test}", row.id).into());
            }
        }
    }
    Ok(())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn page(checks: &[Check], figures: &BTreeMap<usize, String>) -> String {
    let mut page = String::from(
        "# Threats and faults, and what proves that the server survives them\n\n\
         Made by a run of `UPDATE_FIXTURES=1 cargo test --test faults`; a run without it fails where the page differs. Checks \
         run on loopback only.\n\n\
         | row | threat or fault | proven by |\n|---|---|---|\n",
    );
    for row in ROWS {
        let shown = checks.iter().enumerate().filter(|(_, check)| check.row == row.id);
        let mut proofs: Vec<_> = shown
            .map(|(place, check)| match figures.get(&place).map_or("", String::as_str) {
                "" => check.what.to_owned(),
                figure => format!("{}: **{figure}**", check.what),
            })
            .collect();
        match row.standing {
            Standing::Here if proofs.is_empty() => proofs.push("not proven yet".to_owned()),
            Standing::Here => {}
            Standing::By(tests) => proofs.extend(tests.iter().map(|(file, test)| format!("`{test}` in `{file}`"))),
            Standing::Elsewhere(why) => proofs.push(format!("does not apply so far: it {why}")),
        }
        let proof = proofs.join("<br>");
        writeln!(page, "| {} | {} | {} |", row.id, cell(row.threat), cell(&proof)).expect("memory takes every text");
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Writes the page, or compares it with the one that stands.
fn settle(page: &str) -> ExitCode {
    let path = root().join("docs/FAULTS.md");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(&path, page).expect("docs/FAULTS.md can be written");
        return ExitCode::SUCCESS;
    }
    let stands = std::fs::read_to_string(&path).unwrap_or_default();
    if stands == page {
        return ExitCode::SUCCESS;
    }
    let differing = page.lines().find(|line| !stands.lines().any(|old| old == *line)).unwrap_or("a row is gone");
    eprintln!(
        "docs/FAULTS.md is not what this run says; UPDATE_FIXTURES=1 writes it anew. First difference:\n{differing}"
    );
    ExitCode::FAILURE
}
