//! Names of hosts that are a vendor's own: each vendor lists its [`Domain`]s, and everything that goes by names (who owns a
//! request, certificates, the proxy, lines for a hosts file) asks them.

/// A name, or a family of names: `api.example.com`, `<bucket>.cos.<region>.example.com`. A label in angle brackets stands
/// for any one label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    pattern: &'static str,
    /// Where the end without a place begins.
    root: usize,
}

impl Domain {
    /// A name or family as it is written above, in small letters.
    pub const fn new(pattern: &'static str) -> Self {
        let bytes = pattern.as_bytes();
        let mut root = bytes.len();
        while root > 0 && !(root < bytes.len() && bytes[root] == b'.' && bytes[root - 1] == b'>') {
            root -= 1;
        }
        Self { pattern, root: if root == 0 { 0 } else { root + 1 } }
    }

    /// Whether `name`, without a port, is this name or one of the family; capitals do not count.
    ///
    /// ```
    /// let domain = qrstack::domains::Domain::new("<bucket>.cos.<region>.example.com");
    /// assert!(domain.matches("a-125.COS.ap-beijing.example.com"));
    /// assert!(!domain.matches("cos.ap-beijing.example.com"));
    /// ```
    pub fn matches(self, name: &str) -> bool {
        // Every request has a host, and few have one of these.
        let end = name.len().checked_sub(self.root().len()).and_then(|start| name.as_bytes().get(start..));
        if !end.is_some_and(|end| end.eq_ignore_ascii_case(self.root().as_bytes())) {
            return false;
        }
        let mut labels = name.split('.');
        let fits = self.pattern.split('.').all(|pattern| {
            labels.next().is_some_and(|label| match place(pattern) {
                Some(_) => is_label(label),
                None => pattern.eq_ignore_ascii_case(label),
            })
        });
        fits && labels.next().is_none()
    }

    /// The longest end without a place: everything that matches is this or below it.
    pub fn root(self) -> &'static str {
        &self.pattern[self.root..]
    }

    /// All names, with each place filled by every one of its `values`.
    pub fn names(self, values: impl Fn(&str) -> Vec<String>) -> Vec<String> {
        let mut names = vec![String::new()];
        for (at, pattern) in self.pattern.split('.').enumerate() {
            let labels = place(pattern).map_or_else(|| vec![pattern.to_owned()], &values);
            let dot = if at == 0 { "" } else { "." };
            names =
                names.iter().flat_map(|name| labels.iter().map(move |label| format!("{name}{dot}{label}"))).collect();
        }
        names
    }
}

/// What a label in angle brackets stands for.
fn place(label: &str) -> Option<&str> {
    label.strip_prefix('<')?.strip_suffix('>')
}

/// Documented: RFC 1123, 2.1: letters, digits, hyphens within; up to 63 of them.
fn is_label(label: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = label.as_bytes();
    bytes.len() <= 63
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_label_and_everything_else_is_itself() {
        let family = Domain::new("<bucket>.cos.<region>.example.com");
        let long = format!("{}.cos.r.example.com", "a".repeat(64));
        for (name, expected) in [
            ("a-1.cos.ap-beijing.example.com", true),
            ("A.Cos.R.Example.Com", true),
            ("cos.ap-beijing.example.com", false),
            ("a.b.cos.r.example.com", false),
            ("a.cos.r.s.example.com", false),
            ("a.cos..example.com", false),
            (".cos.r.example.com", false),
            ("-a.cos.r.example.com", false),
            ("a_b.cos.r.example.com", false),
            ("*.cos.r.example.com", false),
            ("a.cos.r.example.com.", false),
            ("a.cos.r.example.com:443", false),
            (&long, false),
            ("a.cos.r.example.comx", false),
            ("", false),
        ] {
            assert_eq!(family.matches(name), expected, "{name}");
        }
        assert!(Domain::new("api.example.com").matches("API.example.com"));
        assert!(!Domain::new("api.example.com").matches("x.api.example.com"));
    }

    #[test]
    fn roots_hold_the_whole_family() {
        assert_eq!(Domain::new("api.example.com").root(), "api.example.com");
        assert_eq!(Domain::new("<a>.cos.<b>.example.com").root(), "example.com");
        assert_eq!(Domain::new("<a>.example.com").root(), "example.com");
    }

    #[test]
    fn every_place_is_filled_by_each_of_its_values() {
        let values = |place: &str| match place {
            "a" => vec!["1".to_owned(), "2".to_owned()],
            _ => vec!["x".to_owned()],
        };
        assert_eq!(Domain::new("<a>.m.<b>.com").names(values), ["1.m.x.com", "2.m.x.com"]);
        assert_eq!(Domain::new("m.com").names(values), ["m.com"]);
    }
}
