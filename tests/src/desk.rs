//! Desks: what they seal, what they submit, and what they are told.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tonic::transport::Channel;

use almenara_client::rpc::publish_service_client::PublishServiceClient;
use almenara_proto::{
    batch::{self, Author, BatchHeader, SignedBatch, statement_id},
    indicator::{Indicator, Kind},
    keys::{Context, PublicKey, SigningKey},
    limits::MESSAGE_BYTES,
    log::{Override, Withdrawal, WithdrawalReason},
    merkle::{self, Hash},
    name::{MemberName, Publisher},
    release::{Pap, Release, Tlp},
    signed::{Body as _, Signed},
    statement::{Category, Claim, Reinstates, Report, Ruleset, Statement},
    wire::{self, RefusalCode},
};

use crate::cluster::{FEDERATION, NOW};

/// A desk with its key and a channel to its node.
#[derive(Clone)]
pub struct Desk {
    /// Who.
    pub publisher: Publisher,
    /// Its key.
    pub key: SigningKey,
    /// To its own member's node.
    pub channel: Channel,
}

impl Desk {
    /// Seals statements into a batch.
    ///
    /// # Errors
    /// When they make none.
    pub fn seal(&self, statements: Vec<Statement>, seq: u64) -> Result<SignedBatch> {
        let author = Author { federation: FEDERATION, publisher: &self.publisher, key: &self.key };
        Ok(batch::seal(&author, statements, seq, 1, NOW)?)
    }

    /// Signs statements as they are, in the given order, under a header whose bytes `rewrite` may change: what a
    /// client of somebody else may send.
    ///
    /// # Errors
    /// When the publisher's name holds no member.
    pub fn seal_raw(
        &self,
        statements: Vec<Bytes>,
        seq: u64,
        rewrite: impl Fn(Vec<u8>) -> Vec<u8>,
    ) -> Result<wire::SubmittedBatch> {
        let member: MemberName = self.publisher.member().parse()?;
        let mut header = BatchHeader {
            federation: FEDERATION.into(),
            member,
            publisher: self.publisher.clone(),
            key: PublicKey::of(&self.key),
            seq,
            roster: 1,
            created_at: NOW,
            count: u32::try_from(statements.len())?,
            custodied: 0,
            root: merkle::empty_root(),
            anchor: None,
        };
        let origin = header.origin_hash();
        let leaves: Vec<Hash> = statements.iter().map(|bytes| statement_id(&origin, bytes)).collect();
        header.root = merkle::root(&leaves);
        let body = rewrite(header.encode());
        Ok(wire::SubmittedBatch {
            signature: Context::Batch.sign(&body, &self.key).to_vec().into(),
            header: body.into(),
            statements,
            r#override: None,
        })
    }

    /// A withdrawal of `targets` (entry, leaf), ascending.
    ///
    /// # Errors
    /// When the publisher's name holds no member.
    pub fn withdrawal(&self, targets: &[(u64, u32)], seq: u64) -> Result<Signed<Withdrawal>> {
        let withdrawal = Withdrawal {
            federation: FEDERATION.into(),
            member: self.publisher.member().parse()?,
            publisher: self.publisher.clone(),
            key: PublicKey::of(&self.key),
            seq,
            made_at: NOW,
            reason: WithdrawalReason::FalsePositive,
            erase: false,
            targets: targets.to_vec(),
            second_key: None,
        };
        Ok(Signed::sign(withdrawal, &self.key))
    }

    /// An erasing withdrawal of `targets` (entry, leaf), ascending, to which another desk agrees.
    ///
    /// # Errors
    /// When the publisher's name holds no member.
    pub fn erasure(
        &self,
        targets: &[(u64, u32)],
        seq: u64,
        second: &SigningKey,
    ) -> Result<Signed<Withdrawal>> {
        let withdrawal = Withdrawal {
            erase: true,
            second_key: Some(PublicKey::of(second)),
            ..self.withdrawal(targets, seq)?.content
        };
        let mut signed = Signed::sign(withdrawal, &self.key);
        signed.second_signature = Some(Withdrawal::CONTEXT.sign(&signed.body, second));
        Ok(signed)
    }

