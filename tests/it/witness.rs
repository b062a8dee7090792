//! A node as a witness over HTTP (C2SP tlog-witness), from the same state as its cosignatures over gRPC.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use data_encoding::BASE64;

use almenara_proto::{
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    evidence::Evidence,
    keys::PublicKey,
    merkle::Hash,
    note::{KeyKind, VerifierKey},
};
use almenara_tests::{
    cluster::{Cluster, Setup, key},
    desk::report,
    raw::post,
};

use crate::TWO;

const PATH: &str = "/witness/add-checkpoint";

fn request(old: u64, proof: &[Hash], note: &[u8]) -> Vec<u8> {
    let lines: String = proof.iter().map(|hash| BASE64.encode(&hash.0) + "\n").collect();
    [format!("old {old}\n{lines}\n").as_bytes(), note].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_cosigns_what_it_holds_and_answers_everything_else_as_c2sp_says() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    desk.say(vec![report(1, "scam.example")?], 1).await??;
    cluster.caught_up(1, 0).await?;
    let name = cluster.member(0)?.name.clone();
    let head = cluster.node(1)?.heads().get(&name).context("a replica")?;
    let note = SignedCheckpoint::open(
        &head.checkpoint,
        &origin_of(name.as_str()),
        &PublicKey::of(&cluster.member(0)?.log_key).0,
    )?;
    let size = note.checkpoint().size;
    let witness = cluster.connect_as_nobody(1).await?;

    // Whoever does not know where the witness is asks, and then gets its cosignature.
    let (status, kind, body) = post(&witness, PATH, request(0, &[], note.note())).await?;
    assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "2\n"));
    let (status, _, line) = post(&witness, PATH, request(size, &[], note.note())).await?;
    assert_eq!(status, 200, "{line}");
    let ngo = cluster.member(1)?;
    let verifier =
        VerifierKey::new(ngo.name.as_str(), KeyKind::CosignatureV1, &PublicKey::of(&ngo.cosign_key).0)?;
    assert_eq!(note.with_lines(&line)?.cosignatures(&[verifier])?.len(), 1);

    let root = note.checkpoint().root;
    let sign = |origin: &str, size, root, seed: Option<u8>| -> Result<Vec<u8>> {
        let key =
            seed.map_or_else(|| Ok(cluster.member(0)?.log_key.clone()), |seed| anyhow::Ok(key(seed)))?;
        Ok(SignedCheckpoint::sign(Checkpoint { origin: origin.to_owned(), size, root }, &key)?
            .note()
            .to_vec())
    };
    let origin = origin_of(name.as_str());
    for (what, status, body) in [
        ("nothing", 400, Vec::new()),
        ("another key", 403, request(size, &[], &sign(&origin, size, root, Some(9))?)),
        ("the witness's own log", 404, request(0, &[], &sign("ngo.nl.example/almenara", size, root, None)?)),
        ("a stranger's log", 404, request(0, &[], &sign("nobody.example/almenara", size, root, None)?)),
        ("an older size than the old one", 400, request(size + 1, &[], note.note())),
        ("another root", 422, request(size, &[], &sign(&origin, size, Hash([7; 32]), None)?)),
        ("a bad proof", 422, request(size, &[Hash([7; 32])], &sign(&origin, size + 1, Hash([7; 32]), None)?)),
        ("what is too long", 400, vec![b'x'; 100_000]),
    ] {
        let (found, _, text) = post(&witness, PATH, body).await?;
        assert_eq!(found, status, "{what}: {text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_outside_the_federation_cosigns_and_its_lines_are_kept_and_shown() -> Result<()> {
    let setup = Setup { witnesses: vec![(0, 1)], ..Setup::default() };
    let mut cluster = Cluster::start_with(&TWO, setup).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    let first = until_witnessed(&cluster, 1).await?;
    // What it has cosigned is not forgotten.
    cluster.stop(0).await?;
    cluster.restart(0).await?;
    let pages = cluster.pages(0).await?;
    assert_eq!(pages.get("/log/witnessed", 64 * 1024).await?.context("kept")?, first);
    // It is brought what comes next, from where it is.
    cluster.desk(0, "cyber-desk", 100).await?.say(vec![report(1, "scam.example")?], 1).await??;
    until_witnessed(&cluster, 2).await?;
    // Nobody else's log has such lines here.
    assert_eq!(pages.get("/log/ngo.nl.example/witnessed", 64 * 1024).await?, None);
    Ok(())
}

/// Waits until the police's node shows a note of this size that the ngo's has cosigned as a witness.
async fn until_witnessed(cluster: &Cluster, size: u64) -> Result<Bytes> {
    let ngo = cluster.member(1)?;
    let key = VerifierKey::new(ngo.name.as_str(), KeyKind::CosignatureV1, &PublicKey::of(&ngo.cosign_key).0)?;
    let pages = cluster.pages(0).await?;
    for _ in 0..200 {
        if let Some(page) = pages.get("/log/witnessed", 64 * 1024).await? {
            let note = cluster.open_note(0, &page)?;
            assert_eq!(note.cosignatures(std::slice::from_ref(&key))?.len(), 1);
            if note.checkpoint().size == size {
                return Ok(page);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no witness cosigned {size} entries")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_shown_a_fork_keeps_it_as_evidence_and_cosigns_nothing_more() -> Result<()> {
    // Of the size that it holds, and of a smaller one.
    for (size, answer) in [(2, 422), (1, 409)] {
        let cluster = Cluster::start(&TWO).await?;
        cluster.grant(0, "cyber-desk", 100).await?.say(vec![report(1, "scam.example")?], 1).await??;
        cluster.caught_up(1, 0).await?;
        let police = cluster.member(0)?;
        let origin = origin_of(police.name.as_str());
        let fork = Checkpoint { origin, size, root: Hash([7; 32]) };
        let fork = SignedCheckpoint::sign(fork, &police.log_key)?;
        let witness = cluster.connect_as_nobody(1).await?;
        let old = if size == 2 { 2 } else { 0 };
        assert_eq!(post(&witness, PATH, request(old, &[], fork.note())).await?.0, answer);
        let head = cluster.node(1)?.heads().get(&police.name).context("a replica")?;
        assert_eq!(head.quarantine.as_ref().map(|found| found.agreed), Some(size - 1));
        let files = cluster.evidence(1)?;
        let Evidence::Log(proof) = Evidence::parse(&std::fs::read(files.first().context("a file")?)?)? else {
            bail!("a log is accused")
        };
        proof.verify(&PublicKey::of(&police.log_key))?;
        assert_eq!(post(&witness, PATH, request(2, &[], &head.checkpoint)).await?.0, 503);
    }
    Ok(())
}
