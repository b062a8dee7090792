//! Lines of a stream, each of bounded length.

use std::io::{self, BufRead};

use super::ImportError;
use crate::draft::Refusal;

/// Longest line that is kept, in bytes: four times the largest statement, which leaves room for JSON's escapes. The
/// rest of a longer one is passed over, not stored.
pub const LINE_BYTES: usize = 64 * 1024;

/// A line without its line break.
pub(crate) struct Text {
    pub(crate) number: u64,
    /// `None`: longer than [`LINE_BYTES`].
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Lines end with LF or CR LF; a byte order mark before the first is dropped. The last line may lack its end.
pub(crate) struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) const fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Text>, ImportError> {
        let read = self.read().map_err(|source| ImportError::Read { line: self.number, source })?;
        let Some(mut bytes) = read else { return Ok(None) };
        self.number = self.number.saturating_add(1);
        if self.number == 1
            && let Some(kept) = bytes.as_mut()
            && kept.starts_with(b"\xef\xbb\xbf")
        {
            kept.drain(..3);
        }
        Ok(Some(Text { number: self.number, bytes }))
    }

    /// The next line; `Some(None)` for one that is too long; `None` at the end.
    fn read(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        let mut line = Vec::new();
        let (mut any, mut fits) = (false, true);
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                if !any {
                    return Ok(None);
                }
                break;
            }
            any = true;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let (part, _) = buffer.split_at(end.unwrap_or(buffer.len()));
            fits &= line.len().saturating_add(part.len()) <= LINE_BYTES;
            if fits {
                line.extend_from_slice(part);
            } else {
                line = Vec::new();
            }
            let used = part.len().saturating_add(usize::from(end.is_some()));
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(fits.then_some(line)))
    }
}

impl Text {
    /// The line as UTF-8.
    pub(crate) fn text(self) -> Result<String, Refusal> {
        let bytes = self.bytes.ok_or_else(too_long)?;
        String::from_utf8(bytes).map_err(|error| not_utf8(&error.utf8_error()))
    }
}

pub(crate) fn too_long() -> Refusal {
    Refusal::new(
        "too_long",
        format!("the line has more than {LINE_BYTES} bytes; one item a line is expected"),
    )
}

pub(crate) fn not_utf8(error: &std::str::Utf8Error) -> Refusal {
    let at = error.valid_up_to();
    Refusal::new("not_utf8", format!("byte {at} of the line is no UTF-8; save the file as UTF-8"))
}
