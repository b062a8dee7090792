//! Protected addresses and networks.

use ipnet::IpNet;

/// Disjoint networks in order, each with the number of its list: 20 bytes a network, 1.3 MB for the 62,745 public
/// resolvers that MISP knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks(Vec<(IpNet, u16)>);

impl Networks {
    /// Keeps the widest of networks that contain each other: two networks never overlap otherwise.
    pub(super) fn new(mut networks: Vec<(IpNet, u16)>) -> Self {
        // By first address, the wider before the narrower.
        networks.sort_unstable();
        networks.dedup_by(|next, kept| kept.0.contains(&next.0));
        networks.shrink_to_fit();
        Self(networks)
    }

    /// A protected network that contains `asked`, or lies in it: a block that covers a protected address hits it.
    pub(super) fn overlapping(&self, asked: IpNet) -> Option<(IpNet, u16)> {
        let after = self.0.partition_point(|(network, _)| network.network() <= asked.broadcast());
        // Disjoint and in order: if any network overlaps, the last one that starts in time does.
        let (network, list) = *self.0.get(after.checked_sub(1)?)?;
        (network.contains(&asked) || asked.contains(&network)).then_some((network, list))
    }
}

/// An address or a network as lists write it.
pub(super) fn read(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network =
        text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))?;
    Some(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks() -> impl Strategy<Value = IpNet> {
        // Few distinct addresses, so that networks often meet.
        prop_oneof![
            (0u32..4, 0u32..4, 0u8..=32).prop_map(|(high, low, length)| {
                let address = std::net::Ipv4Addr::from((high << 30) | low);
                IpNet::new(address.into(), length).unwrap().trunc()
            }),
            (0u128..4, 0u128..4, 0u8..=128).prop_map(|(high, low, length)| {
                let address = std::net::Ipv6Addr::from((high << 126) | low);
                IpNet::new(address.into(), length).unwrap().trunc()
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_search_agrees_with_asking_every_network(
            listed in prop::collection::vec(networks(), 0..20),
            asked in networks(),
        ) {
            let slow = listed.iter().any(|network| network.contains(&asked) || asked.contains(network));
            let fast = Networks::new(listed.into_iter().map(|network| (network, 0)).collect());
            prop_assert_eq!(fast.overlapping(asked).is_some(), slow);
        }
    }
}
