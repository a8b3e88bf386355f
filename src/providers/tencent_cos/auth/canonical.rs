//! The canonical form that is signed: small pure functions, each checked against the vectors at its own step.
//!
//! Documented: "Request Signature" of COS, steps 1 to 6.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::secret::is_secret_name;
use crate::signing::{hmac_sha1, lower_hex, percent_encoded, sha1_hex};

/// What stands for a value that is secret.
const MASK: &str = "***";

/// What a key that occurs more than once contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// The last value of each spelling.
    Last,
    /// Each of its values, sorted.
    All,
}

/// Parameters or headers, sorted by key, those of one key in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a>(Vec<Pair<'a>>);

#[derive(Clone, Debug)]
struct Pair<'a> {
    /// Percent-encoded and then lower-case.
    key: Cow<'a, str>,
    /// The same as it was spelled.
    spelled: Cow<'a, str>,
    /// Decoded: most headers are not signed, and need no encoding. Nothing where it is masked.
    value: Option<Cow<'a, str>>,
}

impl<'a> Pair<'a> {
    /// Takes a decoded pair.
    fn new(key: &'a str, value: Cow<'a, str>) -> Self {
        let spelled = percent_encoded(key);
        let key = match &spelled {
            Cow::Borrowed(key) => lower_case(key),
            Cow::Owned(key) => key.to_ascii_lowercase().into(),
        };
        Self { key, spelled, value: Some(value) }
    }

    /// Percent-encoded.
    fn value(&self) -> Cow<'_, str> {
        self.value.as_deref().map_or(MASK.into(), percent_encoded)
    }
}

