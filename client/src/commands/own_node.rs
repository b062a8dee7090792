//! The node of our own member, which takes what we sign.

use std::path::PathBuf;

use almenara_proto::limits::MESSAGE_BYTES;

use crate::{
    connect::Caller,
    context::Context,
    exit::CliError,
    publish::{Connected, Log},
    rosters,
    rpc::publish_service_client::PublishServiceClient,
    text::tame,
    tls::{self, Identity, SharedAuthorities},
};

/// The node of the member that our certificate belongs to: nobody else takes what we sign.
#[derive(Clone)]
pub(super) struct OwnNode {
    pub(super) log: Log,
    address: String,
    identity: Identity,
    authorities: SharedAuthorities,
    clock: tls::Clock,
}

impl std::fmt::Display for OwnNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the node of {} at {}", self.log.member, tame(&self.address))
    }
}

impl OwnNode {
    /// Finds it: the member by our certificate, its address and log key by the roster.
    pub(super) fn find(context: &Context) -> Result<Self, CliError> {
        let config = context.config()?;
        let read =
            |path: &PathBuf| std::fs::read_to_string(path).map_err(|error| CliError::file(path, &error));
        let chain = read(&config.tls.certificate)?;
        let key = almenara_certs::read_private(&config.tls.key)?;
        let identity = Identity::from_pem(&chain, &key)?;
        let rosters = context.rosters()?;
        let roster = &rosters.current().roster;
        let name = identity.id().member().parse().map_err(CliError::usage)?;
        let member = roster.members.get(&name).ok_or_else(|| {
            CliError::usage(format!(
                "{name}, whose certificate this is, is not on roster version {}",
                roster.version
            ))
        })?;
        let segment =
            member.segments.last().ok_or_else(|| CliError::usage(format!("{name} has no log key")))?;
        Ok(Self {
            log: Log { member: name.clone(), key: segment.log_key.0 },
            address: member.grpc.clone(),
            identity,
            authorities: SharedAuthorities::new(rosters::authorities(roster)?),
            clock: context.clock.clone(),
        })
    }

    /// A stream for what is published, of which `window` items may be on their way.
    pub(super) async fn connect(self, window: usize) -> Result<Connected, CliError> {
        let channel = tls::connect(
            &self.address,
            self.log.member.as_str(),
            &self.identity,
            &self.authorities,
            &self.clock,
        )
        .await?;
        let mut client = PublishServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        Connected::open(window, |requests| async move { client.publish(requests).await }).await
    }

    /// Shows what is about to leave and to whom, asks, and then calls the node once, so that both ends know the same
    /// roster before anything is signed. Nothing when the answer is no.
    pub(super) async fn ask(&self, what: &str, context: &Context) -> Result<Option<Self>, CliError> {
        context.output.note(format_args!("This sends {what} to {self}."));
        if !context.output.confirm("Send it?")? {
            return Ok(None);
        }
        Caller::open(context)?.call(&self.log.member).await?;
        Self::find(context).map(Some)
    }
}
