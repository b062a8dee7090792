//! One value a line. Blank lines and lines that begin with `#` are skipped, and so is what follows ` #`.

use std::io::BufRead;

use almenara_proto::indicator::Kind;

use super::{ImportError, Raw, Said, lines::Lines};
use crate::draft::Fields;

pub(crate) struct Plain<R> {
    lines: Lines<R>,
    /// In the text of an advert `#` is a hashtag.
    comments_behind: bool,
}

impl<R: BufRead> Plain<R> {
    pub(crate) const fn new(lines: Lines<R>, kind: Option<Kind>) -> Self {
        Self { lines, comments_behind: !matches!(kind, Some(Kind::Advert)) }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Raw>, ImportError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let number = line.number;
        let said = match line.text() {
            Err(refusal) => Said::Refused(refusal),
            Ok(text) => match self.value(&text) {
                "" => Said::Nothing,
                value => {
                    Said::Fields(Box::new(Fields { value: Some(value.to_owned()), ..Fields::default() }))
                }
            },
        };
        Ok(Some(Raw { number, lines: 1, said }))
    }

    fn value<'a>(&self, text: &'a str) -> &'a str {
        let text = text.trim();
        if text.starts_with('#') {
            return "";
        }
        let comment = [" #", "\t#"].into_iter().filter_map(|mark| text.find(mark)).min();
        match comment.filter(|_| self.comments_behind).and_then(|at| text.get(..at)) {
            Some(value) => value.trim_end(),
            None => text,
        }
    }
}
