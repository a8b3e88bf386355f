//! The catalogue as CSV, row by row, in the form that `import` reads.

use std::io::Write;

use futures_util::TryStreamExt;
use sqlx::Row;
use thiserror::Error;

use super::product::FIELDS;
use super::read;
use crate::store::Store;

/// Why an export stopped.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The output takes no more.
    #[error("the products cannot be written: {0}")]
    Output(#[from] csv::Error),
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(#[from] sqlx::Error),
}

/// Writes all products to `output`, by number, and gives how many there are. One row is in memory at a time.
///
/// # Errors
/// Where the store or the output fails; what was written until then stays.
pub async fn export<W: Write>(store: &Store, output: W) -> Result<u64, ExportError> {
    const QUERY: &str = concat!("SELECT gtin, ", columns!(), " FROM ocr_product ORDER BY gtin");
    let mut output = csv::Writer::from_writer(output);
    output.write_record(std::iter::once("BarCode").chain(FIELDS))?;
    let mut rows = sqlx::query(QUERY).fetch(store.pool());
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        let gtin: String = row.try_get(0)?;
        output.write_record(std::iter::once(gtin).chain(read(&row, 1)?.into_texts()))?;
        count += 1;
    }
    output.flush().map_err(csv::Error::from)?;
    Ok(count)
}
