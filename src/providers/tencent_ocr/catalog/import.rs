//! Products from a file: CSV or JSON lines, bad lines skipped, memory bounded however long the file is.
//!
//! - **CSV**: a header with the vendor's field names and `BarCode`, in any order; columns may be left out. `ImageLink`
//!   holds its addresses divided by `|`.
//! - **JSON lines**: an object a line with the same names; `ImageLink` is a list, or a text as in CSV.
//!
//! A product that is there already is replaced as a whole.

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use serde_json::{Map, Value};
use thiserror::Error;

use super::lines::{Content, Lines, Record};
use super::product::{COUNT, FIELDS, join_links};
use super::{Gtin, Product, put};
use crate::store::{self, Store};

/// Products written at once: some ten milliseconds, so that a server beside is not held up.
const BATCH: usize = 2000;

/// Bytes of lines written at once, which bounds the memory.
const BATCH_BYTES: u64 = 4 << 20;

/// The column that holds the number.
const BAR_CODE: &str = "BarCode";

/// What an import tells on its way.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A line was skipped.
    BadLine {
        /// Its number in the file, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Products were written.
    Written {
        /// Bytes of the file that are done.
        bytes: u64,
    },
}

/// What an import came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines whose product is in the store.
    pub imported: u64,
    /// Lines that were skipped.
    pub bad: u64,
}

/// Why an import stopped.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Input(#[from] io::Error),
    /// The header of a CSV file is not one of products.
    #[error("the header (line {line}) is wrong: {reason}")]
    Header {
        /// Its number in the file.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The store does not take the products.
    #[error("the store does not answer: {0}; what was written until then stays")]
    Store(#[from] store::Error),
}

/// Reads products from `input` into `store`. Whether it is CSV or JSON lines, its first character tells.
///
/// # Errors
/// Where the file or the store fails, or a CSV header has unknown columns or none called `BarCode`. A bad line is no
/// error: it is told to `on_event` and skipped.
pub async fn import<R: BufRead>(
    store: &Store,
    input: R,
    mut on_event: impl FnMut(Event),
) -> Result<Summary, ImportError> {
    let mut lines = Lines::new(input);
    let columns = if lines.begins_with_brace()? { None } else { read_header(&mut lines)? };
    let is_csv = columns.is_some();
    let mut summary = Summary::default();
    let mut batch = BTreeMap::new();
    let (mut in_batch, mut written_bytes) = (0, 0);
    while let Some(record) = if is_csv { lines.next_csv()? } else { lines.next_line()? } {
        match parse(&record, columns.as_ref()) {
            Ok((gtin, product)) => {
                batch.insert(gtin.padded(), product);
                in_batch += 1;
            }
            Err(reason) => {
                summary.bad += 1;
                on_event(Event::BadLine { line: record.line, reason });
            }
        }
        if batch.len() == BATCH || lines.bytes() - written_bytes >= BATCH_BYTES {
            written_bytes = lines.bytes();
            put(store, std::mem::take(&mut batch)).await?;
            summary.imported += std::mem::take(&mut in_batch);
            on_event(Event::Written { bytes: lines.bytes() });
        }
    }
    put(store, batch).await?;
    summary.imported += in_batch;
    on_event(Event::Written { bytes: lines.bytes() });
    Ok(summary)
}

/// What each column of a CSV file is.
struct Columns(Vec<Column>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    BarCode,
    /// A place in [`FIELDS`].
    Field(usize),
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        if name == BAR_CODE {
            return Some(Self::BarCode);
        }
        FIELDS.iter().position(|field| *field == name).map(Self::Field)
    }
}

/// An empty file has no header and no products.
fn read_header<R: BufRead>(lines: &mut Lines<R>) -> Result<Option<Columns>, ImportError> {
    let Some(record) = lines.next_csv()? else { return Ok(None) };
    let line = record.line;
    let wrong = |reason: String| ImportError::Header { line, reason };
    let names = split(text(&record).map_err(wrong)?).map_err(wrong)?;
    let mut columns = Vec::new();
    for name in names.iter().map(str::trim) {
        let column = Column::named(name).ok_or_else(|| {
            wrong(format!("there is no column {name:?}; there are {BAR_CODE}, {}", FIELDS.join(", ")))
        })?;
        if columns.contains(&column) {
            return Err(wrong(format!("{name} stands there twice")));
        }
        columns.push(column);
    }
    if !columns.contains(&Column::BarCode) {
        return Err(wrong(format!("there is no column {BAR_CODE}")));
    }
    Ok(Some(Columns(columns)))
}

fn parse(record: &Record, columns: Option<&Columns>) -> Result<(Gtin, Product), String> {
    let text = text(record)?;
    match columns {
        Some(columns) => parse_csv(text, columns),
        None => parse_json(text),
    }
}

