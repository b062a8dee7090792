//! `almenara verify`: what a proof file proves, without a network.

use std::path::{Path, PathBuf};

use almenara_proto::{
    limits::PROOF_BYTES,
    merkle::Hash,
    proof::{Proof, Proven},
};
use serde::Serialize;

use super::show::{claim, details};
use crate::{
    context::Context,
    evidence,
    exit::{CliError, Outcome},
    output::{Output, Style},
    proofs::{self, Since},
    store::Store,
    text::{moment, plural, tame},
};

/// Which files, and what you know.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Proof files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Hash of the roster that the files rest on, from somebody you trust [default: that of almenara.toml]
    #[arg(long, value_name = "HEX")]
    pub roster_hash: Option<Hash>,
}

/// What a file proves.
#[derive(Debug, Default, Serialize)]
struct Judged {
    file: String,
    /// Whether it holds.
    holds: bool,
    /// Why it does not.
    reason: Option<String>,
    #[serde(flatten)]
    said: Option<Said>,
}

/// Who said what, and who had seen it when.
#[derive(Debug, Serialize)]
struct Said {
    address: String,
    /// Leaf hash, base16.
    id: String,
    publisher: String,
    /// Base16.
    key: String,
    /// Log index.
    granted_at: u64,
    kind: &'static str,
    value: String,
    claim: &'static str,
    /// Unix seconds, the author's claim.
    made_at: u64,
    tlp: Option<&'static str>,
    pap: Option<&'static str>,
    /// Name and text of what else it says.
    details: Vec<(&'static str, String)>,
    /// Of the checkpoint.
    log_size: u64,
    /// Base16.
    log_root: String,
    /// Base16.
    log_key: String,
    cosigned: Vec<Cosigned>,
    /// Cosigned by as many jurisdictions as the roster asks for.
    settled: bool,
    /// Unix seconds, by the cosigners' clocks.
    existed_by: Option<u64>,
    federation: String,
    roster_version: u64,
    /// What the checker knew, base16.
    roster_hash: String,
    /// What the local store knows of later; nothing when it knows nothing.
    since: Option<Later>,
}

#[derive(Debug, Serialize)]
struct Cosigned {
    member: String,
    jurisdiction: String,
    /// Unix seconds, by its clock.
    at: u64,
    /// Whether it is independent of the origin.
    counts: bool,
}

#[derive(Debug, Serialize)]
struct Later {
    /// Entries of the log in the local store.
    entries: u64,
    withdrawn: bool,
    /// From where on what the key signed does not count.
    revoked_from: Option<u64>,
}

/// Checks files. Exit code 1 when one proves nothing, 4 when one proves that the log has two histories.
///
/// # Errors
/// [`CliError`].
pub fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let pinned = match args.roster_hash {
        Some(hash) => Some(hash),
        None if context.has_config() => Some(context.config()?.roster),
        None => None,
    };
    let mut all = true;
    for path in &args.files {
        let judged = judge(path, pinned.as_ref(), context)?;
        all &= judged.holds;
        judged.print(&context.output)?;
    }
    Ok(if all { Outcome::Done } else { Outcome::No })
}

fn judge(path: &Path, pinned: Option<&Hash>, context: &Context) -> Result<Judged, CliError> {
    let unreadable = |error| CliError::file(path, &error);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > PROOF_BYTES as u64 {
        return Err(CliError::usage(format!("{size} bytes: this is no proof file")).at(path.display()));
    }
    let nothing = |reason: String| Judged {
        file: path.display().to_string(),
        holds: false,
        reason: Some(reason),
        said: None,
    };
    let proof = match Proof::parse(&std::fs::read(path).map_err(unreadable)?) {
        Ok(proof) => proof,
        Err(void) => return Ok(nothing(format!("this is no proof file, or it was changed: {void}"))),
    };
    let anchor = proof.anchor().map(|hash| hash.to_string()).unwrap_or_default();
    let Some(pinned) = pinned else {
        return Err(CliError::usage(format_args!(
            "nothing says which federation to believe: give --roster-hash. The file rests on {anchor}: ask a member \
             whom you know whether that is theirs"
        ))
        .at(path.display()));
    };
    let proven = match proof.verify(pinned) {
        Ok(proven) => proven,
        Err(why) => return Ok(nothing(why.to_string())),
    };
    let since = later(&proven, context)?;
    Ok(Judged {
        file: path.display().to_string(),
        holds: true,
        reason: None,
        said: Some(Said::of(&proven, since)),
    })
}

