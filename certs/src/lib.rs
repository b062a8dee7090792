//! A member's own certificate authority, the leaves that it issues, and the one question that every
//! connection of a federation asks: *whose certificate is this?*
//!
//! There is no common authority (PROTOCOL.md §7). A certificate names its bearer by its one URI SAN,
//! `spiffe://<member>/<role>/<name>`, and counts only if it chains to that very member's own authorities in
//! the current roster. So the authority of one member can never speak for another:
//!
//! ```text
//! certificate ─parse→ its one URI SAN ─parse→ SpiffeId ─roster→ that member's anchors ─chain→ SpiffeId
//! ```
//!
//! The crate knows no socket, no gRPC and no clock: time is a parameter, in Unix seconds. Keys are made by
//! ring, from the operating system's randomness.

mod authorities;
mod authority;
mod files;
mod id;
mod inspect;
mod verify;

pub use authorities::{Authorities, AuthoritiesError, MAX_AUTHORITIES_PER_MEMBER};
pub use authority::{AUTHORITY_VALIDITY, Authority, AuthorityError, CLOCK_TOLERANCE, LEAF_VALIDITY, Leaf};
pub use files::{FileError, read_private, replace_private, write_private};
pub use id::{IdError, Role, SpiffeId};
pub use inspect::{Bearer, InspectError, Inspection, inspect};
pub use verify::{IdentityError, Usage, verify};

/// A moment for people, in UTC, from Unix seconds; a moment that no calendar holds is shown as a number.
fn moment(unix_seconds: u64) -> String {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| x509_parser::time::ASN1Time::from_timestamp(seconds).ok())
        .map_or_else(|| format!("{unix_seconds} (Unix seconds)"), |time| time.to_string())
}

/// Text from outside, fit for one line of a log or a terminal: control and bidirectional characters are
/// escaped, and what is too long is cut.
fn tame(text: &str) -> String {
    const SHOWN: usize = 120; // characters: one line of a terminal
    let mut tamed = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN {
            tamed.push('…');
            break;
        }
        if character.is_ascii_graphic() || character == ' ' {
            tamed.push(character);
        } else {
            tamed.extend(character.escape_unicode());
        }
    }
    tamed
}
