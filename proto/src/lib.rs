//! Everything that two parties of an Almenara federation must agree on, and nothing else.
//!
//! Bytes come in as messages of [`wire`]. [`strict`] says which of them are void whatever they mean; the
//! module of each noun turns the rest into domain types once:
//!
//! ```text
//! indicator → statement → batch → log entry → prefix of a log → checkpoint
//!                 ├ release (who may see it)      ├ keys, roster (who may speak)
//!                 ├ custody (who keeps it)        ├ cosigner (who saw it: settled or pending)
//!                 └ verdict (what it adds up to)  ├ evidence (who signed two histories)
//!                                                 └ proof (one statement with all of this)
//! ```
//!
//! Types carry progress: a [`batch::SignedBatch`] becomes a [`batch::VerifiedBatch`], which a log
//! [`prefix::Prefix`] judges; what leaves a node is [`release::Released`]. This crate knows no clock, no socket,
//! no SQL and no randomness of its own: time and random bytes are parameters, and an auditor who has only this
//! crate can check everything that a node says.

pub mod indicator;
pub mod statement;
pub mod batch;
pub mod signed;
pub mod log;
pub mod prefix;
pub mod merkle;
pub mod tile;
pub mod note;
pub mod checkpoint;
pub mod cosigner;
pub mod evidence;
pub mod proof;
pub mod keys;
pub mod roster;
pub mod release;
pub mod custody;
pub mod verdict;
pub mod name;
pub mod limits;
pub mod blame;
pub mod strict;
pub mod wire;

mod field;
