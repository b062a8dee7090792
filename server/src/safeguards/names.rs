//! Names: their own, with `www.`, and what is below an entry with a leading dot.

use std::borrow::Cow;

use almenara_proto::indicator::{Hints, Indicator, Kind, canonicalise};

use super::table::Table;

/// Names that each network answers for itself (RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`). Admission
/// refuses them as well, by tables that may change. `.example` and `.test` stay free for exercises.
pub(super) const RESERVED: [&str; 6] = ["arpa", "internal", "invalid", "local", "localdomain", "localhost"];

/// An entry as a canonical name, and whether it protects the names below it. None if it is no name that could be,
/// or stand above, an indicator.
pub(super) fn read(entry: &str) -> Option<(String, bool)> {
    let entry = entry.trim();
    let bare = entry.strip_prefix("*.").or_else(|| entry.strip_prefix('.'));
    let (name, below) = bare.map_or((entry, false), |name| (name, true));
    let name = name.trim_end_matches('.');
    // A name of plain letters is nearly every entry: the tables would only refuse suffixes, which lists may name.
    let lower = name.to_ascii_lowercase();
    let name = match Indicator::new(Kind::Domain, lower) {
        Ok(name) => name.value().to_owned(),
        Err(_) if below && is_label(name) => name.to_ascii_lowercase(),
        Err(_) if name.is_ascii() => return None,
        Err(_) => canonicalise(Kind::Domain, name, &Hints::default()).ok()?.indicator.value().to_owned(),
    };
    // `.www.bank.example` speaks about what is below it, and must not widen to all of bank.example.
    let name = if below { name } else { without_www(&name).to_owned() };
    Some((name, below))
}

/// A top-level domain, as in `.barclays`.
fn is_label(name: &str) -> bool {
    name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Protected names, by what an entry says about them. Apart, since the entries with a leading dot are few: asking for
/// every name above a miss stays in the processor's cache.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    itself: Table,
    below: Table,
    /// Stands above a protected name: a report that includes its subdomains would hit that name.
    above: Table,
}

impl Names {
    /// What no list has to name; `list` is no list's number.
    pub(super) fn reserved(list: u16) -> Self {
        let mut names = Self::default();
        for name in RESERVED {
            names.insert(name, true, list);
        }
        names
    }

    pub(super) fn insert(&mut self, name: &str, below: bool, list: u16) {
        self.itself.insert(Kind::Domain, name, list);
        if below {
            self.below.insert(Kind::Domain, name, list);
        }
        for parent in parents(name).filter(|parent| parent.contains('.')) {
            self.above.insert(Kind::Domain, parent, list);
        }
    }

    /// The entry that protects a canonical name, and its list.
    pub(super) fn find<'n>(&self, name: &'n str) -> Option<(u16, Cow<'n, str>)> {
        let itself = |name: &'n str| Some((self.itself.get(Kind::Domain, name)?, Cow::from(name)));
        let bare = without_www(name);
        let found = itself(name).or_else(|| (bare != name).then(|| itself(bare)).flatten());
        found.or_else(|| {
            parents(name).find_map(|parent| {
                let list = self.below.get(Kind::Domain, parent)?;
                (!is_shared(name, parent)).then(|| (list, Cow::from(format!(".{parent}"))))
            })
        })
    }

    /// The list of a protected name below this one.
    pub(super) fn find_below(&self, name: &str) -> Option<u16> {
        self.above.get(Kind::Domain, name)
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.itself.shrink_to_fit();
        self.below.shrink_to_fit();
        self.above.shrink_to_fit();
    }
}

/// The host of a URL without path and query, as its value writes it (`[::1]` with brackets).
pub(super) fn bare_host(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (authority, rest) = rest.split_once('/')?;
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    (rest.is_empty() || rest == "?").then_some(host)
}

fn without_www(name: &str) -> &str {
    name.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(name)
}

/// `a.b.c` → `b.c`, `c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.split_once('.').map(|(_, rest)| rest), |name| {
        name.split_once('.').map(|(_, rest)| rest)
    })
}

/// Hosts with a name for each customer that the public suffix list does not know. MISP's list of Microsoft's names
/// has `.sharepoint.com` and `.azure.com`: of 198,742 reported phishing domains its lists would have protected 210,
/// and 165 of them were somebody's SharePoint or virtual machine.
const SHARED: [&str; 3] = ["cloudapp.azure.com", "core.windows.net", "sharepoint.com"];

/// Between a name and the entry above it stands a suffix under which anybody is a customer: the name is not the
/// entry's. Not where the entry is a registry's own suffix, such as `.gov.uk`: whoever lists that means all of it.
fn is_shared(name: &str, entry: &str) -> bool {
    let suffix = |name: &'_ str| {
        let suffix = psl::suffix(name.as_bytes())?;
        Some((suffix.as_bytes().len(), suffix.typ() == Some(psl::Type::Private)))
    };
    let between = suffix(name).is_some_and(|(length, private)| private && length >= entry.len())
        || SHARED.iter().any(|host| is_at_or_below(name, host) && is_at_or_below(host, entry));
    let registry = suffix(entry).is_some_and(|(length, private)| !private && length == entry.len());
    between && !registry
}

fn is_at_or_below(name: &str, above: &str) -> bool {
    name.strip_suffix(above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
