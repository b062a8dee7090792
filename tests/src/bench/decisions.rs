//! How many times a second one core decides who may see a statement.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use almenara_proto::{
    name::{Jurisdiction, MemberName},
    release::{Recipient, Release, Rosters, Tlp, released},
    roster::{CustodyRule, Roster},
};
use anyhow::Result;

use crate::cluster::{FEDERATION, MemberHome, member_entry};

/// Decisions a second on one core: every TLP, `to` and `not_to` by member, group and jurisdiction, for nodes and
/// consumers of eight members.
///
/// # Errors
/// When a name is none.
pub async fn per_second() -> Result<f64> {
    let places = ["TH", "NL", "US", "KH", "DE", "SG", "GB", "PH"];
    let mut members = BTreeMap::new();
    for (at, place) in (0u8..).zip(places) {
        let home = MemberHome::create(&format!("{}.example", place.to_lowercase()), at).await?;
        members.insert(home.name.clone(), member_entry(&home, place)?);
    }
    let names: Vec<MemberName> = members.keys().cloned().collect();
    let roster = Roster {
        federation: FEDERATION.into(),
        version: 1,
        expires_at: u64::MAX,
        previous: None,
        groups: [("mekong".to_owned(), names.iter().take(4).cloned().collect())].into(),
        members,
        quorum: 2,
        custody: CustodyRule::default(),
    };
    let rosters = Rosters { now: &roster, then: Some(&roster) };
    let release = |tlp, to: &[&str], not_to: &[&str]| -> Result<Release> {
        let names = |names: &[&str]| names.iter().map(|name| Ok(name.parse()?)).collect::<Result<_>>();
        Ok(Release { tlp: Some(tlp), to: names(to)?, not_to: names(not_to)?, ..Release::clear() })
    };
    let releases = [
        release(Tlp::Clear, &[], &[])?,
        release(Tlp::Green, &[], &[])?,
        release(Tlp::Green, &[], &["jurisdiction:US"])?,
        release(Tlp::Amber, &["group:mekong"], &["jurisdiction:EU"])?,
        release(Tlp::Amber, &["nl.example", "us.example"], &[])?,
        release(Tlp::AmberStrict, &["jurisdiction:GB", "group:mekong"], &["sg.example"])?,
        release(Tlp::Red, &["nl.example"], &[])?,
    ];
    let node = |name: &MemberName| Recipient::Node(name.clone());
    let consumer =
        |name: &MemberName| Recipient::Consumer { member: name.clone(), jurisdiction: Jurisdiction::EU };
    let recipients: Vec<Recipient> = names.iter().flat_map(|name| [node(name), consumer(name)]).collect();
    let Some(origin) = names.last() else { return Ok(0.0) };
    let (begin, mut count) = (Instant::now(), 0u32);
    while begin.elapsed().as_secs_f64() < 1.0 {
        for recipient in &recipients {
            for release in &releases {
                black_box(released(black_box(release), origin, origin, black_box(recipient), rosters));
                count += 1;
            }
        }
    }
    Ok(f64::from(count) / begin.elapsed().as_secs_f64())
}
