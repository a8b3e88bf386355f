//! What requests ask for, read to the letter. Bodies are JSON in which an object is nothing but an object, a number nothing
//! but a number: serde's derived types also take a list for the fields in their order, which no document of this API
//! describes. Queries and forms have nothing but texts, which count as what their fields are.
//!
//! What is refused is named: `match.status: invalid type: string "x", expected u16`.

use serde::de::value::{MapAccessDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Unexpected, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};
use serde_json::{Error, Value};

/// Reads JSON strictly, whatever is in it too.
pub(super) fn json<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Strict(value))
}

/// Reads names with their texts. A text is a number or a truth value where its field is one.
pub(super) fn texts<T: DeserializeOwned>(texts: impl IntoIterator<Item = (String, String)>) -> Result<T, Error> {
    let values = texts.into_iter().map(|(name, text)| (name, Text(text)));
    T::deserialize(MapAccessDeserializer::new(Fields::new(values)))
}

/// A value as it stands in JSON.
struct Strict(Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(fields) => visitor.visit_map(Fields::new(fields.into_iter().map(strict))),
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Self));
                let read = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(read)
            }
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.is_array() {
            return Err(Error::invalid_type(Unexpected::Seq, &visitor));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

fn strict((name, value): (String, Value)) -> (String, Strict) {
    (name, Strict(value))
}

/// A text in place of a value.
struct Text(String);

impl Text {
    fn value(self) -> Value {
        let truth = self.0.parse().ok().map(Value::Bool);
        let number = || self.0.parse().ok().map(Value::Number);
        truth.or_else(number).unwrap_or(Value::String(self.0))
    }
}

impl IntoDeserializer<'_, Error> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.value().deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The fields of an object. What is wrong with one is said with its name.
struct Fields<I, T> {
    rest: I,
    next: Option<(String, T)>,
}

impl<I, T> Fields<I, T> {
    fn new(fields: I) -> Self {
        Self { rest: fields, next: None }
    }
}

impl<'de, T, I> MapAccess<'de> for Fields<I, T>
where
    T: IntoDeserializer<'de, Error>,
    I: Iterator<Item = (String, T)>,
{
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.next = self.rest.next();
        self.next.as_ref().map(|(name, _)| seed.deserialize(name.clone().into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (name, value) = self.next.take().ok_or_else(|| Error::custom("a value before its name"))?;
        let read = seed.deserialize(value.into_deserializer());
        read.map_err(|error| Error::custom(format_args!("{name}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json as value;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Outer {
        number: Option<f64>,
        inner: Option<Inner>,
        list: Vec<Inner>,
        choice: Option<Choice>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        One,
        Of(u8),
    }

    fn read(value: Value) -> Result<Outer, String> {
        json(value).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_described_is_read() {
        let inner = |name: &str| Inner { name: name.to_owned() };
        let whole = value!({ "number": 2, "inner": { "name": "a" }, "list": [{ "name": "b" }], "choice": { "of": 3 } });
        let expected =
            Outer { number: Some(2.0), inner: Some(inner("a")), list: vec![inner("b")], choice: Some(Choice::Of(3)) };
        assert_eq!(read(whole), Ok(expected));
        assert_eq!(read(value!({ "inner": null, "choice": "one" })).map(|outer| outer.choice), Ok(Some(Choice::One)));
    }

    #[test]
    fn a_list_is_no_object_however_deep() {
        for value in [value!([]), value!([2]), value!({ "inner": ["a"] }), value!({ "list": [["a"]] })] {
            let refused = read(value.clone()).expect_err("refused");
            assert!(refused.contains("invalid type: sequence"), "{value}: {refused}");
        }
        assert!(read(value!({ "nmae": 1 })).expect_err("refused").contains("nmae"));
    }

    #[test]
    fn a_number_is_no_text_in_json_and_one_in_a_query() {
        #[derive(Debug, Deserialize, PartialEq)]
        #[serde(deny_unknown_fields)]
        struct Asked {
            count: Option<u16>,
            is_new: Option<bool>,
            name: Option<String>,
        }
        let expected = Asked { count: Some(7), is_new: Some(true), name: Some("7".to_owned()) };
        let pairs = |pairs: &[(&str, &str)]| {
            texts::<Asked>(pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())))
                .map_err(|error| error.to_string())
        };
        assert_eq!(pairs(&[("count", "7"), ("is_new", "true"), ("name", "7")]), Ok(expected));
        for wrong in ["", "x", "-1", "65536", "1.5", "+7", " 7", "true", "null", "[7]", "\"7\""] {
            assert!(pairs(&[("count", wrong)]).expect_err(wrong).starts_with("count: invalid "), "{wrong}");
        }
        let refused = json::<Asked>(value!({ "count": "7" })).expect_err("refused").to_string();
        assert_eq!(refused, "count: invalid type: string \"7\", expected u16");
        assert!(json::<Asked>(value!({ "name": 7 })).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let refused = |value| read(value).expect_err("refused");
        assert!(refused(value!({ "inner": { "name": 1 } })).starts_with("inner: name: invalid type: integer `1`"));
        assert!(refused(value!({ "list": [{ "nmae": 1 }] })).starts_with("list: unknown field `nmae`"));
    }
}
