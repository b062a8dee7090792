//! Kinds of wrongdoing.

use std::{fmt, str::FromStr};

/// A kind of wrongdoing; the numbers are the wire's, and a number that this version has no name for is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Category(i32);

impl Category {
    const NAMES: [&'static str; 17] = [
        "recruit.job_lure",
        "recruit.broker",
        "compound.infrastructure",
        "compound.ransom_payment",
        "scam.investment",
        "scam.pig_butchering",
        "scam.romance",
        "scam.recovery",
        "scam.fake_app",
        "scam.task_job",
        "scam.gambling",
        "scam.impersonation",
        "scam.phishing",
        "extort",
        "launder.mule",
        "launder.crypto_service",
        "infra.bulk_messaging",
    ];
    /// A wallet that took ransom: lookup only, never CLEAR.
    pub const RANSOM_PAYMENT: Self = Self(4);
    /// Phishing pages.
    pub const PHISHING: Self = Self(13);

    /// All named ones, in the wire's order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..).take(Self::NAMES.len()).map(Self)
    }

    /// The wire's number; 0 is none.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// The wire's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// Its id, if this version has one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        usize::try_from(self.0).ok().and_then(|at| Self::NAMES.get(at.checked_sub(1)?)).copied()
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "category-{}", self.0),
        }
    }
}

impl FromStr for Category {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().find(|category| category.name() == Some(text)).ok_or_else(|| {
            format!("`{}` is no category; there are: {}", text.escape_default(), Self::NAMES.join(", "))
        })
    }
}
