//! `LogService.Fetch`: statements by their places, for members who may see them and do not keep them.

use std::{collections::BTreeSet, pin::Pin, sync::Arc};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use almenara_certs::Role;
use almenara_proto::{
    blame::Blame,
    limits::{BATCH_STATEMENTS, LOOKUP_VALUES},
    name::MemberName,
    wire,
};

use super::Api;
use crate::{
    error,
    fetch::{Tree, Wanted},
    heads::Head,
    identity::Account,
    ingest::NotNow,
    outgoing::{Filter, Reader, asked::Asked},
    store::{Place, accesses::Access},
};

/// Answers made ahead of a reader: each may hold a whole batch.
const AHEAD: usize = 2;

pub(super) type Stream = Pin<Box<dyn futures::Stream<Item = Result<wire::Fetched, Status>> + Send>>;

/// A call that names leaves of one log, judged as far as that needs no store.
pub(super) struct Call {
    account: Account,
    head: Arc<Head>,
    wanted: Wanted,
    reader: Reader,
}

impl Call {
    /// Parses, and sees to it that both ends know one roster: what is released differs between two.
    pub(super) fn new(
        api: &Api,
        account: Account,
        origin: &str,
        roster: u64,
        wanted: Vec<wire::LeavesOf>,
        to_keep: bool,
    ) -> Result<Self, Status> {
        let malformed = |why: &dyn std::fmt::Display| error::status(Blame::Malformed, why);
        let origin: MemberName = origin.parse().map_err(|error| malformed(&error))?;
        let head = api.outgoing.heads().get(&origin);
        let head = head.ok_or_else(|| Status::not_found(format!("this node holds no log of {origin}")))?;
        let current = api.outgoing.rosters().current();
        if roster != current.roster.version {
            let here = current.roster.version;
            return Err(error::status(
                Blame::Unavailable,
                &format_args!(
                    "roster version {here} is in force here, not {roster}: both ends must agree first"
                ),
            ));
        }
        let reader = Reader {
            recipient: account.recipient(current.roster.jurisdiction(&account.member)),
            filter: Filter::default(),
            leaf_hashes: to_keep,
            log_key: None,
            agreed: true,
            on_request: !to_keep,
        };
        Ok(Self { account, head, wanted: leaves_of(wanted).map_err(|why| malformed(&why))?, reader })
    }

    /// How many statements are asked for.
    fn leaves(&self) -> usize {
        self.wanted.values().map(BTreeSet::len).sum()
    }

    /// Which of these the caller may see and are here, sound.
    pub(super) async fn held(&self, api: &Api) -> Result<Vec<wire::LeavesOf>, Status> {
        let mut held = Vec::new();
        for (entry, leaves) in &self.wanted {
            let shown = api.outgoing.asked(self.head.log, *entry, leaves, Vec::new(), &self.reader).await?;
            let leaves = crate::fetch::to_ranges(shown.map(|shown| shown.clear()).unwrap_or_default());
            held.push(wire::LeavesOf { entry: *entry, leaves });
        }
        Ok(held)
    }
}

