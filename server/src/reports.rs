//! Custody reports (PROTOCOL.md §9): what this node says that it keeps of other members' custodied statements, and the
//! newest that each of them says. Whoever meets somebody asks for all that it knows, so that a report outlives its
//! member's connection.

mod counting;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tonic::transport::Channel;

use almenara_client::rpc::custody_service_client::CustodyServiceClient;
use almenara_proto::{
    custody::{CustodyReport, VerifiedReport},
    keys::SigningKey,
    limits::ROSTER_MEMBERS,
    name::MemberName,
    signed::Signed,
    wire,
};

use counting::Counted;

use crate::{
    clock::Clock,
    heads::Heads,
    keeping::Keeper,
    rosters::SharedRosters,
    store::{LogId, Store, StoreError},
};

/// An unchanged report is signed anew after an hour, in seconds: what is older is missed.
const STANDS: u64 = 3_600;
/// Another node's answer, while it may still be counting.
const ANSWER: Duration = Duration::from_secs(30);

/// The reports that this node knows, its own among them. All clones share them.
#[derive(Clone)]
pub struct Reports(Arc<Inner>);

struct Inner {
    member: MemberName,
    key: SigningKey,
    heads: Heads,
    rosters: SharedRosters,
    clock: Clock,
    /// Whoever counts holds it.
    counted: tokio::sync::Mutex<Counted>,
    /// At most one a member of the roster.
    known: Mutex<BTreeMap<MemberName, VerifiedReport>>,
}

impl Reports {
    /// Of the node of `keeper`'s member, which signs with its cosign key.
    #[must_use]
    pub fn new(
        keeper: Keeper,
        key: SigningKey,
        store: Store,
        heads: Heads,
        rosters: SharedRosters,
        clock: Clock,
    ) -> Self {
        let member = keeper.member().clone();
        let counted = tokio::sync::Mutex::new(Counted::new(store, keeper));
        Self(Arc::new(Inner { member, key, heads, rosters, clock, counted, known: Mutex::default() }))
    }

    /// Counts what came since the last time, and signs a report when it says something new. What was counted stays
    /// when this is cancelled.
    ///
    /// # Errors
    /// As the store says.
    pub async fn make(&self) -> Result<(), StoreError> {
        let mut counted = self.0.counted.lock().await;
        let (now, accepted) = ((self.0.clock)(), self.0.rosters.current());
        let roster = &accepted.roster;
        let (mut logs, mut entrusted) = (BTreeMap::new(), None);
        for head in self.0.heads.all() {
            if *head.prefix.member() == self.0.member {
                entrusted = counted.entrusted(&head).await?;
            } else {
                logs.insert(head.prefix.member().clone(), counted.log(&head).await?);
            }
        }
        drop(counted);
        // Placed under the next one already: it wakes whoever reports.
        if self.0.rosters.current().roster.version != roster.version {
            return Ok(());
        }
        let stands = |own: &VerifiedReport| {
            let own = own.report();
            own.logs == logs
                && own.entrusted == entrusted
                && own.roster == roster.version
                && now < own.made_at.saturating_add(STANDS)
        };
        let last = self.known().get(&self.0.member).cloned();
        if last.as_ref().is_some_and(stands) {
            return Ok(());
        }
        let report = CustodyReport {
            federation: roster.federation.clone(),
            member: self.0.member.clone(),
            roster: roster.version,
            // Of two made in one second nobody could tell the newer one.
            made_at: last.map_or(now, |last| now.max(last.report().made_at.saturating_add(1))),
            logs,
            entrusted,
        };
        self.take(Signed::sign(report, &self.0.key));
        Ok(())
    }

    /// What is held of a log has changed where it was counted already.
    pub async fn recount(&self, log: LogId) {
        self.0.counted.lock().await.forget(log);
    }

    /// As the wire has them.
    #[must_use]
    pub fn to_wire(&self) -> Vec<wire::Signed> {
        self.known().values().map(|report| report.signed().to_wire()).collect()
    }

    /// Takes what another node knows, in the background.
    pub fn collect_from(&self, channel: Channel) {
        let reports = self.clone();
        tokio::spawn(async move {
            let mut client = CustodyServiceClient::new(channel);
            let asked = client.reports(wire::ReportsRequest {});
            match tokio::time::timeout(ANSWER, asked).await {
                Ok(Ok(answer)) => {
                    let offered = answer.into_inner().reports.into_iter().take(ROSTER_MEMBERS);
                    offered
                        .filter_map(|wire| Signed::parse(wire).ok())
                        .for_each(|signed| reports.take(signed));
                }
                Ok(Err(status)) => tracing::debug!(error = %status, "no custody reports come from there"),
                Err(_) => tracing::debug!("custody reports do not come in time"),
            }
        });
    }

    /// Keeps a report that is newer than the one that is known, if its member signed it.
    fn take(&self, signed: Signed<CustodyReport>) {
        let now = self.0.rosters.current();
        let member = signed.content.member.clone();
        let Some(then) = self.0.rosters.version(signed.content.roster) else { return };
        let offered = match VerifiedReport::verify(signed, &then.roster) {
            Ok(verified) => verified,
            Err(void) => {
                tracing::debug!(%member, error = %void, "a custody report is not kept");
                return;
            }
        };
        let mut known = self.known();
        known.retain(|member, _| now.roster.contains(member));
        let age = |report: &VerifiedReport| (report.report().made_at, report.id());
        let newer = known.get(&member).is_none_or(|held| age(&offered) > age(held));
        if newer && now.roster.contains(&member) {
            known.insert(member, offered);
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<MemberName, VerifiedReport>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
