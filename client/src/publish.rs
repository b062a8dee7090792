//! From drafts to receipts: sealing batches, sending them, and checking what the node answers.
//!
//! ```text
//! drafts → Packer → Sealer → Submission → one gRPC stream → Receipt, verified
//!            ↑                                   └ Refusal of named leaves
//!            └────────── the other drafts ──────────┘
//! ```
//!
//! Nothing is lost in silence: each draft ends in a verified receipt or in a named refusal, and when the node cannot
//! be reached any more, [`Interrupted`] holds the submissions whose fate is unknown. Sending the same signed bytes
//! again is always safe, for a node answers a batch that it holds with its first receipt.

mod event;
mod judged;
mod receipt;
mod run;
mod seal;
mod submission;
#[cfg(test)]
mod tests;

pub use event::{Event, Interrupted, Refused, Settings, Totals};
pub use receipt::{BadReceipt, Log, Receipt};
pub use run::{Connected, Feed, run};
pub use seal::{Desk, Packer, Sealer, Sealing};
pub use submission::{Submission, SubmissionKind};