/// Serves a call.
pub(super) fn fetch(api: &Api, account: Account, request: wire::FetchRequest) -> Result<Stream, Status> {
    let wire::FetchRequest { origin, roster, wanted, to_keep } = request;
    if to_keep && account.id.role() != Role::Node {
        return Err(Status::permission_denied("nodes ask for what their member keeps, and nobody else"));
    }
    let member = account.member.clone();
    let call = Call::new(api, account, &origin, roster, wanted, to_keep)?;
    if !to_keep {
        api.lookups.take(&member, call.leaves() as u64, (api.clock)()).map_err(|seconds| {
            Status::resource_exhausted(format!(
                "the lookup quota of {member} is used up for {seconds} seconds: ask for fewer statements"
            ))
        })?;
    }
    let (answers, stream) = mpsc::channel(AHEAD);
    let api = api.clone();
    tokio::spawn(async move {
        for (entry, leaves) in &call.wanted {
            let answer = tokio::select! {
                answer = one(&api, &call, *entry, leaves) => answer.transpose(),
                () = api.shutdown.cancelled() => Some(Err(NotNow::Stopping.into())),
            };
            let Some(answer) = answer else { continue };
            let over = answer.is_err();
            // A reader that does not read loses the call, not the node's memory.
            let sent = tokio::time::timeout(api.unread, answers.send(answer)).await;
            if over || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    });
    Ok(Box::pin(ReceiverStream::new(stream)))
}

/// One entry: from here, and for people of this node's member what is elsewhere. Whoever was shown something stands in
/// the log of accesses before it leaves.
async fn one(
    api: &Api,
    call: &Call,
    entry: u64,
    leaves: &BTreeSet<u32>,
) -> Result<Option<wire::Fetched>, Status> {
    let log = call.head.log;
    let Some(mut shown) = api.outgoing.asked(log, entry, leaves, Vec::new(), &call.reader).await? else {
        return Ok(None);
    };
    if call.reader.on_request {
        let ours = call.account.member == api.node;
        let mut seen: Vec<(u32, MemberName)> = Vec::new();
        if ours {
            (shown, seen) = elsewhere(api, call, entry, leaves, shown).await?;
        } else {
            seen.extend(shown.clear().into_iter().map(|leaf| (leaf, api.node.clone())));
        }
        log_accesses(api, call, entry, &seen).await?;
    }
    Ok(Some(wire::Fetched { entry, frame: Some(shown.into_wire()) }))
}

/// What is not here is asked for as this member's node, and passes release once more for the one who asks.
async fn elsewhere(
    api: &Api,
    call: &Call,
    entry: u64,
    leaves: &BTreeSet<u32>,
    mut shown: Asked,
) -> Result<(Asked, Vec<(u32, MemberName)>), Status> {
    let (log, origin) = (call.head.log, call.head.prefix.member());
    let tree = Tree { origin, log, size: call.head.prefix.size() };
    let (mut more, mut holders) = (Vec::new(), Vec::new());
    for source in api.fetcher.sources(origin) {
        let missing = shown.missing(leaves);
        if missing.is_empty() || *origin == api.node {
            break;
        }
        let wanted = Wanted::from([(entry, missing)]);
        let answer = match api.fetcher.ask(&source, tree, &wanted, false).await {
            Ok(answer) => answer,
            Err(why) => {
                tracing::debug!(%source, %why, "a statement cannot be had there");
                continue;
            }
        };
        let before: BTreeSet<u32> = shown.clear().into_iter().collect();
        let found = answer.into_iter().flat_map(|shown| shown.statements);
        more.extend(found.map(|(leaf, bytes, _)| (leaf, bytes)));
        let again = api.outgoing.asked(log, entry, leaves, more.clone(), &call.reader).await?;
        let Some(again) = again else { break };
        let new = again.clear().into_iter().filter(|leaf| !before.contains(leaf));
        holders.extend(new.map(|leaf| (leaf, source.clone())));
        shown = again;
    }
    Ok((shown, holders))
}

async fn log_accesses(api: &Api, call: &Call, entry: u64, seen: &[(u32, MemberName)]) -> Result<(), Status> {
    if seen.is_empty() {
        return Ok(());
    }
    let now = (api.clock)();
    let accesses = seen
        .iter()
        .map(|(leaf, holder)| {
            Ok(Access {
                at: now,
                place: Place::new(call.head.log, entry, *leaf)?,
                asker: call.account.member.to_string(),
                holder: holder.to_string(),
            })
        })
        .collect::<Result<_, Status>>()?;
    let logged = api.ingest.log_accesses(accesses, now).await?;
    logged.map_err(|why| error::status(Blame::Unavailable, &why))
}

/// Leaves of entries, ascending, together at most [`LOOKUP_VALUES`]: what lies beyond any batch is passed over.
fn leaves_of(wire: Vec<wire::LeavesOf>) -> Result<Wanted, &'static str> {
    if !wire.is_sorted_by(|a, b| a.entry < b.entry) {
        return Err("the entries that are asked for must ascend, each once");
    }
    let mut wanted = Wanted::new();
    let mut all = 0;
    for wire::LeavesOf { entry, leaves } in wire {
        let mut of = BTreeSet::new();
        for range in leaves {
            of.extend(range.start..range.end.min(BATCH_STATEMENTS as u32));
            if all + of.len() > LOOKUP_VALUES {
                return Err("more than 4,096 statements are asked for: split the call");
            }
        }
        all += of.len();
        wanted.insert(entry, of);
        if wanted.len() > LOOKUP_VALUES {
            return Err("more than 4,096 entries are asked for: split the call");
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entry: u64, ranges: &[(u32, u32)]) -> wire::LeavesOf {
        let leaves = ranges.iter().map(|&(start, end)| wire::LeafRange { start, end }).collect();
        wire::LeavesOf { entry, leaves }
    }

    #[test]
    fn a_call_names_a_bounded_number_of_leaves_in_order() {
        let wanted = leaves_of(vec![of(3, &[(0, 2), (7, 8)]), of(9, &[])]).expect("sound");
        assert_eq!(wanted, Wanted::from([(3, BTreeSet::from([0, 1, 7])), (9, BTreeSet::new())]));
        assert!(leaves_of(vec![of(3, &[(0, u32::MAX)])]).is_ok_and(|all| all[&3].len() == 4_096));
        assert!(leaves_of(vec![of(3, &[(0, u32::MAX)]), of(4, &[(0, 1)])]).is_err());
        assert!(leaves_of(vec![of(4, &[(0, 1)]), of(3, &[(0, 1)])]).is_err());
        assert!(leaves_of((0..5_000).map(|entry| of(entry, &[])).collect()).is_err());
    }
}
