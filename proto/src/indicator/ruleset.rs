//! Versions of the tables behind canonical forms, for a statement's `ruleset`.

use super::phone;

/// What the author's client used, so that a node with other tables still knows what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// Unicode: UTS #46 and its normalisation data (ICU4X), and the version of NFC.
    pub unicode: String,
    /// The public suffix list, by the release of the crate that compiles it in daily.
    pub public_suffix: String,
    /// libphonenumber's metadata.
    pub phone: String,
}

/// These crates name no constant for their tables: a test holds the numbers to Cargo.lock.
const IDNA: &str = "1.1.0";
const ICU_NORMALIZER_DATA: &str = "2.4.0";
const PSL: &str = "2.1.247";

/// The tables compiled into this build.
pub fn ruleset() -> Ruleset {
    let (major, minor, update) = unicode_normalization::UNICODE_VERSION;
    Ruleset {
        unicode: format!("idna {IDNA}, icu {ICU_NORMALIZER_DATA}, nfc {major}.{minor}.{update}"),
        public_suffix: format!("psl {PSL}"),
        phone: format!("libphonenumber {}", phone::TABLES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ruleset_names_the_versions_that_are_built_in() {
        let lock = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"));
        let check = |name: &str, version: &str| {
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(
                lock.contains(&entry),
                "{name} is no longer {version}: name its new tables in ruleset.rs"
            );
        };
        check("idna", IDNA);
        check("icu_normalizer_data", ICU_NORMALIZER_DATA);
        check("psl", PSL);
        check("phonenumber", &format!("0.3.10+{}", phone::TABLES));
        let ruleset = ruleset();
        assert!([ruleset.unicode, ruleset.public_suffix, ruleset.phone].iter().all(|text| text.len() > 6));
    }
}
