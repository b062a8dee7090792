//! Bytes that no client of ours sends (HOSTILE: wire).

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use prost::Message as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use almenara_client::rpc::publish_service_client::PublishServiceClient;
use almenara_proto::{
    keys::PublicKey,
    log::LogEntry,
    wire::{self, RefusalCode, publish_request::Item, publish_response::Outcome},
};
use almenara_tests::{
    cluster::{Cluster, NOW, key},
    desk::{Desk, item, report},
    raw,
};

use crate::{ONE, TWO, readers::resident};

const PUBLISH: &str = "/almenara.v1.PublishService/Publish";

/// A publish request with one statement of that many zeros.
fn request_of(desk: &Desk, bytes: usize) -> Result<Vec<u8>> {
    let batch = desk.seal_raw(vec![vec![0; bytes].into()], 1, |body| body)?;
    Ok(wire::PublishRequest { item: Some(Item::Batch(batch)) }.encode_to_vec())
}

/// The call ends in this error, while another stream of the same connection goes on.
async fn check_refused(
    desk: &Desk,
    method: &str,
    zstd: bool,
    body: Vec<u8>,
    code: Code,
    said: &str,
) -> Result<()> {
    let (items, waiting) = tokio::sync::mpsc::channel(2);
    let mut client = PublishServiceClient::new(desk.channel.clone());
    let mut answers = client.publish(ReceiverStream::new(waiting)).await?.into_inner();
    let batch = desk.seal(vec![report(0, "scam.example")?], 1)?;
    for _ in 0..2 {
        items.send(wire::PublishRequest { item: Some(item(&batch)) }).await?;
        let answer = answers.message().await?.context("an answer")?;
        let Some(Outcome::Receipt(receipt)) = answer.outcome else { bail!("{answer:?}") };
        assert_eq!(receipt.index, 1);
        let status = raw::refused(&desk.channel, method, zstd, body.clone()).await?;
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(said), "{status}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_refused_and_the_connection_lives_on() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let body = raw::frame(false, &request_of(&desk, 5 << 20)?);
    check_refused(&desk, PUBLISH, false, body, Code::OutOfRange, "the limit is: 4194304").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_message_that_inflates_hugely_is_refused_before_it_does() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let bomb = raw::zeros(8_192);
    assert!(bomb.len() < 33 << 10, "32 KiB that are one GiB");
    let before = resident("VmHWM")?;
    let body = raw::frame(true, &bomb);
    check_refused(&desk, PUBLISH, true, body, Code::ResourceExhausted, "4194304 bytes, exceeded").await?;
    let grown = resident("VmHWM")?.saturating_sub(before);
    assert!(grown < 64, "{grown} MiB");
    // The same in small is read: the bomb was none of those that no zstd reads.
    let body = raw::frame(true, &raw::zeros(1));
    check_refused(&desk, PUBLISH, true, body, Code::InvalidArgument, "cannot be read").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_nested_over_a_hundred_deep_is_the_callers_fault() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    // Groups of the unknown field 15, one in another: nothing else nests without end.
    let nested = |depth| raw::frame(false, &[vec![0x7b; depth], vec![0x7c; depth]].concat());
    check_refused(&desk, PUBLISH, false, nested(90), Code::InvalidArgument, "without an item").await?;
    check_refused(&desk, PUBLISH, false, nested(101), Code::InvalidArgument, "recursion limit").await?;
    check_refused(&desk, PUBLISH, false, nested(1 << 20), Code::InvalidArgument, "recursion limit").await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_utf8_in_a_call_is_the_callers_fault() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let cases: [(&str, &[u8]); 4] = [
        ("LogService/Replicate", &[0x0a, 0x02, 0xc3, 0x28]),
        ("LogService/GetCheckpoint", &[0x0a, 0x01, 0xff]),
        ("LookupService/Lookup", &[0x0a, 0x05, 0x08, 0x01, 0x12, 0x01, 0xff]),
        ("PublishService/Publish", &[0xff, 0xff, 0xff]),
    ];
    for (method, message) in cases {
        let method = format!("/almenara.v1.{method}");
        let body = raw::frame(false, message);
        check_refused(&desk, &method, false, body, Code::InvalidArgument, "cannot be read").await?;
    }
    Ok(())
}

/// `nonce` last instead of first, `made_at` padded by a byte, and a field that nobody knows.
fn unusual(statement: &[u8]) -> Bytes {
    let (nonce, rest) = statement.split_at(18);
    let mut bytes = rest.to_vec();
    let mut made_at = vec![0x18];
    prost::encoding::encode_varint(NOW, &mut made_at);
    let last =
        bytes.windows(made_at.len()).position(|part| part == made_at).expect("made_at") + made_at.len() - 1;
    bytes[last] |= 0x80;
    bytes.insert(last + 1, 0x00);
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
async fn what_was_signed_as_something_else_is_no_batch() -> Result<()> {
    use almenara_proto::keys::Context;
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let batch = desk.seal_raw(vec![report(0, "scam.example")?.encode().into()], 1, |body| body)?;
    for other in Context::ALL.into_iter().filter(|context| *context != Context::Batch) {
        let signature = other.sign(&batch.header, &desk.key).to_vec().into();
        let refusal = desk.submit(Item::Batch(wire::SubmittedBatch { signature, ..batch.clone() })).await?;
        let refusal = refusal.expect_err("the context is signed as well");
        assert_eq!(refusal.code(), RefusalCode::Void, "{}: {refusal}", other.as_str());
    }
    // The bytes and the signature of a key event, as they stand in the log.
    let grant = cluster.key_grant(0, "cyber-desk", PublicKey::of(&key(101)))?.to_wire();
    let replayed = wire::SubmittedBatch { header: grant.body, signature: grant.signature, ..batch.clone() };
    let refusal = desk.submit(Item::Batch(replayed)).await?.expect_err("a grant is no header");
    assert_eq!(refusal.code(), RefusalCode::Void, "{refusal}");
    // And the other way: a batch's header as a withdrawal or a grant.
    let signed = wire::Signed { body: batch.header, signature: batch.signature, ..Default::default() };
    let refusal = desk.submit(Item::Withdrawal(signed.clone())).await?.expect_err("no withdrawal");
    assert_eq!(refusal.code(), RefusalCode::Void, "{refusal}");
    let refusal = cluster.operate(0, Item::KeyGrant(signed)).await?.expect_err("no grant");
    assert_eq!(refusal.code(), RefusalCode::Void, "{refusal}");
    Ok(())
}