/// What the own store, if there is one, knows of the same log by now.
fn later(proven: &Proven, context: &Context) -> Result<Option<Later>, CliError> {
    if !context.has_config() || context.config()?.federation.as_str() != proven.roster.roster.federation {
        return Ok(None);
    }
    let store = Store::read(context.home.store(), &proven.roster.roster.federation)?;
    match proofs::since(&store, proven)? {
        Since::Nothing => Ok(None),
        Since::Further { entries, withdrawn, cut } => {
            Ok(Some(Later { entries, withdrawn, revoked_from: cut }))
        }
        Since::Forked(found) => {
            let path = evidence::keep(&evidence::folder(context), &found)?;
            Err(CliError::misbehaved(format_args!(
                "{found}: one of them in this file, the other in the local store. The evidence is in {}, and `almenara \
                 evidence verify` checks it",
                path.display()
            )))
        }
    }
}

impl Said {
    fn of(proven: &Proven, since: Option<Later>) -> Self {
        let Proven { statement, header, checkpoint, .. } = proven;
        let (signed, roster) = (checkpoint.checkpoint(), &proven.roster.roster);
        let cosigned = proven.quorum.cosignatures.iter().map(|one| Cosigned {
            member: one.member.to_string(),
            jurisdiction: one.jurisdiction.to_string(),
            at: one.time,
            counts: one.counts,
        });
        Self {
            address: proven.address.to_string(),
            id: proven.id.to_string(),
            publisher: header.content.publisher.to_string(),
            key: header.content.key.to_string(),
            granted_at: proven.granted_at,
            kind: statement.indicator.kind().as_str(),
            value: statement.indicator.value().to_owned(),
            claim: claim(statement),
            made_at: statement.made_at,
            tlp: statement.release.tlp.map(|tlp| tlp.as_str()),
            pap: statement.release.pap.map(|pap| pap.as_str()),
            details: details(statement),
            log_size: signed.size,
            log_root: signed.root.to_string(),
            log_key: almenara_proto::keys::PublicKey(*checkpoint.log_key()).to_string(),
            cosigned: cosigned.collect(),
            settled: proven.quorum.settlement == almenara_proto::cosigner::Settlement::Settled,
            existed_by: proven.existed_by(),
            federation: roster.federation.clone(),
            roster_version: roster.version,
            roster_hash: proven.anchor.to_string(),
            since,
        }
    }

    fn lines(&self, output: &Output) -> String {
        let mut text =
            format!("{} said at {}:", output.paint(Style::Bold, &tame(&self.publisher)), self.address);
        let mut line = |name: &str, value: &str| text.push_str(&format!("\n  {name:<17}{}", tame(value)));
        line(self.claim, &format!("{} {}", self.kind, self.value));
        line("made at", &format!("{} (the author's claim)", moment(self.made_at)));
        line(
            "marking",
            &format!("TLP:{} PAP:{}", self.tlp.unwrap_or("origin only"), self.pap.unwrap_or("none")),
        );
        self.details.iter().for_each(|(name, value)| line(name, value));
        line("id", &self.id);
        line("signed with", &format!("{}, given to this desk in entry {}", self.key, self.granted_at));
        line("in the log", &format!("of {} entries with root {}", self.log_size, self.log_root));
        line("under log key", &self.log_key);
        for one in &self.cosigned {
            let note = if one.counts { "" } else { "; does not count: one law can compel both" };
            line(
                "cosigned by",
                &format!("{} ({}) on {}{note}", one.member, one.jurisdiction, moment(one.at)),
            );
        }
        match self.existed_by {
            Some(time) => line("existed by", &format!("{}, as enough other jurisdictions saw", moment(time))),
            None if self.settled => {
                line("existed by", "nobody says: this federation asks for no cosignatures")
            }
            None => line("existed by", "not enough others say: it was pending when this file was made"),
        }
        line(
            "belonging to",
            &format!(
                "{}, roster version {}, resting on {}",
                self.federation, self.roster_version, self.roster_hash
            ),
        );
        match &self.since {
            None => line(
                "since then",
                "this file cannot tell whether it still stands: pull, and verify it again in that home",
            ),
            Some(later) => line("since then", &later.words()),
        }
        text
    }
}

impl Later {
    fn words(&self) -> String {
        let up_to = plural(usize::try_from(self.entries).unwrap_or(usize::MAX), "entry", "entries");
        let key = self.revoked_from.map(|from| format!("; its key is revoked from entry {from} on"));
        format!(
            "{}{} (the local store has {up_to} of this log)",
            if self.withdrawn { "WITHDRAWN" } else { "not withdrawn" },
            key.unwrap_or_default()
        )
    }
}

impl Judged {
    fn print(&self, output: &Output) -> Result<(), CliError> {
        output.answer(self, |judged| match (&judged.said, &judged.reason) {
            (Some(said), _) => {
                format!("{}: {}\n{}", judged.file, output.paint(Style::Good, "it holds"), said.lines(output))
            }
            (None, reason) => format!(
                "{}: {}: {}",
                judged.file,
                output.paint(Style::Bad, "it proves nothing"),
                tame(reason.as_deref().unwrap_or_default())
            ),
        })
    }
}
