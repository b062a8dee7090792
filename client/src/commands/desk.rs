//! Who signs: the configured desk with its key, its numbers and the federation's roster.

use std::{path::Path, sync::Arc};

use almenara_proto::{keys::PublicKey, name::Publisher};

use crate::{
    context::Context,
    exit::CliError,
    keyfile::{self, Purpose},
    publish::{Desk, Sealer},
    seq,
    text::tame,
};

/// The configured desk.
pub(super) fn publisher(context: &Context) -> Result<Publisher, CliError> {
    let config = context.config()?;
    config.publisher.as_ref().map(|desk| desk.name.clone()).ok_or_else(|| {
        CliError::usage(format!(
            "{} names no desk: add [publisher] with name and key",
            context.home.config().display()
        ))
    })
}

/// What signs, with the key at `key` or the configured one.
pub(super) fn sealer(key: Option<&Path>, context: &Context) -> Result<Sealer, CliError> {
    let config = context.config()?;
    let name = publisher(context)?;
    let path = match (key, &config.publisher) {
        (Some(path), _) => path.to_owned(),
        (None, Some(desk)) => desk.key.clone(),
        (None, None) => return Err(CliError::usage("which key? Give --key")),
    };
    let file = keyfile::load(&path, Purpose::Publisher, &context.passphrases)?;
    if file.holder != name.as_str() {
        return Err(CliError::usage(format!(
            "{} is the key of {}, and this desk is {name}: set publisher.name and publisher.key to one desk",
            path.display(),
            tame(&file.holder)
        )));
    }
    let roster = context.rosters()?.current().roster.version;
    let desk = Desk { federation: config.federation.to_string(), publisher: name, key: file.key, roster };
    let (random, clock) = (context.random.clone(), context.clock.clone());
    let now = context.clock.clone();
    Ok(Sealer {
        desk,
        random: Arc::new(move |bytes| random.fill(bytes)),
        seq: Arc::new(move || seq::next(&path, now())),
        clock,
    })
}

/// The public half of what signs.
pub(super) fn public(sealer: &Sealer) -> PublicKey {
    PublicKey::of(&sealer.desk.key)
}
