//! Any interleaving of publishing, withdrawing and restarting ends in the same answers everywhere: those of a
//! model with nothing in it but a list.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use almenara_certs::Role;
use almenara_proto::{
    merkle,
    statement::Reinstates,
    wire::{Counted, RefusalCode},
};
use almenara_tests::{
    cluster::Cluster,
    desk::{Desk, in_report, report},
    reader::counted,
};

use crate::TWO;

const DOMAINS: u64 = 6;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 += 1;
        let hash = merkle::sha256(&[b"convergence", &self.0.to_be_bytes()]);
        u64::from_be_bytes(*hash.0.first_chunk().expect("eight of 32 bytes")) % bound
    }
}

/// What one member said: domain, place, withdrawn or not; and what must be named to say it again.
#[derive(Default)]
struct Member {
    said: Vec<(u64, u64, bool)>,
    named: BTreeMap<u64, Reinstates>,
    size: u64,
    seq: u64,
}

fn domain(number: u64) -> String {
    format!("scam{number}.example")
}

async fn publish(desk: &Desk, model: &mut Member, numbers: &mut Numbers, number: u64) -> Result<()> {
    let about = numbers.below(DOMAINS);
    model.seq += 1;
    let named = model.named.get(&about).copied();
    if named.is_some() && numbers.below(2) == 0 {
        let refusal =
            desk.say(vec![report(number, &domain(about))?], model.seq).await?.expect_err("withdrawn");
        assert_eq!(refusal.code(), RefusalCode::Withdrawn);
        return Ok(());
    }
    let statement = in_report(report(number, &domain(about))?, |report| report.reinstates = named);
    let receipt = desk.say(vec![statement], model.seq).await??;
    assert_eq!(receipt.index, model.size);
    model.said.push((about, receipt.index, false));
    model.size += 1;
    Ok(())
}

async fn withdraw(desk: &Desk, model: &mut Member, numbers: &mut Numbers) -> Result<()> {
    if model.said.is_empty() {
        return Ok(());
    }
    let at = usize::try_from(numbers.below(model.said.len() as u64))?;
    let said = model.said.get_mut(at).context("below its length")?;
    model.seq += 1;
    let named = desk.withdraw(&[(said.1, 0)], model.seq).await??;
    said.2 = true;
    model.named.insert(said.0, named);
    model.size += 1;
    Ok(())
}

/// What the verdict on a domain must say of each statement: the latest of a member counts unless it is withdrawn,
/// and then none does.
fn expected(models: &[Member], about: u64) -> BTreeMap<String, Counted> {
    let mut expected = BTreeMap::new();
    for (model, (name, _)) in models.iter().zip(TWO) {
        let said = || model.said.iter().filter(|(domain, ..)| *domain == about);
        let current = said().map(|(_, place, _)| *place).max();
        for (_, place, withdrawn) in said() {
            let counted = match (withdrawn, Some(*place) == current) {
                (true, _) => Counted::Withdrawn,
                (false, true) => Counted::Yes,
                (false, false) => Counted::Superseded,
            };
            expected.insert(format!("{name}:{place}.0"), counted);
        }
    }
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn any_interleaving_ends_in_the_same_answers_everywhere() -> Result<()> {
    let mut cluster = Cluster::start(&TWO).await?;
    let mut numbers = Numbers(0);
    let mut models = [Member::default(), Member::default()];
    for member in [0, 1] {
        cluster.grant(member, "desk", 100 + member as u8).await?;
        models[member].size = 1;
    }
    let mut desks = [cluster.desk(0, "desk", 100).await?, cluster.desk(1, "desk", 101).await?];
    for number in 0..120 {
        let member = usize::try_from(numbers.below(2))?;
        match numbers.below(20) {
            0 => {
                cluster.stop(member).await?;
                cluster.restart(member).await?;
                desks[member] = cluster.desk(member, "desk", 100 + member as u8).await?;
            }
            1..=5 => withdraw(&desks[member], &mut models[member], &mut numbers).await?,
            _ => publish(&desks[member], &mut models[member], &mut numbers, number).await?,
        }
    }
    cluster.caught_up(0, 1).await?;
    cluster.caught_up(1, 0).await?;
    let domains: Vec<String> = (0..DOMAINS).map(domain).collect();
    let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
    for node in [0, 1] {
        let reader = cluster.reader(node, node, Role::Consumer, "app").await?;
        for (about, verdict) in (0..).zip(reader.lookup(&domains).await?) {
            assert_eq!(counted(&verdict), expected(&models, about), "{} at node {node}", domain(about));
        }
    }
    Ok(())
}
