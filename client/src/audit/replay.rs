//! The replay of a log: every entry, and every tile that they make.

use std::{collections::BTreeMap, thread};

use bytes::Bytes;
use futures::StreamExt as _;

use almenara_proto::{
    blame::Void,
    checkpoint::SignedCheckpoint,
    log::LogEntry,
    merkle::{Hash, leaf_hash},
    prefix::{CheckedEntry, Prefix},
    tile::{Edge, Prover, TILE_WIDTH, TileId, edge_tiles, tiles_for_check},
};

use super::{
    Fault, Place,
    log::{Audit, Log},
    report::Revoked,
    source::{bundle_path, tree_path},
};
use crate::{
    exit::CliError,
    store::Audited,
    text::{count, moment},
};

/// Bundles that are fetched ahead of the one that is checked.
const AHEAD: usize = 4;
/// After so many seconds without cosignatures somebody should ask why: a day.
const PENDING_TOO_LONG: u64 = 86_400;

/// Where the replay stands.
struct Replay {
    prefix: Prefix,
    edge: Edge,
    held: Audited,
    /// The newest bytes of the last tile of each level that changed.
    last: BTreeMap<u8, (TileId, Vec<u8>)>,
    /// The first entry that counts for nothing.
    void: Option<(u64, Void)>,
}

