//! Images: `pdq:` and the 256-bit PDQ hash, in hex. Similar images are near in Hamming distance: matching is local.

use super::{Kind, NotCanonical};

/// PDQ's quality, 0 to 100; below, the image has too few edges and its hash matches strangers.
pub const MIN_QUALITY: u8 = 50;

/// PDQ sets a bit where a coefficient is above the median of all 256, so that about half are set. An image so plain
/// that this fails has quality near zero, whatever its reporter says.
const BITS_SET: std::ops::RangeInclusive<u32> = 64..=192;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    match value.strip_prefix("pdq:") {
        Some(hash) if super::app::is_sha256(hash) => Ok(()),
        _ => Err("an image is pdq: and 64 lowercase hexadecimal digits"),
    }
}

pub(super) fn canonical(input: &str, quality: Option<u8>) -> Result<String, NotCanonical> {
    let lower = input.to_ascii_lowercase();
    let hash = lower.strip_prefix("pdq:").unwrap_or(&lower).trim();
    let value = format!("pdq:{hash}");
    let instead = "give the PDQ hash, 64 hexadecimal digits";
    well_formed(&value).map_err(|because| NotCanonical::form(Kind::Image, input, because, instead))?;
    let bits: u32 = hash.chars().filter_map(|c| c.to_digit(16)).map(u32::count_ones).sum();
    if !BITS_SET.contains(&bits) || quality.is_some_and(|quality| quality < MIN_QUALITY) {
        let because = "its PDQ quality is below 50, so it matches unrelated images";
        return Err(NotCanonical::refused(Kind::Image, input, because, "hash an image with more detail"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_with, refused, void};
    use super::*;
    use crate::indicator::{Hints, canonicalise};

    #[test]
    fn one_hash_has_one_form_and_plain_images_are_refused() {
        let (i, hash) = (Kind::Image, "f0".repeat(32));
        check(i, &hash, &format!("pdq:{hash}"));
        check(i, &format!("PDQ:{}", hash.to_uppercase()), &format!("pdq:{hash}"));
        let quality = |q| Hints { quality: Some(q), ..Hints::default() };
        check_with(i, &hash, &quality(50), &format!("pdq:{hash}"));
        assert!(canonicalise(i, &hash, &quality(49)).is_err());
        for plain in ["0".repeat(64), "f".repeat(64), "0".repeat(63), "g".repeat(64)] {
            refused(i, &plain);
        }
        for value in [hash.clone(), format!("pdq:{}", hash.to_uppercase()), "pdq:".into()] {
            void(i, &value);
        }
    }
}
