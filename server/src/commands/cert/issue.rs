//! `almenarad cert issue`: a new certificate and its key, and a ready home for whoever gets them.

use std::path::{Path, PathBuf};

use almenara_certs::{LEAF_VALIDITY, Role, write_private};
use almenara_client::{
    exit::{CliError, Outcome},
    files,
    text::moment,
};
use almenara_proto::name::MemberName;
use rustls_pki_types::ServerName;
use serde::Serialize;

use super::{authority, client_home};
use crate::context::Context;

/// For whom, and where to put it.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// publisher (a desk), consumer (an account that reads), auditor, operator or node
    #[arg(long)]
    pub role: Role,
    /// The name within the role; a publisher's is its desk
    #[arg(long)]
    pub name: MemberName,
    /// Folder for cert.pem and key.pem
    #[arg(long, short, value_name = "DIR", required_unless_present = "client_home")]
    pub output: Option<PathBuf>,
    /// Folder for a ready home of `almenara`: configuration, certificate, rosters
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    pub client_home: Option<PathBuf>,
    /// DNS name or address of a node; nobody else has one
    #[arg(long = "host", value_parser = host, value_name = "HOST")]
    pub hosts: Vec<ServerName<'static>>,
    /// Say what would be issued, and issue nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What was issued.
#[derive(Debug, Serialize)]
struct Issued {
    id: String,
    valid_until: u64,
    folder: PathBuf,
    next: Vec<String>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let authority = authority(&config, context)?;
    let leaf = authority.issue(args.role, args.name.as_str(), &args.hosts, LEAF_VALIDITY, context.now())?;
    let (folder, tls) = match (&args.client_home, &args.output) {
        (Some(home), _) => (home.clone(), home.join("tls")),
        (None, Some(folder)) => (folder.clone(), folder.clone()),
        (None, None) => return Err(CliError::usage("say where to put it: -o DIR, or --client-home DIR")),
    };
    let home = args
        .client_home
        .as_deref()
        .map(|home| client_home::plan(home, &leaf.id, &config, context))
        .transpose()?;
    let mut issued = Issued {
        id: leaf.id.to_string(),
        valid_until: context.now().saturating_add(LEAF_VALIDITY.as_secs()),
        folder,
        next: Vec::new(),
    };
    if args.dry_run {
        context.output.answer(&issued, |issued| {
            format!("Would issue {} into {}", issued.id, issued.folder.display())
        })?;
        return Ok(Outcome::Done);
    }
    files::create_private_folder(&tls).map_err(|error| CliError::file(&tls, &error))?;
    write_private(&tls.join("key.pem"), &leaf.key_pem)?;
    write_private(&tls.join("cert.pem"), &leaf.chain_pem)?;
    if let Some(home) = home {
        issued.next = home.write()?;
    }
    context.output.answer(&issued, |issued| in_words(issued, &tls))?;
    Ok(Outcome::Done)
}

fn host(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.to_owned())
        .map_err(|_| "a DNS name or an IP address is expected, without a port".into())
}

fn in_words(issued: &Issued, tls: &Path) -> String {
    let mut text = format!(
        "{} until {}\n  certificate  {}\n  private key  {} (for its bearer only)",
        issued.id,
        moment(issued.valid_until),
        tls.join("cert.pem").display(),
        tls.join("key.pem").display()
    );
    if !issued.next.is_empty() {
        text += &format!("\n\nNext, with {} given to its bearer:", issued.folder.display());
        for step in &issued.next {
            text += &format!("\n  {step}");
        }
    }
    text
}
