//! Words of a POSIX shell, for commands that are printed.

/// `text` as one word.
pub fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
