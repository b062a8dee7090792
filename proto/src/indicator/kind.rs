//! The kinds of things that a statement can be about.

use super::{Shown, UnknownKind};
use std::{fmt, str::FromStr};

/// A kind of indicator. Numbers are the wire's (enum Kind of statement.proto).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `fake-broker.example`: UTS #46 A-labels, lowercase.
    Domain = 1,
    /// `https://fake-broker.example/login`: WHATWG serialisation, no userinfo, no fragment.
    Url = 2,
    /// `agent@fake-broker.example`: lowercase.
    Email = 3,
    /// `+66812345678`: E.164.
    Phone = 4,
    /// `btc:bc1…`, `eth:0x…`: chain and address; see [`super::CHAINS`].
    Wallet = 5,
    /// `DE89370400440532013000`: ISO 13616, without spaces.
    Iban = 6,
    /// `TH:004:1234567890`: country, bank code, number, for countries without IBAN.
    BankAccount = 7,
    /// `telegram:fakebroker`: platform and id; see [`super::PLATFORMS`].
    Handle = 8,
    /// `8.8.8.8`, `2600:9000:2000::/48`: RFC 5952 or CIDR.
    Ip = 9,
    /// `play:com.fake.broker`, `sha256:…`, `cert:…`; see [`super::STORES`].
    App = 10,
    /// The URL of a job advert, or `text:` and the SHA-256 of its text.
    Advert = 11,
    /// `pdq:` and 64 hexadecimal digits.
    Image = 12,
    /// `lei:…`, `ra000585:…`: register and registration id.
    Company = 13,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Domain,
        Self::Url,
        Self::Email,
        Self::Phone,
        Self::Wallet,
        Self::Iban,
        Self::BankAccount,
        Self::Handle,
        Self::Ip,
        Self::App,
        Self::Advert,
        Self::Image,
        Self::Company,
    ];

    /// The kind of a wire number; none for 0 (unspecified) and for numbers that are not assigned.
    pub fn from_number(number: i32) -> Option<Self> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::ALL.get(place).copied()
    }

    /// The name in files, queries and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Url => "url",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Wallet => "wallet",
            Self::Iban => "iban",
            Self::BankAccount => "bank_account",
            Self::Handle => "handle",
            Self::Ip => "ip",
            Self::App => "app",
            Self::Advert => "advert",
            Self::Image => "image",
            Self::Company => "company",
        }
    }

    /// Days after last_seen for which a report holds unless its publisher says otherwise: short where the same value
    /// soon belongs to somebody else (an address is leased for days, a number is reassigned after 45 to 90).
    pub fn default_validity_days(self) -> u32 {
        match self {
            Self::Ip => 7,
            Self::Url => 30,
            Self::Phone => 90,
            Self::Domain | Self::Handle | Self::Email | Self::Advert | Self::Image | Self::Company => 180,
            Self::Iban | Self::BankAccount | Self::App => 365,
            Self::Wallet => 1_095,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| UnknownKind(Shown::new(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_number_and_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind as i32), Some(kind));
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert!(kind.default_validity_days() >= 7);
        }
        for number in [0, 14, -1, i32::MAX, i32::MIN] {
            assert_eq!(Kind::from_number(number), None);
        }
    }

    #[test]
    fn an_unknown_kind_is_named_with_the_list_of_kinds() {
        let error = "domian".parse::<Kind>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"domian\" is no kind of indicator; the kinds are domain, url, email, phone, wallet, iban, \
             bank_account, handle, ip, app, advert, image, company"
        );
    }
}
