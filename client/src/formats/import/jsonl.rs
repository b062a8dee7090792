//! One JSON object a line, with the names of [`Fields`].

use std::io::BufRead;

use super::{ImportError, Raw, Said, lines::Lines};
use crate::draft::{Fields, Refusal};

pub(crate) struct JsonLines<R> {
    lines: Lines<R>,
}

impl<R: BufRead> JsonLines<R> {
    pub(crate) const fn new(lines: Lines<R>) -> Self {
        Self { lines }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Raw>, ImportError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let number = line.number;
        let said = match line.text() {
            Err(refusal) => Said::Refused(refusal),
            Ok(text) if text.trim().is_empty() => Said::Nothing,
            // An array would be read as the fields in their order.
            Ok(text) if !text.trim_start().starts_with('{') => {
                Said::Refused(Refusal::new("json", "the line is no JSON object: {\"value\":…} is expected"))
            }
            Ok(text) => match serde_json::from_str::<Fields>(&text) {
                Ok(fields) => Said::Fields(Box::new(fields)),
                // serde_json quotes names of unknown fields as they are.
                Err(error) => Said::Refused(Refusal::new("json", error.to_string().escape_debug())),
            },
        };
        Ok(Some(Raw { number, lines: 1, said }))
    }
}
