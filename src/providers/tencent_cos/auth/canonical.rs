//! The canonical form that is signed: small pure functions, each checked against the vectors at its own step.
//!
//! Documented: "Request Signature" of COS, steps 1 to 6.

use std::collections::{BTreeMap, BTreeSet};

use crate::secret::is_secret_name;
use crate::signing::{hmac_sha1, percent_encode, sha1_hex};

/// What a key that occurs more than once contributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeated {
    /// The last value of each spelling.
    Last,
    /// Each of its values, sorted.
    All,
}

/// Parameters or headers by key: keys percent-encoded and then lower-case, each with the values that came under it,
/// percent-encoded, beside the key as it was spelled.
#[derive(Debug)]
pub(super) struct Pairs(BTreeMap<String, Vec<(String, String)>>);

impl Pairs {
    /// Takes decoded pairs.
    pub(super) fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut by_key: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (key, value) in pairs {
            let spelled = percent_encode(key);
            by_key.entry(spelled.to_ascii_lowercase()).or_default().push((spelled, percent_encode(value)));
        }
        Self(by_key)
    }

    /// Gives `key`, which needs no encoding, one value alone.
    pub(super) fn replace(&mut self, key: &str, value: &str) {
        self.0.insert(key.to_owned(), vec![(key.to_owned(), percent_encode(value))]);
    }

    /// The same pairs for the log: the values of what is secret by its name are masked.
    pub(super) fn masked(mut self) -> Self {
        // `sign` holds a whole signature.
        for (key, values) in self.0.iter_mut().filter(|(key, _)| is_secret_name(key) || *key == "sign") {
            *values = vec![(key.clone(), "***".to_owned())];
        }
        self
    }

    /// `key=value&…` of the keys in `list`, sorted; a key that the request does not have counts as empty.
    ///
    /// Recorded: the `Action` form of Node.js lists a mangled key, captures/tencent_cos/nodejs-action-form.
    pub(super) fn listed(&self, list: &[String], repeated: Repeated) -> String {
        let keys: BTreeSet<_> = list.iter().map(|key| key.to_ascii_lowercase()).collect();
        let mut pieces = Vec::with_capacity(keys.len());
        for key in keys {
            let Some(all) = self.0.get(&key) else {
                pieces.push(format!("{key}="));
                continue;
            };
            let mut values: Vec<&str> = match repeated {
                Repeated::All => all.iter().map(|(_, value)| value.as_str()).collect(),
                // Per spelling: an operation reads its parameters by spelling, and what it reads must be what is signed.
                Repeated::Last => {
                    let last: BTreeMap<_, _> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                    last.into_values().collect()
                }
            };
            values.sort_unstable();
            pieces.extend(values.into_iter().map(|value| format!("{key}={value}")));
        }
        pieces.join("&")
    }
}

/// `SignKey`: the key of one span of time, in hexadecimal.
pub(super) fn sign_key(secret_key: &str, key_time: &str) -> String {
    hex::encode(hmac_sha1(secret_key.as_bytes(), key_time.as_bytes()))
}

/// `FormatString`: the request. `path` is decoded.
pub(super) fn format_string(method: &str, path: &str, parameters: &str, headers: &str) -> String {
    format!("{}\n{path}\n{parameters}\n{headers}\n", method.to_ascii_lowercase())
}

/// `StringToSign`.
pub(super) fn string_to_sign(sign_time: &str, format_string: &str) -> String {
    format!("sha1\n{sign_time}\n{}\n", sha1_hex(format_string.as_bytes()))
}

/// `Signature`, in hexadecimal.
pub(super) fn signature(sign_key: &str, string_to_sign: &str) -> String {
    hex::encode(hmac_sha1(sign_key.as_bytes(), string_to_sign.as_bytes()))
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
    let keys = |pairs: &Pairs| -> Vec<String> { pairs.0.keys().cloned().collect() };
    let (parameter_list, header_list) = (keys(&parameters), keys(&headers));
    let listed = |pairs: &Pairs, list: &[String]| pairs.listed(list, Repeated::Last);
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
        let list = ["a", "sign", "x-ci-security-token"].map(str::to_owned);
        for repeated in [Repeated::Last, Repeated::All] {
            let masked = Pairs(pairs.0.clone()).masked();
            assert_eq!(masked.listed(&list, repeated), "a=1&sign=***&x-ci-security-token=***");
        }
    }

    #[test]
    fn listed_keys_are_sorted_and_encoded_and_repeated_ones_follow_the_rule() {
        let pairs =
            Pairs::new([("b", "2"), ("A B", "x y"), ("b", "1"), ("unlisted", "u"), ("c", ""), ("d", "2"), ("D", "1")]);
        let list = ["c", "b", "absent", "a%20b", "B", "d"].map(str::to_owned);
        assert_eq!(pairs.listed(&list, Repeated::Last), "a%20b=x%20y&absent=&b=1&c=&d=1&d=2");
        assert_eq!(pairs.listed(&list, Repeated::All), "a%20b=x%20y&absent=&b=1&b=2&c=&d=1&d=2");
        assert_eq!(pairs.listed(&[], Repeated::Last), "");
    }
}
