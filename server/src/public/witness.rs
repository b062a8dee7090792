//! Cosignatures over HTTP (C2SP tlog-witness): the same ones, from the same state, as this node brings to origins by
//! itself.
//!
//! What a node cosigned last of a log is its replica's head: it cosigns only what it holds whole and durably, and a
//! replica only grows by pages that were proven to extend it. So there is no second record that could disagree, and a
//! checkpoint that is ahead of the replica is cosigned when the entries have come.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use data_encoding::BASE64;
use http::{HeaderValue, StatusCode, header};

use almenara_proto::{
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, origin_of},
    keys::PublicKey,
    merkle::{Hash, verify_consistency},
    name::MemberName,
    note::{Note, NoteError},
};

use super::{Pages, Public, response};
use crate::{heads::Head, quarantine::Quarantine};

/// Bytes of a request: 63 hashes, and a note with a hundred signature lines of long names.
const REQUEST_BYTES: usize = 64 * 1024;
/// How long a request may take to arrive: seconds on any line.
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);
/// How long the entries below a new checkpoint may take: they follow it within milliseconds, or the origin is away.
const HELD_WITHIN: Duration = Duration::from_secs(5);
/// Consistency proof lines, as C2SP bounds them.
const PROOF_LINES: usize = 63;

/// A request to cosign.
#[derive(Debug, PartialEq, Eq)]
struct AddCheckpoint {
    old: u64,
    proof: Vec<Hash>,
    note: Bytes,
}

/// Why a checkpoint is not cosigned, as C2SP numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NotCosigned {
    /// No such request.
    Malformed,
    /// No key of this log has signed it.
    Unsigned,
    /// Nobody's log that this node replicates; its own neither.
    UnknownOrigin,
    /// The last one cosigned has another size than the request says.
    OtherSize(u64),
    /// It does not extend the last one.
    NotConsistent,
    /// Its entries are not held here, or not whole.
    NotHeld,
}

