//! The chain of rosters as a source shows it, against the one that was accepted.

use bytes::Bytes;
use prost::Message as _;

use almenara_proto::{
    blame::Void,
    keys::Context,
    roster::{AcceptedRoster, SignedRoster},
    wire,
};

use super::{Fault, Finding, Place, source::Source};
use crate::{
    exit::CliError,
    rosters::{Rosters, RostersError},
};

/// Versions that a source may bring: decades of monthly ones; an endless chain ends there.
const MOST: u64 = 1_024;

/// Compares every accepted version, and accepts those that follow.
///
/// # Errors
/// [`CliError`], when the source cannot be read, or the chain cannot be kept.
pub async fn audit_rosters(source: &Source, chain: &mut Rosters) -> Result<Vec<Finding>, CliError> {
    let mut findings = Vec::new();
    let mut find = |version, what: String, fault, evidence| {
        findings.push(Finding { log: None, place: Place::Roster(version), what, fault, evidence });
    };
    let served = || Fault::Served(source.to_string());
    for version in 1..=MOST {
        let held = chain.version(version).cloned();
        let Some(page) = source.roster(version).await? else {
            if version == 1 {
                find(version, "it is not there".to_owned(), served(), None);
            }
            break;
        };
        let offered = match parse(page.clone()) {
            Ok(offered) => offered,
            Err(void) => {
                find(version, void.to_string(), served(), None);
                break;
            }
        };
        if let Some(held) = &held
            && held.id == offered.id()
        {
            if let Some(what) = differs(held, &page, &offered) {
                find(version, what, served(), None);
            }
            continue;
        }
        match chain.accept(offered) {
            Ok(_) => {}
            Err(RostersError::File { path, error }) => return Err(CliError::file(&path, &error)),
            Err(error @ RostersError::Fork { .. }) => {
                let what = error.to_string();
                if let RostersError::Fork { signed_both, evidence, .. } = error {
                    find(version, what, Fault::Members(signed_both), Some(evidence));
                }
                break;
            }
            Err(error) => {
                find(version, error.to_string(), served(), None);
                break;
            }
        }
    }
    Ok(findings)
}

fn parse(page: Bytes) -> Result<SignedRoster, Void> {
    let wire =
        wire::SignedRoster::decode(page).map_err(|error| Void::new("SignedRoster", error.to_string()))?;
    SignedRoster::from_wire(wire)
}

/// The same body; but whoever reads it must find signatures that hold.
fn differs(held: &AcceptedRoster, page: &Bytes, offered: &SignedRoster) -> Option<String> {
    if held.signed.to_wire().encode_to_vec() == *page {
        return None;
    }
    let bad = offered.signatures.iter().find(|(key, signature)| {
        !key.admit().is_ok_and(|key| Context::Roster.verify(&offered.body, signature, &key).is_ok())
    });
    match bad {
        Some((key, _)) => Some(format!("the signature by {key} does not hold")),
        None if offered.to_wire().encode_to_vec() != *page => {
            Some("it holds bytes that mean nothing".to_owned())
        }
        None => None,
    }
}
