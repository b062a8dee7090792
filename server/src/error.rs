//! The one table from blame to gRPC status; errors are logged once, here.

use tonic::{Code, Status};

use almenara_proto::blame::Blame;

use crate::{ingest::NotNow, store::StoreError};

/// The gRPC code of a blame (PROTOCOL.md §14).
#[must_use]
pub const fn code(blame: Blame) -> Code {
    match blame {
        Blame::Malformed => Code::InvalidArgument,
        Blame::Misbehaved => Code::DataLoss,
        Blame::Refused => Code::FailedPrecondition,
        Blame::Unavailable => Code::Unavailable,
        Blame::Internal => Code::Internal,
    }
}

/// A status for somebody else's fault: the caller may read why.
pub fn status(blame: Blame, error: &dyn std::fmt::Display) -> Status {
    Status::new(code(blame), error.to_string())
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store");
        match error {
            StoreError::Full => status(Blame::Unavailable, &error),
            // What went wrong inside is for the operator's log.
            _ => status(
                Blame::Internal,
                &"the node could not read or write its store: its operator can see why",
            ),
        }
    }
}

impl From<NotNow> for Status {
    fn from(why: NotNow) -> Self {
        status(Blame::Unavailable, &why)
    }
}