impl Audit<'_> {
    /// Replays every entry above what was held, and recomputes every tile that changed.
    pub(super) async fn replay(
        &mut self,
        held: Audited,
        note: SignedCheckpoint,
        settled: u64,
        advance: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Option<Audited>, CliError> {
        let (from, size) = (held.prefix.size(), note.checkpoint().size);
        let Some(edge) = self.edge(from, size, &held).await? else { return Ok(None) };
        let mut replay =
            Replay { prefix: held.prefix.clone(), edge, held, last: BTreeMap::new(), void: None };
        let Log { source, member, .. } = self.log;
        let wide = TILE_WIDTH as u64;
        let indices = from / wide..if from < size { size.div_ceil(wide) } else { 0 };
        let fetched = futures::stream::iter(indices).map(|index| async move {
            let tile = source.tile(&member.name, TileId { level: 0, index }, size).await?;
            let bundle = source.bundle(&member.name, bundle_path(index, size)).await?;
            Ok::<_, CliError>((index, bundle, tile))
        });
        let mut fetched = std::pin::pin!(fetched.buffered(AHEAD));
        while let Some(next) = fetched.next().await {
            let (index, bundle, tile) = next?;
            let before = replay.prefix.size();
            if !self.bundle(&mut replay, &note, index, bundle, tile).await? {
                return Ok(None);
            }
            advance(replay.prefix.size().saturating_sub(before));
        }
        let upper: Vec<_> = replay.last.values().filter(|(id, _)| id.level > 0).cloned().collect();
        for (id, expected) in upper {
            self.upper(id, &expected, size).await?;
        }
        if replay.prefix.tree().root() != note.checkpoint().root {
            self.locate(from, &note).await?;
            return Ok(None);
        }
        let kept = self.finish(replay, note, settled);
        // What was served wrong is looked at again until it is right.
        let sound = !self.findings.iter().any(|finding| matches!(finding.fault, Fault::Served(_)));
        Ok(sound.then_some(kept))
    }

    /// The right edge of the tree that was held, out of the tiles that are shown now.
    async fn edge(&mut self, from: u64, size: u64, held: &Audited) -> Result<Option<Edge>, CliError> {
        let mut tiles = BTreeMap::new();
        for id in edge_tiles(from) {
            if let Some(tile) = self.log.source.tile(self.name(), id, size).await? {
                tiles.insert(id, tile);
            }
        }
        match Edge::from_tiles(from, &tiles) {
            Ok(edge) if edge.root() == held.prefix.tree().root() => Ok(Some(edge)),
            Ok(_) => {
                let id = edge_tiles(from).into_iter().next().unwrap_or(TileId { level: 0, index: 0 });
                let what = format!(
                    "its hashes do not lead to the tree of {from} entries that an earlier audit has seen"
                );
                self.served(Place::Tile(tree_path(id, size), None), what);
                Ok(None)
            }
            Err(error) => {
                let id = edge_tiles(from).into_iter().next().unwrap_or(TileId { level: 0, index: 0 });
                self.served(Place::Tile(tree_path(id, size), None), error.to_string());
                Ok(None)
            }
        }
    }

    /// One bundle and the tile of its hashes; whether the replay can go on.
    async fn bundle(
        &mut self,
        replay: &mut Replay,
        note: &SignedCheckpoint,
        index: u64,
        bundle: Option<Bytes>,
        tile: Option<Bytes>,
    ) -> Result<bool, CliError> {
        let (size, id) = (note.checkpoint().size, TileId { level: 0, index });
        let path = bundle_path(index, size);
        let Some(bundle) = bundle else {
            self.served(Place::Bundle(path), "it is not there");
            return Ok(false);
        };
        let Some(entries) = cut(&bundle, path.width()) else {
            self.served(Place::Bundle(path), format!("it cannot be cut into {} entries", path.width()));
            return Ok(false);
        };
        let first = index.saturating_mul(TILE_WIDTH as u64);
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let shown = tile.as_deref().map(hashes).unwrap_or_default();
        let differs = (0..).zip(&leaves).find(|(at, leaf)| shown.get(*at) != Some(leaf)).map(|(at, _)| at);
        if let Some(at) = differs.or((shown.len() != leaves.len()).then_some(leaves.len())) {
            match self.holds(id, note).await? {
                Ok(()) => {
                    let entry = first.saturating_add(at as u64);
                    self.served(
                        Place::Entry(entry),
                        "it is not the entry whose hash leads to the signed root",
                    );
                    return Ok(false);
                }
                Err(_) => self.served(
                    Place::Tile(tree_path(id, size), Some(at)),
                    "it is not the hash of the entry, or is missing, and does not lead to the signed root",
                ),
            }
        }
        self.report.tiles = self.report.tiles.saturating_add(1);
        let skip = usize::try_from(replay.prefix.size().saturating_sub(first)).unwrap_or(usize::MAX);
        let new = entries.get(skip..).unwrap_or_default();
        for (bytes, checked) in new.iter().zip(check_all(new)) {
            self.append(replay, bytes, checked);
        }
        let changed = replay.edge.append(leaves.get(skip..).unwrap_or_default());
        for (id, expected) in changed {
            let full = expected.len() == TILE_WIDTH * Hash::LEN;
            if full && id.level > 0 {
                self.upper(id, &expected, size).await?;
                replay.last.remove(&id.level);
            } else {
                replay.last.insert(id.level, (id, expected));
            }
        }
        Ok(true)
    }

    fn append(&mut self, replay: &mut Replay, bytes: &Bytes, checked: Result<CheckedEntry, Void>) {
        let appended = replay.prefix.append_checked(bytes, checked, self.log.judging);
        self.report.new_entries = self.report.new_entries.saturating_add(1);
        let size = replay.prefix.size();
        let segment = self.log.member.segments.iter().find(|segment| segment.from_size == size);
        if let Some(segment) = segment.filter(|segment| segment.root != replay.prefix.tree().root()) {
            let what =
                format!("the roster says that the log has root {} here, where its key changed", segment.root);
            self.served(Place::Entry(size), what);
        }
        let tally = &mut replay.held.tally;
        let add = |to: &mut u64, more: u64| *to = to.saturating_add(more);
        match appended.outcome {
            Ok(LogEntry::Batch(signed)) => {
                add(&mut tally.batches, 1);
                add(&mut tally.statements, signed.content.count.into());
                add(&mut tally.custodied, signed.content.custodied.into());
            }
            Ok(LogEntry::Withdrawal(signed)) => {
                add(&mut tally.withdrawals, 1);
                add(&mut tally.withdrawn, signed.content.targets.len() as u64);
                add(&mut tally.erasures, signed.content.erase.into());
            }
            Ok(LogEntry::KeyGrant(_)) => add(&mut tally.grants, 1),
            Ok(LogEntry::KeyRevocation(signed)) => {
                add(&mut tally.revocations, 1);
                let revocation = signed.content;
                if revocation.member != self.log.member.name {
                    replay.held.revocations.push((revocation.member, revocation.key, revocation.since_index));
                }
            }
            Ok(LogEntry::Override(_)) => add(&mut tally.overrides, 1),
            Err(void) => {
                add(&mut tally.void, 1);
                replay.void.get_or_insert((appended.index, void));
            }
        }
    }

    /// A tile above level 0 is what the entries make of it.
    async fn upper(&mut self, id: TileId, expected: &[u8], size: u64) -> Result<(), CliError> {
        self.report.tiles = self.report.tiles.saturating_add(1);
        let path = tree_path(id, size);
        match self.log.source.tile(self.name(), id, size).await? {
            None => self.served(Place::Tile(path, None), "it is not there"),
            Some(found) if found == expected => {}
            Some(found) => {
                let differs = hashes(&found).iter().zip(hashes(expected)).position(|(a, b)| *a != b);
                let what = "it is not the root of the tile below it, as the entries make it";
                self.served(Place::Tile(path, differs.or(Some(found.len() / Hash::LEN))), what);
            }
        }
        Ok(())
    }

    /// Whether a tile leads to the signed root through the tiles above it, all as they are shown.
    async fn holds(&self, id: TileId, note: &SignedCheckpoint) -> Result<Result<(), String>, CliError> {
        let signed = note.checkpoint();
        let mut tiles = BTreeMap::new();
        for id in tiles_for_check(id, signed.size) {
            if let Some(tile) = self.log.source.tile(self.name(), id, signed.size).await? {
                tiles.insert(id, tile);
            }
        }
        let proven = Prover::new(signed.size, &tiles).and_then(|mut prover| {
            prover.check(id)?;
            Ok(prover.root())
        });
        Ok(match proven {
            Ok(root) if root == signed.root => Ok(()),
            Ok(root) => Err(format!("the tiles lead to root {root}, the log's key signed {}", signed.root)),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Entries and their hashes agree with each other, and not with what was signed: where does it begin?
    async fn locate(&mut self, from: u64, note: &SignedCheckpoint) -> Result<(), CliError> {
        let size = note.checkpoint().size;
        let wide = TILE_WIDTH as u64;
        for index in from / wide..size.div_ceil(wide) {
            let id = TileId { level: 0, index };
            if let Err(why) = self.holds(id, note).await? {
                self.served(Place::Tile(tree_path(id, size), None), why);
                return Ok(());
            }
        }
        self.served(Place::Checkpoint, "the entries do not lead to its root");
        Ok(())
    }

    /// All of it holds: what remains to be looked at, and the state to keep.
    fn finish(&mut self, replay: Replay, note: SignedCheckpoint, settled: u64) -> Audited {
        let Replay { prefix, mut held, void, .. } = replay;
        let (size, now) = (prefix.size(), self.log.now);
        if let Some((entry, void)) = void {
            let more = held.tally.void.saturating_sub(self.report.tally.void).saturating_sub(1);
            let others = if more > 0 { format!("; so do {} more", count(more)) } else { String::new() };
            let what = format!("it counts for nothing: {void}{others}");
            self.find(Place::Entry(entry), what, Fault::Origin(self.name().clone()));
        }
        held.pending = match held.pending {
            _ if settled >= size => (0, 0),
            (waiting, since) if since > 0 && settled < waiting => (waiting, since),
            _ => (size, now),
        };
        let (waiting, since) = held.pending;
        if waiting > 0 && now.saturating_sub(since) > PENDING_TOO_LONG {
            let what =
                format!("entries from {} on wait for cosignatures since {}", count(settled), moment(since));
            self.find(Place::Cosignature, what, Fault::Unknown);
        }
        if self.report.new_entries > 0 || held.seen_at == 0 {
            held.grew_at = now;
        }
        (held.seen_at, held.note, held.prefix) = (now, Some(note), prefix);
        let revoked = held.prefix.keys().filter_map(|kept| Some((kept.key, kept.cut?)));
        self.report.revoked = revoked.map(|(key, from)| Revoked { key: key.to_string(), from }).collect();
        self.report.tally = held.tally;
        self.report.grew_at = held.grew_at;
        self.report.whole = true;
        held
    }
}

/// Signatures are most of the work, and each stands for itself.
fn check_all(entries: &[Bytes]) -> Vec<Result<CheckedEntry, Void>> {
    let check = |entry: &Bytes| LogEntry::parse(entry).and_then(CheckedEntry::check);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = entries
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(check).collect::<Vec<_>>()))
            .collect();
        // A thread that panicked has found a fault of ours: it goes on to be one.
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault)))
            .collect()
    })
}

/// The entries of a bundle: each behind its length.
pub(super) fn cut(bundle: &Bytes, width: u16) -> Option<Vec<Bytes>> {
    let mut entries = Vec::with_capacity(width.into());
    let mut at = 0usize;
    while let Some(length) = bundle.get(at..)?.first_chunk() {
        let start = at + 2;
        at = start + usize::from(u16::from_be_bytes(*length));
        bundle.get(start..at)?;
        entries.push(bundle.slice(start..at));
    }
    (at == bundle.len() && entries.len() == usize::from(width)).then_some(entries)
}

fn hashes(tile: &[u8]) -> Vec<Hash> {
    tile.as_chunks::<32>().0.iter().map(|hash| Hash(*hash)).collect()
}
