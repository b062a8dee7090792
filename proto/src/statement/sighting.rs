//! A claim that an indicator was seen.

use crate::{blame::Void, wire};

/// What was done when it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing, or nothing that this version knows.
    Seen,
    /// A person was warned.
    Warned,
    /// It was stopped.
    Blocked,
}

/// An indicator was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// How often; at least once.
    pub count: u64,
    /// Unix seconds.
    pub window_start: u64,
    /// Unix seconds, not before the start.
    pub window_end: u64,
    /// What was done.
    pub action: Action,
}

impl Sighting {
    pub(super) fn from_wire(wire: &wire::Sighting) -> Result<Self, Void> {
        if wire.count == 0 {
            return Err(Void::new("Sighting.count", "at least 1"));
        }
        if wire.window_end < wire.window_start {
            return Err(Void::new("Sighting.window_end", "it is before the start"));
        }
        Ok(Self {
            count: wire.count,
            window_start: wire.window_start,
            window_end: wire.window_end,
            action: match wire::Action::try_from(wire.action) {
                Ok(wire::Action::Warned) => Action::Warned,
                Ok(wire::Action::Blocked) => Action::Blocked,
                _ => Action::Seen,
            },
        })
    }

    pub(super) fn to_wire(&self) -> wire::Sighting {
        wire::Sighting {
            count: self.count,
            window_start: self.window_start,
            window_end: self.window_end,
            action: match self.action {
                Action::Seen => wire::Action::Seen,
                Action::Warned => wire::Action::Warned,
                Action::Blocked => wire::Action::Blocked,
            }
            .into(),
        }
    }
}
