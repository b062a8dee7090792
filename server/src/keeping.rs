//! What this node's member keeps of the others' statements (PROTOCOL.md §9), under the rosters that are in force.

use almenara_proto::{
    batch::{BatchHeader, Leaf, statement_id},
    custody::{Keeping, Placer},
    name::MemberName,
    statement::Statement,
};

use crate::{
    clock::Clock,
    rosters::{SharedRosters, ThenAndNow},
    store::chunks::Stored,
};

/// Asks the rosters and custody for one member. All clones are one.
#[derive(Clone)]
pub struct Keeper {
    member: MemberName,
    rosters: SharedRosters,
    clock: Clock,
}

impl Keeper {
    /// For the node of `member`.
    #[must_use]
    pub const fn new(member: MemberName, rosters: SharedRosters, clock: Clock) -> Self {
        Self { member, rosters, clock }
    }

    /// Whose node this is.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        &self.member
    }

    /// By what a batch is judged.
    #[must_use]
    pub fn rosters(&self, header: &BatchHeader) -> ThenAndNow {
        ThenAndNow::at(&self.rosters, header.roster, (self.clock)())
    }

    /// The roster version by which everything is judged now.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.rosters.current().roster.version
    }

    /// Whether the rosters say anything about restricted statements: after their expiry, or with two successors of
    /// one, nothing is released to anybody, and that is no reason to drop what is held.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.rosters.release_restricted((self.clock)())
    }

    /// Leaves of fetched statements (leaf, bytes, index key) of a batch what this member keeps.
    pub fn keep(&self, header: &BatchHeader, statements: &mut Vec<Stored>) {
        let origin = header.origin_hash();
        let mut leaves: Vec<Leaf> = statements
            .drain(..)
            .map(|(index, bytes, _)| Leaf {
                index,
                id: statement_id(&origin, &bytes),
                statement: Statement::parse(&bytes),
                bytes,
            })
            .collect();
        self.retain(header, &mut leaves);
        *statements = crate::ingest::statements(leaves);
    }

    /// Leaves of a batch what this member keeps, whatever its sender thought: it may be under an older roster, or
    /// dishonest. What is void is kept by nobody.
    pub fn retain(&self, header: &BatchHeader, leaves: &mut Vec<Leaf>) {
        let rosters = self.rosters(header);
        let mut placer = Placer::new(&header.member, rosters.as_rosters());
        leaves.retain(|leaf| {
            leaf.statement.as_ref().is_ok_and(|statement| {
                let kept = placer.keeps(&self.member, &leaf.id, &statement.release, statement.copies);
                kept == Keeping::Keep
            })
        });
    }
}
