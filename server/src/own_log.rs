//! Whether this node may go on with its own log: not before it knows that nobody holds more of it, and never on an old
//! copy of its store. A log that forgot what it signed would sign another history.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// How the own log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The others are being asked what they hold of it. Nothing is signed yet.
    Comparing,
    /// Nobody who answered holds more of it, or anything else.
    Sound,
    /// Another member holds more, under our own key: the store is an old copy.
    Behind(Behind),
    /// Our own key signed two histories. Nothing can be signed with it any more.
    Forked,
}

/// What an old copy lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Entries that are here.
    pub held: u64,
    /// Entries that our key signed for.
    pub signed: u64,
    /// Who says so: a member that holds such a note, or the roster.
    pub by: String,
    /// Why they could not be brought back yet; empty before the first try.
    pub why: String,
}

impl Standing {
    /// What an operator has to look at; empty when there is nothing.
    #[must_use]
    pub fn trouble(&self) -> String {
        match self {
            Self::Comparing | Self::Sound => String::new(),
            Self::Behind(_) | Self::Forked => self.to_string(),
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Comparing => f.write_str("the other members are asked what they hold of this log"),
            Self::Sound => Ok(()),
            Self::Behind(Behind { held, signed, by, why }) => {
                write!(
                    f,
                    "the store is an old copy: it holds {held} entries, and this log has {signed}, says {by}; nothing is \
                     signed until they are back from the others"
                )?;
                if why.is_empty() { Ok(()) } else { write!(f, " ({why})") }
            }
            Self::Forked => f.write_str(
                "this log's key signed two histories: nothing more can be signed with it; make a new log key and have \
                 the roster name it (docs/operating.md)",
            ),
        }
    }
}

/// The standing, shared. Written by whoever compares and by whoever brings the log back.
#[derive(Clone, Debug)]
pub struct OwnLog(Arc<watch::Sender<Standing>>);

impl Default for OwnLog {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Standing::Comparing)))
    }
}

impl OwnLog {
    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.0.borrow().clone()
    }

    /// Whether entries may be taken and checkpoints signed.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        *self.0.borrow() == Standing::Sound
    }

    /// Wakes the caller when it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Standing> {
        self.0.subscribe()
    }

    /// The first round of questions is over: if nothing was found, the node goes on.
    pub(crate) fn compared(&self) {
        self.0.send_if_modified(|standing| {
            let first = *standing == Standing::Comparing;
            if first {
                *standing = Standing::Sound;
            }
            first
        });
    }

    /// Somebody holds more of it. A fork stays a fork.
    pub(crate) fn behind(&self, behind: Behind) {
        self.0.send_if_modified(|standing| {
            let new = match standing {
                Standing::Forked => false,
                Standing::Behind(known) => behind.signed > known.signed,
                Standing::Comparing | Standing::Sound => true,
            };
            if new {
                *standing = Standing::Behind(behind);
                tracing::error!(%standing, "this node does not take anything for its own log");
            }
            new
        });
    }

    /// Why it could not be brought back, this time.
    pub(crate) fn not_brought_back(&self, reason: &str) {
        self.0.send_if_modified(|standing| match standing {
            Standing::Behind(behind) if behind.why != reason => {
                reason.clone_into(&mut behind.why);
                tracing::error!(%standing, "the own log is not back yet");
                true
            }
            _ => false,
        });
    }

    /// All that was signed is here again, up to `size`.
    pub(crate) fn brought_back(&self, size: u64) {
        self.0.send_if_modified(|standing| {
            let back = matches!(standing, Standing::Behind(behind) if behind.signed <= size);
            if back {
                *standing = Standing::Sound;
                tracing::info!(size, "the own log is back from the others, and goes on");
            }
            back
        });
    }

    /// Two histories under the own key.
    pub(crate) fn forked(&self) {
        self.0.send_if_modified(|standing| {
            let new = *standing != Standing::Forked;
            *standing = Standing::Forked;
            if new {
                tracing::error!(%standing, "this node does not take anything for its own log");
            }
            new
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(signed: u64) -> Behind {
        Behind { held: 2, signed, by: "ngo.nl.example".to_owned(), why: String::new() }
    }

    #[test]
    fn an_old_copy_is_sound_again_only_with_all_that_was_signed() {
        let own = OwnLog::default();
        assert!(!own.is_sound());
        own.behind(behind(5));
        own.compared();
        own.brought_back(4);
        assert!(!own.is_sound());
        own.not_brought_back("nobody answers");
        assert!(own.standing().to_string().contains("nobody answers"));
        own.behind(behind(4));
        assert_eq!(own.standing().to_string().matches("has 5").count(), 1, "the largest counts");
        own.brought_back(5);
        assert!(own.is_sound());
        own.behind(behind(9));
        assert!(!own.is_sound(), "also when it is learned later");
    }

    #[test]
    fn two_histories_under_the_own_key_never_become_sound() {
        let own = OwnLog::default();
        own.forked();
        own.compared();
        own.behind(behind(5));
        own.brought_back(5);
        assert_eq!(own.standing(), Standing::Forked);
    }
}
