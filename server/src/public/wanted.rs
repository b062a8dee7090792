//! What a path of a public page asks for.

use std::str::FromStr;

use almenara_proto::{merkle::MAX_SIZE, name::MemberName, tile::TilePath};

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Of a log: of the node's own member, when none is named.
    Log { of: Option<MemberName>, what: Of },
    /// A version of the roster.
    Roster(u64),
}

/// A page of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Checkpoint,
    Settled,
    Witnessed,
    /// The first note that settled at least so many entries.
    FirstSettled(u64),
    Tile(TilePath),
}

/// No page has this path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoPage;

impl FromStr for Wanted {
    type Err = NoPage;

    /// One spelling for each page: names, numbers and tile paths are read by their own strict rules.
    fn from_str(path: &str) -> Result<Self, NoPage> {
        if let Some(text) = path.strip_prefix("/roster/") {
            return number(text).map(Self::Roster).ok_or(NoPage);
        }
        let rest = path.strip_prefix("/log/").ok_or(NoPage)?;
        if let Ok(what) = rest.parse() {
            return Ok(Self::Log { of: None, what });
        }
        let (member, rest) = rest.split_once('/').ok_or(NoPage)?;
        Ok(Self::Log { of: Some(member.parse().map_err(|_| NoPage)?), what: rest.parse()? })
    }
}

/// A decimal number with one spelling, as SQL can count.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| *number <= MAX_SIZE && number.to_string() == text)
}

impl FromStr for Of {
    type Err = NoPage;

    fn from_str(path: &str) -> Result<Self, NoPage> {
        match path {
            "checkpoint" => Ok(Self::Checkpoint),
            "settled" => Ok(Self::Settled),
            "witnessed" => Ok(Self::Witnessed),
            other => match other.strip_prefix("settled/") {
                Some(entries) => {
                    number(entries).filter(|entries| *entries > 0).map(Self::FirstSettled).ok_or(NoPage)
                }
                None => other.parse().map(Self::Tile).map_err(|_| NoPage),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Result<(Option<&str>, &str), NoPage>) {
        let found = path.parse().map(|wanted| match wanted {
            Wanted::Roster(version) => (None, version.to_string()),
            Wanted::Log { of, what } => (
                of.map(|member| member.to_string()),
                match what {
                    Of::Checkpoint => "checkpoint".to_owned(),
                    Of::Settled => "settled".to_owned(),
                    Of::Witnessed => "witnessed".to_owned(),
                    Of::FirstSettled(entries) => format!("settled/{entries}"),
                    Of::Tile(path) => path.to_string(),
                },
            ),
        });
        let expected = expected.map(|(of, what)| (of.map(str::to_owned), what.to_owned()));
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn every_page_has_one_path() {
        check("/log/checkpoint", Ok((None, "checkpoint")));
        check("/log/settled", Ok((None, "settled")));
        check("/log/witnessed", Ok((None, "witnessed")));
        check("/log/settled/1043", Ok((None, "settled/1043")));
        check("/log/ngo.nl.example/settled/1", Ok((Some("ngo.nl.example"), "settled/1")));
        check("/log/tile/0/x001/x234/067", Ok((None, "tile/0/x001/x234/067")));
        check("/log/tile/entries/000.p/17", Ok((None, "tile/entries/000.p/17")));
        check("/log/ngo.nl.example/checkpoint", Ok((Some("ngo.nl.example"), "checkpoint")));
        check("/log/ngo.nl.example/tile/2/000.p/1", Ok((Some("ngo.nl.example"), "tile/2/000.p/1")));
        check("/roster/12", Ok((None, "12")));
        // A member may bear such a name, and its log has its place too.
        check("/log/tile/checkpoint", Ok((Some("tile"), "checkpoint")));
        check("/log/checkpoint/tile/0/000", Ok((Some("checkpoint"), "tile/0/000")));
    }

    #[test]
    fn what_is_no_path_of_ours_is_no_page() {
        for path in [
            "/",
            "/log",
            "/log/",
            "/log/checkpoint/",
            "/log//checkpoint",
            "/log/Police.example/checkpoint",
            "/log/%70olice.example/checkpoint",
            "/log/settled/",
            "/log/settled/0",
            "/log/settled/01",
            "/log/settled/9223372036854775808",
            "/log/../roster/1",
            "/log/tile/0/0",
            "/log/tile/00/000",
            "/log/tile/0/000.p/0",
            "/log/tile/0/000.p/256",
            "/log/tile/64/000",
            "/log/tile/0/001/000",
            "/log/tile/entries/-01",
            "/roster/",
            "/roster/01",
            "/roster/+1",
            "/roster/1/",
            "/roster/99999999999999999999",
        ] {
            check(path, Err(NoPage));
        }
    }
}
