//! A ready home of `almenara` for a desk or an account of the own member: nobody edits a file by hand.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use almenara_certs::{Role, SpiffeId};
use almenara_client::{
    exit::CliError,
    files,
    home::Home,
    rosters::{self, Rosters},
};
use almenara_proto::roster::AcceptedRoster;

use crate::{config::Config, context::Context};

/// A home that is not written yet.
pub(super) struct ClientHome {
    home: Home,
    config: String,
    chain: Vec<AcceptedRoster>,
    next: Vec<String>,
}

/// Plans the home of `id` in `folder`.
///
/// # Errors
/// [`CliError`] (usage), for roles that use no such home, where one is already, and before `almenarad join`.
pub(super) fn plan(
    folder: &Path,
    id: &SpiffeId,
    config: &Config,
    context: &Context,
) -> Result<ClientHome, CliError> {
    if id.role() == Role::Node {
        return Err(CliError::usage(
            "a node has a home of its own, from `almenarad init`: leave --client-home out",
        ));
    }
    let home = Home::new(folder);
    if home.config().exists() {
        return Err(CliError::usage(format!(
            "{} exists already: choose another folder, or renew its certificate with `almenarad cert renew {}`",
            home.config().display(),
            home.tls().display()
        )));
    }
    let rosters = context.rosters(config)?;
    Ok(ClientHome {
        config: config_text(id, config, &rosters),
        chain: rosters.chain().cloned().collect(),
        next: next_steps(id, config, folder),
        home,
    })
}

impl ClientHome {
    /// Writes it, the configuration last, and answers what to do next.
    pub(super) fn write(self) -> Result<Vec<String>, CliError> {
        for folder in [self.home.keys(), self.home.rosters(), self.home.store()] {
            files::create_private_folder(&folder).map_err(|error| CliError::file(&folder, &error))?;
        }
        for accepted in &self.chain {
            let path: PathBuf = self.home.rosters().join(format!("{}.roster", accepted.roster.version));
            rosters::write(&path, &accepted.signed)?;
        }
        let path = self.home.config();
        files::create_file(&path, self.config.as_bytes()).map_err(|error| CliError::file(&path, &error))?;
        Ok(self.next)
    }
}

/// The own member's node is asked first, then those of other members: any of them can serve all logs.
fn config_text(id: &SpiffeId, config: &Config, rosters: &Rosters) -> String {
    let others = rosters.current().roster.members.keys().filter(|name| **name != config.member);
    let nodes: Vec<String> =
        std::iter::once(&config.member).chain(others).map(|name| format!("\"{name}\"")).collect();
    let mut text = format!(
        "# {id}\nfederation = \"{}\"\nroster = \"{}\"   # SHA-256 of roster version 1\nnodes = [{}]   # whom to ask, in order\n\n[tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n",
        config.federation,
        rosters.version(1).unwrap_or(rosters.current()).id,
        nodes.join(", "),
    );
    if id.role() == Role::Publisher {
        let desk = id.name();
        // Writing to a string cannot fail.
        let _infallible =
            write!(text, "\n[publisher]\nname = \"{}/{desk}\"\nkey = \"keys/{desk}.pem\"\n", config.member);
    }
    text
}

fn next_steps(id: &SpiffeId, config: &Config, folder: &Path) -> Vec<String> {
    let almenara = format!("almenara --home {}", folder.display());
    match id.role() {
        Role::Publisher => {
            let (publisher, desk) = (format!("{}/{}", config.member, id.name()), id.name());
            let public = folder.join("keys").join(format!("{desk}.pub.pem"));
            vec![
                format!("{almenara} keygen --purpose publisher --name {publisher}"),
                format!(
                    "{almenara} grant --root-key ROOT.pem --publisher {publisher} --key {}   (whoever holds the root key)",
                    public.display()
                ),
                format!("almenara --home OPERATOR submit grant-{desk}.signed   (an operator)"),
                format!("{almenara} import LIST -o drafts.jsonl"),
                format!("{almenara} publish drafts.jsonl"),
            ]
        }
        Role::Operator => vec![format!("{almenara} submit FILE.signed")],
        Role::Consumer | Role::Auditor | Role::Node => {
            vec![format!("{almenara} pull"), format!("{almenara} status")]
        }
    }
}
