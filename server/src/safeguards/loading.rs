//! From files to one set.

use std::{collections::BTreeMap, path::Path, path::PathBuf};

use almenara_proto::indicator::{Hints, Indicator, Kind, Shown, canonicalise};
use ipnet::IpNet;

use super::{
    List, MEMBERS, RESERVED, SafeguardError, Safeguards,
    names::{self, Names},
    networks::{self, Networks},
    patterns::{self, Pattern, Patterns},
    table::Table,
    warninglist::{ListType, Warninglist},
};

/// Lists on their way into a [`Safeguards`].
pub(super) struct Loading {
    directory: PathBuf,
    lists: Vec<List>,
    names: Names,
    values: Table,
    networks: Vec<(IpNet, u16)>,
    patterns: BTreeMap<Kind, Vec<Pattern>>,
}

impl Loading {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            lists: Vec::new(),
            names: Names::reserved(RESERVED),
            values: Table::default(),
            networks: Vec::new(),
            patterns: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, file: &Path, list: Warninglist) -> Result<(), SafeguardError> {
        let number = u16::try_from(self.lists.len()).ok().filter(|number| *number < MEMBERS);
        let number =
            number.ok_or_else(|| SafeguardError::TooManyLists { directory: self.directory.clone() })?;
        let (mut active, mut idle) = (0, 0);
        for (place, entry) in list.entries.iter().enumerate() {
            let used = match list.list_type {
                ListType::String | ListType::Hostname => Ok(self.add_values(&list.kinds, entry, number)),
                ListType::Cidr => self.add_network(&list.kinds, entry, number),
                ListType::Regex | ListType::Substring => {
                    self.add_pattern(list.list_type, &list.kinds, entry, number)
                }
            };
            let used = used.map_err(|reason| SafeguardError::BadEntry {
                file: file.to_owned(),
                number: place + 1,
                entry: Shown::new(entry),
                reason,
            })?;
            if used { active += 1 } else { idle += 1 }
        }
        self.lists.push(List { name: list.name.into(), version: list.version.into(), active, idle });
        Ok(())
    }

    /// Whether any kind has a value for the entry.
    fn add_values(&mut self, kinds: &[Kind], entry: &str, list: u16) -> bool {
        let entry = entry.trim();
        let mut used = false;
        // A bare name in a list for URLs protects the name: that is what a URL without a path reports.
        let speaks_of_names = kinds.contains(&Kind::Domain) || kinds.contains(&Kind::Url);
        if let Some((name, below)) = names::read(entry).filter(|_| speaks_of_names) {
            self.names.insert(&name, below, list);
            used = true;
        }
        for &kind in kinds.iter().filter(|kind| **kind != Kind::Domain) {
            let key = match kind {
                Kind::Email if !entry.contains('@') => names::read(entry).map(|(name, _)| format!("@{name}")),
                Kind::Email if entry.starts_with('@') => {
                    names::read(entry.trim_start_matches('@')).map(|(name, _)| format!("@{name}"))
                }
                Kind::Ip => {
                    let network = networks::read(entry);
                    self.networks.extend(network.map(|network| (network, list)));
                    used |= network.is_some();
                    None
                }
                Kind::Wallet => canonical(kind, entry)
                    .map(|value| address(&value).to_owned())
                    .or_else(|| bare_address(entry))
                    .map(|value| value.to_ascii_lowercase()),
                // The path of a URL has a case; what else has letters is compared without.
                Kind::Url | Kind::Advert => canonical(kind, entry),
                _ => canonical(kind, entry).map(|value| value.to_ascii_lowercase()),
            };
            if let Some(key) = key {
                self.values.insert(kind, &key, list);
                used = true;
            }
        }
        used
    }

    fn add_network(&mut self, kinds: &[Kind], entry: &str, list: u16) -> Result<bool, String> {
        let network = networks::read(entry).ok_or("it is no IP address or network")?;
        let used = kinds.contains(&Kind::Ip);
        if used {
            self.networks.push((network, list));
        }
        Ok(used)
    }

    fn add_pattern(
        &mut self,
        list_type: ListType,
        kinds: &[Kind],
        entry: &str,
        list: u16,
    ) -> Result<bool, String> {
        let (search, whole) = match list_type {
            ListType::Substring => (patterns::substring(entry)?, None),
            _ => (patterns::regular(entry)?, Some(patterns::whole(entry)?)),
        };
        for &kind in kinds {
            let whole = whole.as_ref().filter(|_| kind == Kind::Phone);
            let regex = whole.unwrap_or(&search).clone();
            let pattern = Pattern { regex, entry: entry.into(), list };
            self.patterns.entry(kind).or_default().push(pattern);
        }
        Ok(!kinds.is_empty())
    }

    pub(super) fn finish(mut self) -> Result<Safeguards, SafeguardError> {
        let mut patterns = BTreeMap::new();
        for (kind, entries) in self.patterns {
            let set = Patterns::new(entries).map_err(|reason| SafeguardError::TooManyPatterns {
                directory: self.directory.clone(),
                kind,
                reason,
            })?;
            patterns.insert(kind, set);
        }
        self.names.shrink_to_fit();
        self.values.shrink_to_fit();
        Ok(Safeguards {
            lists: self.lists,
            names: self.names,
            values: self.values,
            networks: Networks::new(self.networks),
            patterns,
            members: Names::default(),
        })
    }
}

/// The canonical value that an entry means, or the entry itself where only the tables of admission refuse it.
fn canonical(kind: Kind, entry: &str) -> Option<String> {
    if let Ok(canonical) = canonicalise(kind, entry, &Hints::default()) {
        return Some(canonical.indicator.value().to_owned());
    }
    let lower = entry.to_ascii_lowercase();
    if kind == Kind::App && lower.len() == 64 {
        // MISP's lists of files have the bare SHA-256.
        return Indicator::new(kind, format!("sha256:{lower}")).ok().map(|app| app.value().to_owned());
    }
    Indicator::new(kind, lower).ok().map(|indicator| indicator.value().to_owned())
}

/// A wallet without its chain: `btc:`, `eip155:<id>:`.
pub(super) fn address(wallet: &str) -> &str {
    let Some((chain, rest)) = wallet.split_once(':') else { return wallet };
    match rest.split_once(':') {
        Some((_, address)) if chain == "eip155" => address,
        _ => rest,
    }
}

/// An address of a chain that is not known here, by its looks: lists name some that nobody added yet.
fn bare_address(entry: &str) -> Option<String> {
    let address = address(entry);
    let fits = address.len() >= 20 && address.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| address.to_owned())
}
