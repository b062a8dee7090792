//! `almenara grant`: a member gives a desk its key, offline, by its root key.

use std::path::{Path, PathBuf};

use almenara_proto::{
    keys::PublicKey,
    log::KeyGrant,
    name::{MemberName, Publisher},
    signed::Signed,
};
use serde::Serialize;

use crate::{
    config::FederationId,
    context::Context,
    exit::{CliError, Outcome},
    keyfile::{self, KeyFile, Purpose},
    signed,
    text::tame,
};

/// Which desk gets which key.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The member's root key
    #[arg(long, value_name = "FILE")]
    pub root_key: PathBuf,
    /// The desk, such as police.th.example/cyber-desk
    #[arg(long)]
    pub publisher: Publisher,
    /// The desk's public key: 64 hex digits, or a file that `almenara keygen` wrote (….pub.pem)
    #[arg(long, value_name = "HEX|FILE")]
    pub key: String,
    /// For people: who holds it, on which device
    #[arg(long, default_value = "")]
    pub note: String,
    /// Federation id; the configured one when not given
    #[arg(long)]
    pub federation: Option<FederationId>,
    /// File of signed items to write [default: grant-DESK.signed]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say what would be signed, and sign nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What is signed.
#[derive(Debug, Serialize)]
struct Granted {
    federation: String,
    member: String,
    publisher: String,
    key: String,
    note: String,
    file: PathBuf,
}

/// Signs a grant and writes it for `almenara submit`.
///
/// # Errors
/// [`CliError`] (usage), when a key is not what it should be or the file exists.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let root = keyfile::load(&args.root_key, Purpose::Root, &context.passphrases)?;
    let member: MemberName = args.publisher.member().parse().map_err(CliError::usage)?;
    belongs(&root, &args.root_key, &member)?;
    let key = desk_key(&args.key, &args.publisher)?;
    if key == PublicKey::of(&root.key) {
        return Err(CliError::usage(
            "this is the root key itself: one key has one purpose, so make one for the desk",
        ));
    }
    let federation = federation(args.federation, context)?;
    let file = args.output.unwrap_or_else(|| format!("grant-{}.signed", args.publisher.desk()).into());
    let granted = Granted {
        federation: federation.to_string(),
        member: member.to_string(),
        publisher: args.publisher.to_string(),
        key: key.to_string(),
        note: args.note.clone(),
        file: file.clone(),
    };
    if args.dry_run {
        context.output.answer(&granted, |granted| format!("Would sign: {}", granted.in_words()))?;
        return Ok(Outcome::Done);
    }
    let publisher = args.publisher;
    let grant = KeyGrant { federation: granted.federation.clone(), member, publisher, key, note: args.note };
    signed::write(&file, &[signed::key_grant(Signed::sign(grant, &root.key).to_wire())])?;
    context.output.answer(&granted, |granted| {
        let file = granted.file.display();
        format!(
            "Signed: {}\nNext: with an operator's certificate of {}, run\n  almenara submit {file}",
            granted.in_words(),
            granted.member
        )
    })?;
    Ok(Outcome::Done)
}

impl Granted {
    fn in_words(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!(" ({})", tame(&self.note)) };
        format!("in {}, {} may sign with key {}{note}", self.federation, self.publisher, self.key)
    }
}

/// Refuses a root key of another member.
pub(super) fn belongs(root: &KeyFile, path: &Path, member: &MemberName) -> Result<(), CliError> {
    if root.holder == member.as_str() {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{} is the root key of {}, and only {member}'s own can sign this",
        path.display(),
        tame(&root.holder)
    )))
}

/// The federation that was named, or the configured one: an offline machine may have no configuration.
pub(super) fn federation(named: Option<FederationId>, context: &Context) -> Result<FederationId, CliError> {
    match named {
        Some(federation) => Ok(federation),
        None if context.has_config() => Ok(context.config()?.federation.clone()),
        None => Err(CliError::usage(format!(
            "which federation? Give --federation, since there is no {}",
            context.home.config().display()
        ))),
    }
}

/// The public key that `text` names: itself in hex, or a file with it.
pub(super) fn public_key(text: &str) -> Result<keyfile::PublicKeyFile, CliError> {
    match text.parse::<PublicKey>() {
        Ok(key) => {
            key.admit().map_err(CliError::usage)?;
            Ok(keyfile::PublicKeyFile { label: None, key })
        }
        Err(_) if Path::new(text).exists() => Ok(keyfile::load_public(Path::new(text))?),
        Err(error) => Err(CliError::usage(format!("--key: {error}, and no such file exists"))),
    }
}

fn desk_key(text: &str, publisher: &Publisher) -> Result<PublicKey, CliError> {
    let file = public_key(text)?;
    match file.label {
        Some((purpose, holder)) if purpose != Purpose::Publisher || holder != publisher.as_str() => {
            Err(CliError::usage(format!(
                "{text} is the {purpose} key of {}, and not a publisher key of {publisher}",
                tame(&holder)
            )))
        }
        _ => Ok(file.key),
    }
}
