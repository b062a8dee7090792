//! The end of a roster, told while there is time to sign the next one.

use almenara_proto::roster::Roster;

use crate::text::{duration, moment};

/// Seconds before a roster's end in which everybody is told: signatures are collected offline, from people on several
/// continents.
const WARN_BEFORE: u64 = 30 * 86_400;

/// What to tell people at `now` (Unix seconds) about the end of the roster in force; nothing while it is far.
#[must_use]
pub fn expiry_warning(roster: &Roster, now: u64) -> Option<String> {
    let (version, end) = (roster.version, roster.expires_at);
    let next = "`almenara roster propose --expires-in-days N` begins its successor, which the members sign";
    if now > end {
        let since = duration(now.saturating_sub(end));
        return Some(format!(
            "roster version {version} expired {since} ago: nothing restricted is released and no report is taken until \
             there is a successor; {next}"
        ));
    }
    let left = end.saturating_sub(now);
    (left <= WARN_BEFORE).then(|| {
        format!(
            "roster version {version} expires in {} ({}): after that nothing restricted is released and no report is \
             taken; {next}",
            duration(left),
            moment(end)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::testlog::roster;

    fn check(before_end: i64, says: Option<&str>) {
        let roster = roster(&[(1, "TH"), (2, "NL")]);
        let now = roster.expires_at.saturating_add_signed(-before_end);
        let warning = expiry_warning(&roster, now);
        match says {
            Some(says) => assert!(warning.as_ref().is_some_and(|text| text.contains(says)), "{warning:?}"),
            None => assert_eq!(warning, None),
        }
    }

    #[test]
    fn the_end_of_a_roster_is_told_a_month_ahead() {
        check(31 * 86_400, None);
        check(30 * 86_400, Some("expires in 30 days"));
        check(0, Some("expires in"));
        check(-3 * 86_400, Some("expired 3 days ago"));
    }
}
