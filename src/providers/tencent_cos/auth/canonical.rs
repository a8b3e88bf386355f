//! The canonical form that is signed: small pure functions, each checked against the vectors at its own step.
//!
//! Documented: "Request Signature" of COS, steps 1 to 6.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::secret::is_secret_name;
use crate::signing::{Sha1Pieces, hmac_sha1, lower_hex, percent_encoded};

/// What stands for a value that is secret.
pub(super) const MASK: &str = "***";

/// Room for the parameters and headers that most requests sign; more of them let the text grow.
const USUAL: usize = 256;

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

    /// The value percent-encoded; [`MASK`] as it is where it is masked.
    fn encoded(&self) -> Cow<'_, str> {
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
    fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<_> = self.0.iter().map(|pair| &*pair.key).collect();
        keys.dedup();
        keys
    }

    /// Where the pairs of `key` are, or would be.
    fn places(&self, key: &str) -> Range<usize> {
        let start = self.0.partition_point(|pair| *pair.key < *key);
        start..start + self.0[start..].partition_point(|pair| pair.key == key)
    }

    /// The same pairs for the log: the values of what is secret by its name are masked.
    pub(super) fn masked(mut self) -> Self {
        for pair in self.0.iter_mut().filter(|pair| is_secret_name(&pair.key)) {
            (pair.spelled, pair.value) = (pair.key.clone(), None);
        }
        self.0.dedup_by(|later, earlier| later.value.is_none() && later.key == earlier.key);
        self
    }

    /// Whether a key in `list` occurs more than once.
    pub(super) fn has_several(&self, list: &[&str]) -> bool {
        list.iter().any(|key| self.places(&lower_case(key)).len() > 1)
    }

    /// Adds `key=value&…` of these keys to a text; a key that the request does not have counts as empty.
    ///
    /// Recorded: the `Action` form of Node.js lists a mangled key, captures/tencent_cos/nodejs-action-form.
    fn add_to(&self, text: &mut String, keys: &[Cow<'_, str>], repeated: Repeated) {
        let mut divider = "";
        for key in keys {
            let mut add = |value: &str| {
                text.extend([divider, key, "=", value]);
                divider = "&";
            };
            match &self.0[self.places(key)] {
                [] => add(""),
                [pair] => add(&pair.encoded()),
                several => {
                    let mut values: Vec<_> = match repeated {
                        Repeated::All => several.iter().map(Pair::encoded).collect(),
                        // Per spelling: an operation reads its parameters by spelling, and what it reads must be what is
                        // signed.
                        Repeated::Last => {
                            let last: BTreeMap<_, _> = several.iter().map(|pair| (&*pair.spelled, pair)).collect();
                            last.into_values().map(Pair::encoded).collect()
                        }
                    };
                    values.sort_unstable();
                    for value in &values {
                        add(value);
                    }
                }
            }
        }
    }
}

