//! Bytes of a symbol to text, where the symbol does not say which character set they are in.

/// The text that `bytes` most likely spell.
#[expect(dead_code, reason = "the reader calls it")]
pub(crate) fn guess(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    encoding_rs::GB18030
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map_or_else(|| bytes.iter().map(|&byte| char::from(byte)).collect(), std::borrow::Cow::into_owned)
}
