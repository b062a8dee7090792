//! What happens before something new is signed: the person agrees, both ends know one roster, and what an earlier run left
//! goes first.

use std::{fs, path::Path};

use super::{
    feeds,
    own_node::OwnNode,
    send::{self, Sending},
    unsettled,
};
use crate::{
    context::Context,
    exit::{CliError, Outcome},
};

/// As [`OwnNode::ask`], and then settles what an earlier run left.
pub(super) async fn agree(
    what: &str,
    node: &OwnNode,
    context: &Context,
) -> Result<Option<OwnNode>, CliError> {
    let node = node.ask(what, context).await?;
    if let Some(node) = &node {
        settle(node, context).await?;
    }
    Ok(node)
}

/// Sends what is unsettled, oldest first. What the node then has answered is no longer unsettled: the file goes, or, where
/// something of it was refused, is set aside.
async fn settle(node: &OwnNode, context: &Context) -> Result<(), CliError> {
    for path in unsettled::files(context)? {
        context.output.note(format_args!("First what an earlier run left: {}", path.display()));
        let feed = feeds::files(vec![path.clone()])?;
        let sending = Sending { feed, total: 0, refused: None, keep: false };
        let outcome = send::send(sending, node, context).await.map_err(|error| error.at(path.display()))?;
        put_away(&path, outcome, context)?;
    }
    Ok(())
}

fn put_away(path: &Path, outcome: Outcome, context: &Context) -> Result<(), CliError> {
    let done = match outcome {
        Outcome::Done => fs::remove_file(path),
        Outcome::No => {
            let aside = path.with_extension("refused");
            context
                .output
                .warn(format_args!("the node refused some of it; the file is now {}", aside.display()));
            fs::rename(path, aside)
        }
    };
    done.map_err(|error| CliError::file(path, &error))
}