/// The keys of a list as they are signed: in small letters, sorted, each once.
fn sorted<'a>(list: &[&'a str]) -> Vec<Cow<'a, str>> {
    let mut keys: Vec<_> = list.iter().map(|key| lower_case(key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// `text` without capital letters of ASCII, as most keys are.
fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

/// `SignKey`: the key of one span of time, in hexadecimal.
pub(super) fn sign_key(secret_key: &str, key_time: &str) -> String {
    lower_hex(&hmac_sha1(secret_key.as_bytes(), key_time.as_bytes()))
}

/// `FormatString`, the request, but for the value of `host`: which one the client signed has to be tried. The rest is put
/// together once for all of them, and what stands before the value, which may be long, is hashed once.
pub(super) struct Form {
    /// What stands before the value of `host`; the whole where it is not signed.
    before: String,
    /// What stands behind it, where it is signed.
    behind: Option<String>,
    /// The digest of `before`.
    digest: Sha1Pieces,
}

impl Form {
    /// Takes parameters and headers, each with the list of those that are signed. `path` is decoded.
    pub(super) fn new(
        method: &str,
        path: &str,
        (parameters, parameter_list): (&Pairs<'_>, &[&str]),
        (headers, header_list): (&Pairs<'_>, &[&str]),
        repeated: Repeated,
    ) -> Self {
        let mut before = String::with_capacity(method.len() + path.len() + USUAL);
        before.extend(method.chars().map(|letter| letter.to_ascii_lowercase()));
        before.extend(["\n", path, "\n"]);
        parameters.add_to(&mut before, &sorted(parameter_list), repeated);
        before.push('\n');

        let header_keys = sorted(header_list);
        let mut sides = header_keys.split(|key| key == "host");
        let ahead = sides.next().unwrap_or_default();
        headers.add_to(&mut before, ahead, repeated);
        let behind = sides.next().map(|rest| {
            before.push_str(if ahead.is_empty() { "host=" } else { "&host=" });
            let mut behind = if rest.is_empty() { String::new() } else { "&".to_owned() };
            headers.add_to(&mut behind, rest, repeated);
            behind.push('\n');
            behind
        });
        if behind.is_none() {
            before.push('\n');
        }
        Self { digest: Sha1Pieces::default().and(&before), before, behind }
    }

    /// `FormatString` with this host, where one is signed.
    pub(super) fn text(&self, host: &str) -> String {
        match &self.behind {
            Some(behind) => [&self.before, &*percent_encoded(host), behind].concat(),
            None => self.before.clone(),
        }
    }

    /// `StringToSign` with each of these hosts; once, where none is signed.
    pub(super) fn strings_to_sign(&self, sign_time: &str, hosts: &[&str]) -> impl Iterator<Item = String> {
        let tried = if self.behind.is_some() { hosts.len() } else { 1 };
        hosts.iter().take(tried).map(move |host| self.string_to_sign(sign_time, host))
    }

    /// `StringToSign` with this host, where one is signed.
    pub(super) fn string_to_sign(&self, sign_time: &str, host: &str) -> String {
        let digest = self.digest.clone();
        let digest = match &self.behind {
            Some(behind) => digest.and(&*percent_encoded(host)).and(behind),
            None => digest,
        };
        ["sha1\n", sign_time, "\n", &digest.hex(), "\n"].concat()
    }
}

/// `Signature`, in hexadecimal.
pub(super) fn signature(sign_key: &str, string_to_sign: &str) -> String {
    lower_hex(&hmac_sha1(sign_key.as_bytes(), string_to_sign.as_bytes()))
}

/// The `Authorization` of a `GET /` with these parameters, all of them and the host signed, as the SDKs write it.
/// `sign_time` is `start;end` in seconds since 1970.
pub(in super::super) fn sign_get(
    (key_id, secret_key): (&str, &str),
    sign_time: &str,
    parameters: &[(&str, &str)],
    host: &str,
) -> String {
    let parameters = Pairs::new(parameters.iter().copied());
    let list = parameters.keys();
    let form = Form::new("get", "/", (&parameters, &list), (&Pairs(Vec::new()), &["host"]), Repeated::Last);
    let signature = signature(&sign_key(secret_key, sign_time), &form.string_to_sign(sign_time, host));
    format!(
        "q-sign-algorithm=sha1&q-ak={key_id}&q-sign-time={sign_time}&q-key-time={sign_time}&q-header-list=host&\
         q-url-param-list={}&q-signature={signature}",
        list.join(";"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What of `pairs` is signed by this list.
    fn listed(pairs: &Pairs<'_>, list: &[&str], repeated: Repeated) -> String {
        let mut text = String::new();
        pairs.add_to(&mut text, &sorted(list), repeated);
        text
    }

    #[test]
    fn masked_pairs_show_no_value_of_a_secret_name() {
        let pairs =
            Pairs::new([("X-Ci-Security-Token", "t1"), ("x-ci-security-token", "t2"), ("sign", "s"), ("a", "1")]);
        let list = ["a", "sign", "x-ci-security-token"];
        for repeated in [Repeated::Last, Repeated::All] {
            let masked = pairs.clone().masked();
            assert_eq!(listed(&masked, &list, repeated), "a=1&sign=***&x-ci-security-token=***");
        }
    }

    #[test]
    fn listed_keys_are_sorted_and_encoded_and_repeated_ones_follow_the_rule() {
        let pairs =
            Pairs::new([("b", "2"), ("A B", "x y"), ("b", "1"), ("unlisted", "u"), ("c", ""), ("d", "2"), ("D", "1")]);
        let list = ["c", "b", "absent", "a%20b", "B", "d"];
        assert_eq!(listed(&pairs, &list, Repeated::Last), "a%20b=x%20y&absent=&b=1&c=&d=1&d=2");
        assert_eq!(listed(&pairs, &list, Repeated::All), "a%20b=x%20y&absent=&b=1&b=2&c=&d=1&d=2");
        assert_eq!(listed(&pairs, &[], Repeated::Last), "");
        assert_eq!(
            [&["b"], &["B"], &["c"], &["absent"]].map(|list| pairs.has_several(list)),
            [true, true, false, false]
        );
    }

    #[test]
    fn the_host_is_signed_where_it_is_listed_and_headers_stand_around_it() {
        let parameters = Pairs::new([("a", "1")]);
        let headers = Pairs::new([("range", "x y"), ("host", "another"), ("date", "d")]);
        for (list, expected) in [
            (&["Host"][..], "get\n/b\na=1\nhost=h%3A1\n"),
            (&["host", "date"], "get\n/b\na=1\ndate=d&host=h%3A1\n"),
            (&["range", "host"], "get\n/b\na=1\nhost=h%3A1&range=x%20y\n"),
            (&["range", "host", "date"], "get\n/b\na=1\ndate=d&host=h%3A1&range=x%20y\n"),
            (&["range", "date"], "get\n/b\na=1\ndate=d&range=x%20y\n"),
            (&[], "get\n/b\na=1\n\n"),
        ] {
            let form = Form::new("GET", "/b", (&parameters, &["a"]), (&headers, list), Repeated::Last);
            assert_eq!(form.text("h:1"), expected);
            let expected = format!("sha1\n10;20\n{}\n", crate::signing::sha1_hex(expected.as_bytes()));
            assert_eq!(form.string_to_sign("10;20", "h:1"), expected, "{list:?}");
            let tried = form.strings_to_sign("10;20", &["h:1", "h"]).count();
            assert_eq!(tried, if list.iter().any(|key| key.eq_ignore_ascii_case("host")) { 2 } else { 1 }, "{list:?}");
        }
    }
}
