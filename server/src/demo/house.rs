//! The three organisations of the demo, each with a node of its own, made by the commands that people type.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::TcpListener;

use almenara_client::{config::Environment, exit::CliError, output::Output};
use almenara_proto::{name::MemberName, roster::Roster};

use super::hand::{PAPER, almenara, almenarad};
use crate::{
    commands::run::settings,
    config::Config,
    context::Context,
    home::NodeHome,
    node::{Node, Settings},
    safeguards::Safeguards,
};

/// The federation's id.
pub(super) const FEDERATION: &str = "scamwatch.example";

/// Name, organisation type, jurisdiction, and who works there.
const ORGANISATIONS: [(&str, &str, &str, &str); 3] = [
    ("police.th.example", "police", "TH", "cyber-desk"),
    ("ngo.nl.example", "ngo", "NL", "rescue-desk"),
    ("platform.us.example", "platform", "US", "trust-desk"),
];

/// One organisation.
pub(super) struct Organisation {
    /// Its name.
    pub(super) name: MemberName,
    /// Where it sits.
    pub(super) jurisdiction: &'static str,
    /// Its node's files.
    pub(super) node_home: PathBuf,
    /// The files of its desk.
    pub(super) desk_home: PathBuf,
    /// The files of the account that pulls.
    pub(super) app_home: PathBuf,
    /// The desk that publishes.
    pub(super) desk: &'static str,
    listener: Option<TcpListener>,
    /// While it runs.
    pub(super) node: Option<Node>,
}

/// Makes homes, exchanges member entries, signs the roster with every root key, and joins.
///
/// # Errors
/// What a command said.
pub(super) async fn build(dir: &Path) -> Result<Vec<Organisation>, CliError> {
    let mut organisations = Vec::new();
    for (name, kind, jurisdiction, desk) in ORGANISATIONS {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(CliError::unavailable)?;
        let address = listener.local_addr().map_err(CliError::unavailable)?.to_string();
        let node_home = dir.join(name).join("node");
        let home = text(&node_home)?;
        almenarad(&[
            "--home",
            home,
            "init",
            "--federation",
            FEDERATION,
            "--member",
            name,
            "--organisation-type",
            kind,
            "--jurisdiction",
            jurisdiction,
            "--address",
            &address,
            "--listen",
            &address,
        ])
        .await
        .done()?;
        organisations.push(Organisation {
            name: name.parse().map_err(CliError::internal)?,
            jurisdiction,
            desk_home: dir.join(name).join(desk),
            app_home: dir.join(name).join("app"),
            node_home,
            desk,
            listener: Some(listener),
            node: None,
        });
    }
    let root = text(dir)?;
    let roster = dir.join("roster-1");
    let roster = text(&roster)?;
    let entries: Vec<PathBuf> = organisations.iter().map(|one| one.node_home.join("member.entry")).collect();
    let mut words =
        vec!["--home", root, "roster", "new", "--federation", FEDERATION, "--quorum", "1", "-o", roster];
    for entry in &entries {
        words.extend(["--member-entry", text(entry)?]);
    }
    almenara(&words).await.done()?;
    for one in &organisations {
        let key = one.node_home.join("keys").join("root.pem");
        almenara(&["--home", root, "roster", "sign", roster, "--key", text(&key)?, "--yes"]).await.done()?;
    }
    for one in &organisations {
        almenarad(&["--home", text(&one.node_home)?, "--yes", "join", roster]).await.done()?;
    }
    Ok(organisations)
}

impl Organisation {
    /// Starts its node, with the operator's lists of protected values when there are any.
    ///
    /// # Errors
    /// What kept it from starting.
    pub(super) async fn start(&mut self, safeguards: Option<&Path>) -> Result<(), CliError> {
        let mut settings = self.settings()?;
        if let Some(directory) = safeguards {
            settings.safeguards = Safeguards::load(directory).map_err(CliError::usage)?.into();
        }
        let listener = self.listener.take().ok_or_else(|| CliError::internal("the node runs already"))?;
        self.node = Some(Node::start(settings, listener).await.map_err(CliError::unavailable)?);
        Ok(())
    }

