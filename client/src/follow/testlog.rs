//! A dumb log: it keeps everything in vectors and proves by the book (RFC 6962 §2.1.2), as an oracle.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use almenara_proto::{
    batch::{Author, BatchHeader, Disclosure, Rest, SignedBatch, seal, statement_id},
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    indicator::{Indicator, Kind},
    keys::{PublicKey, SigningKey},
    log::{KeyGrant, KeyRevocation, LogEntry, Withdrawal, WithdrawalReason},
    merkle::{self, Hash},
    name::{MemberName, Publisher},
    prefix::Prefix,
    release::Release,
    roster::{CustodyRule, Member, Roster, Segment},
    signed::Signed,
    statement::{Category, Claim, Report, Ruleset, Statement},
    wire,
};

pub(crate) const FEDERATION: &str = "scamwatch.example";
/// 2026-01-01.
pub(crate) const NOW: u64 = 1_767_225_600;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// Members `m1.example` to `m<n>.example`; root key `key(n)`, log key `key(n + 80)`, cosign key `key(n + 160)`.
pub(crate) fn roster(members: &[(u8, &str)]) -> Roster {
    let member = |&(n, code): &(u8, &str)| Member {
        name: name(n),
        organisation_type: wire::OrganisationType::Ngo,
        jurisdiction: code.parse().expect("a code"),
        also_subject_to: Vec::new(),
        segments: vec![Segment {
            from_size: 0,
            root: merkle::empty_root(),
            root_key: PublicKey::of(&key(n)),
            log_key: PublicKey::of(&key(n + 80)),
        }],
        cosign_key: PublicKey::of(&key(n + 160)),
        tls_ca: vec![Bytes::from_static(b"der")],
        grpc: "localhost:1".into(),
        https: String::new(),
        contact: String::new(),
    };
    Roster {
        federation: FEDERATION.into(),
        version: 1,
        expires_at: NOW + 86_400 * 365,
        previous: None,
        members: members.iter().map(member).map(|m| (m.name.clone(), m)).collect(),
        groups: BTreeMap::new(),
        quorum: 1,
        custody: CustodyRule::default(),
    }
}

pub(crate) fn name(n: u8) -> MemberName {
    format!("m{n}.example").parse().expect("a name")
}

/// A CLEAR report on a domain.
pub(crate) fn report(nonce: u32, value: &str) -> Statement {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&nonce.to_be_bytes());
    Statement {
        nonce: bytes,
        indicator: Indicator::new(Kind::Domain, value).expect("a domain"),
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report {
            valid_until: NOW + 180 * 86_400,
            ..Report::new(Kind::Domain, Category::PHISHING, NOW)
        }),
    }
}

/// One member's log.
#[derive(Clone)]
pub(crate) struct TestLog {
    pub(crate) number: u8,
    pub(crate) federation: String,
    pub(crate) log_key: SigningKey,
    pub(crate) entries: Vec<Bytes>,
    pub(crate) shown: Vec<Option<wire::Disclosure>>,
    seq: u64,
}

