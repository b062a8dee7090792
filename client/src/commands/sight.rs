//! `almenara sight`: a reported indicator was seen.

use almenara_proto::{
    indicator::{Chain, Hints, Kind, canonicalise},
    statement::{Action, Claim, Sighting},
};

use super::{
    agree::agree,
    desk,
    handling::Handling,
    own_node::OwnNode,
    send::{self, Sending},
};
use crate::{
    context::Context,
    draft::{Draft, Source},
    exit::{CliError, Outcome},
    publish::Sealing,
    text::count,
};

/// What was seen.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Kind of the value
    pub kind: Kind,
    /// The value
    pub value: String,
    /// How often
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// In which time up to now, such as 30m, 24h or 7d
    #[arg(long, default_value = "24h", value_parser = window)]
    pub window: u64,
    /// What was done when it was seen
    #[arg(long, value_enum, default_value_t = ActionName::Seen)]
    pub action: ActionName,
    /// Country of a national phone number
    #[arg(long)]
    pub region: Option<String>,
    /// Chain of a wallet
    #[arg(long)]
    pub chain: Option<String>,
    /// Platform of a handle, store of an app, register of a company
    #[arg(long)]
    pub platform: Option<String>,
    /// Who may see it.
    #[command(flatten)]
    pub handling: Handling,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ActionName {
    /// Nothing
    Seen,
    /// A person was warned
    Warned,
    /// It was stopped
    Blocked,
}

/// Seconds of `30m`, `24h` or `7d`.
fn window(text: &str) -> Result<u64, String> {
    let unit = |letter| match letter {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400u64),
        _ => None,
    };
    let mut letters = text.chars();
    let seconds = letters.next_back().and_then(unit);
    let number = letters.as_str().parse::<u64>().ok();
    number
        .zip(seconds)
        .and_then(|(number, seconds)| number.checked_mul(seconds))
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "a number and s, m, h or d are expected, such as 24h".to_owned())
}

/// Signs a sighting and sends it.
///
/// # Errors
/// [`CliError`]: a value that is not canonical, no key, a node that cannot be reached or misbehaves.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let hints = Hints {
        region: args.region.as_deref(),
        chain: args.chain.as_deref().filter(|chain| *chain != "auto").map_or(Chain::Auto, Chain::Named),
        platform: args.platform.as_deref(),
        ..Hints::default()
    };
    let indicator = canonicalise(args.kind, &args.value, &hints).map_err(CliError::usage)?.indicator;
    let what =
        format!("a sighting ({} times) of {} {}", count(args.count), indicator.kind(), indicator.value());
    let now = context.now();
    let claim = Claim::Sighting(Sighting {
        count: args.count,
        window_start: now.saturating_sub(args.window),
        window_end: now,
        action: match args.action {
            ActionName::Seen => Action::Seen,
            ActionName::Warned => Action::Warned,
            ActionName::Blocked => Action::Blocked,
        },
    });
    let release = args
        .handling
        .release()?
        .ok_or_else(|| CliError::usage("who may see it? Give --tlp, such as --tlp GREEN"))?;
    let draft = Draft::new(Source::default(), indicator, release, 0, claim, now)?;
    let node = OwnNode::find(context)?;
    if args.dry_run {
        context.output.note(format_args!("Would send {what} to {node}."));
        return Ok(Outcome::Done);
    }
    let Some(node) = agree(&what, &node, context).await? else { return Ok(Outcome::No) };
    // Signed under the roster that the node knows too.
    let feed = Sealing::new(std::iter::once(Ok(draft)), desk::sealer(None, context)?);
    send::send(Sending { feed, total: 1, refused: None, keep: true }, &node, context).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_number_and_a_unit() {
        let check = |text: &str, seconds| assert_eq!(window(text).ok(), seconds, "{text}");
        check("30m", Some(1_800));
        check("24h", Some(86_400));
        check("7d", Some(604_800));
        check("0d", None);
        check("h", None);
        check("-1h", None);
        check("24", None);
        check("1é", None);
        check("999999999999999999d", None);
    }
}