/// `POST /witness/add-checkpoint`.
pub(super) async fn add_checkpoint(State(pages): State<Pages>, request: Request) -> Response {
    let arriving = to_bytes(request.into_body(), REQUEST_BYTES);
    let cosigned = match tokio::time::timeout(ARRIVES_WITHIN, arriving).await {
        Ok(Ok(body)) => pages.cosign(&body).await,
        Ok(Err(_)) | Err(_) => Err(NotCosigned::Malformed),
    };
    let text = "text/plain; charset=utf-8";
    let (status, kind, body) = match cosigned {
        Ok(line) => (StatusCode::OK, text, Body::from(line)),
        Err(NotCosigned::OtherSize(size)) => {
            (StatusCode::CONFLICT, "text/x.tlog.size", Body::from(format!("{size}\n")))
        }
        Err(NotCosigned::Malformed) => (StatusCode::BAD_REQUEST, text, "no request to cosign\n".into()),
        Err(NotCosigned::Unsigned) => (StatusCode::FORBIDDEN, text, "not signed by the log's key\n".into()),
        Err(NotCosigned::UnknownOrigin) => (StatusCode::NOT_FOUND, text, "no log of ours\n".into()),
        Err(NotCosigned::NotConsistent) => {
            (StatusCode::UNPROCESSABLE_ENTITY, text, "it does not extend the last one\n".into())
        }
        Err(NotCosigned::NotHeld) => {
            (StatusCode::SERVICE_UNAVAILABLE, text, "its entries are not held here: try again\n".into())
        }
    };
    let mut response = response(status, kind, super::NOT_AT_ALL, body);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

impl Pages {
    /// A cosignature line. Every check in order, each with its own answer.
    async fn cosign(&self, body: &Bytes) -> Result<Bytes, NotCosigned> {
        let AddCheckpoint { old, proof, note } = parse(body).ok_or(NotCosigned::Malformed)?;
        let origin = origin(&note).ok_or(NotCosigned::Malformed)?;
        let roster = self.public.rosters.current();
        let member: MemberName = origin
            .strip_suffix("/almenara")
            .and_then(|name| name.parse().ok())
            .filter(|name| *name != self.public.member)
            .ok_or(NotCosigned::UnknownOrigin)?;
        let segment = roster.roster.member(&member).and_then(|member| member.segment());
        let segment = segment.ok_or(NotCosigned::UnknownOrigin)?;
        let mut watch = self.public.heads.subscribe(&member).ok_or(NotCosigned::UnknownOrigin)?;
        let signed = SignedCheckpoint::open(&note, &origin_of(member.as_str()), &segment.log_key.0).map_err(
            |error| match error {
                CheckpointError::Note(NoteError::BadSignature { .. } | NoteError::NoKnownSignature) => {
                    NotCosigned::Unsigned
                }
                _ => NotCosigned::Malformed,
            },
        )?;
        let new = signed.checkpoint();
        if old > new.size {
            return Err(NotCosigned::Malformed);
        }
        let head = watch.borrow().clone();
        self.accuse(&head, &signed, &segment.log_key).await;
        let last = last(&head).ok_or(NotCosigned::NotHeld)?;
        if old != last.size {
            return Err(NotCosigned::OtherSize(last.size));
        }
        if let Err(why) = verify_consistency(last.size, &last.root, new.size, &new.root, &proof) {
            tracing::warn!(%member, size = new.size, %why, "a checkpoint under the log's key does not extend what is held");
            return Err(NotCosigned::NotConsistent);
        }
        let held = watch.wait_for(|head| head.signed_size >= new.size);
        let arrived = tokio::time::timeout(HELD_WITHIN, held).await.map(|held| held.map(|head| head.clone()));
        let Ok(Ok(head)) = arrived else {
            // What comes later must lead to it.
            let Public { compared, accuser, .. } = &self.public;
            let _stopping = compared.expect(&accuser.ingest, &head, signed).await;
            return Err(NotCosigned::NotHeld);
        };
        match self::last(&head) {
            Some(held) if held == *new => {}
            // It went on meanwhile.
            Some(held) => return Err(NotCosigned::OtherSize(held.size)),
            None => return Err(NotCosigned::NotHeld),
        }
        let cosigned = self.public.cosigner.cosign(&head, &roster.roster).await;
        cosigned.map(|request| request.line).ok_or(NotCosigned::NotHeld)
    }

    /// A note under the log's key that is of another tree than the one that is held here: together with ours it is
    /// evidence, whatever the answer.
    async fn accuse(&self, head: &Head, note: &SignedCheckpoint, log_key: &PublicKey) {
        let Public { trees, accuser, rosters, .. } = &self.public;
        let origin = origin_of(head.prefix.member().as_str());
        let Ok(ours) = SignedCheckpoint::open(&head.checkpoint, &origin, &log_key.0) else { return };
        if head.quarantined(rosters).is_some() {
            return;
        }
        match trees.contradiction(head.log, &ours, note).await {
            Ok(None) => {}
            // The node is stopping: whoever brought the note brings it again.
            Ok(Some(proof)) => {
                let _stopping = accuser.accuse(Quarantine::new(proof)).await;
            }
            Err(error) => tracing::error!(%error, "a note cannot be held against what is held"),
        }
    }
}

/// The checkpoint that this node cosigned last of a log, or will next: the head of its replica.
fn last(head: &Head) -> Option<Checkpoint> {
    if head.checkpoint.is_empty() {
        return Some(Checkpoint {
            origin: origin_of(head.prefix.member().as_str()),
            size: 0,
            root: almenara_proto::merkle::empty_root(),
        });
    }
    Note::parse(&head.checkpoint).ok()?.text().parse().ok()
}

/// The first line of a note.
fn origin(note: &[u8]) -> Option<&str> {
    std::str::from_utf8(note).ok()?.lines().next()
}

/// `old <size>`, proof lines, an empty line, the note.
fn parse(body: &Bytes) -> Option<AddCheckpoint> {
    let at = body.windows(2).position(|two| two == b"\n\n")?;
    let mut lines = std::str::from_utf8(body.get(..at)?).ok()?.split('\n');
    let digits = lines.next()?.strip_prefix("old ")?;
    let old = digits.parse().ok().filter(|old: &u64| old.to_string() == digits)?;
    let proof: Vec<Hash> = lines
        .map(|line| BASE64.decode(line.as_bytes()).ok()?.as_slice().try_into().ok().map(Hash))
        .collect::<Option<_>>()?;
    (proof.len() <= PROOF_LINES).then(|| AddCheckpoint { old, proof, note: body.slice(at + 2..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_spelling() {
        let parsed = |text: &str| parse(&Bytes::copy_from_slice(text.as_bytes()));
        let hash = BASE64.encode(&[7; 32]);
        let request =
            parsed(&format!("old 12\n{hash}\n{hash}\n\nlog\n13\nroot\n\n— log x\n")).expect("parsed");
        assert_eq!((request.old, request.proof), (12, vec![Hash([7; 32]); 2]));
        assert_eq!(request.note, "log\n13\nroot\n\n— log x\n");
        assert_eq!(origin(&request.note), Some("log"));
        assert_eq!(parsed("old 0\n\nlog\n").map(|request| request.proof.len()), Some(0));
        let many = format!("old 1\n{}\n", format!("{hash}\n").repeat(64));
        for bad in [
            "",
            "old 1",
            "old 1\n",
            "old 01\n\nx",
            "old -1\n\nx",
            "old 1 \n\nx",
            "size 1\n\nx",
            "old 1\nx\n\ny",
            &many,
        ] {
            assert_eq!(parsed(bad), None, "{bad:?}");
        }
    }
}
