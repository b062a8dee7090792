//! One value a line. Blank lines and lines that begin with `#` are skipped, and so is what follows ` #`.

use std::io::BufRead;

use super::{ImportError, Raw, Said, lines::Lines};
use crate::draft::Fields;

pub(crate) struct Plain<R> {
    lines: Lines<R>,
}

impl<R: BufRead> Plain<R> {
    pub(crate) const fn new(lines: Lines<R>) -> Self {
        Self { lines }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Raw>, ImportError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let number = line.number;
        let said = match line.text() {
            Err(refusal) => Said::Refused(refusal),
            Ok(text) => match value(&text) {
                "" => Said::Nothing,
                value => {
                    Said::Fields(Box::new(Fields { value: Some(value.to_owned()), ..Fields::default() }))
                }
            },
        };
        Ok(Some(Raw { number, lines: 1, said }))
    }
}

/// No value holds a space before `#`, so a comment may follow one.
fn value(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with('#') {
        return "";
    }
    let comment = [" #", "\t#"].into_iter().filter_map(|mark| text.find(mark)).min();
    comment.and_then(|at| text.get(..at)).unwrap_or(text).trim_end()
}
