//! What the index keeps of a statement: where it stands, whose it is, and the little that a verdict needs.
//!
//! A record is a key (kind, value), by which records are sorted, and a body. Both are read in place.

use std::cmp::Ordering;

use prost::encoding::{decode_varint, encode_varint};

use almenara_proto::{
    batch::Leaf,
    indicator::{Indicator, Kind},
    name::Address,
    release::{Pap, Release, Tlp},
    statement::{
        Action, Basis, Category, Claim, Dispute, DisputeReason, Report, Ruleset, Sighting, Statement,
    },
};

/// One record in place: the key and the body, each with its length before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Kind number and value.
    pub(super) key: &'a [u8],
    body: &'a [u8],
    /// With both lengths, to be copied.
    pub(super) whole: &'a [u8],
}

/// A record's body, understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    /// Log index of the batch.
    pub(super) entry: u64,
    /// Leaf in the batch.
    pub(super) leaf: u32,
    /// Place in the replica's table of authors.
    pub(super) author: usize,
    /// What is claimed, without the texts that no verdict reads.
    pub(super) statement: Statement,
}

impl<'a> Record<'a> {
    /// The record at the beginning of `bytes`.
    pub(super) fn first(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
        let (length, rest) = rest.split_first_chunk()?;
        let body = rest.get(..u16::from_le_bytes(*length).into())?;
        Some(Self { key, body, whole: bytes.get(..4 + key.len() + body.len())? })
    }

    /// Sorted by kind and value; of one indicator by log order.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.key.cmp(other.key).then_with(|| self.place().cmp(&other.place()))
    }

    /// Entry and leaf.
    pub(super) fn place(&self) -> Option<(u64, u64)> {
        let mut rest = self.body;
        Some((number(&mut rest)?, number(&mut rest)?))
    }

    /// The first 16 bytes of the key as a number that sorts alike: most comparisons end there.
    pub(super) fn sort_key(&self) -> u128 {
        let mut first = [0; 16];
        for (to, from) in first.iter_mut().zip(self.key) {
            *to = *from;
        }
        u128::from_be_bytes(first)
    }

    /// The body in full; nothing when it is none of ours.
    pub(super) fn fact(&self, indicator: &Indicator) -> Option<Fact> {
        let rest = &mut { self.body };
        let (entry, leaf, author) = (number(rest)?, number(rest)?, number(rest)?);
        let (tlp, pap) = (one(rest)?, one(rest)?);
        let claim = match one(rest)? {
            0 => Claim::Report(report(rest)?),
            1 => {
                let (count, window_start, window_end) = (number(rest)?, number(rest)?, number(rest)?);
                Claim::Sighting(Sighting { count, window_start, window_end, action: Action::Seen })
            }
            2 => {
                let member = text(rest)?.parse().ok()?;
                let target = Address { member, entry: number(rest)?, leaf: number(rest)?.try_into().ok()? };
                Claim::Dispute(Dispute {
                    target,
                    id: almenara_proto::merkle::Hash([0; 32]),
                    reason: DisputeReason::Other,
                    description: String::new(),
                    references: Vec::new(),
                })
            }
            _ => return None,
        };
        let statement = Statement {
            nonce: [0; 16],
            indicator: indicator.clone(),
            made_at: 0,
            ruleset: Ruleset::default(),
            release: Release {
                tlp: TLP.get(tlp)?.to_owned(),
                pap: PAP.get(pap)?.to_owned(),
                ..Release::clear()
            },
            copies: 0,
            claim,
        };
        Some(Fact { entry, leaf: leaf.try_into().ok()?, author: author.try_into().ok()?, statement })
    }
}

const TLP: [Option<Tlp>; 6] =
    [None, Some(Tlp::Clear), Some(Tlp::Green), Some(Tlp::Amber), Some(Tlp::AmberStrict), Some(Tlp::Red)];
const PAP: [Option<Pap>; 5] = [None, Some(Pap::Clear), Some(Pap::Green), Some(Pap::Amber), Some(Pap::Red)];

/// The key of an indicator.
pub(super) fn key_of(indicator: &Indicator) -> Vec<u8> {
    let mut key = vec![indicator.kind() as u8];
    key.extend_from_slice(indicator.value().as_bytes());
    key
}

/// The indicator of a key; nothing when it is none.
pub(super) fn indicator_of(key: &[u8]) -> Option<Indicator> {
    let (kind, value) = key.split_first()?;
    Indicator::new(Kind::from_number((*kind).into())?, str::from_utf8(value).ok()?).ok()
}

