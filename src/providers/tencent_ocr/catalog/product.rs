//! A product: the fifteen fields of the vendor's record, by name, in its order.

use serde::Serialize;

/// `ProductDataRecord`.
///
/// Documented: model of 2023; every field is a text, unknown ones are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Product {
    /// Name.
    pub product_name: String,
    /// English name.
    pub en_name: String,
    /// UNSPSC code.
    pub category_code: String,
    /// Brand.
    pub brand_name: String,
    /// Model or size of the trade item.
    pub r#type: String,
    /// Millimetres, as decimal text.
    pub width: String,
    /// Millimetres, as decimal text.
    pub height: String,
    /// Millimetres, as decimal text.
    pub depth: String,
    /// Key words.
    pub key_word: String,
    /// Description.
    pub description: String,
    /// Addresses of pictures.
    pub image_link: Vec<String>,
    /// Manufacturer.
    pub manufacturer_name: String,
    /// Its address.
    pub manufacturer_address: String,
    /// Its unified social credit code.
    pub firm_code: String,
    /// Whether the code is registered: `1` it is, and seventeen other values.
    pub check_result: String,
}

/// Number of fields.
pub(super) const COUNT: usize = 15;

/// Their names.
pub(super) const FIELDS: [&str; COUNT] = [
    "ProductName",
    "EnName",
    "CategoryCode",
    "BrandName",
    "Type",
    "Width",
    "Height",
    "Depth",
    "KeyWord",
    "Description",
    "ImageLink",
    "ManufacturerName",
    "ManufacturerAddress",
    "FirmCode",
    "CheckResult",
];

/// What divides the addresses of `ImageLink` in one text.
const DIVIDER: char = '|';

impl Product {
    /// The fields as texts in the order of [`FIELDS`], the pictures in one.
    pub(super) fn into_texts(self) -> [String; COUNT] {
        [
            self.product_name,
            self.en_name,
            self.category_code,
            self.brand_name,
            self.r#type,
            self.width,
            self.height,
            self.depth,
            self.key_word,
            self.description,
            join_links(&self.image_link),
            self.manufacturer_name,
            self.manufacturer_address,
            self.firm_code,
            self.check_result,
        ]
    }

    /// The reverse of [`Product::into_texts`].
    pub(super) fn from_texts(texts: [String; COUNT]) -> Self {
        let [
            product_name,
            en_name,
            category_code,
            brand_name,
            r#type,
            width,
            height,
            depth,
            key_word,
            description,
            links,
            manufacturer_name,
            manufacturer_address,
            firm_code,
            check_result,
        ] = texts;
        let image_link = links.split(DIVIDER).filter(|link| !link.is_empty()).map(str::to_owned).collect();
        Self {
            product_name,
            en_name,
            category_code,
            brand_name,
            r#type,
            width,
            height,
            depth,
            key_word,
            description,
            image_link,
            manufacturer_name,
            manufacturer_address,
            firm_code,
            check_result,
        }
    }
}

/// One text of several addresses. A divider within an address is written as URLs write it, so that it stays one.
pub(super) fn join_links(links: &[impl AsRef<str>]) -> String {
    let links: Vec<_> = links.iter().map(|link| link.as_ref().replace(DIVIDER, "%7C")).collect();
    links.join(&DIVIDER.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_in_the_order_of_the_names_and_back() {
        let texts = FIELDS.map(str::to_owned);
        let mut product = Product::from_texts(texts.clone());
        assert_eq!(product.clone().into_texts(), texts);
        let written = serde_json::to_value(&product).expect("JSON");
        for name in FIELDS.into_iter().filter(|name| *name != "ImageLink") {
            assert_eq!(written[name], name);
        }
        product.image_link = vec!["http://a/?x=1|2".to_owned(), "http://b/".to_owned()];
        let again = Product::from_texts(product.into_texts());
        assert_eq!(again.image_link, ["http://a/?x=1%7C2", "http://b/"]);
    }
}
