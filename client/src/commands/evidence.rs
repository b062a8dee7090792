//! `almenara evidence`: who said which two things, checked offline by the keys of the accepted rosters.

use std::path::{Path, PathBuf};

use almenara_proto::{
    evidence::{Evidence, LogFork, NoFork, RosterFork},
    keys::PublicKey,
    roster::Roster,
};
use serde::Serialize;

use crate::{
    context::Context,
    evidence,
    exit::{CliError, Outcome},
    output::Style,
    rosters::Rosters,
    text::tame,
};

/// What to do with evidence.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    /// Check files of evidence: who signed which two things
    Verify(Verify),
    /// List what the own home keeps
    List(List),
}

/// Which files.
#[derive(Clone, Debug, clap::Args)]
struct Verify {
    /// Files of evidence
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The log's key, where it is known otherwise than by a roster: 64 hex digits [default: the log key in force]
    #[arg(long, value_name = "HEX")]
    log_key: Option<PublicKey>,
}

/// Nothing but the flags of every verb.
#[derive(Clone, Debug, clap::Args)]
struct List {}

/// What a file proves.
#[derive(Debug, Serialize)]
struct Judged {
    file: String,
    /// `log` or `roster`; nothing for a file that is no evidence.
    kind: Option<&'static str>,
    /// Whose log, or which roster version.
    about: Option<String>,
    /// Whether it proves what it claims.
    holds: bool,
    /// Who signed which two things.
    says: Option<String>,
    /// Why it proves nothing.
    reason: Option<String>,
}

/// Does it.
///
/// # Errors
/// [`CliError`], with blame.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    match args.verb {
        Verb::Verify(args) => verify(&args, context),
        Verb::List(List {}) => list(context),
    }
}

fn verify(args: &Verify, context: &Context) -> Result<Outcome, CliError> {
    let mut all = true;
    for path in &args.files {
        let judged = judge(path, &evidence::read(path)?, args.log_key.as_ref(), context)?;
        all &= judged.holds;
        judged.print(context)?;
    }
    Ok(if all { Outcome::Done } else { Outcome::No })
}

fn list(context: &Context) -> Result<Outcome, CliError> {
    let files = evidence::kept(&evidence::folder(context))?;
    if files.is_empty() {
        context.output.say("There is no evidence against anybody.")?;
    }
    for file in &files {
        let path = Path::new(file);
        let judged = match evidence::read(path) {
            Ok(found) => judge(path, &found, None, context)?,
            Err(error) => Judged::nothing(path, None, error.to_string()),
        };
        judged.print(context)?;
    }
    Ok(Outcome::Done)
}

fn judge(
    path: &Path,
    found: &Evidence,
    log_key: Option<&PublicKey>,
    context: &Context,
) -> Result<Judged, CliError> {
    match found {
        Evidence::Log(fork) => {
            let about = Some(("log", fork.member.to_string()));
            let judged = match log_key {
                Some(key) => fork.verify(key),
                None => by_roster(fork, &context.rosters()?),
            };
            Ok(match judged {
                Ok(proof) => Judged::proof(path, about, proof.to_string()),
                Err(reason) => Judged::nothing(path, about, reason_of(&reason)),
            })
        }
        Evidence::Roster(fork) => rivals(path, fork, &context.rosters()?),
    }
}

/// By the log key in force; for a member that left, by the last one that it had.
fn by_roster(fork: &LogFork, chain: &Rosters) -> Result<almenara_proto::evidence::Equivocation, NoFork> {
    let had = chain.history().last_version_of(&fork.member).and_then(|version| chain.version(version));
    fork.verify_in(&had.unwrap_or_else(|| chain.current()).roster)
}

fn reason_of(reason: &NoFork) -> String {
    match reason {
        NoFork::Key { .. } => format!(
            "{reason}. If that key was the log's once, it was replaced since, and whoever stole it may have signed: --log-key checks it all the same"
        ),
        _ => reason.to_string(),
    }
}

fn rivals(path: &Path, fork: &RosterFork, chain: &Rosters) -> Result<Judged, CliError> {
    let [first, _] = fork.rosters();
    let roster = Roster::parse(&first.body).map_err(|void| CliError::from(void).at(path.display()))?;
    let version = roster.version;
    let about = Some(("roster", format!("version {version} of {}", roster.federation)));
    let Some(last) = version.checked_sub(1).and_then(|before| chain.version(before)) else {
        let reason = format!(
            "roster version {} is not here, which both would follow; the own home has version {}: run `almenara pull`, or `almenara roster accept`",
            version.saturating_sub(1),
            chain.current().roster.version
        );
        return Ok(Judged::nothing(path, about, reason));
    };
    Ok(match fork.verify(last) {
        Ok(rivals) => {
            let both: Vec<&str> = rivals.signed_both.iter().map(|name| name.as_str()).collect();
            let says = format!(
                "version {version} exists as {} and as {}, both signed by enough members; the root keys of {} signed both",
                rivals.first.id,
                rivals.second.id,
                both.join(", ")
            );
            Judged::proof(path, about, says)
        }
        Err(reason) => Judged::nothing(path, about, reason.to_string()),
    })
}

impl Judged {
    fn proof(path: &Path, about: Option<(&'static str, String)>, says: String) -> Self {
        let (kind, about) = about.unzip();
        Self { file: path.display().to_string(), kind, about, holds: true, says: Some(says), reason: None }
    }

    fn nothing(path: &Path, about: Option<(&'static str, String)>, reason: String) -> Self {
        let (kind, about) = about.unzip();
        Self { file: path.display().to_string(), kind, about, holds: false, says: None, reason: Some(reason) }
    }

    fn print(&self, context: &Context) -> Result<(), CliError> {
        let (style, verdict) =
            if self.holds { (Style::Bad, "it holds") } else { (Style::Dim, "it proves nothing") };
        let text = self.says.as_ref().or(self.reason.as_ref()).map_or("", String::as_str);
        context.output.answer(self, |judged| {
            format!("{}: {}: {}", judged.file, context.output.paint(style, verdict), tame(text))
        })
    }
}

#[cfg(test)]
mod tests;
