//! A text in the one spelling that the scan reads, with the way back to its bytes.

use std::ops::Range;

/// Digits of the shortest number that is searched for, a passport's.
pub(super) const MIN_DIGITS: usize = 5;

/// One character, and the bytes of the original that it stands for.
#[derive(Clone, Copy, Debug)]
struct Glyph {
    c: char,
    from: usize,
    to: usize,
}

/// Digits, spaces and hyphens of all scripts in ASCII, nothing invisible, `[at]` and `(dot)` as people mean them.
#[derive(Debug)]
pub(super) struct Folded(Vec<Glyph>);

impl Folded {
    pub(super) fn new(text: &str) -> Self {
        let glyphs = text.char_indices().filter_map(|(from, c)| {
            let to = from + c.len_utf8();
            fold(c).map(|c| Glyph { c, from, to })
        });
        Self(refang(&glyphs.collect::<Vec<_>>()))
    }

    /// Nothing that personal data must have: an `@`, or digits enough for a passport.
    pub(super) fn is_plain(&self) -> bool {
        !self.0.iter().any(|glyph| glyph.c == '@')
            && self.0.iter().filter(|glyph| glyph.c.is_ascii_digit()).take(MIN_DIGITS).count() < MIN_DIGITS
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The character at a place; none before the start and behind the end.
    pub(super) fn at(&self, place: usize) -> Option<char> {
        self.0.get(place).map(|glyph| glyph.c)
    }

    pub(super) fn is_digit(&self, place: usize) -> bool {
        self.at(place).is_some_and(|c| c.is_ascii_digit())
    }

    /// The character before a place.
    pub(super) fn before(&self, place: usize) -> Option<char> {
        self.at(place.checked_sub(1)?)
    }

    pub(super) fn text(&self, range: Range<usize>) -> String {
        self.0.get(range).into_iter().flatten().map(|glyph| glyph.c).collect()
    }

    /// The first place from `start` on whose character `stop`s, at most `longest` further; or the end.
    pub(super) fn until(&self, start: usize, longest: usize, stop: impl Fn(char) -> bool) -> usize {
        let end = start.saturating_add(longest).min(self.len());
        (start..end).find(|&place| self.at(place).is_none_or(&stop)).unwrap_or(end.max(start))
    }

    /// Maximal runs of characters that `belong`.
    pub(super) fn runs(&self, within: Range<usize>, belongs: impl Fn(char) -> bool) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut from = None;
        for place in within.clone() {
            match (self.at(place).is_some_and(&belongs), from) {
                (true, None) => from = Some(place),
                (false, Some(start)) => {
                    runs.push(start..place);
                    from = None;
                }
                _ => {}
            }
        }
        runs.extend(from.map(|start| start..within.end));
        runs
    }

    /// The bytes of the original that a range of characters stands for.
    pub(super) fn bytes(&self, range: Range<usize>) -> Range<usize> {
        let glyphs = self.0.get(range).unwrap_or_default();
        match (glyphs.first(), glyphs.last()) {
            (Some(first), Some(last)) => first.from..last.to,
            _ => 0..0,
        }
    }
}

/// None for what nobody sees.
fn fold(c: char) -> Option<char> {
    /// The zeros of Arabic, Persian and Urdu, Devanagari, Bengali, Thai, Lao, Burmese, Khmer.
    const ZEROS: [u32; 8] = [0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0xed0, 0x1040, 0x17e0];
    let code = u32::from(c);
    Some(match c {
        '\u{ad}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => {
            return None;
        }
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\t' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{3002}' | '\u{ff61}' => '.',
        // Fullwidth forms of printable ASCII, in its order.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(code - 0xfee0).unwrap_or(c),
        _ => {
            let digit = ZEROS.iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10));
            digit.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
        }
    })
}

/// `bob [at] mail (dot) example` → `bob@mail.example`.
fn refang(glyphs: &[Glyph]) -> Vec<Glyph> {
    let mut out: Vec<Glyph> = Vec::with_capacity(glyphs.len());
    let mut rest = glyphs;
    while let Some((&glyph, tail)) = rest.split_first() {
        if let Some((sign, after)) = bracketed(glyph.c, tail) {
            while out.last().is_some_and(|last| last.c == ' ') {
                out.pop();
            }
            let to = after.split_last().map_or(glyph.to, |(closer, _)| closer.to);
            out.push(Glyph { c: sign, from: glyph.from, to });
            rest = tail.get(after.len()..).unwrap_or_default();
            while let Some((_, behind)) = rest.split_first().filter(|(next, _)| next.c == ' ') {
                rest = behind;
            }
        } else {
            out.push(glyph);
            rest = tail;
        }
    }
    out
}

/// The sign in brackets that `opener` begins, and its characters behind the opener, the closer included.
fn bracketed(opener: char, tail: &[Glyph]) -> Option<(char, &[Glyph])> {
    let closer = match opener {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        _ => return None,
    };
    // The longest is `dot` and its closer.
    let end = tail.iter().take(4).position(|glyph| glyph.c == closer)?;
    let (word, _) = tail.split_at_checked(end)?;
    let word: String = word.iter().map(|glyph| glyph.c.to_ascii_lowercase()).collect();
    let sign = match word.as_str() {
        "at" | "@" => '@',
        "dot" | "." => '.',
        _ => return None,
    };
    Some((sign, tail.get(..=end)?))
}
