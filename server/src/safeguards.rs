//! Safeguards: values whose report would harm everybody are refused at publication, until a second key of the same
//! member overrides that (a node's admission; no other reader judges by it).
//!
//! The values come from files in the MISP warninglist format, so that operators can use the published lists, and
//! from the roster: the members' own names. How an entry is compared differs from MISP, which warns an analyst where
//! a node refuses a report:
//!
//! - **Names** (`string` and `hostname` lists). `amazon.com` protects itself and `www.amazon.com`. MISP's `hostname`
//!   type would protect every name below it as well; but top lists are full of hosts that millions share, and
//!   `evil.webflow.io` is not webflow.io. Only an entry with a leading dot (`.go.th`, `*.go.th`) protects the names
//!   below it, and never across a suffix that customers share by the public suffix list: `.amazonaws.com` does not
//!   protect `evil.s3.amazonaws.com`. An entry that is a registry's suffix itself (`.gov.uk`, `.barclays`) protects
//!   all of it.
//! - **URLs** are protected as their host when nothing follows it (`https://github.com/`), or when a list names the
//!   very URL. A deep link on a protected host is no report of the host: `https://github.com/evil/kit` passes.
//! - **E-mail addresses**: a list whose matching_attributes name an e-mail type protects the addresses in it, and
//!   for `host` or `@host` every address at that host. Other lists never do: gmail.com is in all top lists, and
//!   scammers write from it. Addresses at the members' own names are protected.
//! - **Networks** (`cidr`): a report is refused when it lies in a protected network, and when it covers one.
//! - **Wallets** are compared without the chain (one key has one address on several) and with the deposit tag, so
//!   that one customer's deposit at an exchange can be reported although its hot wallet cannot.
//! - **Patterns** (`regex`, `substring`) search in the value, as in MISP. A pattern for phone numbers has to match a
//!   whole number, with or without the trunk prefix that E.164 leaves out: the published list of unassigned numbers
//!   has an alternative `|08|09|10|11` by mistake, which would protect every fourth number of the world.
//!
//! Everything is compared in canonical form and lowercase. What cannot be a canonical value of any kind that the
//! list speaks about (`com`: a suffix is refused at admission anyway) is counted as idle, never silently.

mod loading;
mod names;
mod networks;
mod patterns;
mod shared;
mod table;
#[cfg(test)]
mod tests;
mod warninglist;

use std::{borrow::Cow, collections::BTreeMap, ffi::OsStr, fmt, fs, net::IpAddr, path::Path};

use almenara_proto::indicator::{Indicator, Kind, Shown};

use loading::Loading;
use names::Names;
use networks::Networks;
use patterns::Patterns;
use table::Table;
use warninglist::Warninglist;

pub use shared::SharedSafeguards;
pub use warninglist::SafeguardError;

/// File names and contents of the lists that a new node starts with.
pub const SHIPPED: &[(&str, &str)] = &[
    ("governments.json", include_str!("../safeguards/governments.json")),
    ("help-lines.json", include_str!("../safeguards/help-lines.json")),
    ("help-lines-116.json", include_str!("../safeguards/help-lines-116.json")),
    ("well-known.json", include_str!("../safeguards/well-known.json")),
];

/// Numbers of the two sets that come from no file; [`Loading`] gives lower ones to lists.
const RESERVED: u16 = u16::MAX;
const MEMBERS: u16 = u16::MAX - 1;

/// All protected values of a node. Immutable but for the members' names; a reload makes a new one.
///
/// Takes about 40 bytes an entry (see `table::Table`; names also mark what stands above them) and 20 bytes a
/// network; patterns at most 8 MiB a kind.
#[derive(Clone, Debug)]
pub struct Safeguards {
    lists: Vec<List>,
    names: Names,
    /// All other values.
    values: Table,
    networks: Networks,
    patterns: BTreeMap<Kind, Patterns>,
    /// Replaced as a whole when the roster changes.
    members: Names,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The list's own name, as refusals show it.
    pub name: Box<str>,
    /// Its version, as the file writes it.
    pub version: Box<str>,
    /// Entries that can meet an indicator.
    pub active: usize,
    /// Entries that no indicator can equal.
    pub idle: usize,
}

/// Why an indicator is refused. Part of the answer to its publisher; never of a log, since it shows the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected<'a> {
    /// The list's name.
    pub list: &'a str,
    /// The entry: a value, a name above it (with a leading dot), a network or a pattern.
    pub entry: Cow<'a, str>,
}

impl fmt::Display for Protected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entry, list) = (Shown::new(&self.entry), Shown::new(self.list));
        write!(f, "protected by {entry} of the list {list}; a second key of your member can override this")
    }
}

impl Safeguards {
    /// Without any list: only reserved names are protected.
    #[must_use]
    pub fn none() -> Self {
        Self {
            lists: Vec::new(),
            names: Names::reserved(RESERVED),
            values: Table::default(),
            networks: Networks::default(),
            patterns: BTreeMap::new(),
            members: Names::default(),
        }
    }

