//! What the local store holds about a statement or an indicator, for those who want to answer it.

use almenara_proto::{
    batch::Leaf,
    indicator::{Hints, Kind, canonicalise},
    name::{Address, MemberName},
    statement::{Claim, Statement},
};

use crate::{context::Context, exit::CliError, store::Store};

/// The statement at an address, and its leaf.
pub(super) fn statement(address: &Address, context: &Context) -> Result<(Leaf, Statement), CliError> {
    let store = open(context)?;
    let missing = || {
        CliError::refused(format!(
            "the local store does not hold {address}: run `almenara pull`, and check the address with `almenara show`"
        ))
    };
    let entry =
        store.replica(&address.member).ok_or_else(missing)?.entry(address.entry)?.ok_or_else(missing)?;
    let leaves = entry.batch.map(|batch| batch.leaves).unwrap_or_default();
    let leaf = leaves.into_iter().find(|leaf| leaf.index == address.leaf).ok_or_else(missing)?;
    let statement = leaf.statement.clone().map_err(|void| CliError::refused(void).at(address))?;
    Ok((leaf, statement))
}

/// Addresses of a member's reports on an indicator that were not withdrawn yet.
pub(super) fn reports(
    member: &MemberName,
    kind: Kind,
    value: &str,
    context: &Context,
) -> Result<Vec<Address>, CliError> {
    let indicator = canonicalise(kind, value, &Hints::default()).map_err(CliError::usage)?.indicator;
    let (config, rosters) = (context.config()?, context.rosters()?);
    let judged =
        open(context)?.lookup(&indicator, &rosters.current().roster, &config.policy, context.now())?;
    let own = judged.into_iter().flat_map(|judged| judged.pieces).filter(|piece| {
        piece.address.member == *member
            && matches!(piece.statement.claim, Claim::Report(_))
            && !piece.standing.withdrawn
    });
    let addresses: Vec<Address> = own.map(|piece| piece.address).collect();
    if addresses.is_empty() {
        return Err(CliError::refused(format!(
            "the local store holds no standing report of {member} on {kind} {}: run `almenara pull`, or give addresses",
            indicator.value()
        )));
    }
    Ok(addresses)
}

fn open(context: &Context) -> Result<Store, CliError> {
    Ok(Store::read(context.home.store(), context.config()?.federation.as_str())?)
}
