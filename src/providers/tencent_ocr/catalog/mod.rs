//! The product catalogue behind `QueryBarCode`: its table, its queries, and how products come in and go out.
//!
//! Look-ups go straight to the store, so that what `qrstack products import` changes is seen at once.

/// All columns in the order of `product::FIELDS`, after the number. A macro, so that queries stay constants; before the
/// modules, so that they see it.
macro_rules! columns {
    () => {
        "product_name, en_name, category_code, brand_name, type, width, height, depth, key_word, description, \
         image_link, manufacturer_name, manufacturer_address, firm_code, check_result"
    };
}

mod export;
mod gtin;
mod import;
mod lines;
mod product;

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, TransactionBehavior, params_from_iter};

pub use export::{ExportError, export};
pub use gtin::{Gtin, GtinError};
pub use import::{Event, ImportError, Summary, import};
pub use product::Product;

use crate::store::{self, Migration, Store};
use product::COUNT;

/// Steps of the catalogue's table.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 2_026_112_151,
        about: "products of QueryBarCode by their 14 digits",
        sql: "CREATE TABLE ocr_product (
                  gtin TEXT NOT NULL PRIMARY KEY,
                  product_name TEXT NOT NULL,
                  en_name TEXT NOT NULL,
                  category_code TEXT NOT NULL,
                  brand_name TEXT NOT NULL,
                  type TEXT NOT NULL,
                  width TEXT NOT NULL,
                  height TEXT NOT NULL,
                  depth TEXT NOT NULL,
                  key_word TEXT NOT NULL,
                  description TEXT NOT NULL,
                  image_link TEXT NOT NULL,
                  manufacturer_name TEXT NOT NULL,
                  manufacturer_address TEXT NOT NULL,
                  firm_code TEXT NOT NULL,
                  check_result TEXT NOT NULL
              )",
    },
    // Documented: the example of the action page.
    Migration {
        version: 2_026_112_152,
        about: "the documented sample product",
        sql: "INSERT INTO ocr_product VALUES (
                  '06941858722888', '真快洁涂擦式清洁剂', 'N.F Inunction Detergent', '47131830', 'RQC', '125ML',
                  '180.000', '250.000', '60.000', '安全真快洁', '专利设计突破原有清洁剂的使用方',
                  'http://www.anccnet.com/userfile/2011219/137935376.jpg', '深圳市绿韵纳米清洁用品有限公司',
                  '深圳市坪山新区坑梓街道宝红路12号宝红工业园A栋302', '91440300793853037W', '1'
              )",
    },
];

/// The product with this number, if there is one.
///
/// # Errors
/// The store's.
pub async fn find(store: &Store, gtin: &Gtin) -> Result<Option<Product>, store::Error> {
    const QUERY: &str = concat!("SELECT ", columns!(), " FROM ocr_product WHERE gtin = ?1");
    let gtin = gtin.padded();
    store
        .run(move |connection| {
            let mut query = connection.prepare_cached(QUERY)?;
            Ok(query.query_row([gtin], |row| read(row, 0)).optional()?)
        })
        .await
}

/// Writes products by their numbers of 14 digits, all or none; one that is there already is replaced.
async fn put(store: &Store, products: BTreeMap<String, Product>) -> Result<(), store::Error> {
    // A number comes first, and one parameter stands for each column.
    const PUT: &str = concat!(
        "INSERT OR REPLACE INTO ocr_product (gtin, ",
        columns!(),
        ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    store
        .run(move |connection| {
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut put = change.prepare_cached(PUT)?;
            for (gtin, product) in products {
                put.execute(params_from_iter(std::iter::once(gtin).chain(product.into_texts())))?;
            }
            drop(put);
            Ok(change.commit()?)
        })
        .await
}

/// A product from a row whose columns begin at `first`.
fn read(row: &Row<'_>, first: usize) -> Result<Product, rusqlite::Error> {
    let mut texts: [String; COUNT] = Default::default();
    for (place, text) in texts.iter_mut().enumerate() {
        *text = row.get(first + place)?;
    }
    Ok(Product::from_texts(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_documented_sample_is_there_from_the_start() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        for code in ["6941858722888", "06941858722888"] {
            let found = find(&store, &Gtin::parse(code).expect("a GTIN")).await.expect("asked").expect("there");
            assert_eq!((found.brand_name.as_str(), found.check_result.as_str()), ("RQC", "1"), "{code}");
            assert_eq!(found.image_link, ["http://www.anccnet.com/userfile/2011219/137935376.jpg"], "{code}");
        }
        assert_eq!(find(&store, &Gtin::parse("6901234567892").expect("a GTIN")).await.expect("asked"), None);
    }

    #[tokio::test]
    async fn putting_a_product_again_replaces_it() {
        let store = Store::in_memory(MIGRATIONS).await.expect("a store");
        let gtin = Gtin::parse("6941858722888").expect("a GTIN");
        let product = Product { product_name: "other".to_owned(), ..Product::default() };
        put(&store, BTreeMap::from([(gtin.padded(), product.clone())])).await.expect("written");
        assert_eq!(find(&store, &gtin).await.expect("asked"), Some(product));
    }
}
