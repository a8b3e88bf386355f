//! Secrets: keys, tokens and app secrets as values that cannot be printed or compared by accident.
//!
//! No `Debug`, no `Display`, no `PartialEq` exists on [`Secret`]; comparing takes constant time and printing needs the
//! word [`Secret::expose`], which is easy to find.

use subtle::ConstantTimeEq;

/// A text that never reaches a log, an error, a metric or an answer.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for a signature or for the answer that hands a token out.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `candidate` is this secret, in time that does not depend on where they differ.
    pub fn matches(&self, candidate: &str) -> bool {
        equal(self.0.as_bytes(), candidate.as_bytes())
    }
}

/// Compares in time that depends on the lengths alone: for signatures as well as for secrets.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Whether a header or parameter of this name holds what no log may show: a token, a signature, a secret, a cookie.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie" | "set-cookie" | "sign" | "password")
        || ["token", "signature", "secret", "secretkey"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_is_secret() {
        for name in [
            "Authorization",
            "cookie",
            "x-cos-security-token",
            "X-TC-Token",
            "Token",
            "q-signature",
            "sign",
            "secret",
            "SecretKey",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["", "host", "content-type", "q-ak", "SecretId", "x-token-kind"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_matches_itself_alone() {
        let secret = Secret::new("abc");
        for (candidate, expected) in [("abc", true), ("abd", false), ("ab", false), ("abcd", false), ("", false)] {
            assert_eq!(secret.matches(candidate), expected, "{candidate}");
        }
    }
}
