//! `almenarad run`: the node, until it is told to stop.

use std::sync::Arc;

use almenara_client::exit::{CliError, Outcome};
use almenara_proto::roster::Roster;
use tokio::net::TcpListener;

use crate::{
    compare::Pace,
    config::{Config, WitnessConfig},
    context::Context,
    keys::NodeKeys,
    listener::Limits,
    logging,
    node::{Node, NodeError, Settings},
    reload::Reload,
    rosters::SharedRosters,
    safeguards::Safeguards,
    witnesses::Witness,
};

/// How to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// When the store is an old copy: bring the own log back without the statements that nobody has any more
    #[arg(long)]
    pub accept_loss: bool,
}

/// Runs until SIGINT or SIGTERM, then lets requests end.
///
/// # Errors
/// [`CliError`]: (usage) what to mend in the configuration, (unavailable) the address or the store is taken.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    logging::start(&config.log, context.environment.no_color())?;
    let settings = Settings { accept_loss: args.accept_loss, ..settings(&config, context)? };
    let reload = Reload::of(&config, &settings);
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| CliError::unavailable(format!("cannot listen on {}: {error}", config.listen)))?;
    let node = Node::start(settings, listener).await.map_err(failed)?;
    let stop = stop()?;
    let hangups = hangups(reload)?;
    tokio::select! {
        ended = node.run_until(stop) => ended.map_err(failed)?,
        () = hangups => {}
    }
    Ok(Outcome::Done)
}

/// A node's settings out of its configuration.
///
/// # Errors
/// [`CliError`] (usage), with what to mend.
pub fn settings(config: &Config, context: &Context) -> Result<Settings, CliError> {
    let rosters = context.rosters(config)?;
    let listed = rosters.current().roster.member(&config.member);
    let keys = NodeKeys::load(&config.keys, &config.member, listed, &context.passphrases)?;
    let first = rosters.version(1).unwrap_or_else(|| rosters.current());
    if first.roster.federation != config.federation.as_str() {
        return Err(CliError::usage(format!(
            "{}: federation is {}, but the joined roster is of {}",
            context.home.config().display(),
            config.federation,
            first.roster.federation
        )));
    }
    let newest = rosters.current().roster.clone();
    Ok(Settings {
        member: config.member.clone(),
        rosters: SharedRosters::new(rosters).map_err(|error| CliError::from(*error))?,
        store_url: config.store.as_str().to_owned(),
        log_key: keys.log,
        cosign_key: keys.cosign,
        tombstone_key: keys.tombstone,
        identity: context.identity(config)?,
        safeguards: safeguards(config, &newest)?.into(),
        statements_per_day: config.quotas.statements_per_day,
        lookups_per_minute: config.quotas.lookups_per_minute,
        consumers: config.consumers.clone(),
        narrowed: config.narrowed.clone(),
        clock: Arc::clone(&context.clock),
        limits: Limits::default(),
        erase_after: config.erase_after,
        evidence: context.home.evidence(),
        pace: Pace::default(),
        witnesses: witnesses(config, context)?,
        accept_loss: false,
    })
}

/// Those outside the federation, with the authorities of their certificates read.
fn witnesses(config: &Config, context: &Context) -> Result<Vec<Witness>, CliError> {
    let open = |one: &WitnessConfig| {
        Witness::new(&one.name, one.url.clone(), one.key.clone(), one.authorities.clone(), &context.clock)
            .map_err(|why| {
                CliError::usage(format!("{}: witnesses.{}: {why}", context.home.config().display(), one.name))
            })
    };
    config.witnesses.iter().map(open).collect()
}

/// The operator's lists, and the members' own domains.
fn safeguards(config: &Config, roster: &Roster) -> Result<Safeguards, CliError> {
    // A folder that is not there is an error, not a node without protection.
    let mut safeguards = Safeguards::load(&config.safeguards).map_err(CliError::usage)?;
    safeguards.protect_also(roster.members.keys().map(|name| name.as_str()));
    Ok(safeguards)
}

/// Whose fault a node's end is.
fn failed(error: NodeError) -> CliError {
    match error {
        NodeError::Store(_) | NodeError::Listen(_) | NodeError::Astray(_) => CliError::unavailable(error),
        NodeError::Identity(_) | NodeError::Authorities(_) | NodeError::NotOnRoster { .. } => {
            CliError::usage(error)
        }
        NodeError::Tls(_) | NodeError::Part(_) => CliError::internal(error),
    }
}

/// Reads again what may change, whenever the operator asks (SIGHUP); never completes.
#[cfg(unix)]
fn hangups(reload: Reload) -> Result<impl Future<Output = ()>, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).map_err(CliError::internal)?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            let reload = reload.clone();
            // Large lists take a second or two.
            if tokio::task::spawn_blocking(move || reload.again()).await.is_err() {
                tracing::error!("reading again failed in a way that it must not: what was in force stays");
            }
        }
        std::future::pending().await
    })
}

#[cfg(not(unix))]
fn hangups(_: Reload) -> Result<impl Future<Output = ()>, CliError> {
    Ok(std::future::pending())
}

/// Completes when the operator (SIGINT) or the system (SIGTERM) asks the node to stop.
#[cfg(unix)]
fn stop() -> Result<impl Future<Output = ()>, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop() -> Result<impl Future<Output = ()>, CliError> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await; // nobody can ask: run until killed
        }
    })
}
