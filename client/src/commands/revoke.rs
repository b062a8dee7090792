//! `almenara revoke`: a member ends a key, offline, by its root key.

use std::path::PathBuf;

use almenara_proto::{log::KeyRevocation, name::MemberName, signed::Signed};
use serde::Serialize;

use super::grant::{federation, public_key};
use crate::{
    config::FederationId,
    context::Context,
    exit::{CliError, Outcome},
    keyfile::{self, Purpose},
    signed,
    text::{count, tame},
};

/// Which key ends, from where, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The member's root key
    #[arg(long, value_name = "FILE")]
    pub root_key: PathBuf,
    /// The key that ends: 64 hex digits, or a file that `almenara keygen` wrote (….pub.pem)
    #[arg(long, value_name = "HEX|FILE")]
    pub key: String,
    /// Entries of the member's log at this index and above stop counting under the key; 0: all it ever signed
    #[arg(long, value_name = "INDEX")]
    pub since_index: u64,
    /// For people: why
    #[arg(long)]
    pub reason: String,
    /// Federation id; the configured one when not given
    #[arg(long)]
    pub federation: Option<FederationId>,
    /// File of signed items to write [default: revoke-KEY.signed]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say what would be signed, and sign nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is signed.
#[derive(Debug, Serialize)]
struct Revoked {
    federation: String,
    member: String,
    key: String,
    since_index: u64,
    reason: String,
    file: PathBuf,
}

/// Signs a revocation and writes it for `almenara submit`; any member's node takes it.
///
/// # Errors
/// [`CliError`] (usage), when a key is not what it should be or the file exists; [`CliError`] (refused) when the
/// person says no.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let root = keyfile::load(&args.root_key, Purpose::Root, &context.passphrases)?;
    let member: MemberName = root.holder.parse().map_err(CliError::usage)?;
    let key = public_key(&args.key)?.key;
    let federation = federation(args.federation, context)?;
    let digits: String = key.to_string().chars().take(8).collect();
    let file = args.output.unwrap_or_else(|| format!("revoke-{digits}.signed").into());
    let revoked = Revoked {
        federation: federation.to_string(),
        member: member.to_string(),
        key: key.to_string(),
        since_index: args.since_index,
        reason: args.reason.clone(),
        file: file.clone(),
    };
    if args.dry_run {
        context.output.answer(&revoked, |revoked| format!("Would sign: {}", revoked.in_words()))?;
        return Ok(Outcome::Done);
    }
    context.output.note(revoked.in_words());
    if !context.output.confirm("A revoked key never returns. Sign?")? {
        return Ok(Outcome::No);
    }
    let (since_index, reason) = (args.since_index, args.reason);
    let revocation =
        KeyRevocation { federation: revoked.federation.clone(), member, key, reason, since_index };
    signed::write(&file, &[signed::key_revocation(Signed::sign(revocation, &root.key).to_wire())])?;
    context.output.answer(&revoked, |revoked| {
        let file = revoked.file.display();
        format!("Signed.\nNext, with a certificate of the node's own member, at any member's node:\n  almenara submit {file}")
    })?;
    Ok(Outcome::Done)
}

impl Revoked {
    fn in_words(&self) -> String {
        format!(
            "in {}, key {} of {} ends: what it signed at entry {} of the log and above stops counting. Reason: {}",
            self.federation,
            self.key,
            self.member,
            count(self.since_index),
            tame(&self.reason)
        )
    }
}
