//! `almenarad.toml`, parsed once into final types.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

use almenara_client::{
    config::{Environment, FederationId, TlsFiles, path},
    settings::{Section, SettingsError, integer, list, text},
};
use almenara_proto::{
    merkle::Hash,
    name::{Jurisdiction, MemberName},
};
use tracing_subscriber::EnvFilter;

use crate::{
    erase::DELAY_HOURS,
    home::NodeHome,
    witnesses::{WitnessKey, WitnessUrl},
};

/// Statements a day of each publisher, unless configured. The largest public lists gain some hundred thousand
/// domains a day; a desk that publishes more has run away or was stolen.
pub const STATEMENTS_PER_DAY: u64 = 2_000_000;

/// Values looked up a minute by each member, unless configured: a million a second, more than a node answers. So
/// the default keeps nobody from checking all that passes a platform; whoever fears that a member enumerates
/// phone numbers sets it lower.
pub const LOOKUPS_PER_MINUTE: u64 = 60_000_000;

/// What an operator configured. Paths are resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which federation.
    pub federation: FederationId,
    /// Whose node.
    pub member: MemberName,
    /// SHA-256 of roster version 1's body; nothing before `almenarad join`.
    pub roster: Option<Hash>,
    /// Where the node listens.
    pub listen: SocketAddr,
    /// Where it keeps what it holds.
    pub store: StoreUrl,
    /// Its keys.
    pub keys: KeyFiles,
    /// Its own leaf.
    pub tls: TlsFiles,
    /// The folder with lists of protected values.
    pub safeguards: PathBuf,
    /// Bounds for those who are admitted.
    pub quotas: Quotas,
    /// Consumer certificates with a jurisdiction of their own; others have their member's.
    pub consumers: BTreeMap<String, Jurisdiction>,
    /// Members that get from this node, for now, what is public and nothing else.
    pub narrowed: BTreeSet<MemberName>,
    /// Seconds between an erasing withdrawal and the deletion of what it names.
    pub erase_after: u64,
    /// Witnesses outside the federation.
    pub witnesses: Vec<WitnessConfig>,
    /// What is logged, and how.
    pub log: LogConfig,
}

/// `[witnesses.NAME]`: somebody outside the federation who cosigns checkpoints (C2SP tlog-witness).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessConfig {
    /// What it is called in this node's log lines.
    pub name: String,
    /// Where it takes checkpoints.
    pub url: WitnessUrl,
    /// Under which its cosignatures hold.
    pub key: WitnessKey,
    /// PEM file with the authorities of its certificate; nothing: those of the system.
    pub authorities: Option<PathBuf>,
}

/// `sqlite:FILE` (relative to the home) or `postgres://…`. Shown, it keeps a password to itself.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

/// Files of a node's keys. The root key is not among them: a node never needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// Signs checkpoints.
    pub log: PathBuf,
    /// Cosigns other members' checkpoints.
    pub cosign: PathBuf,
    /// Hides which indicators were withdrawn.
    pub tombstone: PathBuf,
}

/// Bounds for those who are admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Of each publisher.
    pub statements_per_day: u64,
    /// Values, of each member.
    pub lookups_per_minute: u64,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Which events.
    pub level: LogLevel,
    /// How they look.
    pub format: LogFormat,
}

