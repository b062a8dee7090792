//! The indicator itself, in whatever spelling: what a description may repeat.

use almenara_proto::indicator::{Hints, Indicator, Kind, canonicalise};

/// Digits that are enough to say 'the same number': a national number without its trunk prefix.
const MIN_SAME_DIGITS: usize = 8;

/// The indicator in the forms that the scan compares.
#[derive(Debug)]
pub(super) struct Own {
    kind: Kind,
    value: String,
    digits: String,
}

impl Own {
    pub(super) fn new(indicator: &Indicator) -> Self {
        let value = indicator.value().to_ascii_lowercase();
        let digits = value.chars().filter(char::is_ascii_digit).collect();
        Self { kind: indicator.kind(), value, digits }
    }

    /// The address, or a part of the URL or account that is reported.
    pub(super) fn is_email(&self, address: &str) -> bool {
        let lower = address.to_lowercase();
        if self.kind != Kind::Email {
            return self.value.contains(&lower);
        }
        let canonical = |address| canonicalise(Kind::Email, address, &Hints::default()).ok();
        lower == self.value
            || !lower.is_ascii()
                && canonical(&lower).is_some_and(|found| found.indicator.value() == self.value)
    }

    /// Digits only: `0812345678`, `0066812345678` and `66(0)812345678` are all `+66812345678`.
    pub(super) fn is_number(&self, digits: &str) -> bool {
        let international = digits.trim_start_matches('0');
        let same = |digits: &str| digits.len() >= MIN_SAME_DIGITS && self.digits.contains(digits);
        // A trunk prefix after a country code of one to three digits.
        let without_trunk = || {
            (1..=3).any(|end| {
                let split = international.split_at_checked(end);
                split.is_some_and(|(code, rest)| {
                    rest.strip_prefix('0').is_some_and(|rest| same(&format!("{code}{rest}")))
                })
            })
        };
        same(digits) || same(international) || without_trunk()
    }

    /// Letters and digits of a document or account.
    pub(super) fn is_document(&self, compact: &str) -> bool {
        self.value.contains(&compact.to_ascii_lowercase())
    }
}
