//! `almenara show`: who said what about an indicator, and the proof, from the local store alone.

use almenara_proto::{
    indicator::{Hints, Indicator, Kind, canonicalise},
    keys::VerifyingKey,
    log::LogEntry,
    name::Address,
    statement::{Basis, Claim, Report, Statement},
};
use serde::Serialize;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    output::Style,
    roster_view::Awaited,
    rosters::Rosters,
    store::{Judged, Store, cosigners},
    text::{moment, tame},
};

/// Which one.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// An address such as police.th.example:1042.17, or a kind and a value
    #[arg(required = true, num_args = 1..=2, value_names = ["ADDRESS or KIND", "VALUE"])]
    pub what: Vec<String>,
}

/// One statement with its proof.
#[derive(Debug, Serialize)]
struct Shown {
    address: String,
    /// Leaf hash, hex.
    id: String,
    publisher: String,
    /// Hex.
    key: String,
    kind: &'static str,
    value: String,
    claim: &'static str,
    /// Whether it counts under the policy, and if not, why.
    counted: &'static str,
    withdrawn: bool,
    /// Unix seconds, the author's claim.
    made_at: u64,
    tlp: Option<&'static str>,
    pap: Option<&'static str>,
    /// Name and text of what else it says.
    details: Vec<(&'static str, String)>,
    /// Size of the checkpoint that covers it; nothing while entries below the last checkpoint are missing.
    checkpoint: Option<u64>,
    /// Root of that checkpoint, base16.
    root: Option<String>,
    /// Size of the checkpoint that covers it with a quorum of cosignatures; nothing while it is pending.
    settled: Option<u64>,
    /// Members of the roster, or of the last one with its member, that cosigned that checkpoint.
    cosigned: Vec<Cosigned>,
    /// Version of the roster with which its member left; nothing while it is there.
    left: Option<u64>,
}

/// A cosignature that counts.
#[derive(Debug, Serialize)]
struct Cosigned {
    member: String,
    jurisdiction: String,
    /// Unix seconds, by its clock.
    at: u64,
}

/// Shows.
///
/// # Errors
/// [`CliError`]; exit code 4 when a proof does not hold.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let store = Store::read(context.home.store(), context.config()?.federation.as_str())?;
    let rosters = context.rosters()?;
    let roster = &rosters.current().roster;
    let (indicator, only) = match args.what.as_slice() {
        [address] => {
            let address: Address = address.parse().map_err(|error| {
                CliError::usage(format_args!("{error}; give an address, or a kind and a value"))
            })?;
            (indicator_at(&store, &address)?, Some(address))
        }
        [kind, value] => {
            let kind: Kind = kind.parse().map_err(CliError::usage)?;
            let canonical = canonicalise(kind, value, &Hints::default()).map_err(CliError::usage)?;
            (Some(canonical.indicator), None)
        }
        _ => return Err(CliError::usage("give an address, or a kind and a value")),
    };
    if let Some(Address { member, entry, leaf }) = &only
        && let Some(by) = store.replica(member).and_then(|replica| replica.erased_by(*entry, *leaf))
    {
        context
            .output
            .say(format_args!("{member}:{entry}.{leaf} is erased, by the withdrawal {member}:{by}."))?;
        return Ok(Outcome::No);
    }
    let policy = &context.config()?.policy;
    let judged = match &indicator {
        Some(indicator) => store.lookup(indicator, roster, policy, context.now())?,
        None => None,
    };
    let Some(judged) = judged else {
        context
            .output
            .say("Nothing of it is in the local store: it was not pulled, or is withheld from us, or others keep it: \
                  `almenara fetch ADDRESS` asks them.")?;
        return Ok(Outcome::No);
    };
    let mut shown = Vec::new();
    for (number, piece) in judged.pieces.iter().enumerate() {
        if only.as_ref().is_none_or(|only| *only == piece.address) {
            shown.push(prove(&store, &judged, number, &rosters)?);
        }
    }
    tell(&judged, &shown, &Awaited::of(roster, policy), context)?;
    Ok(Outcome::Done)
}