    /// Where its node listens.
    #[must_use]
    pub(super) fn address(&self) -> String {
        self.node.as_ref().map_or_else(String::new, |node| node.address().to_string())
    }

    /// Entries that its node holds of a member's log.
    #[must_use]
    pub(super) fn held(&self, origin: &MemberName) -> u64 {
        let head = self.node.as_ref().and_then(|node| node.heads().get(origin));
        head.map_or(0, |head| head.signed_size)
    }

    /// Entries of a member's log that enough others have cosigned, as its node knows.
    #[must_use]
    pub(super) fn settled(&self, origin: &MemberName) -> u64 {
        let head = self.node.as_ref().and_then(|node| node.heads().get(origin));
        head.map_or(0, |head| head.settled_size())
    }

    /// Waits until its node holds `size` entries of a member's log, and knows that they are settled.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub(super) async fn wait_for(
        &self,
        origin: &MemberName,
        size: u64,
        patience: Duration,
    ) -> Result<(), CliError> {
        let watch = self.node.as_ref().and_then(|node| node.heads().subscribe(origin));
        let Some(mut watch) = watch else {
            return Err(CliError::internal(format!("the node of {} holds no log of {origin}", self.name)));
        };
        let reached = watch.wait_for(|head| head.signed_size >= size && head.settled_size() >= size);
        match tokio::time::timeout(patience, reached).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(CliError::internal(format!(
                "the log of {origin} does not reach the node of {}, or nobody cosigns it: {} of {size} entries are \
                 there, {} of them settled",
                self.name,
                self.held(origin),
                self.settled(origin)
            ))),
        }
    }

    /// The roster that its node runs under.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub(super) fn roster(&self) -> Result<Roster, CliError> {
        Ok(self.settings()?.rosters.current().roster.clone())
    }

    fn settings(&self) -> Result<Settings, CliError> {
        let (output, _) = Output::captured(PAPER, "");
        let environment = Environment::of(&[]);
        let home = NodeHome::find(Some(self.node_home.clone()), None, &environment)?;
        let config = Config::read(&home, &environment)?;
        settings(&config, &Context::new(home, output, environment))
    }

    /// Issues the desk's certificate, makes its key, grants it with the root key and has the node log the grant;
    /// and issues a certificate for the account that pulls.
    ///
    /// # Errors
    /// What a command said.
    pub(super) async fn staff(&self, dir: &Path) -> Result<(), CliError> {
        let node = text(&self.node_home)?;
        let desk_home = text(&self.desk_home)?;
        let app_home = text(&self.app_home)?;
        let operator = dir.join(self.name.as_str()).join("operator");
        let operator = text(&operator)?;
        let homes = [
            ("publisher", self.desk, desk_home),
            ("consumer", "app", app_home),
            ("operator", "ops", operator),
        ];
        for (role, name, home) in homes {
            almenarad(&[
                "--home",
                node,
                "cert",
                "issue",
                "--role",
                role,
                "--name",
                name,
                "--client-home",
                home,
            ])
            .await
            .done()?;
        }
        let publisher = format!("{}/{}", self.name, self.desk);
        let made =
            almenara(&["--home", desk_home, "keygen", "--purpose", "publisher", "--name", &publisher]).await;
        let public = made.done()?.get("public").and_then(|key| key.as_str().map(str::to_owned));
        let public = public.ok_or_else(|| CliError::internal("keygen named no public key"))?;
        let root = self.node_home.join("keys").join("root.pem");
        let grant = dir.join(self.name.as_str()).join("grant.signed");
        let (root, grant) = (text(&root)?, text(&grant)?);
        almenara(&[
            "--home",
            desk_home,
            "grant",
            "--root-key",
            root,
            "--federation",
            FEDERATION,
            "--publisher",
            &publisher,
            "--key",
            &public,
            "-o",
            grant,
        ])
        .await
        .done()?;
        almenara(&["--home", operator, "--yes", "submit", grant]).await.done()?;
        Ok(())
    }
}

/// A path as a word of a command.
///
/// # Errors
/// When it is not UTF-8.
pub(super) fn text(path: &Path) -> Result<&str, CliError> {
    path.to_str()
        .ok_or_else(|| CliError::usage(format!("{}: choose a folder whose name is UTF-8", path.display())))
}