impl<'a> Pairs<'a> {
    /// Takes decoded pairs.
    pub(super) fn new<V: Into<Cow<'a, str>>>(pairs: impl IntoIterator<Item = (&'a str, V)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().map(|(key, value)| Pair::new(key, value.into())).collect();
        pairs.sort_by(|one, other| one.key.cmp(&other.key));
        Self(pairs)
    }

    /// The keys, each once.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.0.iter().map(|pair| pair.key.to_string()).collect();
        keys.dedup();
        keys
    }

    /// Where the pairs of `key` are, or would be.
    fn places(&self, key: &str) -> Range<usize> {
        let start = self.0.partition_point(|pair| *pair.key < *key);
        start..start + self.0[start..].partition_point(|pair| pair.key == key)
    }

    /// Gives `key`, which needs no encoding, one value alone.
    pub(super) fn replace(&mut self, key: &'static str, value: &'a str) {
        let pair = Pair { key: key.into(), spelled: key.into(), value: Some(value.into()) };
        self.0.splice(self.places(key), [pair]);
    }

    /// The same pairs for the log: the values of what is secret by its name are masked.
    pub(super) fn masked(mut self) -> Self {
        // `sign` holds a whole signature.
        for pair in self.0.iter_mut().filter(|pair| is_secret_name(&pair.key) || pair.key == "sign") {
            (pair.spelled, pair.value) = (pair.key.clone(), None);
        }
        self.0.dedup_by(|later, earlier| later.value.is_none() && later.key == earlier.key);
        self
    }

    /// `key=value&…` of the keys in `list`, sorted; a key that the request does not have counts as empty.
    ///
    /// Recorded: the `Action` form of Node.js lists a mangled key, captures/tencent_cos/nodejs-action-form.
    pub(super) fn listed(&self, list: &[&str], repeated: Repeated) -> String {
        let mut keys: Vec<_> = list.iter().map(|key| lower_case(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut text = String::with_capacity(128);
        for key in &keys {
            let mut add = |value: &str| {
                let divider = if text.is_empty() { "" } else { "&" };
                text.extend([divider, key, "=", value]);
            };
            match &self.0[self.places(key)] {
                [] => add(""),
                [pair] => add(&pair.value()),
                several => {
                    let mut values: Vec<_> = match repeated {
                        Repeated::All => several.iter().map(Pair::value).collect(),
                        // Per spelling: an operation reads its parameters by spelling, and what it reads must be what is
                        // signed.
                        Repeated::Last => {
                            let last = several.iter().map(|pair| (&*pair.spelled, pair.value()));
                            last.collect::<BTreeMap<_, _>>().into_values().collect()
                        }
                    };
                    values.sort_unstable();
                    for value in &values {
                        add(value);
                    }
                }
            }
        }
        text
    }
}

/// `text` without capital letters of ASCII, as most keys are.
fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

/// `SignKey`: the key of one span of time, in hexadecimal.
pub(super) fn sign_key(secret_key: &str, key_time: &str) -> String {
    lower_hex(&hmac_sha1(secret_key.as_bytes(), key_time.as_bytes()))
}

/// `FormatString`: the request. `path` is decoded.
pub(super) fn format_string(method: &str, path: &str, parameters: &str, headers: &str) -> String {
    let mut text = String::with_capacity(method.len() + path.len() + parameters.len() + headers.len() + 4);
    text.extend(method.chars().map(|letter| letter.to_ascii_lowercase()));
    for line in [path, parameters, headers] {
        text.extend(["\n", line]);
    }
    text.push('\n');
    text
}

/// `StringToSign`.
pub(super) fn string_to_sign(sign_time: &str, format_string: &str) -> String {
    ["sha1\n", sign_time, "\n", &sha1_hex(format_string.as_bytes()), "\n"].concat()
}

/// `Signature`, in hexadecimal.
pub(super) fn signature(sign_key: &str, string_to_sign: &str) -> String {
    lower_hex(&hmac_sha1(sign_key.as_bytes(), string_to_sign.as_bytes()))
}

/// The `Authorization` of a `GET /` with these parameters and headers, all of them signed, as the SDKs write it.
/// `sign_time` is `start;end` in seconds since 1970.
pub(in super::super) fn sign_get(
    (key_id, secret_key): (&str, &str),
    sign_time: &str,
    parameters: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> String {
    let (parameters, headers) = (Pairs::new(parameters.iter().copied()), Pairs::new(headers.iter().copied()));
    let (parameter_list, header_list) = (parameters.keys(), headers.keys());
    let listed = |pairs: &Pairs<'_>, list: &[String]| {
        pairs.listed(&list.iter().map(String::as_str).collect::<Vec<_>>(), Repeated::Last)
    };
    let format_string =
        format_string("get", "/", &listed(&parameters, &parameter_list), &listed(&headers, &header_list));
    let signature = signature(&sign_key(secret_key, sign_time), &string_to_sign(sign_time, &format_string));
    format!(
        "q-sign-algorithm=sha1&q-ak={key_id}&q-sign-time={sign_time}&q-key-time={sign_time}&q-header-list={}&\
         q-url-param-list={}&q-signature={signature}",
        header_list.join(";"),
        parameter_list.join(";"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_pairs_show_no_value_of_a_secret_name() {
        let pairs =
            Pairs::new([("X-Ci-Security-Token", "t1"), ("x-ci-security-token", "t2"), ("sign", "s"), ("a", "1")]);
        let list = ["a", "sign", "x-ci-security-token"];
        for repeated in [Repeated::Last, Repeated::All] {
            let masked = pairs.clone().masked();
            assert_eq!(masked.listed(&list, repeated), "a=1&sign=***&x-ci-security-token=***");
        }
    }

    #[test]
    fn listed_keys_are_sorted_and_encoded_and_repeated_ones_follow_the_rule() {
        let pairs =
            Pairs::new([("b", "2"), ("A B", "x y"), ("b", "1"), ("unlisted", "u"), ("c", ""), ("d", "2"), ("D", "1")]);
        let list = ["c", "b", "absent", "a%20b", "B", "d"];
        assert_eq!(pairs.listed(&list, Repeated::Last), "a%20b=x%20y&absent=&b=1&c=&d=1&d=2");
        assert_eq!(pairs.listed(&list, Repeated::All), "a%20b=x%20y&absent=&b=1&b=2&c=&d=1&d=2");
        assert_eq!(pairs.listed(&[], Repeated::Last), "");
    }
}
