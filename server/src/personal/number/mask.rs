//! Words in which digits are no number: URLs, names, hashes, wallets, versions, file names.

use super::super::folded::Folded;

/// Words that people glue to a phone number.
const PHONE_WORDS: [&str; 7] = ["tel", "phone", "call", "mobile", "mob", "whatsapp", "ph"];

/// Which characters belong to such words.
pub(super) fn words(text: &Folded) -> Vec<bool> {
    let mut masked = vec![false; text.len()];
    // Only digits are asked about.
    let has_digit = |range: &std::ops::Range<usize>| range.clone().any(|place| text.is_digit(place));
    for token in text.runs(0..text.len(), |c| c.is_ascii_graphic()).into_iter().filter(has_digit) {
        if text.text(token.clone()).contains("://") {
            fill(&mut masked, token);
            continue;
        }
        for piece in text.runs(token, |c| !",;|<>\"'`()[]{}".contains(c)).into_iter().filter(has_digit) {
            if has_host(&text.text(piece.clone())) {
                fill(&mut masked, piece);
                continue;
            }
            for word in text.runs(piece, |c| !":=!?&*#~".contains(c)) {
                let letters = masked_letters(&text.text(word.clone()));
                fill(&mut masked, word.start..word.start + letters);
            }
        }
    }
    masked
}

fn fill(masked: &mut [bool], range: std::ops::Range<usize>) {
    if let Some(part) = masked.get_mut(range) {
        part.fill(true);
    }
}

/// A dot, then a top-level domain: `evil.com/081`, `x.co:8080`.
fn has_host(piece: &str) -> bool {
    let mut labels = piece.split('.');
    let first = labels.next().unwrap_or_default();
    !first.is_empty()
        && labels.any(|label| {
            let top_level = label.split(['/', ':', '?', '#', '&']).next().unwrap_or_default();
            top_level.len() >= 2 && top_level.bytes().all(|b| b.is_ascii_lowercase())
        })
}

/// How much of an ASCII word is no number, in characters from its start: all of it, if it has a letter at all.
fn masked_letters(word: &str) -> usize {
    let Some(last) = word.rfind(|c: char| c.is_ascii_alphabetic()) else { return 0 };
    let (letters, behind) = word.split_at_checked(last + 1).unwrap_or((word, ""));
    let is_phone_word = PHONE_WORDS.iter().any(|name| letters.eq_ignore_ascii_case(name));
    // `Call+66812345678` and `Tel.0812345678`: the letters end where the number starts.
    if is_phone_word || behind.starts_with('+') { letters.len() } else { word.len() }
}
