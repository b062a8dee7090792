//! Members that do not keep what they should: their own programs are honest, their databases are not. What they sign about
//! themselves, and what the origin entrusted to them, does not fit, and everybody sees it.

use super::*;

const HOARDER: usize = 3;

impl Kept {
    /// Makes a member's database forget nothing, or keep nothing of what comes.
    async fn tamper(&self, member: usize, keeps_everything: bool) -> Result<()> {
        // What is dropped leaves a row, or a shorter one.
        let events: &[&str] = if keeps_everything {
            &["DELETE ON payloads", "UPDATE ON payloads WHEN length(new.bytes) < length(old.bytes)"]
        } else {
            &["INSERT ON payloads"]
        };
        let trigger = |(number, event)| {
            format!("CREATE TRIGGER tampered_{number} BEFORE {event} BEGIN SELECT RAISE(IGNORE); END;")
        };
        let triggers: String = events.iter().enumerate().map(trigger).collect();
        self.cluster.tamper(member, &triggers).await
    }

    /// The reports as a court reads them, when all members' are of the newest roster.
    async fn reported(&self) -> Result<Vec<VerifiedReport>> {
        let roster = &self.cluster.roster.roster;
        let mut all = Vec::new();
        for (member, (name, _)) in FIVE.iter().enumerate() {
            let reader = self.cluster.reader(member, 1, Role::Auditor, "court").await?;
            for tries in 0.. {
                let mut own: Vec<VerifiedReport> = reader.reports(roster).await.unwrap_or_default();
                own.retain(|report| report.report().member.as_str() == *name);
                if let Some(own) = own.pop() {
                    all.push(own);
                    break;
                }
                ensure!(tries < 100, "{name} does not report under version {}", roster.version);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(all)
    }

    /// What `almenara custody` says: its outcome, as JSON, and what it warns of.
    async fn told(platform: &Platform) -> Result<(Outcome, serde_json::Value, String)> {
        platform.pull().await?;
        let (context, captured) = platform.context(true);
        let outcome = custody::run(custody::Args {}, &context).await?;
        let answer = serde_json::from_str(&captured.out())?;
        let (context, captured) = platform.context(false);
        assert_eq!(custody::run(custody::Args {}, &context).await?, outcome);
        // A table for people, and what they are warned of.
        Ok((outcome, answer, captured.out() + &captured.err()))
    }

    fn custodied(&self, member: usize, group: &[usize]) -> u64 {
        self.due(member, group).iter().filter(|number| copies(**number) > 0).count() as u64
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_never_drops_what_moved_on_is_named_with_its_jurisdiction() -> Result<()> {
    let mut kept = Kept::start().await?;
    let platform = Platform { folder: home(&kept.cluster, &[0])?, clock: kept.cluster.clock() };
    let next = kept.cluster.next_roster(|roster| roster.custody.cap_percent = 90, &[0, 1, 2, 3, 4])?;
    kept.cluster.offer(0, 0, &next).await??;
    for member in 0..FIVE.len() {
        kept.cluster.has_roster(member, 2).await?;
    }
    kept.cluster.adopt(&next)?;
    let (outcome, answer, told) = Kept::told(&platform).await?;
    assert_eq!((outcome, &answer["misfits"]), (Outcome::Done, &serde_json::json!([])), "{told}");
    // Two of four are left, and get everything. Then the others are back.
    kept.tamper(HOARDER, true).await?;
    kept.regroup(&[HOARDER, 4], 0).await?;
    kept.until(&[HOARDER, 4], &[1, 2, HOARDER, 4]).await?;
    kept.regroup(&[1, 2, HOARDER, 4], 0).await?;
    kept.until(&[1, 2, HOARDER, 4], &[1, 2, 4]).await?;
    assert_eq!(kept.stored(HOARDER)?.len() as u64, SAID, "the hoarder has it all");
    let all = (0..SAID).filter(|number| copies(*number) > 0).count() as u64;
    let due = kept.custodied(HOARDER, &[1, 2, 3, 4]);
    assert!(due * 10 < all * 9, "an honest member stays below the cap");

    let found = misfits(&kept.reported().await?, &kept.cluster.roster.roster);
    let [one] = found.as_slice() else { bail!("one member is named: {found:?}") };
    let (name, seat) = FIVE[HOARDER];
    assert_eq!((one.member.as_str(), one.origin.as_str()), (name, POLICE));
    assert_eq!((one.said.held, one.entrusted, one.gone), (all, due, 0));
    assert!(one.is_surplus() && one.waits_for.is_empty(), "everybody else has theirs: {one:?}");

    let (outcome, answer, told) = Kept::told(&platform).await?;
    assert_eq!(outcome, Outcome::No, "{told}");
    let above: Vec<&serde_json::Value> = answer["jurisdictions"]
        .as_array()
        .context("rows")?
        .iter()
        .filter(|row| row["above_cap"] == true)
        .map(|row| &row["jurisdiction"])
        .collect();
    assert_eq!(above, [seat]);
    let misfit = serde_json::json!([{
        "member": name, "jurisdiction": seat, "origin": POLICE, "held": all, "entrusted": due, "gone": 0,
        "surplus": true, "waits_for": [],
    }]);
    assert_eq!(answer["misfits"], misfit);
    for text in [
        format!("{seat} is above the cap: {name} holds {all}"),
        format!(
            "{name} ({seat}) says that it holds {all} of the custodied statements of {POLICE}, which entrusted {due} to it"
        ),
        "it holds more than it should, and nothing excuses it".to_owned(),
    ] {
        assert!(told.contains(&text), "{text}: {told}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_surplus_that_waits_for_another_member_names_that_one_too() -> Result<()> {
    let mut kept = Kept::start().await?;
    let platform = Platform { folder: home(&kept.cluster, &[0])?, clock: kept.cluster.clock() };
    kept.regroup(&[2, 3, 4], 0).await?;
    kept.until(&[2, 3, 4], &[1, 2, 3, 4]).await?;
    // The ngo is entrusted with something again and gets none of it: so nobody can drop what it should have.
    kept.tamper(1, false).await?;
    kept.regroup(&[1, 2, 3, 4], 0).await?;
    let due = kept.custodied(1, &[1, 2, 3, 4]);
    let found = misfits(&kept.reported().await?, &kept.cluster.roster.roster);
    let ngo = found.iter().find(|one| one.member.as_str() == FIVE[1].0).context("who keeps less is named")?;
    assert_eq!((ngo.said.held, ngo.entrusted, ngo.is_surplus()), (0, due, false));
    let surplus: Vec<_> = found.iter().filter(|one| one.is_surplus()).collect();
    assert!(!surplus.is_empty() && surplus.len() + 1 == found.len(), "{found:?}");
    let excuse = BTreeSet::from([FIVE[1].0.parse()?]);
    assert!(surplus.iter().all(|one| one.waits_for == excuse), "{surplus:?}");
    let (outcome, _, told) = Kept::told(&platform).await?;
    assert_eq!(outcome, Outcome::No);
    let text = format!("perhaps until these say that they hold theirs: {}", FIVE[1].0);
    assert!(told.contains(&text) && told.contains("it lost some, or holds more than it says"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_says_less_than_it_shows_others_on_request_is_named() -> Result<()> {
    let kept = Kept::start().await?;
    let due = kept.due(HOARDER, &[1, 2, 3, 4]);
    let with_copies: Vec<u64> = due.iter().copied().filter(|number| copies(*number) > 0).collect();
    // What it shows on request can only be what it holds.
    let reader = kept.cluster.reader(HOARDER, 1, Role::Node, "node-1").await?;
    let mut leaves: Vec<u32> = with_copies.iter().map(|number| kept.leaves[number].0).collect();
    leaves.sort_unstable();
    let shown = reader.fetch(POLICE, 1, &leaves, 1).await?.len() as u64;
    assert_eq!(shown, with_copies.len() as u64);
    let mut reports = kept.reported().await?;
    assert_eq!(misfits(&reports, &kept.cluster.roster.roster), []);
    let mut lie = reports[HOARDER].report().clone();
    lie.made_at += 1;
    let said = lie.logs.get_mut(&POLICE.parse::<MemberName>()?).context("the police's log")?;
    said.held = shown - 1;
    let liar = kept.cluster.member(HOARDER)?;
    reports.push(VerifiedReport::verify(Signed::sign(lie, &liar.cosign_key), &kept.cluster.roster.roster)?);
    let found = misfits(&reports, &kept.cluster.roster.roster);
    let [one] = found.as_slice() else { bail!("one member is named: {found:?}") };
    assert_eq!((one.member.as_str(), one.said.held, one.is_surplus()), (FIVE[HOARDER].0, shown - 1, false));
    Ok(())
}