/// What the statement at an address is about; nothing when it is not held.
fn indicator_at(store: &Store, address: &Address) -> Result<Option<Indicator>, CliError> {
    let Some(replica) = store.replica(&address.member) else { return Ok(None) };
    let batch = replica.entry(address.entry)?.and_then(|entry| entry.batch);
    let leaf = batch.as_ref().and_then(|batch| batch.leaves.iter().find(|leaf| leaf.index == address.leaf));
    let statement = leaf.and_then(|leaf| leaf.statement.as_ref().ok());
    Ok(statement.map(|statement| statement.indicator.clone()))
}

/// Proves one statement again: its bytes, the batch's root, the desk's signature, the entry's place in the log.
fn prove(store: &Store, judged: &Judged, number: usize, rosters: &Rosters) -> Result<Shown, CliError> {
    let roster = &rosters.current().roster;
    let (Some(piece), Some(counted)) = (judged.pieces.get(number), judged.verdict.counted.get(number)) else {
        return Err(CliError::internal("a verdict without its statement"));
    };
    let address = &piece.address;
    let lost = || {
        CliError::misbehaved(format_args!(
            "{address} stands in the index and not in the log: delete the store and run `almenara pull`"
        ))
    };
    let replica = store.replica(&address.member).ok_or_else(lost)?;
    let entry = replica.entry(address.entry)?.ok_or_else(lost)?;
    let batch = entry.batch.as_ref().ok_or_else(lost)?;
    let leaf = batch.leaves.iter().find(|leaf| leaf.index == address.leaf).ok_or_else(lost)?;
    let statement =
        leaf.statement.as_ref().map_err(|void| CliError::misbehaved(format_args!("{address}: {void}")))?;
    let Some(LogEntry::Batch(header)) = &entry.entry else { return Err(lost()) };
    let key = VerifyingKey::from_bytes(&header.content.key.0).map_err(|_| lost())?;
    header.verify(&key).map_err(|void| CliError::misbehaved(format_args!("{address}: {void}")))?;
    let proof = replica.prove(&entry)?;
    // The log key that signed it is the one that the roster names now, or named last.
    let last = rosters.last_with(&address.member).map(|version| &version.roster);
    let in_force = last.and_then(|roster| roster.member(&address.member)?.segment());
    let checkpoint = proof
        .newest
        .filter(|last| in_force.is_some_and(|segment| segment.log_key.0 == *last.log_key()))
        .map(|last| last.checkpoint());
    Ok(Shown {
        address: address.to_string(),
        id: leaf.id.to_string(),
        publisher: piece.publisher.to_string(),
        key: header.content.key.to_string(),
        kind: statement.indicator.kind().as_str(),
        value: statement.indicator.value().to_owned(),
        claim: claim(statement),
        counted: counted.as_str(),
        withdrawn: piece.standing.withdrawn,
        made_at: statement.made_at,
        tlp: statement.release.tlp.map(|tlp| tlp.as_str()),
        pap: statement.release.pap.map(|pap| pap.as_str()),
        details: details(statement),
        checkpoint: checkpoint.map(|checkpoint| checkpoint.size),
        root: checkpoint.map(|checkpoint| checkpoint.root.to_string()),
        settled: proof.settled.map(|note| note.checkpoint().size),
        cosigned: proof.settled.map_or_else(Vec::new, |note| {
            let cosigners = cosigners(note, &address.member, last.unwrap_or(roster)).into_iter();
            cosigners
                .map(|one| Cosigned {
                    member: one.member.to_string(),
                    jurisdiction: one.jurisdiction.to_string(),
                    at: one.time,
                })
                .collect()
        }),
        left: rosters.left_with(&address.member),
    })
}

pub(super) const fn claim(statement: &Statement) -> &'static str {
    match &statement.claim {
        Claim::Report(_) => "report",
        Claim::Sighting(_) => "sighting",
        Claim::Dispute(_) => "dispute",
    }
}

pub(super) fn details(statement: &Statement) -> Vec<(&'static str, String)> {
    let mut details = match &statement.claim {
        Claim::Report(report) => report_details(report),
        Claim::Sighting(sighting) => vec![
            ("seen", format!("{} times", sighting.count)),
            ("from", moment(sighting.window_start)),
            ("to", moment(sighting.window_end)),
        ],
        Claim::Dispute(dispute) => {
            vec![("disputes", dispute.target.to_string()), ("description", dispute.description.clone())]
        }
    };
    details.retain(|(_, text)| !text.is_empty());
    details
}

