//! IP addresses and small networks: RFC 5952, v4-mapped addresses as v4.

use super::{Kind, NotCanonical, refang};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Widest networks that a report may name: what one customer is given. A wider one hits neighbours.
const WIDEST_V4: u8 = 24;
const WIDEST_V6: u8 = 48;

/// IPv4 that no stranger can be reached by (IANA's special-purpose registry, RFC 6890), documentation included.
const SPECIAL_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// Parts of the only unicast block of IPv6 (2000::/3) that mean something else: IETF protocols and Teredo,
/// documentation (twice), 6to4.
const SPECIAL_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];
const UNICAST_V6: &str = "2000::/3";

pub(super) fn well_formed(value: &str) -> Result<(), &'static str> {
    // The longest: eight groups of four, and a length of three digits.
    if value.len() > 43 {
        return Err("an address has at most 43 bytes");
    }
    let network = read(value).ok_or("it is no IP address or network")?;
    if written(network) != value {
        return Err("it is not written as RFC 5952 asks, with no bit set outside the network");
    }
    Ok(())
}

pub(super) fn canonical(input: &str) -> Result<String, NotCanonical> {
    let text = refang::signs(input);
    let text = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(&text);
    let instead = "give an address such as 8.8.8.8, or a network such as 8.8.8.0/24";
    let network = read(text)
        .ok_or_else(|| NotCanonical::form(Kind::Ip, input, "it is no IP address or network", instead))?;
    let wide = match network {
        IpNet::V4(v4) => v4.prefix_len() < WIDEST_V4,
        IpNet::V6(v6) => v6.prefix_len() < WIDEST_V6,
    };
    if wide {
        let because = "a network wider than /24 (IPv4) or /48 (IPv6) hits people who did nothing";
        return Err(NotCanonical::refused(Kind::Ip, input, because, "report the addresses that you saw"));
    }
    public(Kind::Ip, network.addr(), input)?;
    Ok(written(network))
}

/// `address`, if strangers can reach it.
pub(super) fn public(kind: Kind, address: IpAddr, input: &str) -> Result<IpAddr, NotCanonical> {
    let within = |list: &[&str]| {
        list.iter().any(|block| block.parse::<IpNet>().is_ok_and(|block| block.contains(&address)))
    };
    let special = match address {
        IpAddr::V4(_) => within(&SPECIAL_V4),
        IpAddr::V6(_) => within(&SPECIAL_V6) || !within(&[UNICAST_V6]),
    };
    if special {
        let because = "it is a private, local, reserved or documentation address";
        return Err(NotCanonical::refused(kind, input, because, "report the public address"));
    }
    Ok(address)
}

/// Strict: four decimal parts without leading zeros, no zone, no port.
fn read(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else {
        return Some(match text.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(v4) => host_v4(v4),
            IpAddr::V6(v6) => host_v6(v6),
        });
    };
    // `parse` alone would read `+24` and `024`.
    if !length.bytes().all(|b| b.is_ascii_digit()) || (length.len() > 1 && length.starts_with('0')) {
        return None;
    }
    let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
    let (address, length) = match address.to_canonical() {
        // ::ffff:0:0/96 maps all of IPv4.
        v4 @ IpAddr::V4(_) if address.is_ipv6() => (v4, length.checked_sub(96)?),
        same => (same, length),
    };
    Some(IpNet::new(address, length).ok()?.trunc())
}

fn host_v4(address: Ipv4Addr) -> IpNet {
    IpNet::V4(address.into())
}

fn host_v6(address: Ipv6Addr) -> IpNet {
    IpNet::V6(address.into())
}

/// A network of one address is the address.
fn written(network: IpNet) -> String {
    if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, refused, void};
    use super::*;

    #[test]
    fn one_address_has_one_form() {
        let i = Kind::Ip;
        check(i, "8.8.8[.]8", "8.8.8.8");
        check(i, "8.8.8.8/32", "8.8.8.8");
        check(i, "8.8.8.77/24", "8.8.8.0/24");
        check(i, "::ffff:8.8.8.8", "8.8.8.8");
        check(i, "::ffff:8.8.8.0/120", "8.8.8.0/24");
        check(i, "[2600:9000:2000:0:0:0:0:A]", "2600:9000:2000::a");
        check(i, "2600:9000:2000:1::/48", "2600:9000:2000::/48");
    }

    #[test]
    fn private_wide_and_ambiguous_addresses_are_refused() {
        for address in [
            "10.0.0.0/8",
            "10.1.2.3",
            "0.0.0.0/0",
            "0.0.0.0",
            "::/0",
            "127.0.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "203.0.113.5",
            "2001:db8::1",
            "255.255.255.255",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fd00::1",
            "64:ff9b::808:808",
            "::ffff:10.0.0.1",
            "::ffff:8.8.8.0/95",
            "8.8.0.0/23",
            "2600::/47",
            "0x7f.1",
            "010.8.8.8",
            "8.8.8.8:80",
            "8.8.8",
            "8.8.8.0/+24",
            "8.8.8.0/33",
            "8.8.8.0/",
            "evil.example",
        ] {
            refused(Kind::Ip, address);
        }
    }

    #[test]
    fn an_address_is_void_by_its_bytes_alone() {
        for address in
            ["8.8.8.8/32", "8.8.8.1/24", "::ffff:8.8.8.8", "2600::A", "2600:0::1", "8.8.8.0/024", "", "a"]
        {
            void(Kind::Ip, address);
        }
    }

    #[test]
    fn every_block_of_the_lists_is_a_network() {
        for block in SPECIAL_V4.iter().chain(&SPECIAL_V6).chain([&UNICAST_V6]) {
            assert_eq!(block.parse::<IpNet>().unwrap().trunc().to_string(), *block);
        }
    }
}
