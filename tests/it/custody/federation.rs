//! Seven members in five jurisdictions, two of them under one parent; groups, all five markings, copies of 0, 2 and 3.
//! For every statement and member: what stands in the member's file, what every node shows its node on the stream and
//! on request, are what a second implementation says. What came over the wire is searched for every nonce, so nothing
//! else of an unreleased statement can have come with it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use prost::Message as _;

use almenara_certs::Role;
use almenara_client::rpc::log_service_client::LogServiceClient;
use almenara_proto::{batch::statement_id, limits::MESSAGE_BYTES, release::Tlp, statement::Statement, wire};
use almenara_tests::{
    cluster::{Cluster, Setup},
    desk::{report, restricted},
    reader::Reader,
};

use super::oracle::{Org, Said, World};

const SEVEN: [Org; 7] = [
    ("police.th.example", "TH", &[]),
    ("cert.th.example", "TH", &[]),
    ("ngo.nl.example", "NL", &[]),
    ("bank.nl.example", "NL", &[]),
    ("bank.us.example", "US", &[]),
    // Hosted by a company of the bank's country: one place.
    ("bank.sg.example", "SG", &["US"]),
    ("ngo.ke.example", "KE", &[]),
];
/// Who publishes.
const ORIGINS: [usize; 2] = [0, 4];
/// Every nonce begins with it, so that it is found fast in whatever was captured.
const TAG: [u8; 4] = [0xa7, 0x3c, 0x91, 0x5e];
const BATCH: usize = 500;

/// Statements in all: as many as `ALMENARA_TEST_STATEMENTS` says (20,000 take some minutes), or some.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for through the environment")]
fn many() -> Result<usize> {
    match std::env::var("ALMENARA_TEST_STATEMENTS") {
        Ok(number) => Ok(number.parse()?),
        Err(_) => Ok(1_000),
    }
}

/// By turns every marking, audience and number of copies.
fn said(origin: &'static str, number: usize) -> Said {
    let audiences: [(Vec<&'static str>, Vec<&'static str>); 6] = [
        (vec!["group:asia", "ngo.nl.example"], vec![]),
        (vec!["jurisdiction:NL", "jurisdiction:US", "ngo.ke.example"], vec!["bank.nl.example"]),
        (vec!["group:all"], vec![]),
        (vec!["ngo.ke.example", "bank.sg.example"], vec![]),
        (vec!["group:all"], vec!["jurisdiction:EU"]),
        (vec!["bank.us.example", "police.th.example", "bank.nl.example"], vec!["group:asia"]),
    ];
    let (to, not_to) = audiences[number / 5 % audiences.len()].clone();
    let tlp = ["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"][number % 5];
    let copies = [0, 2, 3][number / 30 % 3];
    match tlp {
        "CLEAR" => Said { origin, tlp, to: Vec::new(), not_to: Vec::new(), copies: 0 },
        "GREEN" => Said { origin, tlp, to: Vec::new(), not_to, copies: 0 },
        "RED" => Said { origin, tlp, to, not_to, copies: 0 },
        _ => Said { origin, tlp, to, not_to, copies },
    }
}

fn statement(said: &Said, number: usize) -> Result<Statement> {
    let domain = format!("n{number}.example");
    let tlp: Tlp = said.tlp.parse().map_err(anyhow::Error::msg)?;
    let mut statement = if tlp == Tlp::Clear {
        report(number as u64, &domain)?
    } else {
        restricted(number as u64, &domain, tlp, &said.to, &said.not_to)?
    };
    statement.copies = said.copies;
    statement.nonce[..4].copy_from_slice(&TAG);
    Ok(statement)
}

/// The numbers of the statements of which the nonce stands in these bytes.
fn found(bytes: &[u8]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == TAG[0]) {
        rest = &rest[at..];
        if let Some(nonce) = rest.get(..16).filter(|nonce| nonce.starts_with(&TAG)) {
            let number = nonce[8..].try_into().map(u64::from_be_bytes).unwrap_or_default();
            found.insert(number as usize);
        }
        rest = &rest[1..];
    }
    found
}

/// Every message of an answer, as bytes.
async fn streamed(reader: &Reader, origin: &str) -> Result<Vec<u8>> {
    let frames = reader.frames(Reader::request(origin, 0, false)).await?;
    Ok(frames.iter().flat_map(|frame| frame.encode_to_vec()).collect())
}

