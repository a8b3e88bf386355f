//! Where a chunked body ends. What its chunks hold is hyper's to read; the bytes go there as they came.
//!
//! Documented: RFC 9112, 7.1.

/// Bytes of a size line's extension, and of all trailers.
const MAX_EXTRA: usize = 16 << 10;

/// A position within a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunked {
    place: Place,
    /// Bytes of extensions and trailers so far.
    extra: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the digits of a size: its value so far, and how many there were.
    Size(u64, u8),
    /// Behind the digits of a size, before its carriage return.
    Extension(u64),
    /// Before the line feed of a size line.
    SizeEnd(u64),
    /// Within a chunk: bytes left.
    Data(u64),
    /// Before the carriage return behind a chunk.
    DataReturn,
    /// Before the line feed behind a chunk.
    DataEnd,
    /// At the start of a trailer line, or of the empty line that ends the body.
    LineStart,
    /// Within a trailer line.
    Line,
    /// Before the line feed of a trailer line.
    LineEnd,
    /// Before the last line feed.
    End,
    /// Behind the body.
    Over,
}

impl Default for Place {
    fn default() -> Self {
        Self::Size(0, 0)
    }
}

/// The body does not follow the grammar, or says more beside its chunks than anybody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Chunked {
    /// Whether the body is over.
    pub(super) fn is_over(self) -> bool {
        self.place == Place::Over
    }

    /// How many of `bytes` belong to the body; all of them, unless it is over with them.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let mut at = 0;
        while at < bytes.len() && !self.is_over() {
            if let Place::Data(left) = self.place {
                let here = left.min((bytes.len() - at) as u64);
                at += here as usize;
                self.place = if here == left { Place::DataReturn } else { Place::Data(left - here) };
            } else {
                self.place = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<Place, Broken> {
        let place = match (self.place, byte) {
            // Fifteen digits are more than any body has, and never overflow.
            (Place::Size(size, digits @ 0..15), _) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).ok_or(Broken)?;
                Place::Size(size * 16 + u64::from(digit), digits + 1)
            }
            (Place::Size(size, 1..), b'\r') | (Place::Extension(size), b'\r') => Place::SizeEnd(size),
            (Place::Size(size, 1..), b';' | b' ' | b'\t') => Place::Extension(size),
            (Place::Extension(size), _) if byte != b'\n' => {
                self.count()?;
                Place::Extension(size)
            }
            (Place::SizeEnd(0), b'\n') => Place::LineStart,
            (Place::SizeEnd(size), b'\n') => Place::Data(size),
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => Place::Size(0, 0),
            (Place::LineStart, b'\r') => Place::End,
            (Place::Line, b'\r') => Place::LineEnd,
            (Place::LineStart | Place::Line, _) if byte != b'\n' => {
                self.count()?;
                Place::Line
            }
            (Place::LineEnd, b'\n') => Place::LineStart,
            (Place::End, b'\n') => Place::Over,
            _ => return Err(Broken),
        };
        Ok(place)
    }

    fn count(&mut self) -> Result<(), Broken> {
        self.extra += 1;
        if self.extra > MAX_EXTRA { Err(Broken) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_found_however_the_body_arrives() {
        for body in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "a;x=\"y\"\r\n0123456789\r\n00\r\nTrailer: 1\r\nOther: 2\r\n\r\n",
            "2 \r\n\r\n\r\n1\r\n0\r\n0\r\n\r\n",
        ] {
            let whole = format!("{body}GET / HTTP/1.1\r\n");
            let mut chunked = Chunked::default();
            assert_eq!(chunked.advance(whole.as_bytes()), Ok(body.len()), "{body:?}");
            assert!(chunked.is_over(), "{body:?}");
            let mut chunked = Chunked::default();
            let taken: usize = whole.as_bytes().chunks(1).map(|byte| chunked.advance(byte).expect("valid")).sum();
            assert_eq!(taken, body.len(), "{body:?}");
        }
    }

    #[test]
    fn a_broken_body_is_refused() {
        let long_extension = format!("1;{}\r\n", "x".repeat(MAX_EXTRA + 1));
        let long_trailers = format!("0\r\n{}\r\n", "a:b\r\n".repeat(MAX_EXTRA / 3 + 1));
        for body in [
            "\r\n",
            "g\r\n",
            "-1\r\n",
            "1\n",
            "1\r\r",
            "1\r\nab",
            "1\r\na\n",
            "1;a\nb\r\n",
            "0\r\na\n",
            "0\r\n\n",
            "0\r\n\r\r",
            "1000000000000000\r\n",
            &long_extension,
            &long_trailers,
        ] {
            assert_eq!(Chunked::default().advance(body.as_bytes()), Err(Broken), "{:?}", &body[..body.len().min(20)]);
        }
    }
}
