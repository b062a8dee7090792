//! The safeguards in force, for whoever admits.

use std::sync::Arc;

use tokio::sync::watch;

use super::Safeguards;

/// The safeguards that are in force now. Clones share them; whoever replaces them does so for all, from the next item on.
#[derive(Clone, Debug)]
pub struct SharedSafeguards(Arc<watch::Sender<Arc<Safeguards>>>);

impl SharedSafeguards {
    /// Those in force now.
    #[must_use]
    pub fn current(&self) -> Arc<Safeguards> {
        self.0.borrow().clone()
    }

    /// Puts others in force.
    pub fn replace(&self, safeguards: Safeguards) {
        self.0.send_replace(Arc::new(safeguards));
    }

    /// Protects the members of a newer roster, instead of those of the one before.
    pub fn protect_members<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        self.0.send_modify(|held| Arc::make_mut(held).protect_also(names));
    }
}

impl From<Safeguards> for SharedSafeguards {
    fn from(safeguards: Safeguards) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(safeguards))))
    }
}
