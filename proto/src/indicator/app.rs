//! Apps: `<store or package system>:<package id>`, `sha256:<hex>` of a file, `cert:<hex>` of a signing certificate.

use super::{Kind, NotCanonical, Shown, refang};

/// Where an app was found.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The word before the colon.
    pub name: &'static str,
    /// What its ids look like, for people.
    pub ids: &'static str,
    well_formed: fn(&str) -> bool,
}

/// The stores and package systems that a node admits, in the order in which they are shown.
pub const STORES: [Store; 8] = [
    Store { name: "play", ids: "the package name, com.fake.broker", well_formed: is_package },
    Store { name: "android", ids: "the package name of an APK from elsewhere", well_formed: is_package },
    Store { name: "appstore", ids: "Apple's number of the app, 1234567890", well_formed: is_number },
    Store {
        name: "ios",
        ids: "the bundle id of an app from elsewhere (TestFlight, MDM)",
        well_formed: is_bundle,
    },
    Store { name: "huawei", ids: "AppGallery's number after the C", well_formed: is_number },
    Store { name: "chrome", ids: "the extension's id of 32 letters", well_formed: is_extension },
    Store { name: "sha256", ids: "SHA-256 of the file, in hex", well_formed: is_sha256 },
    Store { name: "cert", ids: "SHA-256 of the signing certificate, in hex", well_formed: is_sha256 },
];

/// Longest package name: Android stops at 223, Apple's bundle ids at 155.
const MAX_ID_BYTES: usize = 255;

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    let (store, id) = value.split_once(':').ok_or("an app is <store>:<id>, sha256:<hex> or cert:<hex>")?;
    super::handle::name_well_formed(store)?;
    if id.is_empty() || id.len() > MAX_ID_BYTES {
        return Err("an app's id has 1 to 255 bytes");
    }
    if matches!(store, "sha256" | "cert") && !is_sha256(id) {
        return Err("a SHA-256 is 64 lowercase hexadecimal digits");
    }
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err("an app's id has only letters, digits, dots, hyphens and underscores");
    }
    Ok(())
}

pub(super) fn canonical(input: &str, store: Option<&str>) -> Result<String, NotCanonical> {
    let text = refang::signs(input);
    let (name, id) = match (store, text.split_once(':')) {
        // A certificate's fingerprint is written with colons of its own.
        (Some(store), Some((prefix, id))) if prefix.trim().eq_ignore_ascii_case(store.trim()) => (store, id),
        (Some(store), _) => (store, text.as_str()),
        (None, Some((prefix, id))) => (prefix, id),
        (None, None) => {
            let instead = "give <store>:<id>, for example play:com.fake.broker";
            return Err(NotCanonical::form(Kind::App, input, "it does not say which store", instead));
        }
    };
    let name = name.trim().to_ascii_lowercase();
    let store = STORES
        .iter()
        .find(|store| store.name == name)
        .ok_or_else(|| NotCanonical::unknown_name("store", &name, STORES.map(|store| store.name)))?;
    let id = match store.name {
        "sha256" | "cert" => id.replace([':', ' '], "").to_ascii_lowercase(),
        "appstore" => id.trim().trim_start_matches("id").to_owned(),
        "huawei" => id.trim().trim_start_matches(['C', 'c']).to_owned(),
        _ => id.trim().to_owned(),
    };
    if !(store.well_formed)(&id) {
        return Err(NotCanonical::NotOn { value: Shown::new(input), name: store.name, forms: store.ids });
    }
    Ok(format!("{}:{id}", store.name))
}

pub(super) fn is_sha256(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_number(id: &str) -> bool {
    (1..=20).contains(&id.len()) && !id.starts_with('0') && id.bytes().all(|b| b.is_ascii_digit())
}

/// Android: two or more Java identifiers. Case counts.
fn is_package(id: &str) -> bool {
    id.contains('.')
        && id.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

/// Apple: reverse DNS of letters, digits and hyphens.
fn is_bundle(id: &str) -> bool {
    id.contains('.')
        && id
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Chrome: SHA-256 of the key in base 16, with the letters a to p.
fn is_extension(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|b| matches!(b, b'a'..=b'p'))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, check_with, refused, void};
    use super::*;
    use crate::indicator::Hints;

    #[test]
    fn one_app_has_one_form() {
        let a = Kind::App;
        let hash = "ab".repeat(32);
        check(a, "Play:com.Fake.broker_1", "play:com.Fake.broker_1");
        check(a, "play:com[.]fake[.]broker", "play:com.fake.broker");
        check(a, "appstore:id1234567890", "appstore:1234567890");
        check(a, "ios:com.fake-broker.app", "ios:com.fake-broker.app");
        check(a, &format!("SHA256:{}", hash.to_uppercase()), &format!("sha256:{hash}"));
        let fingerprint = ["AB"; 32].join(":");
        let cert = Hints { platform: Some("cert"), ..Hints::default() };
        check(a, &format!("cert:{fingerprint}"), &format!("cert:{hash}"));
        check_with(a, &fingerprint, &cert, &format!("cert:{hash}"));
    }

    #[test]
    fn unknown_stores_and_ids_that_do_not_fit_are_refused() {
        for app in [
            "com.fake.broker",
            "nokia:abc",
            "play:broker",
            "play:com.1fake",
            "appstore:abc",
            "sha256:abc",
            "play:",
            ":a",
        ] {
            refused(Kind::App, app);
        }
        for app in ["Play:com.fake", "play", "play:", "play:a b", "sha256:ABC", ":a.b"] {
            void(Kind::App, app);
        }
    }
}
