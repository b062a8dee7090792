//! Replication: pages, resuming, live, and one history for everybody.

use std::time::Duration;

use anyhow::{Context as _, Result};
use prost::Message as _;

use almenara_certs::Role;
use almenara_proto::{
    limits::MESSAGE_BYTES,
    merkle::{self, CompactRange},
    statement::Statement,
    wire::replicate_frame::Frame,
};
use almenara_tests::{
    cluster::{Cluster, submit},
    desk::{in_report, item, report},
    reader::Reader,
};

use crate::{THREE, TWO};

/// Of about 15 KiB.
fn long(number: u64) -> Result<Statement> {
    Ok(in_report(report(number, &format!("long{number}.example"))?, |report| {
        report.description = "x".repeat(15 * 1024);
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_entries_and_the_largest_batches_arrive_whole() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let small =
        |from: u64, to: u64| (from..to).map(|n| desk.seal(vec![report(n, &format!("s{n}.example"))?], n));
    let large =
        |n: u64, count: u64| desk.seal((n * 1_000..n * 1_000 + count).map(long).collect::<Result<_>>()?, n);
    let mut batches = small(1, 200).collect::<Result<Vec<_>>>()?;
    // Two that each pass a page's bytes, one that nearly fills a message, and small ones around them.
    batches.extend([large(200, 60)?, large(201, 55)?]);
    batches.extend(small(202, 205).collect::<Result<Vec<_>>>()?);
    batches.push(large(205, 203)?);
    batches.extend(small(206, 300).collect::<Result<Vec<_>>>()?);
    let outcomes = submit(desk.channel.clone(), batches.iter().map(item).collect()).await?;
    let refused: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    assert!(refused.is_empty(), "{refused:?}");
    cluster.caught_up(1, 0).await?;
    for node in [0, 1] {
        for from in [0, 65, 201, 300] {
            let reader = cluster.reader(node, 1, Role::Node, "node-1").await?;
            let frames = reader.frames(Reader::request("police.th.example", from, false)).await?;
            let mut next = from;
            for frame in &frames {
                assert!(frame.encoded_len() <= MESSAGE_BYTES, "a frame fits into a message");
                let Some(Frame::Page(page)) = &frame.frame else { continue };
                assert_eq!(page.from, next);
                assert!((1..=64).contains(&page.entries.len()));
                next += page.entries.len() as u64;
            }
            assert_eq!(next, 300, "from {from}");
        }
        let entries = cluster.follow(node, 0, 1).await?;
        for (entry, batch) in entries.iter().skip(1).zip(&batches) {
            let shown = entry.batch.as_ref().context("a batch")?;
            assert_eq!(shown.leaves.len(), batch.statements.len());
            assert!(shown.leaves.iter().zip(&batch.statements).all(|(leaf, bytes)| leaf.bytes == *bytes));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_goes_on_whichever_side_was_away() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let mut desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut seq = 0;
    for away in [0, 1, 0, 1] {
        cluster.stop(away).await?;
        if away == 1 {
            for _ in 0..70 {
                seq += 1;
                desk.say(vec![report(seq, &format!("scam{seq}.example"))?], seq).await??;
            }
        }
        cluster.restart(away).await?;
        desk = cluster.desk(0, "cyber-desk", 100).await?;
        seq += 1;
        desk.say(vec![report(seq, &format!("scam{seq}.example"))?], seq).await??;
    }
    cluster.caught_up(1, 0).await?;
    assert_eq!(cluster.follow(1, 0, 1).await?.len() as u64, seq + 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_reader_sees_each_entry_and_only_one_history() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let mut streams = Vec::new();
    for node in [0, 1, 2] {
        let reader = cluster.reader(node, 1, Role::Auditor, "auditor").await?;
        cluster.caught_up(node, 0).await?;
        streams.push(reader.stream(Reader::request("police.th.example", 0, true)).await?);
    }
    let total = 25;
    for seq in 1..total {
        desk.say(vec![report(seq, &format!("scam{seq}.example"))?], seq).await??;
    }
    let mut notes = Vec::new();
    let mut histories = Vec::new();
    for mut stream in streams {
        let mut history = Vec::new();
        while (history.len() as u64) < total {
            let frame =
                tokio::time::timeout(Duration::from_secs(10), stream.message()).await.context("live")??;
            match frame.and_then(|frame| frame.frame).context("a frame")? {
                Frame::Checkpoint(note) => notes.push(note),
                Frame::Page(page) => history.extend(page.entries.into_iter().map(|entry| entry.entry)),
            }
        }
        histories.push(history);
    }
    assert!(histories.iter().all(|history| history == &histories[0]), "one order of the same bytes");
    let mut roots = vec![merkle::empty_root()];
    let mut tree = CompactRange::new();
    for entry in &histories[0] {
        tree.append(&merkle::leaf_hash(entry));
        roots.push(tree.root());
    }
    for note in notes {
        let opened = cluster.open_note(0, &note)?;
        let checkpoint = opened.checkpoint();
        assert_eq!(Some(&checkpoint.root), roots.get(usize::try_from(checkpoint.size)?), "{checkpoint}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_and_its_withdrawal_leave_the_same_on_every_replica_whenever_it_came() -> Result<()> {
    let mut cluster = Cluster::start(&THREE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    // Node 2 sees both at once, after it was away; node 1 sees one after the other.
    cluster.caught_up(2, 0).await?;
    cluster.stop(2).await?;
    desk.say(vec![report(0, "scam.example")?, report(1, "other.example")?], 1).await??;
    cluster.caught_up(1, 0).await?;
    let leaf = cluster.follow(1, 0, 1).await?[1].batch.as_ref().and_then(|batch| {
        let at = batch.leaves.iter().position(|leaf| {
            leaf.statement.as_ref().is_ok_and(|statement| statement.indicator.value() == "scam.example")
        });
        u32::try_from(at?).ok()
    });
    desk.withdraw(&[(1, leaf.context("it is in clear")?)], 2).await??;
    cluster.restart(2).await?;
    cluster.caught_up(1, 0).await?;
    cluster.caught_up(2, 0).await?;
    let mut answers = Vec::new();
    for node in [0, 1, 2] {
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        answers.push(reader.lookup(&["scam.example", "other.example"]).await?);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!([answers[0][0].listed, answers[0][1].listed], [false, true]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_is_not_there_yet_is_an_answer_and_no_silence() -> Result<()> {
    let cluster = Cluster::start(&TWO).await?;
    let reader = cluster.reader(0, 1, Role::Node, "node-1").await?;
    let mut codes = Vec::new();
    for (origin, from) in
        [("police.th.example", 1), ("police.th.example", u64::MAX), ("nobody.example", 0), ("No Name", 0)]
    {
        let error = reader.frames(Reader::request(origin, from, true)).await.expect_err("nothing there");
        codes.push(error.downcast::<tonic::Status>()?.code());
    }
    use tonic::Code::{InvalidArgument, NotFound, OutOfRange};
    assert_eq!(codes, [OutOfRange, OutOfRange, NotFound, InvalidArgument]);
    Ok(())
}
