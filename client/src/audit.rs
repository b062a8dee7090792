//! Auditing: checks everything that somebody shows to everybody, and trusts nobody for it.
//!
//! ```text
//! source (a node, or a folder of the same pages) ─rosters→ chain ─for each log→ checkpoint, cosignatures
//!   ─bundles and tiles→ entries replayed, every tile recomputed ─the root is the signed one→ state kept
//! two notes that cannot both be true ─compare→ evidence
//! ```
//!
//! What does not hold is a value with its place and whose fault it can be. What whoever served it could have changed
//! blames whoever served it; an origin is blamed only for what its own key signed. The state that is kept makes the next
//! audit go on from where this one ended, and demand that the log still begins with what was seen.

mod compare;
mod finding;
pub mod html;
mod log;
pub mod metrics;
mod replay;
mod report;
mod rosters;
mod run;
mod source;
mod statements;
mod stream;
#[cfg(test)]
mod tests;

pub use finding::{Fault, Finding, Place};
pub use log::{Log, audit_log};
pub use report::{LogReport, Report, Tally};
pub use rosters::audit_rosters;
pub use run::{Wish, audit};
pub use source::Source;
pub use statements::{Sample, Statements, look};
