//! Witnesses outside the federation: the node brings them its checkpoints, as C2SP tlog-witness has it, and keeps and shows
//! what they cosign.
//!
//! ```text
//! head of the own log ─submission→ POST <url>/add-checkpoint ─200→ the line holds ─kept→ /log/checkpoint, /log/witnessed
//!                                                            └409→ again, from the size that the witness has
//! ```
//!
//! Their lines settle nothing: what is settled is the roster's to say. They are for auditors who trust somebody else than
//! the members.

mod config;
mod http;
mod submission;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use almenara_proto::name::MemberName;

pub use config::{Witness, WitnessKey, WitnessUrl};
use http::Unanswered;
use submission::{Answer, submission};

use crate::{
    compare::Trees,
    cosign::{Cosignatures, NotTaken},
    heads::{Head, Heads},
    ingest::{Ingest, NotNow},
    store::{Store, StoreError, archive::Witnessed},
};

/// Between two submissions to one witness: a busy log has hundreds of checkpoints a second, and nobody outside needs more
/// than the newest of some seconds.
const EVERY: Duration = Duration::from_secs(5);
/// The first pause after a failure; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A witness that was away for long is found again within some minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Brings the own log's checkpoints to one witness.
pub struct Submitter {
    /// Which.
    pub witness: Witness,
    /// Whose log.
    pub member: MemberName,
    /// Where it stands.
    pub heads: Heads,
    /// Its tree.
    pub trees: Trees,
    /// What was kept.
    pub store: Store,
    /// Where lines are shown from.
    pub cosignatures: Cosignatures,
    /// The entrance to the store.
    pub ingest: Ingest,
}

/// Why a checkpoint was not witnessed.
#[derive(Debug, thiserror::Error)]
enum NotWitnessed {
    #[error("the witness cannot be reached: {0}")]
    Unanswered(#[from] Unanswered),
    #[error("the witness last cosigned {0} entries")]
    OtherSize(u64),
    #[error(
        "the witness has cosigned {witness} entries of this log, this node holds {held}: its store may be an old copy, or \
         somebody else signs with its log key"
    )]
    Ahead { witness: u64, held: u64 },
    #[error("the witness answers {status}: {}", almenara_client::text::tame(text))]
    Refused { status: u16, text: String },
    #[error("what the witness answers is no cosignature: {0}")]
    NotTaken(#[from] NotTaken),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it could not be kept: {0}")]
    NotKept(String),
    #[error(transparent)]
    Stopping(#[from] NotNow),
}

impl Submitter {
    /// Submits what is new beyond the `known` size, some seconds apart, until `shutdown`.
    pub async fn run(self, known: u64, shutdown: CancellationToken) {
        tokio::select! {
            () = self.keep_submitting(known) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn keep_submitting(&self, mut known: u64) {
        let Some(mut watch) = self.heads.subscribe(&self.member) else { return };
        // What the witness has, and what of it is held here: these differ when an answer was lost.
        let mut held = known;
        let mut pause = FIRST_PAUSE;
        loop {
            let Ok(head) = watch.wait_for(|head| head.signed_size > held).await.map(|head| head.clone())
            else {
                return;
            };
            match self.submit(&head, known).await {
                Ok(()) => {
                    (known, held, pause) = (head.signed_size, head.signed_size, FIRST_PAUSE);
                    tokio::time::sleep(EVERY).await;
                }
                Err(NotWitnessed::Stopping(_)) => return,
                // It forgot nothing, and this node begins with nothing: told once, both agree.
                Err(NotWitnessed::OtherSize(size)) if size != known => known = size,
                Err(why) => {
                    tracing::warn!(witness = %self.witness.name(), %why, "a checkpoint is not witnessed");
                    tokio::time::sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Of what size the note was that the witness had cosigned before this start; shown again if nothing has come since.
    pub async fn recall(&self) -> u64 {
        let key = self.witness.key().to_string();
        let kept = match self.store.witnessed().await {
            Ok(kept) => kept.into_iter().find(|one| one.witness == key),
            Err(error) => {
                tracing::warn!(witness = %self.witness.name(), %error, "what it has cosigned cannot be read");
                None
            }
        };
        kept.map_or(0, |kept| {
            self.cosignatures.recall(self.witness.key(), kept.size, &kept.note);
            kept.size
        })
    }

    /// One checkpoint, from the `known` size on.
    async fn submit(&self, head: &Head, known: u64) -> Result<(), NotWitnessed> {
        let size = head.signed_size;
        if known > size {
            return Err(NotWitnessed::Ahead { witness: known, held: size });
        }
        let proof = if known == 0 || known == size {
            Vec::new()
        } else {
            self.trees.consistency(head.log, known, size).await?
        };
        let (status, body) = self.witness.post(submission(known, &proof, &head.checkpoint)).await?;
        match Answer::of(status, &body) {
            Answer::Cosigned(lines) => {
                let note = self.cosignatures.witness(self.witness.key(), size, &lines)?;
                let witness = self.witness.key().to_string();
                let kept = self.ingest.witnessed(Witnessed { witness, size, note }).await?;
                kept.map_err(NotWitnessed::NotKept)?;
                tracing::debug!(witness = %self.witness.name(), size, "a checkpoint is witnessed");
                Ok(())
            }
            Answer::OtherSize(witness) if witness > size => Err(NotWitnessed::Ahead { witness, held: size }),
            Answer::OtherSize(witness) => Err(NotWitnessed::OtherSize(witness)),
            Answer::Refused(text) => Err(NotWitnessed::Refused { status, text }),
        }
    }
}
