//! What the users of the benchmark do: publish, follow, look up.

use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use almenara_client::{
    follow::{Follower, Step},
    rpc::{
        log_service_client::LogServiceClient, lookup_service_client::LookupServiceClient,
        publish_service_client::PublishServiceClient,
    },
};
use almenara_proto::{
    batch::{self, Author, SignedBatch},
    indicator::{Hints, Indicator, Kind, canonicalise},
    keys::SigningKey,
    limits::{BATCH_STATEMENTS, MESSAGE_BYTES},
    name::{MemberName, Publisher},
    prefix::Prefix,
    release::Release,
    roster::Roster,
    statement::{Category, Claim, Report, Ruleset, Statement, wire_indicator},
    wire,
};

use crate::cluster::FEDERATION;

/// The n-th scam domain: as long as real ones (median 20 letters), all different.
#[must_use]
pub fn domain(n: u64) -> String {
    let hash = almenara_proto::merkle::sha256(&[&n.to_be_bytes()]).to_string();
    format!("{}-{n}.example", hash.get(..6).unwrap_or_default())
}

/// A desk's statement about what a person typed, canonicalised.
fn statement(n: u64, now: u64, nonce: [u8; 16]) -> Result<Statement> {
    let indicator = canonicalise(Kind::Domain, &domain(n), &Hints::default())?.indicator;
    Ok(Statement {
        nonce,
        indicator,
        made_at: now,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, now)),
    })
}

/// One desk of the benchmark.
#[derive(Clone)]
pub struct Desk {
    /// Who.
    pub publisher: Publisher,
    /// Its key.
    pub key: SigningKey,
    /// To its node.
    pub channel: Channel,
}

impl Desk {
    /// Canonicalises, fills in nonces, signs.
    ///
    /// # Errors
    /// When a value is refused.
    pub fn seal(&self, numbers: std::ops::Range<u64>, seq: u64, now: u64) -> Result<SignedBatch> {
        let count = (numbers.end - numbers.start) as usize;
        let mut random = vec![0; count * 16];
        getrandom::fill(&mut random)?;
        let statements = numbers
            .zip(random.as_chunks::<16>().0)
            .map(|(n, nonce)| statement(n, now, *nonce))
            .collect::<Result<Vec<_>>>()?;
        let author = Author { federation: FEDERATION, publisher: &self.publisher, key: &self.key };
        Ok(batch::seal(&author, statements, seq, 1, now)?)
    }

    /// Publishes `total` statements over one stream, full batches, many in flight. Gives seconds.
    ///
    /// # Errors
    /// When a batch is refused.
    pub async fn publish_all(&self, total: u64, now: u64) -> Result<f64> {
        let begin = Instant::now();
        let (send, requests) = mpsc::channel(16);
        let desk = self.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let size = BATCH_STATEMENTS as u64;
            for (seq, start) in (1..).zip((0..total).step_by(BATCH_STATEMENTS)) {
                let batch = desk.seal(start..(start + size).min(total), seq, now)?;
                let item = wire::publish_request::Item::Batch(batch.to_wire());
                send.blocking_send(wire::PublishRequest { item: Some(item) })?;
            }
            anyhow::Ok(())
        });
        let mut client =
            PublishServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
        let mut answers = client.publish(ReceiverStream::new(requests)).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            expect_receipt(answer)?;
        }
        sealing.await??;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Publishes single statements, one after the other, each with its durable receipt; the next is signed while that is
    /// awaited, as `almenara publish` does.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn publish_singles(&self, numbers: std::ops::Range<u64>, now: u64) -> Result<()> {
        let (send, requests) = mpsc::channel(1);
        let mut client = PublishServiceClient::new(self.channel.clone());
        let mut answers = client.publish(ReceiverStream::new(requests)).await?.into_inner();
        let mut sealed = numbers.map(|n| self.seal(n..n + 1, n + 1, now));
        let mut next = sealed.next();
        while let Some(batch) = next {
            let item = wire::publish_request::Item::Batch(batch?.to_wire());
            send.send(wire::PublishRequest { item: Some(item) }).await?;
            // Out with it first: it is the connection's task that writes.
            tokio::task::yield_now().await;
            next = sealed.next();
            expect_receipt(answers.message().await?.context("no answer")?)?;
        }
        Ok(())
    }
}

