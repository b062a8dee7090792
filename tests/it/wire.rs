//! Bytes that no client of ours sends (HOSTILE: wire).

use anyhow::{Result, bail};
use bytes::Bytes;
use tonic::{Code, codec::CompressionEncoding};

use almenara_client::rpc::publish_service_client::PublishServiceClient;
use almenara_proto::{
    log::LogEntry,
    wire::{self, RefusalCode, publish_request::Item},
};
use almenara_tests::{
    cluster::Cluster,
    desk::{Desk, report},
};

use crate::{ONE, TWO};

async fn status_of(desk: &Desk, statement: Vec<u8>, zstd: bool) -> Result<Code> {
    let batch = desk.seal_raw(vec![statement.into()], 1, |body| body)?;
    let request = wire::PublishRequest { item: Some(Item::Batch(batch)) };
    let mut client = PublishServiceClient::new(desk.channel.clone());
    if zstd {
        client = client.send_compressed(CompressionEncoding::Zstd);
    }
    let mut answers = match client.publish(tokio_stream::iter([request])).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return Ok(status.code()),
    };
    match answers.message().await {
        Err(status) => Ok(status.code()),
        Ok(answer) => bail!("{answer:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_refused_and_the_connection_lives_on() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    assert_eq!(status_of(&desk, vec![0; 5 << 20], false).await?, Code::OutOfRange);
    assert_eq!(desk.say(vec![report(0, "scam.example")?], 1).await??.index, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_message_that_inflates_hugely_is_refused_before_it_does() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    assert_eq!(status_of(&desk, vec![0; 64 << 20], true).await?, Code::ResourceExhausted);
    assert_eq!(desk.say(vec![report(0, "scam.example")?], 1).await??.index, 1);
    Ok(())
}

/// `nonce` last instead of first, `made_at` padded to ten bytes, and a field that nobody knows.
fn unusual(statement: &[u8]) -> Bytes {
    let (nonce, rest) = statement.split_at(18);
    let mut bytes = rest.to_vec();
    bytes.extend_from_slice(nonce);
    bytes.extend_from_slice(&[0xf8, 0x7f, 0x2a]); // field 2047, varint 42
    bytes.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn reordered_padded_and_unknown_fields_are_relayed_byte_for_byte() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let statement = unusual(&report(0, "scam.example")?.encode());
    let batch = desk.seal_raw(vec![statement.clone()], 1, |mut body| {
        // The first field moves to the end, with its length padded, and an unknown one follows.
        let federation = body.get(2..2 + body[1] as usize).unwrap_or_default().to_vec();
        body.drain(..2 + federation.len());
        body.extend_from_slice(&[0x0a, 0x80 | federation.len() as u8, 0x00]);
        body.extend_from_slice(&federation);
        body.extend_from_slice(&[0xf8, 0x7f, 0x2a]);
        body
    })?;
    let receipt = desk.submit(Item::Batch(batch.clone())).await??;
    cluster.caught_up(1, 0).await?;
    for node in [0, 1] {
        let entries = cluster.follow(node, 0, 1).await?;
        let entry = entries.get(receipt.index as usize).expect("it is in the log");
        let Ok(LogEntry::Batch(signed)) = &entry.outcome else { bail!("{:?}", entry.outcome) };
        assert_eq!(signed.body, batch.header, "node {node} relays the header as it was signed");
        let leaf = entry.batch.as_ref().and_then(|batch| batch.leaves.first()).expect("it is in clear");
        assert_eq!(leaf.bytes, statement, "node {node} relays the statement as it was signed");
    }
    let reader = cluster.reader(1, 1, almenara_certs::Role::Consumer, "app").await?;
    assert!(reader.lookup(&["scam.example"]).await?.iter().all(|verdict| verdict.known));
    Ok(())
}

async fn refused(rewrite: impl Fn(Vec<u8>) -> Vec<u8>, statement: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let statement = statement(report(0, "scam.example")?.encode());
    let batch = desk.seal_raw(vec![statement.into()], 1, rewrite)?;
    let refusal = desk.submit(Item::Batch(batch)).await?.expect_err("it is void");
    assert_eq!(refusal.code(), RefusalCode::Void, "{refusal}");
    assert_eq!(desk.say(vec![report(0, "scam.example")?], 1).await??.index, 1, "nothing of it was kept");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_with_a_field_twice_is_refused() -> Result<()> {
    refused(|body| [body.as_slice(), &[0x28, 0x09]].concat(), |statement| statement).await // seq: 9
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_a_field_twice_is_refused() -> Result<()> {
    refused(|body| body, |statement| [statement.as_slice(), &[0x18, 0x01]].concat()).await // made_at: 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_with_bad_utf8_is_refused() -> Result<()> {
    refused(
        |body| body,
        |statement| {
            let at = statement.windows(4).position(|w| w == b"scam").expect("the domain");
            let mut statement = statement;
            statement[at] = 0xff;
            statement
        },
    )
    .await
}

/// The order of the group, little endian (RFC 8032 §5.1).
const L: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_made_another_by_adding_the_groups_order_is_refused() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut batch = desk.seal(vec![report(0, "scam.example")?], 1)?.to_wire();
    let mut signature = batch.signature.to_vec();
    let mut carry = 0;
    for (byte, order) in signature.iter_mut().skip(32).zip(L) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    batch.signature = signature.into();
    let refusal = desk.submit(Item::Batch(batch)).await?.expect_err("S is not below the order");
    assert_eq!(refusal.code(), RefusalCode::Void, "{refusal}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawals_signature_is_none_for_a_batch() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut batch = desk.seal_raw(vec![report(0, "scam.example")?.encode().into()], 1, |body| body)?;
    batch.signature =
        almenara_proto::keys::Context::Withdrawal.sign(&batch.header, &desk.key).to_vec().into();
    let refusal = desk.submit(Item::Batch(batch)).await?.expect_err("the context is signed as well");
    assert_eq!(refusal.code(), RefusalCode::Void, "{refusal}");
    Ok(())
}
