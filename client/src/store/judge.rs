//! From the index to verdicts: records of one indicator from all replicas, judged by the protocol's one function.

use std::sync::Arc;

use almenara_proto::{
    indicator::Indicator,
    name::{Address, Jurisdiction, Publisher},
    release::{Pap, Tlp},
    statement::{Category, Statement},
    verdict::{Counted, Evidence, Policy, Standing, Verdict, verdict},
};

use super::{
    StoreError,
    fact::{Fact, indicator_of},
    run::Merge,
    view::View,
};

/// One statement about an indicator.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Where it stands.
    pub address: Address,
    /// Who said it.
    pub publisher: Arc<Publisher>,
    /// Jurisdiction of the member on the current roster.
    pub jurisdiction: Option<Jurisdiction>,
    /// What a verdict reads of it: no texts, no nonce. The whole is found by the address.
    pub statement: Statement,
    /// What the logs say about it.
    pub standing: Standing,
}

/// An indicator with everything that is held about it, and what it adds up to.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What it is about.
    pub indicator: Indicator,
    /// What it adds up to. `counted` follows the order of `pieces`.
    pub verdict: Verdict,
    /// By member and log order.
    pub pieces: Vec<Piece>,
}

impl Judged {
    /// The statements that counted.
    pub fn counted(&self) -> impl Iterator<Item = &Piece> {
        let yes = |(piece, counted): (_, &Counted)| (*counted == Counted::Yes).then_some(piece);
        self.pieces.iter().zip(&self.verdict.counted).filter_map(yes)
    }

    /// Whether the policy does not list it, and would if all of it were settled.
    #[must_use]
    pub fn is_pending(&self, policy: &Policy, now: u64) -> bool {
        if self.verdict.listed || !self.verdict.counted.contains(&Counted::Pending) {
            return false;
        }
        let settled = Policy { pending_allowed: true, ..policy.clone() };
        judge(&self.pieces, &settled, now).listed
    }

    /// Categories of the reports that counted, each once.
    #[must_use]
    pub fn categories(&self) -> Vec<Category> {
        let reports = self.counted().filter_map(|piece| piece.statement.report());
        let mut all: Vec<Category> = reports.flat_map(|report| report.categories.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a report that counted names its subdomains too.
    #[must_use]
    pub fn include_subdomains(&self) -> bool {
        self.counted().filter_map(|piece| piece.statement.report()).any(|report| report.include_subdomains)
    }

    /// The narrowest marking of those that counted; nothing when one has none that is known.
    #[must_use]
    pub fn tlp(&self) -> Option<Tlp> {
        narrowest(self.counted().map(|piece| piece.statement.release.tlp))
    }

    /// The same for PAP.
    #[must_use]
    pub fn pap(&self) -> Option<Pap> {
        narrowest(self.counted().map(|piece| piece.statement.release.pap))
    }

    /// Unix seconds: when the last of those that counted expires; 0 when none counted.
    #[must_use]
    pub fn valid_until(&self) -> u64 {
        let reports = self.counted().filter_map(|piece| piece.statement.report());
        reports.map(|report| report.valid_until).max().unwrap_or(0)
    }

    /// Where those that counted stand.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.counted().map(|piece| piece.address.clone()).collect()
    }
}

fn narrowest<T: Ord>(markings: impl Iterator<Item = Option<T>>) -> Option<T> {
    markings.reduce(|a, b| Some(a?.max(b?))).flatten()
}

/// Verdicts of all indicators, in the order of kind and value. Memory does not grow with the store.
#[derive(Debug)]
pub struct Verdicts {
    groups: Groups,
    policy: Policy,
    now: u64,
    failed: bool,
}

impl Verdicts {
    pub(super) fn new(groups: Groups, policy: Policy, now: u64) -> Self {
        Self { groups, policy, now, failed: false }
    }
}

impl Iterator for Verdicts {
    type Item = Result<Judged, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        loop {
            let group = self.groups.next_group().transpose()?;
            let judged = group.map(|group| group.judge(&self.groups.views, &self.policy, self.now));
            self.failed = judged.is_err();
            // Of what was erased nothing is known.
            if judged.as_ref().is_ok_and(|judged| judged.pieces.is_empty()) {
                continue;
            }
            return Some(judged);
        }
    }
}

/// Index records of all replicas, one indicator at a time.
#[derive(Debug)]
pub(super) struct Groups {
    merge: Merge,
    /// By number of the replica.
    pub(super) views: Vec<View>,
}

/// All records of one indicator.
#[derive(Clone, Debug)]
pub(super) struct Group {
    indicator: Indicator,
    /// With the number of the replica.
    facts: Vec<(usize, Fact)>,
}

impl Groups {
    pub(super) const fn new(merge: Merge, views: Vec<View>) -> Self {
        Self { merge, views }
    }

    /// The next indicator; nothing behind the last one.
    pub(super) fn next_group(&mut self) -> Result<Option<Group>, StoreError> {
        let Some(head) = self.merge.peek() else { return Ok(None) };
        let unread = || head.cursor.damaged("an index record is none of ours");
        let key = head.cursor.record().map(|record| record.key.to_vec()).ok_or_else(unread)?;
        let indicator = indicator_of(&key).ok_or_else(unread)?;
        let mut facts = Vec::with_capacity(1);
        while let Some(head) = self.merge.peek() {
            let Some(record) = head.cursor.record().filter(|record| record.key == key) else { break };
            let unread = || head.cursor.damaged("the body of an index record is none of ours");
            facts.push((head.replica, record.fact(&indicator).ok_or_else(unread)?));
            self.merge.advance()?;
        }
        Ok(Some(Group { indicator, facts }))
    }
}

impl Group {
    pub(super) const fn indicator(&self) -> &Indicator {
        &self.indicator
    }

    /// Whether a verdict under `after` may be another than under `before`.
    pub(super) fn changed(&self, before: &[View], after: &[View]) -> bool {
        self.facts.iter().any(|(replica, fact)| {
            let standing = |views: &[View]| {
                let view = views.get(*replica).filter(|view| fact.entry < view.size)?;
                Some((view.standing(fact.entry, fact.leaf, fact.author), view.jurisdiction))
            };
            standing(before) != standing(after)
        })
    }

    /// Judges what had come by the time of these views.
    pub(super) fn judge(self, views: &[View], policy: &Policy, now: u64) -> Judged {
        let pieces: Vec<Piece> = self
            .facts
            .into_iter()
            .filter_map(|(replica, fact)| {
                let view = views.get(replica).filter(|view| fact.entry < view.size)?;
                if view.is_erased(fact.entry, fact.leaf) {
                    return None;
                }
                Some(Piece {
                    address: Address { member: view.member.clone(), entry: fact.entry, leaf: fact.leaf },
                    publisher: view.publisher(fact.author)?,
                    jurisdiction: view.jurisdiction,
                    standing: view.standing(fact.entry, fact.leaf, fact.author),
                    statement: fact.statement,
                })
            })
            .collect();
        Judged { indicator: self.indicator, verdict: judge(&pieces, policy, now), pieces }
    }
}

fn judge(pieces: &[Piece], policy: &Policy, now: u64) -> Verdict {
    let evidence: Vec<Evidence<'_>> = pieces
        .iter()
        .map(|piece| Evidence {
            address: piece.address.clone(),
            publisher: piece.publisher.as_str(),
            jurisdiction: piece.jurisdiction,
            statement: &piece.statement,
            standing: piece.standing,
        })
        .collect();
    verdict(&evidence, policy, now)
}