impl TestLog {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            number,
            federation: FEDERATION.into(),
            log_key: key(number + 80),
            entries: Vec::new(),
            shown: Vec::new(),
            seq: 0,
        }
    }

    /// A grant, a batch of three with one statement in clear, a withdrawal, a whole batch of two.
    pub(crate) fn small(number: u8) -> Self {
        let mut log = Self::new(number);
        log.grant("desk");
        let batch =
            log.sealed("desk", vec![report(1, "a.example"), report(2, "b.example"), report(3, "c.example")]);
        let batch = log.push_batch(&batch, &[1], false);
        log.withdraw("desk", &[(batch, 1)]);
        log.batch("desk", vec![report(4, "d.example"), report(5, "e.example")]);
        log
    }

    pub(crate) fn member(&self) -> MemberName {
        name(self.number)
    }

    pub(crate) fn publisher(&self, desk: &str) -> Publisher {
        Publisher::new(&self.member(), desk).expect("a desk")
    }

    /// The key of a desk: one for each member and desk.
    pub(crate) fn desk_key(&self, desk: &str) -> SigningKey {
        let seed = merkle::sha256(&[&[self.number], desk.as_bytes()]);
        SigningKey::from_bytes(&seed.0)
    }

    pub(crate) fn push(&mut self, entry: &LogEntry, shown: Option<wire::Disclosure>) -> u64 {
        self.push_raw(entry.encode(), shown)
    }

    pub(crate) fn push_raw(&mut self, entry: Bytes, shown: Option<wire::Disclosure>) -> u64 {
        self.entries.push(entry);
        self.shown.push(shown);
        self.entries.len() as u64 - 1
    }

    pub(crate) fn grant(&mut self, desk: &str) -> u64 {
        let grant = KeyGrant {
            federation: self.federation.clone(),
            member: self.member(),
            publisher: self.publisher(desk),
            key: PublicKey::of(&self.desk_key(desk)),
            note: String::new(),
        };
        self.push(&LogEntry::KeyGrant(Signed::sign(grant, &key(self.number))), None)
    }

    pub(crate) fn revoke(&mut self, member: u8, revoked: PublicKey, since_index: u64) -> u64 {
        let revocation = KeyRevocation {
            federation: self.federation.clone(),
            member: name(member),
            key: revoked,
            reason: "stolen".into(),
            since_index,
        };
        self.push(&LogEntry::KeyRevocation(Signed::sign(revocation, &key(member))), None)
    }

    pub(crate) fn sealed(&mut self, desk: &str, statements: Vec<Statement>) -> SignedBatch {
        self.seq += 1;
        let (publisher, key) = (self.publisher(desk), self.desk_key(desk));
        let author = Author { federation: &self.federation, publisher: &publisher, key: &key };
        seal(&author, statements, self.seq, 1, NOW).expect("a batch")
    }

    /// A batch, all of it in clear.
    pub(crate) fn batch(&mut self, desk: &str, statements: Vec<Statement>) -> u64 {
        let batch = self.sealed(desk, statements);
        let all: Vec<u32> = (0..batch.header.content.count).collect();
        self.push_batch(&batch, &all, false)
    }

    /// A batch with the leaves `clear` shown, the rest by a proof or by all leaf hashes.
    pub(crate) fn push_batch(&mut self, batch: &SignedBatch, clear: &[u32], leaf_hashes: bool) -> u64 {
        let shown = shown(batch, clear, leaf_hashes);
        self.push(&LogEntry::Batch(batch.header.clone()), Some(shown))
    }

    pub(crate) fn withdraw(&mut self, desk: &str, targets: &[(u64, u32)]) -> u64 {
        self.seq += 1;
        let withdrawal = Withdrawal {
            federation: self.federation.clone(),
            member: self.member(),
            publisher: self.publisher(desk),
            key: PublicKey::of(&self.desk_key(desk)),
            seq: self.seq,
            made_at: NOW,
            reason: WithdrawalReason::FalsePositive,
            erase: false,
            targets: targets.to_vec(),
            second_key: None,
        };
        let signed = Signed::sign(withdrawal, &self.desk_key(desk));
        self.push(&LogEntry::Withdrawal(signed), None)
    }

    pub(crate) fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    fn leaves(&self, size: u64) -> Vec<Hash> {
        self.entries.iter().take(size as usize).map(|entry| merkle::leaf_hash(entry)).collect()
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        merkle::root(&self.leaves(size))
    }

    pub(crate) fn signed(&self, size: u64, root: Hash) -> SignedCheckpoint {
        let checkpoint = Checkpoint { origin: origin_of(self.member().as_str()), size, root };
        SignedCheckpoint::sign(checkpoint, &self.log_key).expect("a checkpoint")
    }

    /// A checkpoint with the cosignatures of these members.
    pub(crate) fn cosigned(&self, size: u64, cosigners: &[u8]) -> SignedCheckpoint {
        cosigners.iter().fold(self.signed(size, self.root(size)), |note, n| {
            let line = note.cosign(name(*n).as_str(), &key(n + 160), NOW).expect("a line");
            note.with_lines(&line).expect("a note")
        })
    }

    pub(crate) fn checkpoint(&self, size: u64) -> wire::ReplicateFrame {
        note(&self.signed(size, self.root(size)))
    }

    pub(crate) fn page(&self, from: u64, end: u64, size: u64) -> wire::ReplicateFrame {
        let entries = (from..end)
            .map(|at| wire::EntryFrame {
                entry: self.entries[at as usize].clone(),
                disclosure: self.shown[at as usize].clone(),
            })
            .collect();
        let consistency =
            if end == 0 { Vec::new() } else { consistency(end as usize, &self.leaves(size), true) };
        let consistency = consistency.iter().map(|hash| hash.0.to_vec().into()).collect();
        frame(wire::replicate_frame::Frame::Page(wire::LogPage { from, entries, consistency }))
    }

    /// The whole stream from an index, in pages of `length`.
    pub(crate) fn frames(&self, from: u64, length: u64) -> Vec<wire::ReplicateFrame> {
        let size = self.size();
        let starts = (from..size).step_by(length as usize);
        std::iter::once(self.checkpoint(size))
            .chain(starts.map(|start| self.page(start, (start + length).min(size), size)))
            .collect()
    }

    pub(crate) fn prefix(&self) -> Prefix {
        Prefix::new(&self.federation, self.member())
    }
}

/// What shows the leaves `clear` of a batch.
pub(crate) fn shown(batch: &SignedBatch, clear: &[u32], leaf_hashes: bool) -> wire::Disclosure {
    let header: &BatchHeader = &batch.header.content;
    let origin = header.origin_hash();
    let leaves: Vec<Hash> = batch.statements.iter().map(|bytes| statement_id(&origin, bytes)).collect();
    let rest = if leaf_hashes {
        let hidden = (0u32..).zip(&leaves).filter(|(at, _)| !clear.contains(at));
        Rest::Leaves(hidden.map(|(_, leaf)| *leaf).collect())
    } else {
        Rest::Proof(merkle::multi_prove(&leaves, clear).expect("indices"))
    };
    let clear = clear.iter().map(|&at| (at, batch.statements[at as usize].clone())).collect();
    Disclosure { clear, rest, ..Disclosure::nothing() }.into_wire(header.count)
}

pub(crate) fn note(signed: &SignedCheckpoint) -> wire::ReplicateFrame {
    frame(wire::replicate_frame::Frame::Checkpoint(signed.note().to_vec().into()))
}

pub(crate) fn frame(frame: wire::replicate_frame::Frame) -> wire::ReplicateFrame {
    wire::ReplicateFrame { frame: Some(frame) }
}

/// SUBPROOF of RFC 6962 §2.1.2, word for word.
fn consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![merkle::root(leaves)] };
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut proof, other) = if old <= split {
        (consistency(old, left, whole), right)
    } else {
        (consistency(old - split, right, false), left)
    };
    proof.push(merkle::root(other));
    proof
}

/// A frame as it stands on the wire, decoded again.
pub(crate) fn decode(bytes: &[u8]) -> Option<wire::ReplicateFrame> {
    wire::ReplicateFrame::decode(bytes).ok()
}
