//! `almenara prove`: one statement with everything that proves it, from the local store.

use std::path::PathBuf;

use almenara_proto::{checkpoint::SignedCheckpoint, merkle::Hash, name::Address, proof::Proof};
use serde::Serialize;

use crate::{
    context::Context,
    exit::{CliError, Outcome},
    files, follow,
    pages::{NOTE_BYTES, Pages},
    proofs,
    rosters::{Rosters, authorities},
    store::Store,
    tls::SharedAuthorities,
};

/// Which statement, and where to write.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address of the statement, such as police.th.example:1042.17
    #[arg(value_name = "ADDRESS")]
    pub address: Address,
    /// Where to write the proof; the entry's tlog-proof is written beside it [default: named after the address]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Begin with this version of the roster: whoever checks the file must know its hash
    #[arg(long, value_name = "VERSION", default_value_t = 1)]
    pub roster_from: u64,
    /// Ask the nodes of almenara.toml for the earliest checkpoint that others cosigned with it: pulls keep only the newest
    #[arg(long)]
    pub earliest: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
struct Answer {
    address: String,
    /// The proof.
    file: String,
    /// C2SP tlog-proof of the entry.
    tlog_file: String,
    /// Of the proof.
    bytes: usize,
    /// What whoever checks it must know, base16.
    roster_hash: String,
    /// Whether a quorum of other jurisdictions has cosigned it.
    settled: bool,
    /// Unix seconds: when they had, by their clocks.
    existed_by: Option<u64>,
}

/// Proves.
///
/// # Errors
/// [`CliError`]; nothing is written then.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let store = Store::read(context.home.store(), context.config()?.federation.as_str())?;
    let rosters = context.rosters()?;
    let mut proof = proofs::prove(&store, &rosters, &args.address, args.roster_from)?;
    if args.earliest {
        for note in first_notes(args, &rosters, context).await? {
            let earlier = proofs::prove_under(&store, &rosters, &args.address, args.roster_from, &note);
            match earlier {
                Ok(earlier) if date(&earlier) < date(&proof) => proof = earlier,
                Ok(_) => {}
                Err(why) => context.output.warn(format_args!("an earlier checkpoint proves nothing: {why}")),
            }
        }
    }
    let anchor: Hash = proof.anchor().ok_or_else(|| CliError::internal("a proof without a roster"))?;
    let proven = proof.verify(&anchor).map_err(CliError::internal)?;
    let named = || PathBuf::from(format!("{}.proof", args.address.to_string().replace(':', "-")));
    let path = args.output.clone().unwrap_or_else(named);
    let tlog_path = path.with_extension("tlog-proof");
    let bytes = proof.encode();
    files::replace_file(&path, &bytes).map_err(|error| CliError::file(&path, &error))?;
    files::replace_file(&tlog_path, proof.to_tlog().to_string().as_bytes())
        .map_err(|error| CliError::file(&tlog_path, &error))?;
    let settled = proven.existed_by().is_some() || proven.roster.roster.quorum == 0;
    if !settled {
        context.output.warn(
            "it is pending: too few others have cosigned a checkpoint that covers it. Prove it again when they have",
        );
    }
    let answer = Answer {
        address: args.address.to_string(),
        file: path.display().to_string(),
        tlog_file: tlog_path.display().to_string(),
        bytes: bytes.len(),
        roster_hash: anchor.to_string(),
        settled,
        existed_by: proven.existed_by(),
    };
    context.output.answer(&answer, |answer| {
        format!(
            "{}: {} bytes that prove {}.\nWhoever checks it needs `almenara verify` and this hash of the roster: {}\n{}: \
             the same of its log entry, for tools of C2SP.",
            answer.file, answer.bytes, answer.address, answer.roster_hash, answer.tlog_file
        )
    })?;
    Ok(Outcome::Done)
}

/// By when it existed; what nobody vouches for comes last.
fn date(proof: &Proof) -> u64 {
    let proven = proof.anchor().and_then(|anchor| proof.verify(&anchor).ok());
    proven.and_then(|proven| proven.existed_by()).unwrap_or(u64::MAX)
}

/// The first settled note that covers the entry, as each node of almenara.toml has kept it. They show it to everybody,
/// and what they show is proven before it is used.
async fn first_notes(
    args: &Args,
    rosters: &Rosters,
    context: &Context,
) -> Result<Vec<SignedCheckpoint>, CliError> {
    let roster = &rosters.current().roster;
    let authorities = SharedAuthorities::new(authorities(roster)?);
    let origin = roster.member(&args.address.member);
    let path = format!("/log/{}/settled/{}", args.address.member, args.address.entry.saturating_add(1));
    let mut notes = Vec::new();
    for node in context.config()?.nodes.iter().filter_map(|name| roster.member(name)) {
        let asked =
            async { Pages::open(node, &authorities, &context.clock).await?.get(&path, NOTE_BYTES).await };
        match (asked.await, origin) {
            (Ok(Some(page)), Some(origin)) => match follow::open(&page, origin) {
                Ok(note) => notes.push(note),
                Err(why) => context.output.warn(format_args!("{}: {path}: {why}", node.name)),
            },
            (Ok(_), _) => {}
            (Err(why), _) => context.output.warn(why),
        }
    }
    Ok(notes)
}
