//! What pending entries wait for.

use std::fmt;

use almenara_proto::{roster::Roster, verdict::Policy};

use crate::text::plural;

/// What pending entries wait for, and what that means under a policy: "for cosignatures of 1 other jurisdiction, not
/// counted until then".
#[derive(Clone, Copy, Debug)]
pub struct Awaited {
    quorum: u32,
    counts: bool,
}

impl Awaited {
    /// Under this roster and policy.
    #[must_use]
    pub const fn of(roster: &Roster, policy: &Policy) -> Self {
        Self { quorum: roster.quorum, counts: policy.pending_allowed }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = plural(self.quorum as usize, "other jurisdiction", "other jurisdictions");
        let until = if self.counts {
            "counted nevertheless (policy.pending_allowed)"
        } else {
            "not counted until then"
        };
        write!(f, "for cosignatures of {others}, {until}")
    }
}
