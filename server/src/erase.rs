//! Deletes what was erased, when its time has come (PROTOCOL.md §3, 'Withdrawal').
//!
//! It is hidden from the moment of the withdrawal; the delay is for the member whose keys were stolen: a revocation that
//! reaches back before the withdrawal spares what is not deleted yet.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use almenara_proto::log::LogEntry;

use crate::{
    clock::Clock,
    compare::Compared,
    heads::Heads,
    ingest::{Ingest, NotNow},
    reports::Reports,
    store::{
        LogId, Place, Store, StoreError,
        erased::{Erasure, Fate},
    },
};

/// Hours between an erasing withdrawal and the deletion, unless configured: a desk notices within a working day that its
/// keys were used, and a weekend may lie between.
pub const DELAY_HOURS: u64 = 72;

/// Deletes.
#[derive(Clone)]
pub struct Eraser {
    /// What is stored.
    pub store: Store,
    /// The way to the one writer.
    pub ingest: Ingest,
    /// Which keys are revoked.
    pub heads: Heads,
    /// Who says how much is kept.
    pub reports: Reports,
    /// It looks whenever the others were asked.
    pub compared: Compared,
    /// Unix seconds.
    pub clock: Clock,
}

/// Why nothing was deleted this time.
#[derive(Debug, thiserror::Error)]
enum NotErased {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store: {0}")]
    Write(String),
    #[error(transparent)]
    Stopping(#[from] NotNow),
}

impl Eraser {
    /// Runs until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut rounds = self.compared.rounds();
        loop {
            tokio::select! {
                changed = rounds.changed() => if changed.is_err() { return },
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.look().await {
                tracing::error!(%error, "what is to be erased is not deleted yet");
            }
        }
    }

    async fn look(&self) -> Result<(), NotErased> {
        let now = (self.clock)();
        let mut withdrawals: BTreeMap<(LogId, u64), Vec<Erasure>> = BTreeMap::new();
        for erasure in self.store.pending_erasures().await? {
            withdrawals.entry((erasure.place.log(), erasure.by)).or_default().push(erasure);
        }
        for ((log, by), erasures) in withdrawals {
            let places: Vec<Place> = erasures.iter().map(|erasure| erasure.place).collect();
            if self.is_revoked(log, by).await? {
                tracing::warn!(
                    withdrawal = by,
                    statements = places.len(),
                    "an erasure ends: its key was revoked"
                );
                self.ingest.end_erasures(places, Fate::Spared).await?.map_err(NotErased::Write)?;
            } else if erasures.iter().all(|erasure| erasure.due <= now) {
                let mut leaves: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
                for place in &places {
                    leaves.entry(place.entry()).or_default().insert(place.leaf());
                }
                for (entry, leaves) in leaves {
                    let dropped = self.ingest.drop_statements(log, entry, leaves).await?;
                    dropped.map_err(NotErased::Write)?;
                }
                tracing::info!(withdrawal = by, statements = places.len(), "erased");
                self.ingest.end_erasures(places, Fate::Deleted).await?.map_err(NotErased::Write)?;
                self.reports.recount(log).await;
            }
        }
        Ok(())
    }

    /// Whether a key that signed the withdrawal was stolen by then, as far as is known.
    async fn is_revoked(&self, log: LogId, by: u64) -> Result<bool, StoreError> {
        let heads = self.heads.all();
        let Some(head) = heads.iter().find(|head| head.log == log) else { return Ok(false) };
        let stored = self.store.entries(log, by, by.saturating_add(1), 1).await?;
        let entry = stored.first().and_then(|stored| LogEntry::parse(&stored.bytes).ok());
        let Some(LogEntry::Withdrawal(signed)) = entry else { return Ok(false) };
        let mut keys = [Some(signed.content.key), signed.content.second_key].into_iter().flatten();
        Ok(keys.any(|key| head.prefix.cut(&key).is_some_and(|cut| cut <= by)))
    }
}