    /// Erases, and gives what a report must name to reinstate.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn erase(
        &self,
        targets: &[(u64, u32)],
        seq: u64,
        second: &SigningKey,
    ) -> Result<Result<Reinstates, Refused>> {
        let signed = self.erasure(targets, seq, second)?;
        let answer = self.submit(wire::publish_request::Item::Withdrawal(signed.to_wire())).await?;
        Ok(answer.map(|receipt| Reinstates { entry: receipt.index, id: signed.id() }))
    }

    /// Another desk's batch, with this desk's override for some of its leaves.
    ///
    /// # Errors
    /// When the publisher's name holds no member.
    pub fn override_for(&self, batch: &SignedBatch, leaves: &[u32]) -> Result<wire::publish_request::Item> {
        let with = Override {
            federation: FEDERATION.into(),
            member: self.publisher.member().parse()?,
            publisher: self.publisher.clone(),
            key: PublicKey::of(&self.key),
            batch_id: batch.header.id(),
            leaves: leaves.to_vec(),
            reason: "seen by two".into(),
        };
        let signed = Signed::sign(with, &self.key).to_wire();
        let batch = wire::SubmittedBatch { r#override: Some(signed), ..batch.to_wire() };
        Ok(wire::publish_request::Item::Batch(batch))
    }

    /// Submits one item.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn submit(&self, item: wire::publish_request::Item) -> Result<Result<wire::Receipt, Refused>> {
        submit(self.channel.clone(), vec![item]).await?.into_iter().next().context("no answer")
    }

    /// Publishes one batch.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn publish(&self, batch: &SignedBatch) -> Result<Result<wire::Receipt, Refused>> {
        self.submit(item(batch)).await
    }

    /// Seals and publishes.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn say(&self, statements: Vec<Statement>, seq: u64) -> Result<Result<wire::Receipt, Refused>> {
        self.publish(&self.seal(statements, seq)?).await
    }

    /// Withdraws, and gives what a report must name to reinstate.
    ///
    /// # Errors
    /// The inner error is the node's refusal.
    pub async fn withdraw(&self, targets: &[(u64, u32)], seq: u64) -> Result<Result<Reinstates, Refused>> {
        let signed = self.withdrawal(targets, seq)?;
        let answer = self.submit(wire::publish_request::Item::Withdrawal(signed.to_wire())).await?;
        Ok(answer.map(|receipt| Reinstates { entry: receipt.index, id: signed.id() }))
    }
}

/// A batch as an item of a stream.
#[must_use]
pub fn item(batch: &SignedBatch) -> wire::publish_request::Item {
    wire::publish_request::Item::Batch(batch.to_wire())
}

/// A node's refusal, as a caller sees it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0:?}")]
pub struct Refused(pub wire::Refusal);

impl Refused {
    /// Which rule.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        self.0.code()
    }
}

/// Submits items over one stream.
///
/// # Errors
/// When the stream fails; refusals are values.
pub async fn submit(
    channel: Channel,
    items: Vec<wire::publish_request::Item>,
) -> Result<Vec<Result<wire::Receipt, Refused>>> {
    let requests = items.into_iter().map(|item| wire::PublishRequest { item: Some(item) });
    let mut client = PublishServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    let mut answers = client.publish(tokio_stream::iter(requests.collect::<Vec<_>>())).await?.into_inner();
    let mut outcomes = Vec::new();
    while let Some(answer) = answers.message().await? {
        outcomes.push(match answer.outcome.context("an answer without an outcome")? {
            wire::publish_response::Outcome::Receipt(receipt) => Ok(receipt),
            wire::publish_response::Outcome::Refusal(refusal) => Err(Refused(refusal)),
        });
    }
    Ok(outcomes)
}

/// A CLEAR report on a domain; the nonce is made of `number`.
///
/// # Errors
/// When the domain is not well formed.
pub fn report(number: u64, domain: &str) -> Result<Statement> {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&merkle::sha256(&[&number.to_be_bytes()]).0[..8]);
    nonce[8..].copy_from_slice(&number.to_be_bytes());
    Ok(Statement {
        nonce,
        indicator: Indicator::new(Kind::Domain, domain)?,
        made_at: NOW,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, NOW)),
    })
}

/// The same for a smaller audience.
///
/// # Errors
/// When a name in `to` or `not_to` is none.
pub fn restricted(number: u64, domain: &str, tlp: Tlp, to: &[&str], not_to: &[&str]) -> Result<Statement> {
    let names = |texts: &[&str]| texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    let release = Release { tlp: Some(tlp), pap: Some(Pap::Green), to: names(to)?, not_to: names(not_to)? };
    Ok(Statement { release, ..report(number, domain)? })
}

/// The report in a statement, to be changed.
///
/// # Panics
/// When it is none.
pub fn in_report(mut statement: Statement, change: impl FnOnce(&mut Report)) -> Statement {
    match &mut statement.claim {
        Claim::Report(report) => change(report),
        _ => panic!("a report is expected"),
    }
    statement
}
