//! What the local store holds against reporting something: that others took their reports back, or dispute one.
//!
//! A list that somebody hands on is often older than the withdrawal of what stands in it.

use std::collections::BTreeMap;

use almenara_proto::{indicator::Indicator, roster::Roster, statement::Claim, verdict::Policy};

use crate::{
    context::Context,
    exit::CliError,
    store::{Piece, Store},
};

/// The local store, as it stood when the reading of a list began.
#[derive(Debug)]
pub(super) struct History {
    store: Store,
    roster: Roster,
    policy: Policy,
    now: u64,
}

/// One thing worth knowing before reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remark {
    /// `withdrawn` or `disputed`.
    pub(super) code: &'static str,
    /// In words, with the address to look at.
    pub(super) message: String,
}

impl History {
    /// Nothing where nothing was pulled: reading lists needs no store.
    ///
    /// # Errors
    /// [`CliError`], when there is a store and it cannot be read.
    pub(super) fn open(context: &Context) -> Result<Option<Self>, CliError> {
        if !context.has_config() || !context.home.store().is_dir() {
            return Ok(None);
        }
        let config = context.config()?;
        Ok(Some(Self {
            store: Store::read(context.home.store(), config.federation.as_str())?,
            roster: context.rosters()?.current().roster.clone(),
            policy: config.policy.clone(),
            now: context.now(),
        }))
    }

    /// What stands against a report on `indicator`.
    ///
    /// # Errors
    /// [`CliError`], when the store is damaged.
    pub(super) fn against(&self, indicator: &Indicator) -> Result<Vec<Remark>, CliError> {
        let judged = self.store.lookup(indicator, &self.roster, &self.policy, self.now)?;
        let pieces = judged.map(|judged| judged.pieces).unwrap_or_default();
        // By desk: its latest report is the one that it stands by, or not. Pieces come in log order.
        let reports = pieces.iter().filter(|piece| piece.statement.report().is_some() && !piece.standing.cut);
        let latest: BTreeMap<&str, &Piece> = reports.map(|piece| (piece.publisher.as_str(), piece)).collect();
        let withdrawn = latest.into_values().filter(|piece| piece.standing.withdrawn);
        let withdrawn = withdrawn.map(|piece| Remark {
            code: "withdrawn",
            message: format!(
                "{}: {} reported it and took that back ({})",
                indicator.value(),
                piece.publisher,
                piece.address
            ),
        });
        let stands = |piece: &&Piece| !piece.standing.withdrawn && !piece.standing.cut;
        let disputed = pieces.iter().filter(stands).filter_map(|piece| {
            let Claim::Dispute(dispute) = &piece.statement.claim else { return None };
            let message = format!(
                "{}: {} disputes the report {} ({})",
                indicator.value(),
                piece.publisher,
                dispute.target,
                piece.address
            );
            Some(Remark { code: "disputed", message })
        });
        Ok(withdrawn.chain(disputed).collect())
    }
}
