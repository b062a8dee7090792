//! Release and custody once more, written from docs/protocol.md alone (§8, §9) and as slowly as it is written there:
//! nothing here calls the library's own.

use std::collections::{BTreeMap, BTreeSet};

use almenara_proto::merkle::sha256;

const EU: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// An organisation: its name, where it sits, who else can compel it.
pub(super) type Org = (&'static str, &'static str, &'static [&'static str]);

/// A roster, as far as the rules look at it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) orgs: Vec<Org>,
    pub(super) groups: BTreeMap<&'static str, Vec<&'static str>>,
}

/// What an author wrote about who shall have it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) origin: &'static str,
    pub(super) tlp: &'static str,
    pub(super) to: Vec<&'static str>,
    pub(super) not_to: Vec<&'static str>,
    pub(super) copies: u32,
}

impl World {
    fn seat(&self, name: &str) -> Option<&'static str> {
        self.orgs.iter().find(|org| org.0 == name).map(|org| org.1)
    }

    fn matches(&self, item: &str, name: &str) -> bool {
        match item.split_once(':') {
            Some(("group", group)) => self.groups.get(group).is_some_and(|members| members.contains(&name)),
            Some(("jurisdiction", code)) => self.seat(name) == Some(code),
            _ => item == name,
        }
    }

    /// As `matches`, but `EU` and its states match each other.
    fn excludes(&self, item: &str, name: &str) -> bool {
        let seat = self.seat(name).unwrap_or_default();
        let in_eu = |code: &str| EU.contains(&code);
        self.matches(item, name)
            || (item == "jurisdiction:EU" && in_eu(seat))
            || (seat == "EU" && item.strip_prefix("jurisdiction:").is_some_and(in_eu))
    }

    /// Whether the node of `name` may see it when the node of `server` answers. The rosters then and now are this one.
    pub(super) fn may_see(&self, said: &Said, name: &str, server: &str) -> bool {
        if said.tlp == "CLEAR" || name == said.origin {
            return true;
        }
        if self.seat(name).is_none() || said.not_to.iter().any(|item| self.excludes(item, name)) {
            return false;
        }
        let named = said.to.iter().any(|item| self.matches(item, name));
        match said.tlp {
            "GREEN" => true,
            "AMBER" | "AMBER+STRICT" => named,
            "RED" => named && server == said.origin && said.to.iter().all(|item| !item.contains(':')),
            _ => false,
        }
    }

    /// Whoever can compel a member.
    fn reach(&self, name: &str) -> BTreeSet<&'static str> {
        let of = self.orgs.iter().filter(|org| org.0 == name);
        of.flat_map(|org| org.2.iter().copied().chain([org.1])).collect()
    }

    /// The members besides the origin that keep it.
    pub(super) fn keepers(&self, said: &Said, leaf: &[u8; 32]) -> BTreeSet<&'static str> {
        let released: Vec<&'static str> = self
            .orgs
            .iter()
            .map(|org| org.0)
            .filter(|name| *name != said.origin && self.may_see(said, name, said.origin))
            .collect();
        if said.copies == 0 {
            return released.into_iter().collect();
        }
        let of_origin = self.reach(said.origin);
        let candidates: Vec<&str> =
            released.into_iter().filter(|name| self.reach(name).is_disjoint(&of_origin)).collect();
        // Whoever can be reached together is one place, step by step until nothing changes any more.
        let mut places: Vec<BTreeSet<&'static str>> = candidates
            .iter()
            .map(|name| self.orgs.iter().map(|o| o.0).filter(|o| o == name).collect())
            .collect();
        'merging: loop {
            for a in 0..places.len() {
                for b in a + 1..places.len() {
                    let reach = |place: &BTreeSet<&str>| -> BTreeSet<&str> {
                        place.iter().flat_map(|name| self.reach(name)).collect()
                    };
                    if !reach(&places[a]).is_disjoint(&reach(&places[b])) {
                        let other = places.remove(b);
                        places[a].extend(other);
                        continue 'merging;
                    }
                }
            }
            break;
        }
        let seats = |place: &BTreeSet<&str>| -> BTreeSet<&'static str> {
            place.iter().filter_map(|name| self.seat(name)).collect()
        };
        let rank = |text: &str| sha256(&[leaf, text.as_bytes()]).0;
        places.sort_by_key(|place| rank(&seats(place).into_iter().collect::<Vec<_>>().join(",")));
        let of_origin_left = u32::from(self.seat(said.origin).is_none());
        let chosen = places.into_iter().take((said.copies + of_origin_left) as usize);
        chosen
            .flat_map(|place| {
                let code = seats(&place).into_iter().min_by_key(|code| rank(code));
                place.into_iter().filter(move |name| self.seat(name) == code)
            })
            .collect()
    }

    /// Whether `name` keeps it.
    pub(super) fn keeps(&self, said: &Said, leaf: &[u8; 32], name: &str) -> bool {
        name == said.origin || self.keepers(said, leaf).contains(name)
    }
}
