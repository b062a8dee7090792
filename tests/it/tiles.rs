//! The logs as everybody may read them, without a certificate (C2SP tlog-tiles).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use almenara_client::pages::Pages;
use almenara_proto::{
    checkpoint::SignedCheckpoint,
    log::LogEntry,
    merkle::{self, Hash},
    release::Tlp,
    tile::{Edge, TileId, TilePath, tiles_for_inclusion},
};
use almenara_tests::{
    cluster::{Cluster, key},
    desk::{report, restricted},
    forge::Forged,
};

use crate::{ONE, TWO};

/// The largest page that any of these tests asks for.
const MOST: usize = 8 << 20;

async fn pages(cluster: &Cluster, member: usize) -> Result<Pages> {
    cluster.pages(member).await
}

async fn page(pages: &Pages, path: &str) -> Result<Bytes> {
    pages.get(path, MOST).await?.with_context(|| format!("nothing at {path}"))
}

async fn note(cluster: &Cluster, origin: usize, pages: &Pages, path: &str) -> Result<SignedCheckpoint> {
    cluster.open_note(origin, &page(pages, path).await?)
}

fn entries(mut bundle: &[u8]) -> Result<Vec<Bytes>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        ensure!(rest.len() >= length, "the bundle ends within an entry");
        let (entry, rest) = rest.split_at(length);
        entries.push(Bytes::copy_from_slice(entry));
        bundle = rest;
    }
    ensure!(bundle.is_empty(), "a byte is left over");
    Ok(entries)
}

/// Entries that count for nothing, as many as are wanted, in a log under the true key.
async fn forged(size: u64) -> Result<(Cluster, Vec<Bytes>)> {
    let mut cluster = Cluster::prepare(&ONE, almenara_tests::cluster::Setup::default()).await?;
    let grant =
        LogEntry::KeyGrant(cluster.key_grant(0, "desk", almenara_proto::keys::PublicKey::of(&key(100)))?);
    let forged = || (0..size).map(|n| if n == 0 { grant.encode() } else { Bytes::from(n.to_string()) });
    let entry = |bytes: Bytes| Forged { bytes, statements: Vec::new(), counts: false };
    cluster.forge(0, forged().map(entry).collect()).await?;
    cluster.restart(0).await?;
    Ok((cluster, forged().collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tile_and_bundle_of_a_log_leads_to_its_checkpoint() -> Result<()> {
    let (cluster, log) = forged(66_000).await?;
    let leaves: Vec<Hash> = log.iter().map(|entry| merkle::leaf_hash(entry)).collect();
    let pages = pages(&cluster, 0).await?;
    let signed = note(&cluster, 0, &pages, "/log/checkpoint").await?;
    assert_eq!((signed.checkpoint().size, signed.checkpoint().root), (66_000, merkle::root(&leaves)));
    // Two full levels and a third one begin: what an appender stores is what is served, tile by tile.
    for (id, bytes) in Edge::new().append(&leaves) {
        let partial = u8::try_from(bytes.len() / Hash::LEN).ok().and_then(std::num::NonZeroU8::new);
        let path = TilePath::Tree { id, partial };
        assert!(page(&pages, &format!("/log/{path}")).await? == bytes, "{path}");
    }
    for index in [0, 1, 100, 256, 257] {
        let partial = (index == 257).then(|| std::num::NonZeroU8::new(208)).flatten();
        let bundle = page(&pages, &format!("/log/{}", TilePath::Entries { index, partial })).await?;
        let from = index as usize * 256;
        assert_eq!(entries(&bundle)?, log[from..log.len().min(from + 256)], "bundle {index}");
    }
    // Nothing is served of what is not signed.
    for path in [
        "tile/0/257",
        "tile/0/257.p/209",
        "tile/entries/257",
        "tile/1/001.p/2",
        "tile/3/000.p/1",
        "tile/63/000",
    ] {
        assert_eq!(pages.get(&format!("/log/{path}"), MOST).await?, None, "{path}");
    }
    // A proof by tiles alone.
    let mut tiles = BTreeMap::new();
    for id in tiles_for_inclusion(65_999, 66_000) {
        let partial = u8::try_from(id.width(66_000)).ok().and_then(std::num::NonZeroU8::new);
        tiles.insert(id, page(&pages, &format!("/log/{}", TilePath::Tree { id, partial })).await?);
    }
    let proof = almenara_proto::tile::inclusion(65_999, 66_000, &tiles)?;
    merkle::verify_inclusion(&leaves[65_999], 65_999, 66_000, &proof, &signed.checkpoint().root)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_outlives_its_origin_and_shows_its_cosignatures_and_no_statement() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let secret = restricted(0, "secret.example", Tlp::Amber, &["ngo.nl.example"], &[])?;
    desk.say(vec![secret, report(1, "open.example")?], 1).await??;
    cluster.settled(1, 0, 2).await?;
    let own = pages(&cluster, 0).await?;
    let at_origin = page(&own, "/log/tile/entries/000.p/2").await?;
    let settled = page(&own, "/log/settled").await?;
    assert_eq!(page(&own, "/log/checkpoint").await?, settled, "a quiet log's newest note is the settled one");
    assert_eq!(
        String::from_utf8(settled.to_vec())?.matches("— ").count(),
        2,
        "the log's line and a cosignature"
    );
    let named = page(&own, "/log/police.th.example/tile/entries/000.p/2").await?;
    assert_eq!(named, at_origin, "the own log has its own name too");
    cluster.stop(0).await?;
    let relay = pages(&cluster, 1).await?;
    assert_eq!(page(&relay, "/log/police.th.example/tile/entries/000.p/2").await?, at_origin);
    assert_eq!(page(&relay, "/log/police.th.example/checkpoint").await?, settled);
    assert_eq!(page(&relay, "/log/police.th.example/tile/0/000.p/2").await?.len(), 64);
    let text = String::from_utf8_lossy(&at_origin).into_owned();
    assert!(!text.contains("secret") && !text.contains("open.example"), "statements are not public");
    assert_eq!(entries(&at_origin)?.len(), 2);
    for path in ["/log/nobody.example/checkpoint", "/log/tile/entries/000.p/1x", "/roster/2", "/roster/0"] {
        assert_eq!(relay.get(path, MOST).await?, None, "{path}");
    }
    let roster = page(&relay, "/roster/1").await?;
    assert_eq!(roster, prost::Message::encode_to_vec(&cluster.roster.signed.to_wire()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_tile_stays_what_it_was_when_the_log_has_grown() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(1, "first.example")?], 1).await??;
    let pages = pages(&cluster, 0).await?;
    let before =
        (page(&pages, "/log/tile/0/000.p/2").await?, page(&pages, "/log/tile/entries/000.p/2").await?);
    desk.say(vec![report(2, "second.example")?], 2).await??;
    let signed = note(&cluster, 0, &pages, "/log/checkpoint").await?;
    assert_eq!(signed.checkpoint().size, 3);
    let after = page(&pages, "/log/tile/0/000.p/3").await?;
    assert!(after.starts_with(&before.0) && after.len() == before.0.len() + Hash::LEN);
    let again =
        (page(&pages, "/log/tile/0/000.p/2").await?, page(&pages, "/log/tile/entries/000.p/2").await?);
    assert_eq!(again, before);
    assert_eq!(TileId { level: 0, index: 0 }.width(3), 3);
    Ok(())
}
