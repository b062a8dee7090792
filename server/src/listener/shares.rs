//! Who has how many connections: no address and no member may take the places of others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Connections of one kind, counted for each key and in all. Owned by whoever opens or closes one.
struct Counter<K>(Arc<Mutex<Counts<K>>>);

struct Counts<K> {
    each: BTreeMap<K, usize>,
    all: usize,
}

impl<K: Ord> Default for Counter<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Counts { each: BTreeMap::new(), all: 0 })))
    }
}

impl<K: Ord + Clone> Counter<K> {
    /// Takes a place for `key`, if it has fewer than `each` and all keys together fewer than `all`.
    fn enter(&self, key: K, each: usize, all: usize) -> Option<Ticket<K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= all || counts.each.get(&key).is_some_and(|count| *count >= each) {
            return None;
        }
        counts.all += 1;
        *counts.each.entry(key.clone()).or_default() += 1;
        Some(Ticket { key, counts: self.0.clone() })
    }
}

/// A place, given back when dropped.
pub(super) struct Ticket<K: Ord> {
    key: K,
    counts: Arc<Mutex<Counts<K>>>,
}

impl<K: Ord> Drop for Ticket<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1; // each ticket was counted once, and is dropped once
        if let Some(count) = counts.each.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.each.remove(&self.key);
            }
        }
    }
}

/// Where strangers come from, as far as one of them can choose: an IPv4 address, or an IPv6 /64, of which
/// anybody has one whole. The machine's own loopback is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Network {
    Loopback,
    Address(IpAddr),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Loopback,
            IpAddr::V6(v6) => Self::Address(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
            v4 => Self::Address(v4),
        }
    }
}

/// The places of a node.
#[derive(Default)]
pub(super) struct Shares {
    strangers: Counter<Network>,
    anonymous: Counter<()>,
    members: Counter<String>,
}

impl Shares {
    /// A place for somebody who has not shown a certificate yet.
    pub(super) fn stranger(&self, address: IpAddr, per_address: usize) -> Option<Ticket<Network>> {
        let network = Network::from(address);
        let each = if network == Network::Loopback { usize::MAX } else { per_address };
        self.strangers.enter(network, each, usize::MAX)
    }

    /// A place for somebody who has none to show.
    pub(super) fn anonymous(&self, all: usize) -> Option<Ticket<()>> {
        self.anonymous.enter((), all, all)
    }

    /// A place for a member.
    pub(super) fn member(&self, member: &str, each: usize, all: usize) -> Option<Ticket<String>> {
        self.members.enter(member.to_owned(), each, all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_when_its_connection_ends() {
        let shares = Shares::default();
        let first = shares.member("a", 1, 2);
        assert!(first.is_some());
        assert!(shares.member("a", 1, 2).is_none(), "no member takes more than its share");
        let other = shares.member("b", 1, 2);
        assert!(other.is_some(), "and no other suffers for it");
        assert!(shares.member("c", 1, 2).is_none(), "but there is a sum");
        drop(first);
        assert!(shares.member("c", 1, 2).is_some());
        drop(other);
        assert!(shares.members.0.lock().unwrap().each.is_empty(), "nobody is remembered who is gone");
    }

    fn check(first: &str, second: &str, together: bool) {
        let shares = Shares::default();
        let held = shares.stranger(first.parse().unwrap(), 1);
        assert!(held.is_some());
        assert_eq!(shares.stranger(second.parse().unwrap(), 1).is_none(), together, "{first} {second}");
    }

    #[test]
    fn addresses_that_one_stranger_commands_count_together() {
        check("192.0.2.1", "192.0.2.1", true);
        check("192.0.2.1", "192.0.2.2", false);
        check("192.0.2.1", "::ffff:192.0.2.1", true);
        check("2001:db8::1", "2001:db8::ffff:2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        check("127.0.0.1", "127.0.0.1", false);
        check("::1", "::1", false);
    }
}