/// Appends the record of a statement. Nothing is written of one whose value is longer than any that is well
/// formed, which a leaf that parsed cannot be.
pub(super) fn push(out: &mut Vec<u8>, statement: &Statement, entry: u64, leaf: &Leaf, author: usize) {
    let value = statement.indicator.value().as_bytes();
    let start = out.len();
    let Ok(length) = u16::try_from(value.len() + 1) else { return };
    out.extend_from_slice(&length.to_le_bytes());
    out.push(statement.indicator.kind() as u8);
    out.extend_from_slice(value);
    let body = out.len();
    out.extend_from_slice(&[0; 2]);
    push_body(out, statement, entry, leaf.index, author);
    let length = u16::try_from(out.len() - body - 2);
    match (length, out.get_mut(body..body + 2)) {
        (Ok(length), Some(place)) => place.copy_from_slice(&length.to_le_bytes()),
        _ => out.truncate(start),
    }
}

fn push_body(out: &mut Vec<u8>, statement: &Statement, entry: u64, leaf: u32, author: usize) {
    encode_varint(entry, out);
    encode_varint(leaf.into(), out);
    encode_varint(author as u64, out);
    let release = &statement.release;
    out.push(TLP.iter().position(|tlp| *tlp == release.tlp).map_or(0, |at| at as u8));
    out.push(PAP.iter().position(|pap| *pap == release.pap).map_or(0, |at| at as u8));
    match &statement.claim {
        Claim::Report(report) => {
            out.push(0);
            push_report(out, report, statement.last_seen());
        }
        Claim::Sighting(sighting) => {
            out.push(1);
            encode_varint(sighting.count, out);
            encode_varint(sighting.window_start, out);
            encode_varint(sighting.window_end, out);
        }
        Claim::Dispute(dispute) => {
            out.push(2);
            push_text(out, dispute.target.member.as_str());
            encode_varint(dispute.target.entry, out);
            encode_varint(dispute.target.leaf.into(), out);
        }
    }
}

/// `last_seen` is that of the statement, which falls back to when it was made: the record does not keep that.
fn push_report(out: &mut Vec<u8>, report: &Report, last_seen: u64) {
    let (basis, list) = match &report.basis {
        Basis::Other => (0, ""),
        Basis::Observed => (1, ""),
        Basis::Imported(list) => (2, list.as_str()),
    };
    let flag = |set: bool, bit: u8| if set { 1 << bit } else { 0 };
    out.push(
        basis
            | flag(report.include_subdomains, 2)
            | flag(report.lookup_only, 3)
            | flag(report.possibly_coerced, 4),
    );
    if basis == 2 {
        push_text(out, list);
    }
    out.push(report.confidence.unwrap_or(u8::MAX));
    encode_varint(last_seen, out);
    encode_varint(report.valid_until, out);
    encode_varint(report.categories.len() as u64, out);
    for category in &report.categories {
        encode_varint(u64::from(category.number().unsigned_abs()), out);
    }
}

fn report(rest: &mut &[u8]) -> Option<Report> {
    let flags = one(rest)? as u8;
    let basis = match flags & 3 {
        1 => Basis::Observed,
        2 => Basis::Imported(text(rest)?.to_owned()),
        _ => Basis::Other,
    };
    let confidence = u8::try_from(one(rest)?).ok().filter(|percent| *percent <= 100);
    let (last_seen, valid_until, count) = (number(rest)?, number(rest)?, number(rest)?);
    let categories = (0..count)
        .map(|_| Category::from_number(i32::try_from(number(rest)?).ok()?))
        .collect::<Option<Vec<_>>>()?;
    Some(Report {
        categories,
        confidence,
        basis,
        first_seen: 0,
        last_seen,
        valid_until,
        include_subdomains: flags & 4 != 0,
        lookup_only: flags & 8 != 0,
        possibly_coerced: flags & 16 != 0,
        campaign: String::new(),
        labels: Vec::new(),
        description: String::new(),
        language: String::new(),
        references: Vec::new(),
        related: Vec::new(),
        lawful_basis: String::new(),
        reinstates: None,
    })
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    decode_varint(rest).ok()
}

fn one(rest: &mut &[u8]) -> Option<usize> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some((*first).into())
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (text, others) = rest.split_at_checked(length)?;
    *rest = others;
    str::from_utf8(text).ok()
}
