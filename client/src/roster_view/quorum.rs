//! What a roster's quorum achieves, in words (PROTOCOL.md §5).

use super::RosterView;
use crate::text::plural;

/// Names that one line holds; a federation may have hundreds.
const NAMES: usize = 5;

impl RosterView {
    pub(super) fn quorum_in_words(&self) -> String {
        let cosigners = plural(self.quorum as usize, "other jurisdiction", "other jurisdictions");
        match (self.quorum, self.forkable.as_slice()) {
            (0, _) => "0: every entry counts as settled at once, cosigned by nobody".to_owned(),
            (_, []) if self.unsettleable.len() == self.members.len() => {
                format!("{cosigners} must cosign, more than there are")
            }
            (_, []) => format!(
                "{cosigners} must cosign: two histories of one log are prevented, unless a member cosigns both"
            ),
            (_, names) => format!(
                "{cosigners} must cosign: two histories are detectable, not prevented, of {}",
                self.logs(names)
            ),
        }
    }

    /// Whose entries cannot settle, and whose log could settle twice.
    pub(super) fn quorum_warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if !self.unsettleable.is_empty() {
            warnings.push(format!(
                "Nothing ever settles of {}: fewer than {} are independent of its own. Lower the quorum, or take in members of others.",
                self.logs(&self.unsettleable),
                plural(self.quorum as usize, "jurisdiction", "jurisdictions")
            ));
        }
        if self.quorum > 0 && !self.forkable.is_empty() {
            warnings.push(format!(
                "Two histories may both settle of {}, although every cosigner is honest: the quorum is too low, or jurisdictions have several members, each of which may see another history.",
                self.logs(&self.forkable)
            ));
        }
        warnings
    }

    fn logs(&self, names: &[String]) -> String {
        if names.len() == self.members.len() {
            return "any log".to_owned();
        }
        let shown: Vec<&str> = names.iter().take(NAMES).map(String::as_str).collect();
        match names.len().checked_sub(NAMES).filter(|more| *more > 0) {
            Some(more) => format!("the logs of {} and {more} others", shown.join(", ")),
            None if names.len() == 1 => format!("the log of {}", shown.join(", ")),
            None => format!("the logs of {}", shown.join(", ")),
        }
    }
}