fn report_details(report: &Report) -> Vec<(&'static str, String)> {
    let categories: Vec<String> = report.categories.iter().map(ToString::to_string).collect();
    let time = |seconds: u64| if seconds == 0 { String::new() } else { moment(seconds) };
    let yes = |set: bool| if set { "yes".to_owned() } else { String::new() };
    let references: Vec<&str> = report.references.iter().map(|reference| reference.url.as_str()).collect();
    vec![
        ("categories", categories.join(", ")),
        ("confidence", report.confidence.map(|percent| format!("{percent}%")).unwrap_or_default()),
        (
            "basis",
            match &report.basis {
                Basis::Observed => "observed".to_owned(),
                Basis::Imported(list) => format!("imported from {list}"),
                Basis::Other => String::new(),
            },
        ),
        ("first seen", time(report.first_seen)),
        ("last seen", time(report.last_seen)),
        ("valid until", time(report.valid_until)),
        ("with subdomains", yes(report.include_subdomains)),
        ("lookup only", yes(report.lookup_only)),
        ("possibly coerced", yes(report.possibly_coerced)),
        ("campaign", report.campaign.clone()),
        ("labels", report.labels.join(", ")),
        ("description", report.description.clone()),
        ("references", references.join(" ")),
        ("lawful basis", report.lawful_basis.clone()),
    ]
}

fn tell(judged: &Judged, shown: &[Shown], awaited: &Awaited, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return shown.iter().try_for_each(|shown| output.json(shown));
    }
    let verdict = &judged.verdict;
    output.say(format_args!(
        "{} {}: {}, score {}%, observed in {} jurisdictions",
        judged.indicator.kind(),
        output.paint(Style::Bold, &tame(judged.indicator.value())),
        if verdict.listed { "listed" } else { "not listed" },
        verdict.score,
        verdict.corroboration,
    ))?;
    shown.iter().try_for_each(|shown| output.say(shown.lines(awaited)))
}

impl Shown {
    fn lines(&self, awaited: &Awaited) -> String {
        let mut text = format!("\n{} {}", self.claim, self.address);
        let mut line = |name: &str, value: &str| text.push_str(&format!("\n  {name:<17}{}", tame(value)));
        line("said by", &self.publisher);
        line("with key", &self.key);
        line("made at", &format!("{} (the author's claim)", moment(self.made_at)));
        line(
            "marking",
            &format!("TLP:{} PAP:{}", self.tlp.unwrap_or("origin only"), self.pap.unwrap_or("none")),
        );
        self.details.iter().for_each(|(name, value)| line(name, value));
        line("counts", self.counted);
        line("id", &self.id);
        line(
            "proof",
            &match (self.checkpoint, self.left) {
                (Some(size), None) => {
                    format!("holds: signed by the desk, in the log under its checkpoint of size {size}")
                }
                (Some(size), Some(version)) => format!(
                    "holds: signed by the desk, in the log under its checkpoint of size {size}, the last one here: its \
                     member left with roster version {version}"
                ),
                (None, None) => {
                    "signed by the desk; no checkpoint under the log key in force covers it yet: pull"
                        .to_owned()
                }
                (None, Some(version)) => format!(
                    "signed by the desk; no checkpoint under the last log key of its member, which left with roster \
                     version {version}, covers it here"
                ),
            },
        );
        match (self.settled, self.left) {
            (Some(size), _) => {
                line("settled", &format!("in the checkpoint of size {size}{}", self.cosigners()))
            }
            (None, None) => line("pending", &format!("it waits {awaited}")),
            (None, Some(_)) => {
                line("pending", "for good: its member left before enough others had cosigned it")
            }
        }
        text
    }

    fn cosigners(&self) -> String {
        let named = self
            .cosigned
            .iter()
            .map(|one| format!("{} ({}) on {}", one.member, one.jurisdiction, moment(one.at)));
        match named.collect::<Vec<_>>().as_slice() {
            [] => ": nobody's cosignature is asked for, or who cosigned it has left".to_owned(),
            named => format!(", cosigned by {}", named.join(", ")),
        }
    }
}
