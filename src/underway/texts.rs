//! A list of texts in one piece of memory, since every request makes one.

/// Texts, each behind its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(Vec<u8>);

/// Bytes of a length.
const LENGTH: usize = size_of::<u32>();

impl Texts {
    /// As the list is kept elsewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The texts of a list as [`Texts::as_bytes`] gave it.
    pub fn read(mut bytes: &[u8]) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() {
            let (text, rest) = rest.split_at((u32::from_le_bytes(*length) as usize).min(rest.len()));
            texts.push(String::from_utf8_lossy(text).into_owned());
            bytes = rest;
        }
        texts
    }
}

impl<'a> FromIterator<&'a str> for Texts {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut bytes = Vec::new();
        for text in texts {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.reserve(LENGTH + length as usize);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&text.as_bytes()[..length as usize]);
        }
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        for texts in [&[][..], &[""], &["a"], &["", "你好\0", "", "b"]] {
            let list: Texts = texts.iter().copied().collect();
            assert_eq!(Texts::read(list.as_bytes()), texts);
        }
        for broken in [&[1][..], &[9, 0, 0, 0, b'a'], &[0xff; 9]] {
            Texts::read(broken);
        }
    }
}
