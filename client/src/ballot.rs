//! Who voted for a roster, and what is missing (PROTOCOL.md §7): a jurisdiction votes when more than half of its
//! members signed, and more than half of the jurisdictions must vote, in the version before and in the new one.

use almenara_proto::roster::{Roster, SignedRoster};
use serde::Serialize;

/// The votes of one version's jurisdictions for a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ballot {
    /// Whose members and jurisdictions are counted: the version before, or the new one.
    pub version: u64,
    /// Jurisdictions that must vote.
    pub required: usize,
    /// Jurisdictions that do.
    pub votes: usize,
    /// All of them, by code.
    pub jurisdictions: Vec<Seat>,
}

/// The members of one jurisdiction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seat {
    /// Its code.
    pub jurisdiction: String,
    /// Whether more than half of its members signed.
    pub votes: bool,
    /// Members that signed with their root key in this version.
    pub signed: Vec<String>,
    /// Members that did not.
    pub unsigned: Vec<String>,
}

impl Ballot {
    /// Counts the votes of the members of `roster` for what is signed.
    #[must_use]
    pub fn count(roster: &Roster, signed: &SignedRoster) -> Self {
        let signers = signed.signers(roster);
        let votes = roster.votes(&signers);
        let seat = |code| {
            let of_it = roster.members.values().filter(|member| member.jurisdiction == code);
            let (signed, unsigned): (Vec<_>, Vec<_>) =
                of_it.map(|member| &member.name).partition(|name| signers.contains(*name));
            let names = |names: Vec<_>| names.into_iter().map(ToString::to_string).collect();
            Seat {
                jurisdiction: code.to_string(),
                votes: votes.contains(&code),
                signed: names(signed),
                unsigned: names(unsigned),
            }
        };
        let jurisdictions: Vec<Seat> = roster.jurisdictions().into_iter().map(seat).collect();
        Self {
            version: roster.version,
            required: jurisdictions.len() / 2 + 1,
            votes: votes.len(),
            jurisdictions,
        }
    }

    /// Whether enough jurisdictions vote.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.votes >= self.required
    }

    /// One line: `2 of 3 jurisdictions vote (NL, TH), 2 are required`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (voting, all) = (self.codes(true), self.jurisdictions.len());
        let voting = if voting.is_empty() { String::new() } else { format!(" ({})", voting.join(", ")) };
        let vote = if all == 1 { "jurisdiction votes" } else { "jurisdictions vote" };
        format!("{} of {all} {vote}{voting}, {} required", self.votes, self.required)
    }

    /// What is missing, in words; nothing when it passed: `1 more jurisdiction: NL (b.example), US (c.example)`.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let more = self.required.checked_sub(self.votes).filter(|more| *more > 0)?;
        let seats = self.jurisdictions.iter().filter(|seat| !seat.votes);
        let seats: Vec<String> =
            seats.map(|seat| format!("{} ({})", seat.jurisdiction, seat.unsigned.join(", "))).collect();
        let word = if more == 1 { "jurisdiction" } else { "jurisdictions" };
        Some(format!("{more} more {word} of version {} out of {}", self.version, seats.join(", ")))
    }

    fn codes(&self, votes: bool) -> Vec<&str> {
        let seats = self.jurisdictions.iter().filter(|seat| seat.votes == votes);
        seats.map(|seat| seat.jurisdiction.as_str()).collect()
    }
}