/// All that comes on request for a log of so many entries.
async fn fetched(reader: &Reader, origin: &str, entries: u64) -> Result<Vec<u8>> {
    let mut client = LogServiceClient::new(reader.channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
    let mut bytes = Vec::new();
    for entry in 0..entries {
        let leaves = vec![wire::LeafRange { start: 0, end: 4_096 }];
        let wanted = vec![wire::LeavesOf { entry, leaves }];
        let request = wire::FetchRequest { origin: origin.to_owned(), roster: 1, wanted, to_keep: false };
        let mut answers = client.fetch(request).await?.into_inner();
        while let Some(answer) = answers.message().await? {
            bytes.extend(answer.encode_to_vec());
        }
    }
    Ok(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_and_every_answer_holds_what_a_second_implementation_says() -> Result<()> {
    let members: Vec<(&str, &str)> = SEVEN.iter().map(|org| (org.0, org.1)).collect();
    let setup = Setup {
        groups: vec![("asia", vec![0, 1, 5]), ("all", (0..7).collect())],
        also_subject_to: vec![(5, "US")],
        ..Setup::default()
    };
    let mut cluster = Cluster::start_with(&members, setup).await?;
    let world = World {
        orgs: SEVEN.to_vec(),
        groups: [
            ("asia", [0, 1, 5].map(|at: usize| SEVEN[at].0).to_vec()),
            ("all", SEVEN.iter().map(|org| org.0).collect()),
        ]
        .into(),
    };
    // By number: what was said, and its leaf hash.
    let mut all: BTreeMap<usize, (Said, [u8; 32])> = BTreeMap::new();
    let numbers: Vec<usize> = (0..many()?).collect();
    let half = numbers.len().div_ceil(ORIGINS.len());
    for (origin, numbers) in ORIGINS.into_iter().zip(numbers.chunks(half.max(1))) {
        let desk = cluster.grant(origin, "desk", 100 + u8::try_from(origin)?).await?;
        for (seq, numbers) in (1u64..).zip(numbers.chunks(BATCH)) {
            let said = |number: &usize| said(SEVEN[origin].0, *number);
            let statements = numbers.iter().map(|number| statement(&said(number), *number));
            let batch = desk.seal(statements.collect::<Result<_>>()?, seq)?;
            let hash = batch.header.content.origin_hash();
            for bytes in &batch.statements {
                let number = *found(bytes).first().context("a nonce")?;
                all.insert(number, (said(&number), statement_id(&hash, bytes).0));
            }
            desk.publish(&batch).await??;
        }
    }
    for node in 0..SEVEN.len() {
        for origin in ORIGINS {
            cluster.caught_up(node, origin).await?;
        }
    }
    let due = |member: usize, origin: usize, when: &dyn Fn(&Said, &[u8; 32]) -> bool| -> BTreeSet<usize> {
        let of = all.iter().filter(|(_, (said, _))| said.origin == SEVEN[origin].0);
        let kept = of.filter(|(_, (said, leaf))| {
            (member == usize::MAX || world.keeps(said, leaf, SEVEN[member].0)) && when(said, leaf)
        });
        kept.map(|(number, _)| *number).collect()
    };
    for (node, server) in SEVEN.map(|org| org.0).into_iter().enumerate() {
        for (member, asker) in SEVEN.map(|org| org.0).into_iter().enumerate() {
            let reader = cluster.reader(node, member, Role::Node, "x").await?;
            for origin in ORIGINS {
                let seen = |said: &Said, leaf: &[u8; 32]| {
                    world.may_see(said, asker, server) && world.keeps(said, leaf, server)
                };
                let streamed = found(&streamed(&reader, SEVEN[origin].0).await?);
                assert_eq!(streamed, due(member, origin, &seen), "{asker} reads {origin} at {server}");
                // On request at the origin: all that it may see.
                if node == origin {
                    let head =
                        cluster.node(node)?.heads().get(&SEVEN[origin].0.parse()?).context("a head")?;
                    let fetched = found(&fetched(&reader, SEVEN[origin].0, head.prefix.size()).await?);
                    let may_see = |said: &Said, _: &[u8; 32]| world.may_see(said, asker, server);
                    assert_eq!(fetched, due(usize::MAX, origin, &may_see), "{asker} asks for {origin}");
                }
            }
        }
    }
    for (member, name) in SEVEN.map(|org| org.0).into_iter().enumerate() {
        cluster.stop(member).await?;
        let stored = found(&std::fs::read(cluster.database(member))?);
        let always = |_: &Said, _: &[u8; 32]| true;
        let kept: BTreeSet<usize> =
            ORIGINS.into_iter().flat_map(|origin| due(member, origin, &always)).collect();
        assert_eq!(stored, kept, "the file of {name}");
    }
    Ok(())
}
