//! Accounts on platforms: `<platform>:<stable numeric id or username>`.
//!
//! Usernames are resold: prefer the numeric id. An id of digits alone is always the numeric id.

use super::{Hints, Kind, NotCanonical, Shown, phone, refang};

/// A platform and how it names accounts.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// The word before the colon.
    pub name: &'static str,
    /// What its ids look like, for people.
    pub ids: &'static str,
    /// Hosts and path prefixes of profile links.
    links: &'static [&'static str],
    id: Id,
}

/// How an id is brought into its one form.
#[derive(Clone, Copy, Debug)]
enum Id {
    /// A phone number in E.164.
    Phone,
    /// A phone number, or a username with these rules.
    PhoneOr(Username),
    /// A username with these rules, or digits.
    Username(Username),
}

/// Lowercase letters, digits and `marks`.
#[derive(Clone, Copy, Debug)]
struct Username {
    min: usize,
    max: usize,
    marks: &'static str,
}

const fn username(min: usize, max: usize, marks: &'static str) -> Username {
    Username { min, max, marks }
}

/// The platforms that a node admits, in the order in which they are shown.
pub const PLATFORMS: [Platform; 12] = [
    Platform {
        name: "telegram",
        ids: "the numeric id, or a username of 4 to 32 letters, digits and _",
        links: &["t.me/", "telegram.me/", "telegram.dog/"],
        id: Id::Username(username(4, 32, "_")),
    },
    Platform { name: "whatsapp", ids: "the phone number, with +", links: &["wa.me/"], id: Id::Phone },
    Platform {
        name: "line",
        ids: "a LINE ID of 1 to 20 letters, digits, . - _; official accounts keep their @",
        links: &["line.me/ti/p/~", "line.me/R/ti/p/"],
        id: Id::Username(username(1, 20, "@._-")),
    },
    Platform {
        name: "wechat",
        ids: "a WeChat ID (wxid_…, or 5 to 30 letters, digits, - _)",
        links: &[],
        id: Id::Username(username(5, 30, "_-")),
    },
    Platform {
        name: "facebook",
        ids: "the numeric id, or a username of 5 to 50 letters and digits; its dots do not count",
        links: &["facebook.com/profile.php?id=", "facebook.com/", "fb.com/", "m.me/"],
        id: Id::Username(username(5, 50, "")),
    },
    Platform {
        name: "instagram",
        ids: "the numeric id, or a username of 1 to 30 letters, digits, . _",
        links: &["instagram.com/"],
        id: Id::Username(username(1, 30, "._")),
    },
    Platform {
        name: "tiktok",
        ids: "the numeric id, or a username of 2 to 24 letters, digits, . _",
        links: &["tiktok.com/"],
        id: Id::Username(username(2, 24, "._")),
    },
    Platform {
        name: "linkedin",
        ids: "the last part of the profile's address, 3 to 100 letters, digits and -; company/… for a page",
        links: &["linkedin.com/in/", "linkedin.com/"],
        id: Id::Username(username(3, 100, "-/")),
    },
    Platform {
        name: "discord",
        ids: "the numeric id, or a username of 2 to 32 letters, digits, . _",
        links: &["discord.com/users/", "discordapp.com/users/"],
        id: Id::Username(username(2, 32, "._")),
    },
    Platform {
        name: "x",
        ids: "the numeric id, or a username of 1 to 15 letters, digits and _",
        links: &["x.com/", "twitter.com/"],
        id: Id::Username(username(1, 15, "_")),
    },
    Platform { name: "viber", ids: "the phone number, with +", links: &[], id: Id::Phone },
    Platform {
        name: "signal",
        ids: "the phone number, with +, or a username such as name.01",
        links: &[],
        id: Id::PhoneOr(username(5, 48, "._")),
    },
];

