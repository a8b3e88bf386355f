//! Lines of a file of any length, and CSV records that may span several of them; never more than 64 KiB in memory.
//!
//! What a line means is `import.rs`.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// Bytes of a line, and of a CSV record; a product has far fewer.
const MAX: usize = 64 << 10;

/// A piece of the file that is to be one product.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Without the line feed at its end; a CSV record also without the carriage return before that.
    Bytes(Vec<u8>),
    /// More bytes than anybody needs.
    TooLong,
    /// A quotation mark opens a field that nothing closes within the limit.
    Unclosed,
}

/// The lines of a file.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    bytes: u64,
    /// Lines that were read ahead in vain.
    held: VecDeque<(u64, Vec<u8>)>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0, bytes: 0, held: VecDeque::new() }
    }

    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the first thing in the file, white space and a byte order mark left out, is a brace: JSON lines.
    pub(super) fn begins_with_brace(&mut self) -> io::Result<bool> {
        let head = self.input.fill_buf()?;
        Ok(head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start().starts_with(b"{"))
    }

    /// The next line that is not blank; a byte order mark at the start of the file does not count.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Record>> {
        while let Some((line, content)) = self.line()? {
            match content {
                Content::Bytes(bytes) if bytes.trim_ascii().is_empty() => {}
                content => return Ok(Some(Record { line, content })),
            }
        }
        Ok(None)
    }

    /// The next CSV record that is not blank. A field in quotation marks may hold line breaks. Where one is never
    /// closed, its first line alone is given up, and reading goes on with the second.
    pub(super) fn next_csv(&mut self) -> io::Result<Option<Record>> {
        let Some(Record { line, content }) = self.next_line()? else { return Ok(None) };
        let Content::Bytes(first) = content else { return Ok(Some(Record { line, content })) };
        let mut quotes = Quotes::FieldStart;
        quotes.pass(&first);
        let mut record = first;
        let mut ahead = VecDeque::new();
        while quotes == Quotes::Inside {
            match self.line()? {
                Some((number, Content::Bytes(bytes))) if record.len() + bytes.len() < MAX => {
                    record.push(b'\n');
                    record.extend_from_slice(&bytes);
                    quotes.pass(b"\n");
                    quotes.pass(&bytes);
                    ahead.push_back((number, bytes));
                }
                other => {
                    if let Some((number, Content::Bytes(bytes))) = other {
                        ahead.push_back((number, bytes));
                    }
                    ahead.append(&mut self.held);
                    self.held = ahead;
                    return Ok(Some(Record { line, content: Content::Unclosed }));
                }
            }
        }
        // At the end of the record alone: within quotation marks a carriage return belongs to the field.
        record.pop_if(|byte| *byte == b'\r');
        Ok(Some(Record { line, content: Content::Bytes(record) }))
    }

    /// The next line without its line feed, blank or not, and its number.
    fn line(&mut self) -> io::Result<Option<(u64, Content)>> {
        if let Some((number, bytes)) = self.held.pop_front() {
            return Ok(Some((number, Content::Bytes(bytes))));
        }
        let mut bytes = Vec::new();
        let read = self.input.by_ref().take(MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes += read as u64;
        self.number += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        } else if bytes.len() > MAX {
            self.bytes += self.input.skip_until(b'\n')? as u64;
            return Ok(Some((self.number, Content::TooLong)));
        }
        if self.number == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
            bytes.drain(..3);
        }
        Ok(Some((self.number, Content::Bytes(bytes))))
    }
}

/// Where in a CSV record a byte stands (RFC 4180).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quotes {
    FieldStart,
    /// In a field without quotation marks, or behind the closing one.
    Outside,
    Inside,
    /// Behind a quotation mark in a quoted field: the closing one, or the first of two that mean one.
    Closing,
}

impl Quotes {
    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            *self = match (*self, byte) {
                (Self::Inside, b'"') => Self::Closing,
                (Self::FieldStart | Self::Closing, b'"') | (Self::Inside, _) => Self::Inside,
                (Self::FieldStart | Self::Outside | Self::Closing, b',') => Self::FieldStart,
                (Self::FieldStart | Self::Outside | Self::Closing, _) => Self::Outside,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &[u8]) -> Vec<(u64, Result<String, Content>)> {
        let mut lines = Lines::new(text);
        let mut records = Vec::new();
        while let Some(record) = lines.next_csv().expect("memory does not fail") {
            records.push((
                record.line,
                match record.content {
                    Content::Bytes(bytes) => Ok(String::from_utf8(bytes).expect("text")),
                    other => Err(other),
                },
            ));
        }
        assert_eq!(lines.bytes(), text.len() as u64);
        records
    }

    #[test]
    fn a_record_may_span_lines_within_quotation_marks() {
        let ok = |line, text: &str| (line, Ok(text.to_owned()));
        assert_eq!(
            csv("\u{feff}a,b\r\n\n1,\"x\ny \"\"z\"\"\"\n5\" pipe,q\n\"\",\"\"\nlast".as_bytes()),
            [ok(1, "a,b"), ok(3, "1,\"x\ny \"\"z\"\"\""), ok(5, "5\" pipe,q"), ok(6, "\"\",\"\""), ok(7, "last")]
        );
    }

    #[test]
    fn a_carriage_return_is_cut_off_at_the_end_of_a_record_alone() {
        let ok = |line, text: &str| (line, Ok(text.to_owned()));
        assert_eq!(
            csv(b"a,\"x\r\ny\r\n\"\r\n\r\n\"\r\",b\r\nend\r"),
            [ok(1, "a,\"x\r\ny\r\n\""), ok(5, "\"\r\",b"), ok(6, "end")]
        );
    }

    #[test]
    fn an_unclosed_field_costs_its_own_line_alone() {
        let many = "1,x\n".repeat(40_000);
        let found = csv(format!("\"open,1\n{many}\"again\n2,y\n").as_bytes());
        assert_eq!(found.len(), 40_003);
        assert_eq!(found[0], (1, Err(Content::Unclosed)));
        assert_eq!(found[1], (2, Ok("1,x".to_owned())));
        assert_eq!(found[40_000], (40_001, Ok("1,x".to_owned())));
        assert_eq!(found[40_001], (40_002, Err(Content::Unclosed)));
        assert_eq!(found[40_002], (40_003, Ok("2,y".to_owned())));
    }

    #[test]
    fn a_line_may_reach_its_limit_and_not_pass_it() {
        let (fits, too_long) = ("x".repeat(MAX), "y".repeat(MAX + 1));
        let huge = "z".repeat(MAX * 3);
        let found = csv(format!("{fits}\n{too_long}\n{huge}\nend").as_bytes());
        assert_eq!(
            found,
            [(1, Ok(fits)), (2, Err(Content::TooLong)), (3, Err(Content::TooLong)), (4, Ok("end".to_owned()))]
        );
    }
}
