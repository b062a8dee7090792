//! Lines of witnesses outside the federation, beside those that the roster knows.

use std::sync::PoisonError;

use bytes::Bytes;

use almenara_proto::note::{Note, NoteError, NoteSignature, VerifierKey};

use super::{Cosignatures, NotTaken};

impl Cosignatures {
    /// A note of this size with the lines of witnesses outside the federation below those that it has.
    #[must_use]
    pub fn with_witnesses(&self, size: u64, note: Bytes) -> Bytes {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&NoteSignature> =
            waiting.get(&size).into_iter().flat_map(|collected| collected.witnesses.values()).collect();
        let Ok(parsed) = Note::parse(&note) else { return note };
        // A member may be asked as a witness too; a note has each key's line once.
        let known = |line: &NoteSignature| {
            parsed.signatures().iter().any(|s| (&s.name, s.id) == (&line.name, line.id))
        };
        let more: String = lines.into_iter().filter(|line| !known(line)).map(ToString::to_string).collect();
        let whole = Bytes::from([&note, more.as_bytes()].concat());
        if Note::parse(&whole).is_ok() { whole } else { note }
    }

    /// The newest note that a witness outside the federation has cosigned, of those that are remembered.
    #[must_use]
    pub fn witnessed(&self) -> Option<Bytes> {
        let (size, note) = {
            let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let (size, newest) = waiting.iter().rfind(|(_, collected)| !collected.witnesses.is_empty())?;
            (*size, Bytes::copy_from_slice(newest.note.note()))
        };
        Some(self.with_witnesses(size, note))
    }

    /// Takes what a witness outside the federation answered: its line must hold, and others are left out. Gives the
    /// note with that line.
    ///
    /// # Errors
    /// [`NotTaken`]; the witness is to blame, or was too slow.
    pub fn witness(&self, key: &VerifierKey, size: u64, lines: &str) -> Result<Bytes, NotTaken> {
        let bad = |why| NotTaken::BadWitness { name: key.name().to_owned(), why };
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let collected = waiting.get_mut(&size).ok_or(NotTaken::Unknown(size))?;
        let all = collected.checkpoint.with_lines(lines).map_err(bad)?;
        if all.cosignatures(std::slice::from_ref(key)).map_err(bad)?.is_empty() {
            return Err(bad(NoteError::NoKnownSignature));
        }
        let note = Note::parse(all.note()).map_err(bad)?;
        let line = note.signatures().iter().find(|line| line.name == key.name() && line.id == key.id());
        let line = line.ok_or(bad(NoteError::NoKnownSignature))?;
        let note = collected.checkpoint.with_lines(&line.to_string()).map_err(bad)?;
        collected.witnesses.insert(key.to_string(), line.clone());
        Ok(Bytes::copy_from_slice(note.note()))
    }

    /// Takes up what a witness had cosigned before a restart, if it still is of the newest checkpoint.
    pub(crate) fn recall(&self, key: &VerifierKey, size: u64, note: &[u8]) {
        let lines = Note::parse(note).ok().map(|note| {
            let by = note.signatures().iter().filter(|line| line.name == key.name() && line.id == key.id());
            by.map(ToString::to_string).collect::<String>()
        });
        if let Some(Err(why)) = lines.map(|lines| self.witness(key, size, &lines))
            && !matches!(why, NotTaken::Unknown(_))
        {
            tracing::warn!(witness = key.name(), %why, "a kept cosignature does not hold");
        }
    }
}

#[cfg(test)]
mod tests {
    use almenara_proto::{
        checkpoint::{Checkpoint, SignedCheckpoint},
        keys::SigningKey,
        merkle::Hash,
        note::KeyKind,
    };

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn verifier(seed: u8) -> VerifierKey {
        let public = key(seed).verifying_key().to_bytes();
        VerifierKey::new(&format!("w{seed}.example/w"), KeyKind::CosignatureV1, &public).expect("a key")
    }

    fn note(size: u64) -> SignedCheckpoint {
        let root = Hash([size as u8; 32]);
        let checkpoint = Checkpoint { origin: "police.th.example/almenara".into(), size, root };
        SignedCheckpoint::sign(checkpoint, &key(1)).expect("a note")
    }

    fn line(note: &SignedCheckpoint, seed: u8) -> String {
        note.cosign(&format!("w{seed}.example/w"), &key(seed), 1_000).expect("a line")
    }

    #[test]
    fn what_a_witness_answers_is_taken_when_it_holds_under_its_key() {
        let (first, second, all) = (note(7), note(8), Cosignatures::default());
        all.expect(&first);
        all.expect(&second);
        assert_eq!(all.witnessed(), None);
        for (what, lines) in [
            ("nothing", String::new()),
            ("no line", "cosigned, believe me\n".to_owned()),
            ("a line of another", line(&first, 4)),
            ("a line of another checkpoint", line(&second, 3)),
            ("a line under its name by another key", line(&first, 4).replace("w4", "w3")),
        ] {
            assert!(
                matches!(all.witness(&verifier(3), 7, &lines), Err(NotTaken::BadWitness { .. })),
                "{what}"
            );
        }
        assert_eq!(all.witness(&verifier(3), 9, &line(&first, 3)), Err(NotTaken::Unknown(9)));
        // Lines by keys that nobody named are left out.
        let kept =
            all.witness(&verifier(3), 7, &[line(&first, 4), line(&first, 3)].concat()).expect("it holds");
        assert_eq!(kept, [first.note(), line(&first, 3).as_bytes()].concat());
        all.witness(&verifier(4), 7, &line(&first, 4)).expect("it holds");
        let both = [first.note(), line(&first, 3).as_bytes(), line(&first, 4).as_bytes()].concat();
        assert_eq!(all.witnessed().expect("witnessed"), both);
        // Beside a line that is there already it does not stand twice.
        let with_one = Bytes::from([first.note(), line(&first, 4).as_bytes()].concat());
        let shown = all.with_witnesses(7, with_one);
        assert_eq!(shown, [first.note(), line(&first, 4).as_bytes(), line(&first, 3).as_bytes()].concat());
        assert_eq!(all.with_witnesses(8, Bytes::copy_from_slice(second.note())), second.note());
    }

    #[test]
    fn what_was_kept_is_shown_again_if_it_is_of_the_newest_and_holds() {
        let (newest, all) = (note(7), Cosignatures::default());
        all.expect(&newest);
        all.recall(&verifier(3), 6, &[note(6).note(), line(&note(6), 3).as_bytes()].concat());
        let mut damaged = [newest.note(), line(&newest, 3).as_bytes()].concat();
        let at = damaged.len() - 20;
        damaged[at] ^= 1;
        all.recall(&verifier(3), 7, &damaged);
        all.recall(&verifier(3), 7, b"no note");
        assert_eq!(all.witnessed(), None);
        let whole = [newest.note(), line(&newest, 3).as_bytes()].concat();
        all.recall(&verifier(3), 7, &whole);
        assert_eq!(all.witnessed().expect("witnessed"), whole);
    }
}