    /// Reads every `*.json` of a directory, in the order of their names; not its subdirectories, so that an operator
    /// chooses among the published lists (some protect whole cloud providers). An empty directory is no error.
    ///
    /// # Errors
    /// [`SafeguardError`] names the file and the reason. Nothing is taken then: the caller keeps its old set.
    pub fn load(directory: &Path) -> Result<Self, SafeguardError> {
        let unreadable = |source| SafeguardError::Unreadable { file: directory.to_owned(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(directory).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension() == Some(OsStr::new("json")) {
                files.push(file);
            }
        }
        files.sort_unstable();
        let mut loading = Loading::new(directory);
        for file in files {
            loading.add(&file, Warninglist::read(&file)?)?;
        }
        loading.finish()
    }

    /// The lists, in the order in which they were read.
    #[must_use]
    pub fn lists(&self) -> &[List] {
        &self.lists
    }

    /// Protects the members' own names, what is below them, and e-mail addresses at them; replaces the names that
    /// were given before.
    pub fn protect_also<'n>(&mut self, names: impl IntoIterator<Item = &'n str>) {
        self.members = Names::default();
        for name in names {
            self.members.insert(&name.trim_matches('.').to_ascii_lowercase(), true, MEMBERS);
        }
    }

    /// The first safeguard that an indicator meets, if any.
    #[must_use]
    pub fn protects<'a>(&'a self, indicator: &'a Indicator) -> Option<Protected<'a>> {
        let value = indicator.value();
        let found = match indicator.kind() {
            Kind::Domain => self.name(value),
            Kind::Url | Kind::Advert => {
                let host = names::bare_host(value).and_then(|host| self.host(host));
                host.or_else(|| self.value(indicator.kind(), value, value))
            }
            Kind::Email => self.email(value),
            Kind::Phone => self.phone(value),
            Kind::Ip => self.network(value).or_else(|| self.value(Kind::Ip, value, value)),
            Kind::Wallet => self.value(Kind::Wallet, &loading::address(value).to_ascii_lowercase(), value),
            Kind::Handle => {
                // Messengers whose accounts are phone numbers.
                let number = value.split_once(':').map(|(_, id)| id).filter(|id| id.starts_with('+'));
                let phone = number.and_then(|number| self.phone(number));
                phone.or_else(|| self.value(Kind::Handle, value, value))
            }
            kind => self.value(kind, &value.to_ascii_lowercase(), value),
        };
        found.or_else(|| self.pattern(indicator.kind(), value))
    }

    /// As [`Self::protects`], for a report that includes the subdomains of its domain: a protected name below it
    /// would be hit as well.
    #[must_use]
    pub fn protects_with_subdomains<'a>(&'a self, indicator: &'a Indicator) -> Option<Protected<'a>> {
        self.protects(indicator).or_else(|| {
            let name = (indicator.kind() == Kind::Domain).then(|| indicator.value())?;
            let list = self.names.find_below(name).or_else(|| self.members.find_below(name))?;
            Some(self.protected(list, format!("*.{name}")))
        })
    }

    fn protected<'a>(&'a self, list: u16, entry: impl Into<Cow<'a, str>>) -> Protected<'a> {
        let list = match (list, self.lists.get(usize::from(list))) {
            (_, Some(list)) => &list.name,
            (MEMBERS, None) => "the members' own names",
            (_, None) => "reserved names",
        };
        Protected { list, entry: entry.into() }
    }

    fn name<'a>(&'a self, name: &'a str) -> Option<Protected<'a>> {
        let (list, entry) = self.names.find(name).or_else(|| self.members.find(name))?;
        Some(self.protected(list, entry))
    }

    fn host<'a>(&'a self, host: &'a str) -> Option<Protected<'a>> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<IpAddr>().is_ok() { self.network(bare) } else { self.name(host) }
    }

    fn email<'a>(&'a self, address: &'a str) -> Option<Protected<'a>> {
        let (_, at_host) = address.split_at_checked(address.rfind('@')?)?;
        let listed =
            self.value(Kind::Email, address, address).or_else(|| self.value(Kind::Email, at_host, at_host));
        listed.or_else(|| {
            let (list, entry) = self.members.find(at_host.strip_prefix('@')?)?;
            Some(self.protected(list, entry))
        })
    }

    fn phone<'a>(&'a self, number: &'a str) -> Option<Protected<'a>> {
        let listed = self.value(Kind::Phone, number, number);
        listed.or_else(|| self.pattern(Kind::Phone, number)).or_else(|| {
            // E.164 leaves out the trunk prefix 0 that many patterns have; country codes have one to three digits.
            (2..=4).find_map(|end| {
                let (code, rest) = number.split_at_checked(end)?;
                self.pattern(Kind::Phone, &format!("{code}0{rest}"))
            })
        })
    }

    fn network(&self, text: &str) -> Option<Protected<'_>> {
        let (network, list) = self.networks.overlapping(networks::read(text)?)?;
        Some(self.protected(list, network.to_string()))
    }

    /// `key` is compared, `entry` shown.
    fn value<'a>(&'a self, kind: Kind, key: &str, entry: &'a str) -> Option<Protected<'a>> {
        Some(self.protected(self.values.get(kind, key)?, entry))
    }

    fn pattern(&self, kind: Kind, value: &str) -> Option<Protected<'_>> {
        let (entry, list) = self.patterns.get(&kind)?.find(value)?;
        Some(self.protected(list, entry))
    }
}
