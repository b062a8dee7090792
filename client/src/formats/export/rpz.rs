//! A DNS response policy zone (draft-vixie-dnsop-dns-rpz-00): `name CNAME .` answers NXDOMAIN.
//!
//! The names of a zone are relative to its origin, so none of them ends with a dot. Resolvers and their secondaries
//! take a new zone only when its serial rose (RFC 1982).

use std::io::{self, Write};

use almenara_proto::indicator::Kind;

use super::{
    Encoder, ExportItem, NameFault, Skip,
    name::{blocked_name, fits_under, is_name},
};

/// The zone around the names.
#[derive(Clone, Debug)]
pub struct RpzOptions {
    /// The zone's name, without a last dot: `rpz.almenara.example`.
    pub origin: String,
    /// Rises with each file; see [`next_serial`].
    pub serial: u32,
    /// Seconds that a resolver keeps an answer: how long a withdrawn name goes on being blocked.
    pub ttl: u32,
}

pub(super) struct Rpz {
    options: RpzOptions,
}

impl Rpz {
    pub(super) fn new(options: RpzOptions) -> Result<Self, NameFault> {
        // 100 bytes leave room for all but 0.3 % of the longest names seen.
        if is_name(&options.origin) && options.origin.len() <= 100 {
            Ok(Self { options })
        } else {
            Err(NameFault(options.origin))
        }
    }
}

impl Encoder for Rpz {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let RpzOptions { origin, serial, ttl } = &self.options;
        writeln!(out, "$TTL {ttl}")?;
        writeln!(out, "$ORIGIN {origin}.")?;
        // Refresh and retry matter to secondaries only; a zone that was not renewed for 30 days is no longer used.
        writeln!(out, "@ IN SOA localhost. hostmaster.localhost. {serial} 3600 600 2592000 {ttl}")?;
        writeln!(out, "@ IN NS localhost.")
    }

    fn item(&mut self, item: &ExportItem, value: &str, line: &mut Vec<u8>) -> Result<(), Skip> {
        if item.indicator.kind() != Kind::Domain {
            return Err(Skip::Kind);
        }
        let name = blocked_name(value)?;
        let wildcard = if item.include_subdomains { "*." } else { "" };
        if !fits_under(wildcard, name, &self.options.origin) {
            return Err(Skip::TooLong);
        }
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(b" CNAME .\n");
        if item.include_subdomains {
            line.extend_from_slice(b"*.");
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b" CNAME .\n");
        }
        Ok(())
    }
}

/// The serial of a zone file that was written here, from its third line.
#[must_use]
pub fn serial_of(zone: &str) -> Option<u32> {
    let soa = zone.lines().take(8).find(|line| line.contains(" SOA "))?;
    let (_, after) = soa.split_once(" SOA ")?;
    after.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// The next serial: the time in seconds, or one above the last when the clock fell back or two files were written
/// within a second. It wraps around as RFC 1982 has it.
#[must_use]
pub fn next_serial(last: Option<u32>, now: u64) -> u32 {
    let now = u32::try_from(now & u64::from(u32::MAX)).unwrap_or_default();
    match last {
        // `now` is above `last` iff it is less than half of the circle ahead.
        Some(last) if now.wrapping_sub(last) == 0 || now.wrapping_sub(last) >= 1 << 31 => {
            last.wrapping_add(1)
        }
        _ => now,
    }
}
