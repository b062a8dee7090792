//! A log served by another member's node: good when the origin is away, and unable to change a byte.

use std::collections::HashSet;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use prost::Message as _;

use almenara_certs::Role;
use almenara_client::follow::{Accused, Follower, Step, VerifiedPage};
use almenara_proto::{merkle, name::MemberName, prefix::Prefix, release::Tlp, wire::ReplicateFrame};
use almenara_tests::{
    cluster::{Cluster, FEDERATION},
    desk::{report, restricted},
    reader::Reader,
};

use crate::THREE;

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_serves_the_log_of_an_origin_that_is_down() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(0, "scam.example")?, report(1, "other.example")?], 1).await??;
    let whole = cluster.follow(0, 0, 2).await?;
    cluster.caught_up(1, 0).await?;
    cluster.stop(0).await?;
    assert_eq!(cluster.follow(1, 0, 2).await?, whole);
    Ok(())
}

/// A capture of a relay's stream: many batches, restricted statements among them, more than one page.
async fn capture() -> Result<(Cluster, Vec<ReplicateFrame>)> {
    let cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    for seq in 1..=80 {
        let statement = |n: u64| {
            let domain = format!("scam{n}.example");
            match n % 3 {
                0 => restricted(n, &domain, Tlp::Amber, &["ngo.nl.example"], &[]),
                _ => report(n, &domain),
            }
        };
        desk.say((seq * 100..seq * 100 + 20).map(statement).collect::<Result<_>>()?, seq).await??;
    }
    cluster.caught_up(1, 0).await?;
    let reader = cluster.reader(1, 2, Role::Node, "node-1").await?;
    let frames = reader.frames(Reader::request("police.th.example", 0, false)).await?;
    Ok((cluster, frames))
}

fn leaves(page: &VerifiedPage) -> impl Iterator<Item = &Bytes> {
    page.entries.iter().flat_map(|entry| &entry.batch).flat_map(|batch| &batch.leaves).map(|leaf| &leaf.bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cannot_change_a_byte_and_is_blamed_for_it() -> Result<()> {
    let (cluster, frames) = capture().await?;
    let roster = &cluster.roster.roster;
    let origin: MemberName = "police.th.example".parse()?;
    // The reader before each frame, and every statement that was really said.
    let mut reader = Follower::new(Prefix::new(FEDERATION, origin), None);
    let mut before = Vec::new();
    let mut said: HashSet<Bytes> = HashSet::new();
    for frame in &frames {
        before.push(reader.clone());
        if let Step::Page(page) = reader.step(frame.clone(), roster)? {
            said.extend(leaves(&page).cloned());
        }
    }
    assert!(frames.len() > 2 && said.len() > 1_000, "{} frames, {} statements", frames.len(), said.len());
    let wire: Vec<Vec<u8>> = frames.iter().map(ReplicateFrame::encode_to_vec).collect();
    let whole: usize = wire.iter().map(Vec::len).sum();
    let mut refused = 0;
    for try_number in 0..400u64 {
        // Anywhere in the capture, the same places in every run.
        let place = merkle::sha256(&[&try_number.to_be_bytes()]).0;
        let mut at = (u64::from_be_bytes(*place.first_chunk().context("8 bytes")?) % whole as u64) as usize;
        let mut number = 0;
        while let Some(frame) = wire.get(number).filter(|frame| frame.len() <= at) {
            at -= frame.len();
            number += 1;
        }
        let mut bytes = wire[number].clone();
        bytes[at] ^= 1 << (place[8] % 8);
        let Ok(changed) = ReplicateFrame::decode(bytes.as_slice()) else {
            refused += 1; // the call fails: the connection is to blame
            continue;
        };
        let mut reader = before[number].clone();
        match reader.step(changed, roster) {
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert_eq!(error.accused(), Accused::Connection, "frame {number}, byte {at}: {text}");
                assert!(text.starts_with("log of police.th.example: "), "{text}");
                assert!(text.contains("the connection is to blame, not the origin"), "{text}");
                assert_eq!(reader.prefix().tree(), before[number].prefix().tree());
            }
            // A node may show less than it has; what it shows was said.
            Ok(Step::Page(page)) => {
                assert!(leaves(&page).all(|leaf| said.contains(leaf)), "frame {number}, byte {at}");
            }
            Ok(Step::Checkpoint { .. }) => panic!("frame {number}, byte {at}: a checkpoint was changed"),
        }
    }
    assert!(refused > 380, "{refused}");
    Ok(())
}
