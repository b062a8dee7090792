//! For those who publish to, pull from and check an Almenara federation: a library, and the command `almenara` thin
//! over it.
//!
//! ```text
//! home ─ config ─ rosters (whom to believe) ─ keyfile, seq (what to sign with) ─ tls (who is calling)
//! formats/import → draft → publish (seal, send, check receipts)      follow (logs in) → formats/export
//! cli → commands/<verb> → the library → output, exit
//! ```
//!
//! Time, randomness and the environment are parameters: [`clock`], [`random`] and [`config::Environment`] are the
//! only places that read them.

pub mod audit;
pub mod ballot;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod connect;
pub mod context;
pub mod draft;
pub mod evidence;
pub mod exit;
pub mod files;
pub mod follow;
pub mod formats;
pub mod hand;
pub mod home;
pub mod keyfile;
pub mod output;
pub mod pages;
pub mod passphrase;
pub mod proofs;
pub mod publish;
pub mod pull;
pub mod random;
pub mod roster_view;
pub mod rosters;
pub mod rpc;
pub mod seq;
pub mod settings;
pub mod signed;
pub mod store;
pub mod text;
pub mod tls;
pub mod votes;
