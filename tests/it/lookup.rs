//! Verdicts through the service (HOSTILE line 25), and calls that ask for too much.

use anyhow::Result;
use tonic::Code;

use almenara_certs::Role;
use almenara_client::rpc::lookup_service_client::LookupServiceClient;
use almenara_proto::{
    statement::{Action, Basis, Claim, Sighting, Statement},
    wire::{self, Counted},
};
use almenara_tests::{
    cluster::{Cluster, NOW},
    desk::{in_report, report},
    reader::counted,
};

use crate::{ONE, THREE};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_desks_of_one_member_are_one_voice() -> Result<()> {
    let cluster = Cluster::start(&THREE).await?;
    let say = async |member: usize, desk: u8, basis: Basis| -> Result<()> {
        let desk = cluster.grant(member, &format!("desk{desk}"), 100 + desk).await?;
        let number = u64::from(desk.key.to_bytes()[0]);
        let report = in_report(report(number, "scam.example")?, |report| {
            report.confidence = Some(60);
            report.basis = basis;
        });
        desk.say(vec![report], 1).await??;
        Ok(())
    };
    say(0, 0, Basis::Observed).await?;
    let reader = cluster.reader(0, 0, Role::Consumer, "app").await?;
    let one = reader.lookup(&["scam.example"]).await?.remove(0);
    for desk in 1..20 {
        say(0, desk, Basis::Observed).await?;
    }
    let twenty = reader.lookup(&["scam.example"]).await?.remove(0);
    assert_eq!((twenty.score, twenty.corroboration), (one.score, 1));
    let voices = counted(&twenty);
    assert_eq!(voices.len(), 20);
    assert_eq!(voices.values().filter(|counted| **counted == Counted::Yes).count(), 1);

    say(1, 30, Basis::Imported("list".into())).await?;
    say(2, 31, Basis::Observed).await?;
    cluster.caught_up(0, 1).await?;
    cluster.caught_up(0, 2).await?;
    let three = reader.lookup(&["scam.example"]).await?.remove(0);
    assert!(three.score > twenty.score, "other members add to the score");
    assert_eq!(three.corroboration, 2, "who imported a list saw nothing");
    Ok(())
}

async fn code(cluster: &Cluster, request: wire::LookupRequest) -> Result<Code> {
    let identity = cluster.identity(0, Role::Consumer, "app")?;
    let mut client = LookupServiceClient::new(cluster.connect(0, &identity).await?);
    Ok(client.lookup(request).await.map_or_else(|status| status.code(), |_| Code::Ok))
}

fn domains(values: impl IntoIterator<Item = String>) -> Vec<wire::Indicator> {
    values.into_iter().map(|value| wire::Indicator { kind: wire::Kind::Domain.into(), value }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_makes_no_sense_is_refused_with_its_reason() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let ask = |indicators, policy| wire::LookupRequest { indicators, policy };
    let many = |count| domains((0..count).map(|n| format!("scam{n}.example")));
    assert_eq!(code(&cluster, ask(many(4_096), None)).await?, Code::Ok);
    assert_eq!(code(&cluster, ask(many(4_097), None)).await?, Code::InvalidArgument);
    assert_eq!(code(&cluster, ask(domains(["not a name".into()]), None)).await?, Code::InvalidArgument);
    let kind = wire::Indicator { kind: 999, value: "x".into() };
    assert_eq!(code(&cluster, ask(vec![kind], None)).await?, Code::InvalidArgument);
    let policy = wire::Policy { kinds: vec![999], ..wire::Policy::default() };
    assert_eq!(code(&cluster, ask(Vec::new(), Some(policy))).await?, Code::InvalidArgument);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_value_asked_for_many_times_is_judged_once_and_the_answer_is_bounded() -> Result<()> {
    let cluster = Cluster::start(&ONE).await?;
    let desk = cluster.grant(0, "cyber-desk", 100).await?;
    let seen = (0..64u64).map(|number| {
        let sighting = Sighting { count: 1, window_start: NOW, window_end: NOW, action: Action::Seen };
        Ok(Statement { claim: Claim::Sighting(sighting), ..report(number, "scam.example")? })
    });
    desk.say(seen.collect::<Result<_>>()?, 1).await??;
    // Sixty-four statements four thousand times would be a quarter of a million.
    let asked = wire::LookupRequest { indicators: domains(vec!["scam.example".into(); 4_096]), policy: None };
    assert_eq!(code(&cluster, asked).await?, Code::ResourceExhausted);
    let few = wire::LookupRequest { indicators: domains(vec!["scam.example".into(); 8]), policy: None };
    assert_eq!(code(&cluster, few).await?, Code::Ok);
    Ok(())
}