/// Longest id: LinkedIn's 100, with a prefix.
const MAX_ID_BYTES: usize = 128;
/// Names of platforms, stores and registers are short words.
const MAX_NAME_BYTES: usize = 32;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    let (platform, id) = value.split_once(':').ok_or("a handle is <platform>:<id>")?;
    name_well_formed(platform)?;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err("a handle's id has 1 to 128 bytes");
    }
    if !id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-._/@".contains(&b)) {
        return Err("a handle's id has only a-z, 0-9 and + - . _ / @");
    }
    Ok(())
}

/// The word before the colon, of a handle, an app or a company. Any word: tomorrow's platform is not void today.
pub(super) fn name_well_formed(name: &str) -> Result<(), &'static str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
        return Err("the word before the colon has 1 to 32 of a-z, 0-9, hyphen and underscore");
    }
    Ok(())
}

pub(super) fn canonical(input: &str, hints: &Hints<'_>) -> Result<String, NotCanonical> {
    let text = refang::signs(input);
    let (platform, id) = match (from_link(&text), text.split_once(':'), hints.platform) {
        (Some(found), ..) => found,
        (None, Some((name, id)), _) => (named(name)?, id),
        (None, None, Some(name)) => (named(name)?, text.as_str()),
        (None, None, None) => {
            let instead = "give <platform>:<id>, or the link of the profile";
            return Err(NotCanonical::form(Kind::Handle, input, "it does not say which platform", instead));
        }
    };
    if hints.platform.is_some_and(|name| !name.trim().eq_ignore_ascii_case(platform.name)) {
        let because = "it belongs to another platform than the one that was named";
        return Err(NotCanonical::form(Kind::Handle, input, because, "name its own platform, or none"));
    }
    let refused =
        || NotCanonical::NotOn { value: Shown::new(input), name: platform.name, forms: platform.ids };
    let id = id.trim();
    let id = match platform.id {
        Id::Phone => phone::canonical(&with_plus(id), hints.region)?,
        Id::PhoneOr(rules) => match phone::canonical(&with_plus(id), hints.region) {
            Ok(number) => number,
            Err(_) => rules.read(platform, id).filter(|id| id.contains('.')).ok_or_else(refused)?,
        },
        Id::Username(rules) => rules.read(platform, id).ok_or_else(refused)?,
    };
    Ok(format!("{}:{id}", platform.name))
}

fn named(name: &str) -> Result<&'static Platform, NotCanonical> {
    let name = name.trim().to_ascii_lowercase();
    // What people still say.
    let name = if name == "twitter" { "x" } else { name.as_str() };
    PLATFORMS
        .iter()
        .find(|platform| platform.name == name)
        .ok_or_else(|| NotCanonical::unknown_name("platform", name, PLATFORMS.map(|platform| platform.name)))
}

/// Links to WhatsApp and its like leave the + out.
fn with_plus(number: &str) -> String {
    let bare =
        number.starts_with(|c: char| ('1'..='9').contains(&c)) && number.bytes().all(|b| b.is_ascii_digit());
    if bare { format!("+{number}") } else { number.to_owned() }
}

/// A profile's link: its platform, and what stands in the place of the id.
fn from_link(text: &str) -> Option<(&'static Platform, &str)> {
    let rest = refang::scheme(text).map_or(text, |scheme| scheme.rest);
    let rest = ["www.", "m.", "mobile."].iter().find_map(|host| rest.strip_prefix(host)).unwrap_or(rest);
    PLATFORMS.iter().find_map(|platform| {
        let id = platform.links.iter().find_map(|link| {
            let (start, id) = rest.split_at_checked(link.len())?;
            start.eq_ignore_ascii_case(link).then_some(id)
        })?;
        // LinkedIn's pages have a word before their name; elsewhere the id ends with the first segment.
        let end = id.find(['?', '#', '&']).unwrap_or(id.len());
        let id = id.get(..end)?.trim_end_matches('/');
        Some((platform, if platform.name == "linkedin" { id } else { id.split('/').next()? }))
    })
}

