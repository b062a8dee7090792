//! `almenara keygen`: a new signing key, made and kept offline.

use std::path::PathBuf;

use almenara_proto::{
    keys::PublicKey,
    name::{MemberName, Publisher},
};
use serde::Serialize;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    files,
    keyfile::{self, Purpose},
};

/// What the key is for, and whose it is.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// root, log, cosign or publisher: one key has one purpose
    #[arg(long)]
    pub purpose: Purpose,
    /// Whose key it is: a publisher (police.th.example/cyber-desk) for a publisher key, else a member
    #[arg(long)]
    pub name: String,
    /// File to write [default: keys/DESK-or-PURPOSE.pem in the home]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Put it under a passphrase: asked for, or from --passphrase-fd or ALMENARA_PASSPHRASE
    #[arg(long)]
    pub encrypt: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    purpose: &'static str,
    holder: String,
    public: String,
    private_file: PathBuf,
    public_file: PathBuf,
}

/// Makes a key and writes both halves; no file is ever overwritten.
///
/// # Errors
/// [`CliError`] (usage), when the name does not fit the purpose or a file exists.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let stem = stem(args.purpose, &args.name)?;
    let private = args.output.unwrap_or_else(|| context.home.keys().join(format!("{stem}.pem")));
    let public = keyfile::public_path(&private);
    for file in [&private, &public] {
        if file.exists() {
            return Err(almenara_certs::FileError::Exists(file.clone()).into());
        }
    }
    if args.dry_run {
        context.output.note(format_args!("would write {} and {}", private.display(), public.display()));
        return Ok(Outcome::Done);
    }
    if let Some(folder) = private.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        files::create_private_folder(folder).map_err(|error| CliError::file(folder, &error))?;
    }
    let key = context.random.signing_key()?;
    if args.encrypt {
        let chosen = context.passphrases.choose(&private)?;
        keyfile::create_encrypted(&private, args.purpose, &args.name, &key, &chosen, &context.random)?;
    } else {
        keyfile::create(&private, args.purpose, &args.name, &key)?;
    }
    keyfile::create_public(&public, args.purpose, &args.name, PublicKey::of(&key))?;
    let made = Made {
        purpose: args.purpose.as_str(),
        holder: args.name,
        public: PublicKey::of(&key).to_string(),
        private_file: private,
        public_file: public,
    };
    context.output.answer(&made, |made| made.in_words(args.purpose))?;
    Ok(Outcome::Done)
}

/// The default file's name, once the name is known to fit the purpose.
fn stem(purpose: Purpose, name: &str) -> Result<String, CliError> {
    let misfit = |error: &dyn std::fmt::Display| CliError::usage(format!("a {purpose} key: --name: {error}"));
    match purpose {
        Purpose::Publisher => {
            name.parse().map(|name: Publisher| name.desk().to_owned()).map_err(|error| misfit(&error))
        }
        Purpose::Root | Purpose::Log | Purpose::Cosign => {
            name.parse().map(|_: MemberName| purpose.to_string()).map_err(|error| misfit(&error))
        }
    }
}

impl Made {
    fn in_words(&self, purpose: Purpose) -> String {
        let next = match purpose {
            Purpose::Publisher => format!(
                "Next: send {} to whoever holds the member's root key; they run\n  almenara grant --root-key ROOT.pem --publisher {} --key {}",
                self.public_file.display(),
                self.holder,
                self.public_file.display()
            ),
            Purpose::Root => {
                "Keep it offline: it grants and revokes desks' keys and votes on rosters.".to_owned()
            }
            Purpose::Log | Purpose::Cosign => "It stays on the node, in its keys folder.".to_owned(),
        };
        format!(
            "The {} key of {}\n  private half  {} (for nobody else; back it up)\n  public half   {}\n  public key    {}\n{next}",
            self.purpose,
            self.holder,
            self.private_file.display(),
            self.public_file.display(),
            self.public
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(purpose: Purpose, name: &str, file: Option<&str>) {
        assert_eq!(stem(purpose, name).ok().as_deref(), file, "{purpose} {name}");
    }

    #[test]
    fn a_desk_has_publisher_keys_and_a_member_the_others() {
        check(Purpose::Publisher, "police.th.example/cyber-desk", Some("cyber-desk"));
        check(Purpose::Publisher, "police.th.example", None);
        check(Purpose::Root, "police.th.example", Some("root"));
        check(Purpose::Log, "police.th.example/cyber-desk", None);
        check(Purpose::Cosign, "Police", None);
    }
}
