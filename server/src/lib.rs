//! A node of an Almenara federation.
//!
//! ```text
//! bytes → ingest (verify, admit) → sequencer (one transaction) → the head moved
//! reader's cursor → outgoing (release) → bytes
//! ```

pub mod node;
pub mod listener;
pub mod tls;
pub mod witnesses;
pub mod identity;
pub mod ingest;
pub mod reload;
pub mod safeguards;
pub mod personal;
mod disputes;
pub mod sequencer;
pub mod heads;
pub mod cosign;
pub mod compare;
pub mod erase;
pub mod own_log;
pub mod quarantine;
pub mod recover;
pub mod store;
pub mod outgoing;
pub mod keeping;
pub mod doubts;
pub mod custodian;
pub mod reports;
pub mod fetch;
pub mod rot;
pub mod grpc;
pub mod public;
pub mod quota;
pub mod peers;
pub mod members;
pub mod rosters;
pub mod error;
pub mod clock;

pub mod cli;
pub mod commands;
pub mod config;
pub mod context;
pub mod home;
pub mod keys;
pub mod logging;
pub mod demo;