fn text(record: &Record) -> Result<&str, String> {
    match &record.content {
        Content::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| "the line is not UTF-8".to_owned()),
        Content::TooLong => Err("the line has more than 65536 bytes".to_owned()),
        Content::Unclosed => Err("a quotation mark opens a field that nothing closes".to_owned()),
    }
}

fn split(text: &str) -> Result<csv::StringRecord, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).buffer_capacity(1 << 10).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => {}
        Ok(false) => return Err("the line is empty".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    // To the reader a carriage return alone ends a record; what stands behind it must not be lost without a word.
    match reader.read_record(&mut csv::StringRecord::new()) {
        Ok(false) => Ok(record),
        Ok(true) | Err(_) => Err("a carriage return without a line feed stands outside quotation marks".to_owned()),
    }
}

fn parse_csv(text: &str, columns: &Columns) -> Result<(Gtin, Product), String> {
    let record = split(text)?;
    if record.len() != columns.0.len() {
        return Err(format!("the line has {} fields, the header {}", record.len(), columns.0.len()));
    }
    let mut bar_code = "";
    let mut texts: [String; COUNT] = Default::default();
    for (column, value) in columns.0.iter().zip(&record) {
        match column {
            Column::BarCode => bar_code = value,
            Column::Field(place) => value.clone_into(&mut texts[*place]),
        }
    }
    Ok((gtin(bar_code)?, Product::from_texts(texts)))
}

fn parse_json(text: &str) -> Result<(Gtin, Product), String> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| format!("no JSON object: {error}"))?;
    let mut bar_code = None;
    let mut texts: [String; COUNT] = Default::default();
    for (name, value) in fields {
        let column = Column::named(&name).ok_or_else(|| format!("there is no field {name:?}"))?;
        let text = match (column, value) {
            (_, Value::String(text)) => text,
            (_, Value::Null) => String::new(),
            (Column::Field(place), Value::Array(links)) if FIELDS[place] == "ImageLink" => {
                let links: Option<Vec<_>> = links.iter().map(Value::as_str).collect();
                join_links(&links.ok_or("ImageLink is not a list of texts")?)
            }
            (_, Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(format!("{name} is not a text"));
            }
        };
        match column {
            Column::BarCode => bar_code = Some(text),
            Column::Field(place) => texts[place] = text,
        }
    }
    Ok((gtin(&bar_code.ok_or("there is no BarCode")?)?, Product::from_texts(texts)))
}