impl Username {
    /// The id in its one form, if it keeps the rules.
    fn read(self, platform: &Platform, id: &str) -> Option<String> {
        let mut id = id.to_ascii_lowercase();
        match platform.name {
            // LINE gives `@name` and `name` to different accounts.
            "line" => {}
            // Facebook: john.smith and johnsmith are one account.
            "facebook" => id = id.trim_start_matches('@').replace('.', ""),
            _ => id = id.trim_start_matches('@').to_owned(),
        }
        if (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit()) {
            return (!id.starts_with('0')).then_some(id);
        }
        let name = if platform.name == "line" { id.strip_prefix('@').unwrap_or(&id) } else { &id };
        let allowed = |c: char| {
            c.is_ascii_lowercase()
                || c.is_ascii_digit()
                || (self.marks.contains(c) && !matches!(c, '@' | '/'))
        };
        let segments =
            if platform.name == "linkedin" { name.strip_prefix("company/").unwrap_or(name) } else { name };
        let fits = (self.min..=self.max).contains(&segments.len()) && segments.chars().all(allowed);
        fits.then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_with, refused, void};
    use super::*;

    fn on(platform: &str) -> Hints<'_> {
        Hints { platform: Some(platform), ..Hints::default() }
    }

    #[test]
    fn one_account_has_one_form() {
        let h = Kind::Handle;
        check(h, "Telegram:@FakeBroker", "telegram:fakebroker");
        check(h, "hxxps://t[.]me/FakeBroker", "telegram:fakebroker");
        check(h, "https://t.me/FakeBroker/12?single", "telegram:fakebroker");
        check(h, "telegram:123456789", "telegram:123456789");
        check(h, "https://wa.me/66812345678", "whatsapp:+66812345678");
        check(h, "whatsapp:+66 081 234 5678", "whatsapp:+66812345678");
        check(h, "https://www.facebook.com/John.Smith.5/", "facebook:johnsmith5");
        check(
            h,
            "https://www.facebook.com/profile.php?id=100012345678901&sk=about",
            "facebook:100012345678901",
        );
        check(h, "https://www.tiktok.com/@fake.broker/video/1", "tiktok:fake.broker");
        check(h, "https://www.linkedin.com/in/fake-broker-1a2b/", "linkedin:fake-broker-1a2b");
        check(h, "https://linkedin.com/company/fake-broker", "linkedin:company/fake-broker");
        check(h, "line:@FakeBroker", "line:@fakebroker");
        check(h, "https://line.me/ti/p/~fakebroker", "line:fakebroker");
        check(h, "twitter:@FakeBroker", "x:fakebroker");
        check(h, "signal:Broker.01", "signal:broker.01");
        check(h, "signal:+66812345678", "signal:+66812345678");
        check_with(h, "@FakeBroker", &on("telegram"), "telegram:fakebroker");
        check_with(h, "0812345678", &Hints { region: Some("TH"), ..on("viber") }, "viber:+66812345678");
    }

    #[test]
    fn unknown_platforms_and_ids_that_do_not_fit_are_refused() {
        for handle in [
            "fakebroker",
            "@fakebroker",
            "myspace:tom",
            "telegram:abc",
            "telegram:fake broker",
            "telegram:",
            "whatsapp:fakebroker",
            "x:abcdefghijklmnop",
            "x:007",
            "linkedin:a/b/c",
            "facebook:a.b.c",
            "instagram:fäke",
            "line:@",
            "signal:broker",
        ] {
            refused(Kind::Handle, handle);
        }
        assert!(super::super::canonicalise(Kind::Handle, "https://t.me/fakebroker", &on("x")).is_err());
        for handle in ["telegram", "Telegram:abcd", "telegram:ABCD", "telegram:a b", ":abcd", "telegram:"] {
            void(Kind::Handle, handle);
        }
    }
}