fn expect_receipt(answer: wire::PublishResponse) -> Result<u64> {
    match answer.outcome {
        Some(wire::publish_response::Outcome::Receipt(receipt)) => Ok(receipt.index),
        other => bail!("refused: {other:?}"),
    }
}

/// Asks for `total` values, 1,000 a call, `calls` calls in flight; `hit` tells which number to ask for. Gives
/// values a second, the 99th percentile of a call in microseconds, and the share of hits.
///
/// # Errors
/// When a call fails.
pub async fn lookups(
    channel: &Channel,
    total: u64,
    at_once: usize,
    number: impl Fn(u64) -> u64,
) -> Result<(f64, f64, f64)> {
    let calls: Vec<wire::LookupRequest> = (0..total / 1_000)
        .map(|call| {
            let indicators = (call * 1_000..(call + 1) * 1_000).map(|at| {
                Indicator::new(Kind::Domain, domain(number(at))).map(|indicator| wire_indicator(&indicator))
            });
            let policy = wire::Policy { pending_allowed: true, ..Default::default() };
            Ok(wire::LookupRequest {
                indicators: indicators.collect::<Result<_, _>>()?,
                policy: Some(policy),
            })
        })
        .collect::<Result<_>>()?;
    let begin = Instant::now();
    let mut answers = stream::iter(calls)
        .map(|request| {
            let mut client = LookupServiceClient::new(channel.clone())
                .max_decoding_message_size(MESSAGE_BYTES)
                .max_encoding_message_size(MESSAGE_BYTES);
            async move {
                let begin = Instant::now();
                let answer = client.lookup(request).await?.into_inner();
                let listed = answer.verdicts.iter().filter(|verdict| verdict.listed).count();
                anyhow::Ok((begin.elapsed().as_secs_f64() * 1e6, listed))
            }
        })
        .buffer_unordered(at_once);
    let (mut times, mut listed) = (Vec::new(), 0);
    while let Some(answer) = answers.next().await {
        let (time, hits) = answer?;
        times.push(time);
        listed += hits;
    }
    let rate = total as f64 / begin.elapsed().as_secs_f64();
    Ok((rate, super::machine::percentile(&mut times, 0.99), listed as f64 / total as f64))
}

/// One value a call, one call after another: the 99th percentile in microseconds.
///
/// # Errors
/// When a call fails.
pub async fn single_lookups(channel: &Channel, calls: u64, number: impl Fn(u64) -> u64) -> Result<f64> {
    let mut client = LookupServiceClient::new(channel.clone());
    let mut times = Vec::new();
    for at in 0..calls {
        let indicator = Indicator::new(Kind::Domain, domain(number(at)))?;
        let request = wire::LookupRequest { indicators: vec![wire_indicator(&indicator)], policy: None };
        let begin = Instant::now();
        client.lookup(request).await?;
        times.push(begin.elapsed().as_secs_f64() * 1e6);
    }
    Ok(super::machine::percentile(&mut times, 0.99))
}

/// A live reader of `origin` on another node. Tells each entry's index when it has verified it.
///
/// # Errors
/// When the stream or a check fails.
pub async fn live_reader(
    channel: Channel,
    origin: MemberName,
    roster: Roster,
    seen: mpsc::Sender<(u64, Instant)>,
) -> Result<()> {
    let mut follower = Follower::new(Prefix::new(FEDERATION, origin), None);
    let mut client = LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    // Entries without statements until the end is reached would measure another path; the filter stays open.
    let request = follower.request(wire::Filter::default(), true, roster.version, false);
    let mut frames = client.replicate(request).await?.into_inner();
    while let Some(frame) = frames.message().await? {
        if let Step::Page(page) = follower.step(frame, &roster)?
            && let Some(last) = page.entries.last()
        {
            seen.send((last.index, Instant::now())).await?;
        }
    }
    Ok(())
}