fn gtin(bar_code: &str) -> Result<Gtin, String> {
    Gtin::parse(bar_code)
        .map_err(|error| format!("BarCode {:?}: {error}", bar_code.chars().take(20).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::tencent_ocr::catalog::{MIGRATIONS, export, find};

    async fn import_into(store: &Store, text: &str) -> (Result<Summary, ImportError>, Vec<(u64, String)>) {
        let mut bad = Vec::new();
        let summary = import(store, text.as_bytes(), |event| match event {
            Event::BadLine { line, reason } => bad.push((line, reason)),
            Event::Written { .. } => {}
        })
        .await;
        (summary, bad)
    }

    async fn store() -> Store {
        Store::in_memory(MIGRATIONS).await.expect("a store")
    }

    async fn product(store: &Store, code: &str) -> Option<Product> {
        find(store, &Gtin::parse(code).expect("a GTIN")).await.expect("asked")
    }

    #[tokio::test]
    async fn csv_columns_come_in_any_order_and_may_be_left_out() {
        let store = store().await;
        let text = "\u{feff}ProductName,BarCode,ImageLink\r\n\
                    \"Tea, \"\"green\"\"\nloose\",6901234567892,http://a/|http://b/\r\n\
                    水,036000291452,\r\n";
        let (summary, bad) = import_into(&store, text).await;
        assert_eq!((summary.expect("imported"), bad), (Summary { imported: 2, bad: 0 }, vec![]));
        let tea = product(&store, "6901234567892").await.expect("there");
        assert_eq!((tea.product_name.as_str(), tea.en_name.as_str()), ("Tea, \"green\"\nloose", ""));
        assert_eq!(tea.image_link, ["http://a/", "http://b/"]);
        assert_eq!(product(&store, "00036000291452").await.expect("there").product_name, "水");
    }

    #[tokio::test]
    async fn bad_lines_are_named_and_skipped() {
        let store = store().await;
        let text = "BarCode,ProductName\n6901234567892,a\n6901234567893,b\n690123456789,c,d\n\nx,e\n036000291452,f\n";
        let (summary, bad) = import_into(&store, text).await;
        assert_eq!(summary.expect("imported"), Summary { imported: 2, bad: 3 });
        assert_eq!(
            bad,
            [
                (3, "BarCode \"6901234567893\": the check digit is 3, it must be 2".to_owned()),
                (4, "the line has 3 fields, the header 2".to_owned()),
                (6, "BarCode \"x\": a bar code has digits alone".to_owned()),
            ]
        );
        let lines = "{\"BarCode\":\"6901234567892\",\"ProductName\":\"z\",\"ImageLink\":[\"http://a/\"],\"Width\":null}\n\
                     {\"BarCode\":6901234567892}\n{\"ProductName\":\"x\"}\n{\n{\"BarCode\":\"036000291452\",\"Foo\":\"\"}\n";
        let (summary, bad) = import_into(&store, lines).await;
        assert_eq!(summary.expect("imported"), Summary { imported: 1, bad: 4 });
        assert_eq!(bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 3, 4, 5]);
        let replaced = product(&store, "6901234567892").await.expect("there");
        assert_eq!((replaced.product_name.as_str(), replaced.image_link.len()), ("z", 1));
        assert_eq!(product(&store, "036000291452").await.expect("there").product_name, "f");
    }

    #[tokio::test]
    async fn a_wrong_header_stops_the_import() {
        let store = store().await;
        for (text, reason) in [
            ("ProductName\nx\n", "there is no column BarCode"),
            ("BarCode,Productname\n", "there is no column \"Productname\""),
            ("BarCode,BarCode\n", "BarCode stands there twice"),
        ] {
            let (summary, _) = import_into(&store, text).await;
            let error = summary.expect_err("refused").to_string();
            assert!(error.starts_with(&format!("the header (line 1) is wrong: {reason}")), "{error}");
        }
        assert_eq!(import_into(&store, "").await.0.expect("nothing to do"), Summary::default());
    }

    #[tokio::test]
    async fn a_carriage_return_alone_ends_no_line_and_loses_no_product() {
        let store = store().await;
        let refused = "a carriage return without a line feed stands outside quotation marks".to_owned();
        let text = "BarCode,ProductName\n6901234567892,a\r036000291452,b\n96385074,c\n";
        let (summary, bad) = import_into(&store, text).await;
        assert_eq!(summary.expect("imported"), Summary { imported: 1, bad: 1 });
        assert_eq!(bad, [(2, refused.clone())]);
        let (summary, bad) = import_into(&store, "BarCode\r6901234567892\r036000291452\r").await;
        let error = summary.expect_err("refused").to_string();
        assert_eq!((error, bad), (format!("the header (line 1) is wrong: {refused}"), vec![]));
    }

    #[tokio::test]
    async fn the_last_of_several_lines_about_a_product_counts() {
        let store = store().await;
        // More than a batch, and each product three times.
        let lines = (0..3).flat_map(|round| (0..2500).map(move |number| format!("{},{round}\n", code(number))));
        let text: String = std::iter::once("BarCode,ProductName\n".to_owned()).chain(lines).collect();
        assert_eq!(import_into(&store, &text).await.0.expect("imported"), Summary { imported: 7500, bad: 0 });
        for number in [0, 1999, 2000, 2499] {
            assert_eq!(product(&store, &code(number)).await.expect("there").product_name, "2", "{number}");
        }
    }

    /// A GTIN-13 with its check digit.
    fn code(number: u64) -> String {
        let digits = format!("690{number:09}");
        (0..10).map(|check| format!("{digits}{check}")).find(|code| Gtin::parse(code).is_ok()).expect("one of ten fits")
    }

    #[tokio::test]
    async fn what_is_exported_can_be_imported_and_is_the_same() {
        let (one, other) = (store().await, store().await);
        let text = "BarCode,ProductName,Description,ImageLink\n\
                    6901234567892,\"a,b\",\"line\n\"\"two\"\"\",http://a/|http://b/\n96385074,' ,,\n\
                    036000291452,\"\r\",\"one\r\ntwo\rthree\n\rfour\r\n\",\"\n\"\r\n";
        import_into(&one, text).await.0.expect("imported");
        let product_one = product(&one, "036000291452").await.expect("there");
        assert_eq!(product_one.description, "one\r\ntwo\rthree\n\rfour\r\n");
        let (count, written) = export(&one, Vec::new()).await.expect("exported");
        assert_eq!(count, 4);
        let written = String::from_utf8(written).expect("text");
        assert!(written.starts_with("BarCode,ProductName,EnName,CategoryCode,"), "{written}");
        import_into(&other, &written).await.0.expect("imported");
        let (_, again) = export(&other, Vec::new()).await.expect("exported");
        assert_eq!(String::from_utf8(again).expect("text"), written);
        assert_eq!(product(&other, "036000291452").await, Some(product_one));
        assert!(written.contains("\n00000096385074,' ,"), "{written}");
    }
}
