//! `almenara roster merge`: the signatures of several copies of a roster file in one. People sign a copy each and
//! send it back; a signature counts for the body, wherever it stands.

use std::{collections::BTreeMap, path::PathBuf};

use almenara_proto::{
    keys::{Context as Signing, PublicKey},
    roster::SignedRoster,
};

use super::before::Before;
use crate::{
    context::Context,
    exit::{CliError, Outcome},
    roster_view::RosterView,
    rosters,
};

/// Which copies.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Args {
    /// Copies of one roster file
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Roster file to write
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    before: Before,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let mut whole: Option<SignedRoster> = None;
    let mut signatures = BTreeMap::new();
    for path in &args.files {
        let copy = rosters::read(path)?;
        let whole = whole.get_or_insert_with(|| SignedRoster { signatures: Vec::new(), ..copy.clone() });
        if copy.body != whole.body {
            return Err(CliError::usage(format!(
                "{} is another roster, {}, not {}: one of these people looked at something else; compare with `almenara roster show`",
                path.display(),
                copy.id(),
                whole.id()
            )));
        }
        for (key, signature) in copy.signatures {
            if holds(&copy.body, &key, &signature) {
                signatures.insert(key, signature);
            } else {
                context.output.warn(format_args!(
                    "{}: the signature by {key} does not hold; it is left out",
                    path.display()
                ));
            }
        }
    }
    let Some(mut whole) = whole else { return Err(CliError::usage("no file was given")) };
    whole.signatures = signatures.into_iter().collect();
    let before = args.before.find(&whole, context)?;
    let view = RosterView::after(&whole, before.as_ref())?;
    rosters::write(&args.output, &whole)?;
    view.print(&context.output, context.now())?;
    let file = args.output.display();
    match view.missing() {
        Some(missing) => context.output.say(format_args!("\n{file} still needs: {missing}"))?,
        None => context.output.say(format_args!("\n{}", view.next(&file.to_string())))?,
    }
    Ok(Outcome::Done)
}

fn holds(body: &[u8], key: &PublicKey, signature: &[u8; 64]) -> bool {
    key.admit().is_ok_and(|key| Signing::Roster.verify(body, signature, &key).is_ok())
}
