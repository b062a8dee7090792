//! Job adverts: the URL, or `text:` and the SHA-256 of the text in NFC.

use super::{Indicator, Kind, NotCanonical, Warning, app, refang, url};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Longest advert text, in bytes: ten times the longest that job boards take.
pub const MAX_ADVERT_TEXT_BYTES: usize = 65_536;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    match value.strip_prefix("text:") {
        Some(hash) if app::is_sha256(hash) => Ok(()),
        Some(_) => Err("after text: stand 64 lowercase hexadecimal digits"),
        None => url::well_formed(value),
    }
}

pub(super) fn canonical(input: &str) -> Result<(String, Vec<Warning>), NotCanonical> {
    if let Some((prefix, hash)) = input.split_once(':')
        && prefix.trim_end().eq_ignore_ascii_case("text")
    {
        return Ok((format!("text:{}", hash.trim().to_ascii_lowercase()), Vec::new()));
    }
    if refang::scheme(input).is_none() {
        let instead = "give its URL, or text: and the hash of its text (computed with advert_text)";
        return Err(NotCanonical::form(Kind::Advert, input, "it is neither a link nor a hash", instead));
    }
    url::canonical(input)
}

/// The indicator of an advert that has no stable URL, from its whole text.
///
/// Copies of one text agree if they differ only in Unicode form or white space: words are joined by one space, then
/// NFC (UAX #15) is hashed.
///
/// # Errors
/// [`NotCanonical`] if the text is empty or longer than [`MAX_ADVERT_TEXT_BYTES`].
pub fn advert_text(text: &str) -> Result<Indicator, NotCanonical> {
    if text.len() > MAX_ADVERT_TEXT_BYTES {
        return Err(NotCanonical::refused(Kind::Advert, text, "it is longer than 64 KiB", "give one advert"));
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return Err(NotCanonical::Empty { kind: Kind::Advert });
    }
    let nfc: String = words.nfc().collect();
    Ok(Indicator::new(Kind::Advert, format!("text:{}", HEXLOWER.encode(&Sha256::digest(nfc))))?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, refused, void};
    use super::*;

    #[test]
    fn one_advert_has_one_form() {
        let a = Kind::Advert;
        let hash = "0f".repeat(32);
        check(a, "hxxps://jobs[.]example/1#apply", "https://jobs.example/1");
        check(a, &format!("TEXT: {}", hash.to_uppercase()), &format!("text:{hash}"));
        let composed = advert_text("Caf\u{e9} worker,\r\n 2000 USD ").unwrap();
        assert_eq!(composed, advert_text("Cafe\u{301}  worker, 2000 USD").unwrap());
        assert_eq!(composed.admissible(), Ok(()));
        // printf 'Café worker, 2000 USD' | sha256sum
        assert_eq!(composed.value(), "text:2d5ef7357a9081f563c46fed4fd24d96ae701eacffcc661e8779294ffd9b4bdd");
    }

    #[test]
    fn text_itself_is_no_value() {
        refused(Kind::Advert, "Well paid work in customer service");
        refused(Kind::Advert, "text:abc");
        void(Kind::Advert, "text:abc");
        void(Kind::Advert, "hello");
        assert!(advert_text(" \n").is_err());
        assert!(advert_text(&"a".repeat(MAX_ADVERT_TEXT_BYTES + 1)).is_err());
    }
}
