//! What a reading is: one picture's task, its answer, and how much it may take. The same in this process and in a worker.

use std::time::Duration;

use crate::codec::{self, Budget, Kinds, Limits, LoadError, Orientation, Symbol};

/// What to read in a picture, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// What the picture may be.
    pub limits: Limits,
    /// What is looked for.
    pub kinds: Kinds,
    /// How much CPU time the reader gives itself.
    pub budget: Budget,
}

/// What was found in a picture. Coordinates are pixels of the picture as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Width as stored, in pixels.
    pub width: u32,
    /// Height as stored, in pixels.
    pub height: u32,
    /// How the stored picture is to be turned for display.
    pub orientation: Orientation,
    /// From top to bottom, then from left to right.
    pub symbols: Vec<Symbol>,
}

/// What a reading gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What was found.
    pub decoded: Decoded,
    /// Whether the budget was spent before every stage had its turn.
    pub budget_spent: bool,
}

/// Loads a picture and reads its codes, on this thread.
///
/// # Errors
/// Where the bytes are no picture within the task's limits.
pub fn read(picture: &[u8], task: &Task) -> Result<Done, LoadError> {
    let loaded = codec::load(picture, &task.limits)?;
    let reading = codec::read(&loaded.luma, task.kinds, &task.budget);
    let (width, height) = (loaded.luma.width(), loaded.luma.height());
    let decoded = Decoded { width, height, orientation: loaded.orientation, symbols: reading.symbols };
    Ok(Done { decoded, budget_spent: reading.budget_spent })
}

/// Bytes that loading and reading take at most for a picture of so many pixels.
pub(super) fn memory(pixels: u64) -> u64 {
    pixels * codec::PEAK_BYTES_PER_PIXEL
}

/// CPU time after which a reader has lost its way: its budget, which it checks only between stages, and what loading
/// and the longest stage take, which grows with the picture.
pub(super) fn allowance(budget: Budget, pixels: u64) -> Duration {
    const STAGE: Duration = Duration::from_secs(1);
    const NANOSECONDS_PER_PIXEL: u64 = 100;
    budget.cpu + STAGE + Duration::from_nanos(pixels.saturating_mul(NANOSECONDS_PER_PIXEL))
}
