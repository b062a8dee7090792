//! `almenarad entry`: the own member's next entry for the roster, with other addresses, keys or another authority.
//!
//! New keys lie beside those in force (`log.next.pem` beside `log.pem`), and the node takes them up by itself when it
//! starts under a roster that names them.

use std::path::{Path, PathBuf};

use almenara_certs::{AUTHORITY_VALIDITY, Authority, write_private};
use almenara_client::{
    exit::{CliError, Outcome},
    files,
    keyfile::{self, Purpose},
};
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    merkle,
    name::Jurisdiction,
    roster::{Member, Segment},
    wire::OrganisationType,
};
use serde::Serialize;

use super::init::{HostPort, organisation};
use crate::{config::Config, context::Context, keys::next_path};

/// What changes.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where others reach the node, HOST:PORT
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<HostPort>,
    /// For the public: an e-mail address or a web page
    #[arg(long)]
    pub contact: Option<String>,
    /// police, ngo, platform, bank, cert, regulator or other
    #[arg(long, value_parser = organisation, value_name = "TYPE")]
    pub organisation_type: Option<OrganisationType>,
    /// Where the member sits
    #[arg(long)]
    pub jurisdiction: Option<Jurisdiction>,
    /// Jurisdictions that its hosting or parent is subject to, all of them
    #[arg(long, value_delimiter = ',', value_name = "XX")]
    pub also_subject_to: Option<Vec<Jurisdiction>>,
    /// Make a new key or authority beside the one in force; may be repeated
    #[arg(long, value_name = "WHAT")]
    pub rotate: Vec<Rotation>,
    /// Put a new root key under a passphrase
    #[arg(long)]
    pub encrypt_root: bool,
    /// File to write [default: member.next.entry in the home]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Say what would be made, and make nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What may be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rotation {
    /// The root key, which votes and grants
    Root,
    /// The log key, which signs checkpoints
    Log,
    /// The cosign key
    Cosign,
    /// The authority of the member's certificates; the old one counts until another entry leaves it out
    Tls,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    member: String,
    file: PathBuf,
    /// Files of new private keys.
    keys: Vec<PathBuf>,
    /// The log goes on under other keys: the proposer names its size and root.
    new_segment: bool,
}

/// Writes the entry and the keys that it names; nothing that is in force changes.
///
/// # Errors
/// [`CliError`] (usage), when nothing changes, a file is there already or the entry would be none.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let current = current(&config, context)?;
    let mut next = args.amend(current.clone());
    let home = &context.home;
    let mut keys: Vec<(PathBuf, Purpose, SigningKey)> = Vec::new();
    let mut authority = None;
    let segment = current.segment().cloned().unwrap_or(Segment {
        from_size: 0,
        root: merkle::empty_root(),
        root_key: PublicKey([0; 32]),
        log_key: PublicKey([0; 32]),
    });
    let mut keyed = segment.clone();
    for rotation in &args.rotate {
        let mut made = |purpose, file: &Path| -> Result<PublicKey, CliError> {
            let key = context.random.signing_key()?;
            let public = PublicKey::of(&key);
            keys.push((next_path(file), purpose, key));
            Ok(public)
        };
        match rotation {
            Rotation::Root => keyed.root_key = made(Purpose::Root, &home.key("root.pem"))?,
            Rotation::Log => keyed.log_key = made(Purpose::Log, &config.keys.log)?,
            Rotation::Cosign => next.cosign_key = made(Purpose::Cosign, &config.keys.cosign)?,
            Rotation::Tls => {
                let new = Authority::create(config.member.as_str(), AUTHORITY_VALIDITY, context.now())?;
                next.tls_ca.push(new.cert_der().to_vec().into());
                authority = Some(new);
            }
        }
    }
    let new_segment = keyed != segment;
    if new_segment {
        // Where the log goes on is the proposer's to say: this is only whose keys it goes on under.
        next.segments = vec![Segment { from_size: 0, root: merkle::empty_root(), ..keyed }];
    }
    if next == current {
        return Err(CliError::usage("nothing would change: say what is new (--address, --rotate …)"));
    }
    Member::parse(&next.encode())?;
    let file = args.output.clone().unwrap_or_else(|| home.folder().join("member.next.entry"));
    let (authority_file, authority_key) =
        (next_path(&home.tls("authority.pem")), home.tls("authority.next.key"));
    let mut files: Vec<PathBuf> = keys.iter().map(|(path, ..)| path.clone()).collect();
    files.extend(authority.iter().map(|_| authority_key.clone()));
    if let Some(there) = files.iter().chain([&file]).find(|path| path.exists()) {
        return Err(almenara_certs::FileError::Exists(there.clone()).into());
    }
    let made = Made { member: config.member.to_string(), file, keys: files, new_segment };
    if !args.dry_run {
        for (path, purpose, key) in &keys {
            let holder = config.member.as_str();
            if *purpose == Purpose::Root && args.encrypt_root {
                let chosen = context.passphrases.choose(path)?;
                keyfile::create_encrypted(path, *purpose, holder, key, &chosen, &context.random)?;
            } else {
                keyfile::create(path, *purpose, holder, key)?;
            }
        }
        if let Some(authority) = &authority {
            write_private(&authority_file, authority.cert_pem())?;
            write_private(&authority_key, &authority.key_pem())?;
        }
        files::create_file(&made.file, &next.encode()).map_err(|error| CliError::file(&made.file, &error))?;
    }
    context.output.answer(&made, |made| made.in_words(args.dry_run))?;
    Ok(Outcome::Done)
}

/// As the roster in force lists the member; before `join`, as `init` described it.
fn current(config: &Config, context: &Context) -> Result<Member, CliError> {
    if config.roster.is_some() {
        let rosters = context.rosters(config)?;
        return rosters.current().roster.member(&config.member).cloned().ok_or_else(|| {
            CliError::usage(format!("{} is no member any more, and a name never returns", config.member))
        });
    }
    let path = context.home.member_entry();
    let bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, &error))?;
    Member::parse(&bytes).map_err(|void| CliError::from(void).at(path.display()))
}

impl Args {
    fn amend(&self, mut member: Member) -> Member {
        if let Some(address) = &self.address {
            member.grpc = address.text().to_owned();
            member.https = address.text().to_owned();
        }
        if let Some(contact) = &self.contact {
            member.contact.clone_from(contact);
        }
        if let Some(also) = &self.also_subject_to {
            member.also_subject_to.clone_from(also);
        }
        member.organisation_type = self.organisation_type.unwrap_or(member.organisation_type);
        member.jurisdiction = self.jurisdiction.unwrap_or(member.jurisdiction);
        member
    }
}

impl Made {
    fn in_words(&self, dry_run: bool) -> String {
        let keys: Vec<String> = self.keys.iter().map(|path| path.display().to_string()).collect();
        let keys = keys.iter().fold(String::new(), |all, key| all + " and " + key);
        let (member, file) = (&self.member, self.file.display());
        if dry_run {
            return format!("Would write {file}{keys}.");
        }
        let segment = if self.new_segment { format!(" --segment {member}=SIZE:ROOT") } else { String::new() };
        let root = if self.keys.iter().any(|path| path.ends_with("root.next.pem")) {
            "\nThe old root key signs that version as well as the new one: it votes in the version before."
        } else {
            ""
        };
        format!(
            "Wrote {file}{keys}; nothing that is in force has changed.\n\
             Next: whoever proposes rosters runs\n  almenara roster propose --replace-member {file}{segment}\n\
             When the members have signed and the nodes have it, this node takes the new keys up when it starts again.\
             {root}"
        )
    }
}
