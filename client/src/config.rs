//! `almenara.toml`, parsed once into final types; the only place that reads the environment.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    str::FromStr,
};

use almenara_proto::{
    merkle::Hash,
    name::{MemberName, Publisher},
    verdict::Policy,
};

use crate::{
    settings::{self, Section, SettingsError, flag, integer, list, text},
    store::ERASE_AFTER,
};

/// What the environment says, read once at the start.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: Vec<(String, String)>,
}

impl Environment {
    /// Reads the process's environment; variables that are no Unicode are none of ours.
    #[must_use]
    pub fn read() -> Self {
        let text = |text: std::ffi::OsString| text.into_string().ok();
        Self { variables: std::env::vars_os().filter_map(|(k, v)| Some((text(k)?, text(v)?))).collect() }
    }

    /// One of one's own, for tests.
    #[must_use]
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self { variables: variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect() }
    }

    /// All variables.
    #[must_use]
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// A variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.variables.iter().find(|(key, value)| key == name && !value.is_empty())?;
        Some(value)
    }

    /// Where programs of this platform keep their configuration.
    #[must_use]
    pub fn config_directory(&self) -> Option<PathBuf> {
        let home = || self.get("HOME").map(PathBuf::from);
        if cfg!(windows) {
            self.get("APPDATA").map(PathBuf::from)
        } else if cfg!(target_os = "macos") {
            home().map(|home| home.join("Library/Application Support"))
        } else {
            self.get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home().map(|home| home.join(".config")))
        }
    }

    /// Whether somebody wants no colours (<https://no-color.org>).
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.get("NO_COLOR").is_some()
    }
}

/// The id of a federation, such as `scamwatch.example`: spelled like a member's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederationId(String);

impl FederationId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for FederationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for FederationId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "lowercase letters, digits, hyphens and dots only, such as `scamwatch.example`";
        match text.parse::<MemberName>() {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(format!("federation `{}`: {rule}", text.escape_default())),
        }
    }
}

/// What a person or platform configured. Paths are resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which federation.
    pub federation: FederationId,
    /// SHA-256 of roster version 1's body, given out of band: the root of all trust.
    pub roster: Hash,
    /// Whom to ask, in order; addresses come from the signed roster only.
    pub nodes: Vec<MemberName>,
    /// The own leaf.
    pub tls: TlsFiles,
    /// The own desk, if this is one.
    pub publisher: Option<PublisherConfig>,
    /// What counts.
    pub policy: Policy,
    /// Seconds between an erasing withdrawal and the deletion of what it names from the local store.
    pub erase_after: u64,
}

/// Files of the own leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The own desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherConfig {
    /// Its whole name.
    pub name: Publisher,
    /// Its signing key, PEM.
    pub key: PathBuf,
}

impl Config {
    /// Reads `almenara.toml` of `home`.
    ///
    /// # Errors
    /// [`SettingsError`], which names the key and the line.
    pub fn read(home: &crate::home::Home, environment: &Environment) -> Result<Self, SettingsError> {
        let path = home.config();
        Self::from_section(Section::read(&path, environment.variables())?, home.folder())
    }

    fn from_section(mut top: Section, home: &Path) -> Result<Self, SettingsError> {
        let mut tls = top.section("tls")?;
        let publisher = top.optional_section("publisher")?;
        let policy = top.section("policy")?;
        let mut erasure = top.section("erasure")?;
        let config = Self {
            federation: top.required("federation", text)?,
            roster: top.required("roster", text)?,
            nodes: top.required("nodes", nodes)?,
            tls: TlsFiles {
                certificate: home.join(tls.optional("certificate", path)?.unwrap_or("tls/cert.pem".into())),
                key: home.join(tls.optional("key", path)?.unwrap_or("tls/key.pem".into())),
            },
            publisher: publisher.map(|section| read_publisher(section, home)).transpose()?,
            policy: read_policy(policy)?,
            erase_after: erasure
                .optional("delay_hours", integer::<u32>)?
                .map_or(ERASE_AFTER, |hours| u64::from(hours).saturating_mul(3_600)),
        };
        tls.finish()?;
        erasure.finish()?;
        top.finish()?;
        Ok(config)
    }
}

fn read_publisher(mut section: Section, home: &Path) -> Result<PublisherConfig, SettingsError> {
    let publisher = PublisherConfig {
        name: section.required("name", text)?,
        key: home.join(section.required("key", path)?),
    };
    section.finish()?;
    Ok(publisher)
}

fn read_policy(mut section: Section) -> Result<Policy, SettingsError> {
    let policy = Policy {
        kinds: section.optional("kinds", list)?.unwrap_or_default(),
        categories: section.optional("categories", list)?.unwrap_or_default(),
        minimum_score: section.optional("minimum_score", percent)?.unwrap_or(1),
        minimum_corroboration: section.optional("minimum_corroboration", integer)?.unwrap_or(0),
        ignored: section.optional("ignored", ignored)?.unwrap_or_default(),
        pending_allowed: section.optional("pending_allowed", flag)?.unwrap_or(false),
    };
    section.finish()?;
    Ok(policy)
}

