//! Keys as points of the curve: finding a key's point takes a fifth as long as verifying a signature with it.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use almenara_proto::{
    batch::{SignedBatch, VerifiedBatch},
    blame::Void,
    keys::{PublicKey, VerifyingKey},
};

/// Keys that are kept, at 250 bytes: more than a member's desks have. Beyond it they are found anew.
const KEPT: usize = 1_024;

/// The points of keys that signed something here.
#[derive(Clone, Debug, Default)]
pub(super) struct Points(Arc<RwLock<HashMap<PublicKey, VerifyingKey>>>);

impl Points {
    /// Verifies a batch, and keeps the point of its key when it holds.
    pub(super) fn verify(&self, batch: SignedBatch) -> Result<VerifiedBatch, Void> {
        let key = batch.header.content.key;
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(point) = known {
            return batch.verify_under(&point);
        }
        let verified = batch.verify()?;
        if let Ok(point) = VerifyingKey::from_bytes(&key.0) {
            let mut points = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if points.len() >= KEPT {
                points.clear();
            }
            points.insert(key, point);
        }
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use almenara_proto::{
        batch::{Author, seal},
        indicator::{Indicator, Kind},
        keys::SigningKey,
        name::Publisher,
        release::Release,
        statement::{Category, Claim, Report, Ruleset, Statement},
    };

    use super::*;

    fn batch(seed: u8) -> SignedBatch {
        let publisher: Publisher = "police.th.example/desk".parse().expect("a publisher");
        let key = SigningKey::from_bytes(&[seed; 32]);
        let author = Author { federation: "scamwatch.example", publisher: &publisher, key: &key };
        let statement = Statement {
            nonce: [seed; 16],
            indicator: Indicator::new(Kind::Domain, "fake-broker.example").expect("a domain"),
            made_at: 1_700_000_000,
            ruleset: Ruleset::default(),
            release: Release::clear(),
            copies: 0,
            claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, 1_700_000_000)),
        };
        seal(&author, vec![statement], 1, 1, 1_700_000_000).expect("a batch")
    }

    #[test]
    fn a_known_key_forgives_no_signature_of_another() {
        let points = Points::default();
        for round in ["unknown", "known"] {
            let forged = SignedBatch { header: batch(2).header, ..batch(1) };
            let mut signed_by_another = batch(1);
            signed_by_another.header.signature = batch(2).header.signature;
            assert!(points.verify(forged).is_err(), "{round}");
            assert!(points.verify(signed_by_another).is_err(), "{round}");
            assert!(points.verify(batch(1)).is_ok(), "{round}");
        }
    }

    #[test]
    fn no_more_keys_are_kept_than_fit() {
        let points = Points::default();
        let mut all = points.0.write().expect("nobody panicked");
        for n in 0..KEPT as u64 {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&n.to_be_bytes());
            let key = SigningKey::from_bytes(&seed).verifying_key();
            all.insert(PublicKey(key.to_bytes()), key);
        }
        drop(all);
        points.verify(batch(1)).expect("it holds");
        assert_eq!(points.0.read().expect("nobody panicked").len(), 1);
    }
}
