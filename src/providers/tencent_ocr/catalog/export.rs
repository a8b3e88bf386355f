//! The catalogue as CSV, row by row, in the form that `import` reads.

use std::io::Write;

use thiserror::Error;

use super::product::FIELDS;
use super::read;
use crate::store::{self, Store};

/// Why an export stopped.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The output takes no more.
    #[error("the products cannot be written: {0}")]
    Output(#[from] csv::Error),
    /// The store does not answer.
    #[error("the store does not answer: {0}")]
    Store(#[from] store::Error),
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Writes all products to `output`, by number, as they are at one moment; gives it back, and how many there are. One row is
/// in memory at a time.
///
/// # Errors
/// Where the store or the output fails; what was written until then stays.
pub async fn export<W: Write + Send + 'static>(store: &Store, output: W) -> Result<(u64, W), ExportError> {
    const QUERY: &str = concat!("SELECT gtin, ", columns!(), " FROM ocr_product ORDER BY gtin");
    store
        .run(move |connection| {
            let mut output = csv::Writer::from_writer(output);
            output.write_record(std::iter::once("BarCode").chain(FIELDS))?;
            let mut query = connection.prepare(QUERY)?;
            let mut rows = query.query(())?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let gtin: String = row.get(0)?;
                output.write_record(std::iter::once(gtin).chain(read(row, 1)?.into_texts()))?;
                count += 1;
            }
            let output = output.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
            Ok((count, output))
        })
        .await
}