/// Reads a path.
///
/// # Errors
/// The reason in words.
pub fn path(raw: &settings::Raw) -> Result<PathBuf, String> {
    text::<PathBuf>(raw)
        .and_then(|path| if path.as_os_str().is_empty() { Err("it is empty".into()) } else { Ok(path) })
}

fn nodes(raw: &settings::Raw) -> Result<Vec<MemberName>, String> {
    let nodes: Vec<MemberName> = list(raw)?;
    if nodes.is_empty() {
        Err("at least one member is needed, whose node is asked".into())
    } else {
        Ok(nodes)
    }
}

fn percent(raw: &settings::Raw) -> Result<u32, String> {
    match integer(raw)? {
        percent @ 0..=100 => Ok(percent),
        other => Err(format!("{other} is no percentage: 0 to 100")),
    }
}

/// Members or publishers, as a policy names them.
fn ignored(raw: &settings::Raw) -> Result<BTreeSet<String>, String> {
    struct Source(String);
    impl FromStr for Source {
        type Err = String;
        fn from_str(text: &str) -> Result<Self, String> {
            let known = text.parse::<MemberName>().is_ok() || text.parse::<Publisher>().is_ok();
            let refuse = || format!("`{}` is no member and no publisher", text.escape_default());
            known.then(|| Self(text.to_owned())).ok_or_else(refuse)
        }
    }
    let sources: Vec<Source> = list(raw)?;
    Ok(sources.into_iter().map(|source| source.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn read(text: &str) -> Result<Config, String> {
        let section =
            Section::parse(Path::new("almenara.toml"), text, &[]).map_err(|error| error.to_string())?;
        Config::from_section(section, Path::new("/home")).map_err(|error| error.to_string())
    }

    fn top() -> String {
        format!("federation = \"scamwatch.example\"\nroster = \"{HASH}\"\nnodes = [\"police.th.example\"]\n")
    }

    fn check(lines: &str, error: &str) {
        let found = read(&format!("{}{lines}", top())).expect_err("an error");
        assert!(found.contains(error), "{found}");
    }

    #[test]
    fn three_lines_are_a_configuration() {
        let config = read(&top()).expect("a configuration");
        assert_eq!(config.tls.certificate, Path::new("/home/tls/cert.pem"));
        assert_eq!(config.roster.to_string(), HASH);
        assert!(!config.policy.pending_allowed && config.policy.minimum_score == 1);
        assert!(config.publisher.is_none());
        assert_eq!(config.erase_after, 72 * 3_600);
    }

    #[test]
    fn every_error_names_key_and_line() {
        check(
            "[publisher]\nname = \"Desk\"\nkey = \"k\"\n",
            "almenara.toml:5: publisher.name: publisher `Desk`",
        );
        check("[publisher]\nname = \"a/b\"\n", "almenara.toml: publisher.key is missing");
        check(
            "[policy]\nminimum_score = 101\n",
            "almenara.toml:5: policy.minimum_score: 101 is no percentage",
        );
        check("[policy]\nignored = [\"A B\"]\n", "almenara.toml:5: policy.ignored: `A B` is no member");
        check("[policy]\ncategories = [\"scam\"]\n", "almenara.toml:5: policy.categories: ");
        check(
            "[tls]\ncertficate = \"x\"\n",
            "almenara.toml:5: tls.certficate is not a key: certificate, key are",
        );
        check("[erasure]\ndelay_hours = -1\n", "almenara.toml:5: erasure.delay_hours: -1 is out of range");
        check("[erasure]\ndelay = 1\n", "almenara.toml:5: erasure.delay is not a key: delay_hours are");
        check("[tls]\nkey = \"\"\n", "almenara.toml:5: tls.key: it is empty");
        let short = read("federation = \"scamwatch.example\"\nroster = \"abc\"\n").expect_err("a short hash");
        assert!(short.starts_with("almenara.toml:2: roster: "), "{short}");
        let nobody = read(&top().replace("[\"police.th.example\"]", "[]")).expect_err("nobody to ask");
        assert!(nobody.starts_with("almenara.toml:3: nodes: at least one member"), "{nobody}");
    }

    #[test]
    fn the_platform_tells_where_configuration_is() {
        if cfg!(all(unix, not(target_os = "macos"))) {
            let of = |variables: &[(&str, &str)]| Environment::of(variables).config_directory();
            assert_eq!(of(&[("HOME", "/root")]), Some("/root/.config".into()));
            assert_eq!(of(&[("HOME", "/root"), ("XDG_CONFIG_HOME", "/c")]), Some("/c".into()));
            assert_eq!(of(&[]), None);
        }
        assert!(Environment::of(&[("NO_COLOR", "1")]).no_color());
        assert!(!Environment::of(&[("NO_COLOR", "")]).no_color());
    }
}
