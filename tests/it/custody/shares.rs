//! What the first promise says of a federation (docs/protocol.md §9): each jurisdiction reaches about k of n of what the
//! others custody, none more than the cap, and whoever sees the signed reports and the public pages adds up the same.

use bytes::Bytes;

use almenara_proto::custody::Shares;

use super::*;

const SEVEN: [(&str, &str); 7] = [
    ("police.th.example", "TH"),
    ("ngo.nl.example", "NL"),
    ("bank.us.example", "US"),
    ("bank.sg.example", "SG"),
    ("ngo.ke.example", "KE"),
    ("cert.jp.example", "JP"),
    ("ngo.br.example", "BR"),
];
/// Of each member, to all others, with [`COPIED`] copies.
const EACH: u64 = 100;
const COPIED: u32 = 3;
/// Percent.
const CAP: u32 = 60;

/// The entries of a log as its origin's node shows them to everybody, without a certificate.
async fn public_entries(cluster: &Cluster, origin: usize) -> Result<Vec<Bytes>> {
    let pages = cluster.pages(origin).await?;
    let note = pages.get("/log/checkpoint", 1 << 16).await?.context("a checkpoint")?;
    let size = cluster.open_note(origin, &note)?.checkpoint().size;
    ensure!(size < 256, "one bundle is enough");
    let bundle = pages.get(&format!("/log/tile/entries/000.p/{size}"), 8 << 20).await?.context("a bundle")?;
    let (mut entries, mut rest) = (Vec::new(), bundle.as_ref());
    while let Some((length, after)) = rest.split_first_chunk() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(Bytes::copy_from_slice(entry));
        rest = after;
    }
    Ok(entries)
}

async fn as_an_outsider(cluster: &Cluster) -> Result<(Shares, Vec<VerifiedReport>)> {
    let mut logs = BTreeMap::new();
    for (origin, (name, _)) in SEVEN.iter().enumerate() {
        logs.insert(*name, public_entries(cluster, origin).await?);
    }
    let roster = &cluster.roster.roster;
    let mut reports = Vec::new();
    for (member, (name, _)) in SEVEN.iter().enumerate() {
        let reader = cluster.reader(member, 6, Role::Auditor, "court").await?;
        let own = reader.reports(roster).await?.into_iter();
        reports.extend(own.filter(|report| report.report().member.as_str() == *name));
    }
    let counted = |origin: &MemberName, size: u64| {
        let entries = logs.get(origin.as_str())?.get(..usize::try_from(size).ok()?)?;
        Some(custodied(entries))
    };
    Ok((shares(&reports, roster, counted), reports))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_jurisdiction_reaches_about_k_of_n_and_an_outsider_adds_up_the_same() -> Result<()> {
    let setup =
        Setup { groups: vec![("all", (0..SEVEN.len()).collect())], cap_percent: CAP, ..Setup::default() };
    let cluster = Cluster::start_with(&SEVEN, setup).await?;
    for (origin, seed) in (0..SEVEN.len()).zip(100..) {
        let desk = cluster.grant(origin, "desk", seed).await?;
        let statements = (0..EACH).map(|number| {
            let number = number + 1_000 * u64::from(seed);
            let domain = format!("n{number}.example");
            let mut statement = restricted(number, &domain, Tlp::Amber, &["group:all"], &[])?;
            statement.copies = COPIED;
            Ok(statement)
        });
        desk.publish(&desk.seal(statements.collect::<Result<_>>()?, 1)?).await??;
    }
    for node in 0..SEVEN.len() {
        for origin in 0..SEVEN.len() {
            cluster.caught_up(node, origin).await?;
        }
    }
    let (sum, reports) = as_an_outsider(&cluster).await?;
    assert_eq!(reports.len(), SEVEN.len());
    assert!(sum.above_cap.is_empty() && sum.silent.is_empty() && sum.differing.is_empty(), "{sum:?}");
    assert_eq!(misfits(&reports, &cluster.roster.roster), []);
    let all = EACH * (SEVEN.len() as u64 - 1);
    let held: u64 = sum.jurisdictions.values().map(|share| share.at_most).sum();
    assert_eq!(held, EACH * SEVEN.len() as u64 * u64::from(COPIED), "every copy is somewhere");
    for (code, share) in &sum.jurisdictions {
        assert_eq!((share.at_least, share.of), (share.at_most, all), "{code}");
        // 3 of 6: 300 of 600, and four standard deviations are 49.
        assert!(share.at_most.abs_diff(all / 2) < 50, "{code}: {share:?}");
    }
    // What a member's people are told is the same.
    let platform = Platform { folder: home(&cluster, &[0])?, clock: cluster.clock() };
    platform.pull().await?;
    let (context, captured) = platform.context(true);
    assert_eq!(custody::run(custody::Args {}, &context).await?, Outcome::Done);
    let answer: serde_json::Value = serde_json::from_str(&captured.out())?;
    for row in answer["jurisdictions"].as_array().context("rows")? {
        let code = row["jurisdiction"].as_str().context("a code")?.parse()?;
        let share = sum.jurisdictions[&code];
        assert_eq!(row["at_most"], share.at_most, "{code}");
        assert_eq!((&row["of"], &row["percent"]), (&share.of.into(), &share.percent().into()), "{code}");
    }
    Ok(())
}
