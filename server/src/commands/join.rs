//! `almenarad join`: takes roster version 1 as the root of all trust, once a person compared its hash.

use std::path::{Path, PathBuf};

use almenara_client::{
    exit::{CliError, Outcome},
    files,
    output::Style,
    roster_view::RosterView,
    rosters::{self, Rosters},
};
use almenara_proto::{
    merkle::Hash,
    roster::{AcceptedRoster, Member, RosterHistory},
};

use crate::{config::Config, context::Context, keys::NodeKeys};

/// Which roster.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Roster version 1, signed by every member
    pub file: PathBuf,
    /// The versions after it, in order: for a member that joins a federation which is there already
    pub later: Vec<PathBuf>,
    /// The hash that another member told you; compared instead of asking
    #[arg(long, value_name = "HASH")]
    pub hash: Option<Hash>,
    /// Check everything, and join nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Verifies the roster, has its hash compared, stores it and pins it in the configuration.
///
/// # Errors
/// [`CliError`]: (misbehaved) when signatures are missing or the hash is another one, (usage) when this node is not
/// the member that the roster lists.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let signed = rosters::read(&args.file)?;
    let view = RosterView::of(&signed).map_err(|void| CliError::from(void).at(args.file.display()))?;
    let offered = signed.id();
    if let Some(pinned) = config.roster.filter(|pinned| *pinned != offered) {
        return Err(CliError::refused(format!(
            "{} has joined under roster {pinned} already, and {} is {offered}: a node belongs to one federation for life",
            config.member,
            args.file.display()
        )));
    }
    let accepted = signed
        .clone()
        .accept_first(&args.hash.unwrap_or(offered))
        .map_err(|error| CliError::misbehaved(error).at(args.file.display()))?;
    let mut history = RosterHistory::begin(accepted);
    let mut later = Vec::new();
    for path in &args.later {
        let next = rosters::read(path)?;
        history.accept(next.clone()).map_err(|error| CliError::misbehaved(error).at(path.display()))?;
        later.push(next);
    }
    check_own(history.current(), &config, context)?;
    rosters::authorities(&history.current().roster)?;
    if !context.output.is_json() {
        view.print(&context.output, context.now())?;
    }
    if args.dry_run {
        return Ok(Outcome::Done);
    }
    if args.hash.is_none() && config.roster.is_none() {
        let hash = context.output.paint(Style::Bold, &offered.to_string());
        context.output.note(format_args!(
            "\nThis hash decides whom your node will believe, for ever. Compare it, by voice or in person, with at \
             least one member of another jurisdiction:\n\n  {hash}\n"
        ));
        if !context.output.confirm("Did you compare it, and is it the same?")? {
            return Ok(Outcome::No);
        }
    }
    let mut chain = Rosters::begin(context.home.rosters(), signed, offered)?;
    for next in later {
        chain.accept(next)?;
    }
    pin(context.home.config(), context.home.folder(), &offered)?;
    context.output.json(&view)?;
    let folder = context.home.folder().display();
    context.output.say(format_args!(
        "\n{} has joined {}. Next:\n  almenarad --home {folder} run",
        config.member, config.federation
    ))?;
    Ok(Outcome::Done)
}

/// The roster must list this very node: its name, its keys, its authority.
fn check_own(accepted: &AcceptedRoster, config: &Config, context: &Context) -> Result<(), CliError> {
    let roster = &accepted.roster;
    let refuse = |why: String| Err(CliError::usage(format!("this roster is not for this node: {why}")));
    if roster.federation != config.federation.as_str() {
        return refuse(format!(
            "it is of {}, and the node was made for {}",
            roster.federation, config.federation
        ));
    }
    let Some(listed) = roster.member(&config.member) else {
        return refuse(format!("{} is not in it; send your member.entry to whoever makes it", config.member));
    };
    let path = context.home.member_entry();
    let bytes = std::fs::read(&path).map_err(|error| CliError::file(&path, &error))?;
    let own = Member::parse(&bytes).map_err(|void| CliError::from(void).at(path.display()))?;
    let keys = NodeKeys::load(&config.keys, &config.member, None, &context.passphrases)?;
    let log_key = keys.log.verifying_key().to_bytes();
    if own.segment().is_none_or(|segment| segment.log_key.0 != log_key) {
        return refuse(format!(
            "{} names another log key than {}",
            path.display(),
            config.keys.log.display()
        ));
    }
    if own.cosign_key.0 != keys.cosign.verifying_key().to_bytes() {
        return refuse(format!(
            "{} names another cosign key than {}",
            path.display(),
            config.keys.cosign.display()
        ));
    }
    if listed.segments != own.segments || listed.cosign_key != own.cosign_key {
        return refuse(format!(
            "it lists other keys for {} than {}: somebody else's, or an older entry",
            own.name,
            path.display()
        ));
    }
    if listed.tls_ca != own.tls_ca {
        return refuse(format!("it lists another authority for {} than {}", own.name, path.display()));
    }
    if listed != &own {
        context.output.warn(format_args!(
            "the roster describes {} otherwise than {} (type, jurisdiction, address or contact): look at it closely",
            own.name,
            path.display()
        ));
    }
    Ok(())
}

/// Writes the hash into the configuration, with all that people wrote there left as it is.
fn pin(path: &Path, home: &Path, hash: &Hash) -> Result<(), CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, &error))?;
    if Config::parse(path, &text, home)?.roster.is_some() {
        return Ok(()); // it is this hash, or we would not be here
    }
    let pinned = with_roster(&text, hash);
    if Config::parse(path, &pinned, home)?.roster != Some(*hash) {
        return Err(CliError::internal(format!("{}: the hash could not be written", path.display())));
    }
    files::replace_file(path, pinned.as_bytes()).map_err(|error| CliError::file(path, &error))
}

/// The place that `init` left for it, or else the top, where no section has begun.
fn with_roster(text: &str, hash: &Hash) -> String {
    let line = format!("roster = \"{hash}\"\n");
    let mut done = false;
    let lines: String = text
        .split_inclusive('\n')
        .map(|old| {
            let here = !done && old.starts_with("# roster = ");
            done |= here;
            if here { line.as_str() } else { old }
        })
        .collect();
    if done { lines } else { line + text }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_hash_enters_the_configuration_and_leaves_the_rest() {
        let hash = Hash([0xab; 32]);
        let line = format!("roster = \"{hash}\"\n");
        assert_eq!(with_roster("a = 1\n# roster = \"x\"\nb = 2\n", &hash), format!("a = 1\n{line}b = 2\n"));
        assert_eq!(with_roster("a = 1\n[log]\n", &hash), format!("{line}a = 1\n[log]\n"));
        let twice = with_roster("# roster = 1\n# roster = 2\n", &hash);
        assert_eq!(twice, format!("{line}# roster = 2\n"));
    }
}
