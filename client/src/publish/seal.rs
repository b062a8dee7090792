//! Drafts become signed batches.

use std::{collections::HashSet, sync::Arc};

use almenara_proto::{
    batch::{self, Author},
    keys::SigningKey,
    limits::{BATCH_BYTES, BATCH_STATEMENTS},
    name::Publisher,
};

use super::{Feed, Submission};
use crate::{draft::Draft, exit::CliError};

/// Who signs.
#[derive(Clone)]
pub struct Desk {
    /// Federation id.
    pub federation: String,
    /// The desk.
    pub publisher: Publisher,
    /// Its key.
    pub key: SigningKey,
    /// Version of the roster that audiences were written under.
    pub roster: u64,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("publisher", &self.publisher).finish_non_exhaustive()
    }
}

/// Cuts a stream of drafts into batches: at most 4,096 statements and 3 MiB, and one report for each indicator.
#[derive(Debug, Default)]
pub struct Packer {
    drafts: Vec<Draft>,
    bytes: usize,
    /// [`Draft::indicator_hash`] of the reported indicators.
    reported: HashSet<[u8; 16]>,
}

impl Packer {
    /// Adds a draft; returns the batch before it when it does not fit there any more.
    pub fn push(&mut self, draft: Draft) -> Option<Vec<Draft>> {
        let key = draft.is_report().then(|| draft.indicator_hash());
        let full = self.drafts.len() >= BATCH_STATEMENTS
            || self.bytes.saturating_add(draft.bytes()) > BATCH_BYTES
            || key.is_some_and(|key| self.reported.contains(&key));
        let done = if full { self.finish() } else { None };
        self.bytes = self.bytes.saturating_add(draft.bytes());
        self.reported.extend(key);
        self.drafts.push(draft);
        done
    }

    /// What is left.
    pub fn finish(&mut self) -> Option<Vec<Draft>> {
        self.bytes = 0;
        self.reported.clear();
        let drafts = std::mem::take(&mut self.drafts);
        (!drafts.is_empty()).then_some(drafts)
    }
}

type Fill = dyn Fn(&mut [u8]) -> Result<(), CliError> + Send + Sync;
type Next = dyn Fn() -> Result<u64, CliError> + Send + Sync;

/// Signs batches. Nonces, numbers and time come from the caller.
#[derive(Clone)]
pub struct Sealer {
    /// Who signs.
    pub desk: Desk,
    /// Fills with bytes of a CSPRNG.
    pub random: Arc<Fill>,
    /// The next seq of the key: durable before it is returned, above all earlier ones.
    pub seq: Arc<Next>,
    /// Unix seconds.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealer").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl Sealer {
    /// Draws nonces and a seq, hashes and signs.
    ///
    /// # Errors
    /// [`CliError`], when there is no randomness or seq, or the drafts are too many for one batch.
    pub fn seal(&self, drafts: Vec<Draft>) -> Result<Submission, CliError> {
        let mut nonces = vec![[0u8; 16]; drafts.len()];
        (self.random)(nonces.as_flattened_mut())?;
        // Leaves stand in the order of nonces; drafts follow them, so that a leaf leads back to its source.
        let mut drafts: Vec<([u8; 16], Draft)> = nonces.into_iter().zip(drafts).collect();
        drafts.sort_unstable_by_key(|(nonce, _)| *nonce);
        let custodied = drafts.iter().filter(|(_, draft)| draft.copies() > 0).count();
        let statements = drafts.iter().map(|(nonce, draft)| (*nonce, draft.encoded(nonce).into())).collect();
        let Desk { federation, publisher, key, roster } = &self.desk;
        let author = Author { federation, publisher, key };
        let (seq, now) = ((self.seq)()?, (self.clock)());
        let batch = batch::seal_encoded(&author, statements, custodied, seq, *roster, now)?;
        Ok(Submission::sealed(&batch, drafts.into_iter().map(|(_, draft)| draft).collect()))
    }
}

/// Packs and seals drafts as they are needed.
pub struct Sealing<I> {
    drafts: Option<I>,
    packer: Packer,
    sealer: Sealer,
}

impl<I: Iterator<Item = Result<Draft, CliError>> + Send + 'static> Sealing<I> {
    /// Seals what `drafts` gives.
    pub fn new(drafts: I, sealer: Sealer) -> Self {
        Self { drafts: Some(drafts), packer: Packer::default(), sealer }
    }

    fn pack(&mut self) -> Result<Option<Vec<Draft>>, CliError> {
        if let Some(drafts) = &mut self.drafts {
            for draft in drafts {
                if let Some(full) = self.packer.push(draft?) {
                    return Ok(Some(full));
                }
            }
            self.drafts = None;
        }
        Ok(self.packer.finish())
    }
}

impl<I: Iterator<Item = Result<Draft, CliError>> + Send + 'static> Feed for Sealing<I> {
    fn next(&mut self) -> Result<Option<Submission>, CliError> {
        self.pack()?.map(|drafts| self.sealer.seal(drafts)).transpose()
    }

    fn again(&mut self, drafts: Vec<Draft>) -> Result<Option<Submission>, CliError> {
        self.sealer.seal(drafts).map(Some)
    }
}