/// A level (`info`) or a filter (`info,almenara_server=debug`) of tracing-subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// Reads the configuration of `home`.
    ///
    /// # Errors
    /// [`SettingsError`], which names the key and the line.
    pub fn read(home: &NodeHome, environment: &Environment) -> Result<Self, SettingsError> {
        Self::from_section(Section::read(home.config(), environment.variables())?, home.folder())
    }

    /// Parses `content` as the configuration in `file`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(file: &Path, content: &str, home: &Path) -> Result<Self, SettingsError> {
        Self::from_section(Section::parse(file, content, &[])?, home)
    }

    fn from_section(mut top: Section, home: &Path) -> Result<Self, SettingsError> {
        let mut store = top.section("store")?;
        let mut keys = top.section("keys")?;
        let mut tls = top.section("tls")?;
        let mut safeguards = top.section("safeguards")?;
        let mut quotas = top.section("quotas")?;
        let mut narrowing = top.section("narrowing")?;
        let mut erasure = top.section("erasure")?;
        let mut log = top.section("log")?;
        let consumers = read_consumers(top.section("consumers")?)?;
        let witnesses = read_witnesses(top.section("witnesses")?, home)?;
        let file = |section: &mut Section, key, default: &str| {
            Ok::<_, SettingsError>(home.join(section.optional(key, path)?.unwrap_or(default.into())))
        };
        let config = Self {
            federation: top.required("federation", text)?,
            member: top.required("member", text)?,
            roster: top.optional("roster", text)?,
            listen: top.required("listen", text)?,
            store: store.optional("url", text::<StoreUrl>)?.unwrap_or_default().resolved(home),
            keys: KeyFiles {
                log: file(&mut keys, "log", "keys/log.pem")?,
                cosign: file(&mut keys, "cosign", "keys/cosign.pem")?,
                tombstone: file(&mut keys, "tombstone", "keys/tombstone.key")?,
            },
            tls: TlsFiles {
                certificate: file(&mut tls, "certificate", "tls/cert.pem")?,
                key: file(&mut tls, "key", "tls/key.pem")?,
            },
            safeguards: file(&mut safeguards, "directory", "safeguards")?,
            quotas: Quotas {
                statements_per_day: quotas
                    .optional("statements_per_day", integer)?
                    .unwrap_or(STATEMENTS_PER_DAY),
                lookups_per_minute: quotas
                    .optional("lookups_per_minute", integer)?
                    .unwrap_or(LOOKUPS_PER_MINUTE),
            },
            consumers,
            narrowed: narrowing.optional("members", list)?.unwrap_or_default(),
            erase_after: erasure
                .optional("delay_hours", integer)?
                .unwrap_or(DELAY_HOURS)
                .saturating_mul(3_600),
            witnesses,
            log: LogConfig {
                level: log.optional("level", text)?.unwrap_or_default(),
                format: log.optional("format", text)?.unwrap_or_default(),
            },
        };
        for section in [store, keys, tls, safeguards, quotas, narrowing, erasure, log, top] {
            section.finish()?;
        }
        Ok(config)
    }

    /// Where a program on this machine reaches the node.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.listen.port())
    }
}

fn read_consumers(mut section: Section) -> Result<BTreeMap<String, Jurisdiction>, SettingsError> {
    let names = section.keys();
    names.into_iter().map(|name| Ok((name.clone(), section.required(&name, text)?))).collect()
}

fn read_witnesses(mut section: Section, home: &Path) -> Result<Vec<WitnessConfig>, SettingsError> {
    let read = |name: String, mut one: Section| {
        let witness = WitnessConfig {
            url: one.required("url", text)?,
            key: one.required("key", text)?,
            authorities: one.optional("authorities", path)?.map(|file| home.join(file)),
            name,
        };
        one.finish()?;
        Ok(witness)
    };
    section.keys().into_iter().map(|name| read(name.clone(), section.section(&name)?)).collect()
}

impl StoreUrl {
    /// As the store takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A relative SQLite file starts at the home.
    fn resolved(self, home: &Path) -> Self {
        match self.0.strip_prefix("sqlite:") {
            Some(file) => Self(format!("sqlite:{}", home.join(file).display())),
            None => self,
        }
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self("sqlite:store/node.db".to_owned())
    }
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = ["sqlite:", "postgres://", "postgresql://"];
        let named = known.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        let simple = !(text.starts_with("sqlite:") && text.contains(['?', '%']));
        if named && simple {
            Ok(Self(text.to_owned()))
        } else {
            // The text itself may hold a password.
            Err("write sqlite:FILE (without ? and %) or postgres://USER:PASSWORD@HOST/DATABASE".to_owned())
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.split(':').next().unwrap_or_default())?;
        f.write_str(":…")
    }
}

impl LogLevel {
    /// The filter, as tracing-subscriber takes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match EnvFilter::try_new(text) {
            Ok(_) if !text.is_empty() => Ok(Self(text.to_owned())),
            Ok(_) => Err("it is empty: use error, warn, info, debug or trace".to_owned()),
            Err(error) => {
                Err(format!("{error}: use error, warn, info, debug or trace, or a filter of those"))
            }
        }
    }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{}` is no format: use text or json", other.escape_default())),
        }
    }
}

#[cfg(test)]
mod tests;
