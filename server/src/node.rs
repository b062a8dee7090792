//! Assembles a node and serves it on one port.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
};

use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use almenara_certs::AuthoritiesError;
use almenara_client::{
    follow,
    rosters::authorities,
    tls::{Clock, Identity, SharedAuthorities},
};
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    name::{Jurisdiction, MemberName},
};

use crate::{
    compare::{Compared, Comparer, Pace, Trees},
    cosign::{Cosignatures, Cosigner},
    custodian::Custodian,
    doubts::Doubts,
    erase::Eraser,
    fetch::Fetcher,
    grpc::{self, Api},
    heads::Heads,
    ingest::Ingest,
    keeping::Keeper,
    listener::{self, Limits},
    members::{self, Members},
    outgoing::Outgoing,
    own_log::{Behind, OwnLog},
    peers::Peers,
    public::{self, Library, Public},
    quarantine::Accuser,
    quota::{LookupQuota, Streams},
    recover::Recoverer,
    reports::Reports,
    rosters::SharedRosters,
    rot::{Mender, Rotten},
    safeguards::SharedSafeguards,
    sequencer::{Own, Sequencer, WAITING},
    store::{Store, StoreError},
    tls::{NotANode, ServerIdentity, Tls},
    witnesses::{Submitter, Witness},
};

/// Everything that a node is made of, in final types.
pub struct Settings {
    /// Whose node.
    pub member: MemberName,
    /// The accepted chain.
    pub rosters: SharedRosters,
    /// `sqlite:FILE` or `postgres://…`.
    pub store_url: String,
    /// Signs checkpoints.
    pub log_key: SigningKey,
    /// Cosigns other members' checkpoints.
    pub cosign_key: SigningKey,
    /// Hides what was withdrawn.
    pub tombstone_key: [u8; 32],
    /// The node's leaf.
    pub identity: Identity,
    /// Values that nobody reports by accident.
    pub safeguards: SharedSafeguards,
    /// For one publisher.
    pub statements_per_day: u64,
    /// Values, for one member.
    pub lookups_per_minute: u64,
    /// Jurisdictions of consumer accounts, by certificate name.
    pub consumers: BTreeMap<String, Jurisdiction>,
    /// Members that get what is public and nothing else.
    pub narrowed: BTreeSet<MemberName>,
    /// Unix seconds.
    pub clock: Clock,
    /// Bounds on connections.
    pub limits: Limits,
    /// Seconds between an erasing withdrawal and the deletion of what it names.
    pub erase_after: u64,
    /// Where files of evidence go.
    pub evidence: PathBuf,
    /// How often the others are asked what they hold.
    pub pace: Pace,
    /// Witnesses outside the federation, to whom the own checkpoints are brought.
    pub witnesses: Vec<Witness>,
    /// When the own log comes back from the others, it goes on without the statements that nobody has.
    pub accept_loss: bool,
}

/// Why a node does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's own leaf.
    #[error(transparent)]
    Identity(#[from] NotANode),
    /// A certificate on the roster.
    #[error("the roster: {0}")]
    Authorities(#[from] AuthoritiesError),
    /// TLS.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The address.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The member is not on the roster, or holds other keys than it says.
    #[error("{member} cannot run under roster version {version}: {why}")]
    NotOnRoster {
        /// Who.
        member: MemberName,
        /// Which roster.
        version: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// What is held of a log is not the history that a new roster names.
    #[error("the roster names another history of {0} than is held here: start again, and it is fetched anew")]
    Astray(MemberName),
    /// A defect of ours.
    #[error("a part of the node ended: {0}")]
    Part(String),
}

/// A running node.
pub struct Node {
    address: SocketAddr,
    heads: Heads,
    own: OwnLog,
    rosters: SharedRosters,
    shutdown: CancellationToken,
    parts: JoinSet<Result<(), NodeError>>,
    store: Store,
}

impl Node {
    /// Starts a node that serves `listener`.
    ///
    /// # Errors
    /// [`NodeError`] with what to mend; nothing runs then.
    pub async fn start(settings: Settings, listener: TcpListener) -> Result<Self, NodeError> {
        let accepted = settings.rosters.current();
        let roster = &accepted.roster;
        let refuse =
            |why| NodeError::NotOnRoster { member: settings.member.clone(), version: roster.version, why };
        roster.member(&settings.member).ok_or_else(|| refuse("it is no member"))?;
        let keys = [&settings.log_key, &settings.cosign_key].map(PublicKey::of);
        members::check_keys(roster, &settings.member, keys)?;
        for member in &settings.narrowed {
            if roster.contains(member) {
                tracing::warn!(%member, "narrowed: it gets from this node what is public and nothing else");
            } else {
                tracing::warn!(%member, "narrowing names nobody on the roster");
            }
        }
        let store = Store::open(&settings.store_url).await?;
        for member in roster.members.keys() {
            store.add_log(member.as_str()).await?;
        }
        let trees = Trees::new(store.clone());
        for head in store.heads().await? {
            let Some(member) = head.member.parse().ok().and_then(|name| roster.member(&name)) else {
                continue;
            };
            if trees.is_astray(head.log, head.size, &head.checkpoint, member).await? {
                tracing::error!(origin = %member.name, "what is held of it is not the history that the roster names: it is fetched anew");
                store.forget(head.log, member.name == settings.member).await?;
            }
        }
        let heads = Heads::default();
        let (cosignatures, own, compared) = (Cosignatures::default(), OwnLog::default(), Compared::default());
        let sequencer = Sequencer::start(
            store.for_writer(),
            heads.clone(),
            settings.rosters.clone(),
            Arc::clone(&settings.clock),
            Own {
                member: settings.member.clone(),
                log_key: settings.log_key,
                tombstone_key: settings.tombstone_key,
                statements_per_day: settings.statements_per_day,
                erase_after: settings.erase_after,
            },
            own.clone(),
            cosignatures.clone(),
        )
        .await?;
        let from_size = roster.member(&settings.member).and_then(|member| Some(member.segment()?.from_size));
        let held = heads.get(&settings.member).map_or(0, |head| head.prefix.size());
        if let Some(signed) = from_size.filter(|from| *from > held) {
            own.behind(Behind { held, signed, by: "the roster".to_owned(), why: String::new() });
        }
        let shutdown = CancellationToken::new();
        let (jobs, waiting) = mpsc::channel(WAITING);
        let ingest = Ingest::new(jobs, settings.rosters.clone(), settings.safeguards.clone(), own.clone());
        let rotten = Rotten::default();
        let outgoing = Outgoing::new(
            store.clone(),
            heads.clone(),
            settings.rosters.clone(),
            settings.member.clone(),
            Arc::clone(&settings.clock),
            rotten.clone(),
        );
        let authorities = SharedAuthorities::new(authorities(roster)?);
        let keeper =
            Keeper::new(settings.member.clone(), settings.rosters.clone(), Arc::clone(&settings.clock));
        let fetcher = Fetcher {
            member: settings.member.clone(),
            identity: settings.identity.clone(),
            authorities: authorities.clone(),
            rosters: settings.rosters.clone(),
            clock: Arc::clone(&settings.clock),
            store: store.clone(),
        };
        let reports = Reports::new(
            keeper.clone(),
            settings.cosign_key.clone(),
            store.clone(),
            heads.clone(),
            settings.rosters.clone(),
            Arc::clone(&settings.clock),
        );
        let cosigner = Cosigner::new(
            settings.member.clone(),
            settings.cosign_key,
            Arc::clone(&settings.clock),
            own.clone(),
            compared.clone(),
            trees.clone(),
        );
        let accuser = Accuser { ingest: ingest.clone(), evidence: settings.evidence };
        for (log, note) in store.shown().await? {
            let head = heads.all().into_iter().find(|head| head.log == log);
            let member = head.as_ref().and_then(|head| roster.member(head.prefix.member()));
            // Of a key that was replaced meanwhile nothing is expected.
            if let Some((member, note)) =
                member.and_then(|member| Some((member, follow::open(&note, member).ok()?)))
            {
                compared.recall(&member.name, note);
            }
        }
        let public = Public {
            library: Library::new(store.clone(), rotten.clone()),
            heads: heads.clone(),
            rosters: settings.rosters.clone(),
            cosignatures: cosignatures.clone(),
            cosigner: cosigner.clone(),
            compared: compared.clone(),
            trees: trees.clone(),
            accuser: accuser.clone(),
            member: settings.member.clone(),
        };
        let routes = grpc::routes(Api {
            ingest: ingest.clone(),
            cosignatures: cosignatures.clone(),
            outgoing: outgoing.clone(),
            fetcher: fetcher.clone(),
            reports: reports.clone(),
            compared: compared.clone(),
            own: own.clone(),
            lookups: LookupQuota::new(settings.lookups_per_minute),
            streams: Streams::new(settings.limits.streams_per_member),
            clock: Arc::clone(&settings.clock),
            node: settings.member.clone(),
            shutdown: shutdown.clone(),
            consumers: settings.consumers,
            narrowed: Arc::new(settings.narrowed),
            unread: settings.limits.unread,
        })
        .await
        .map_err(|error| NodeError::Part(error.to_string()))?
        .merge(public::routes(public));
        let server_identity = ServerIdentity::new(settings.identity.clone())?;
        let tls = Tls::new(server_identity, authorities.clone(), Arc::clone(&settings.clock))?;
        let address = listener.local_addr()?;
        let mut parts: JoinSet<Result<(), NodeError>> = JoinSet::new();
        parts.spawn(async move { Ok(sequencer.run(waiting).await?) });
        let stop = shutdown.clone();
        let limits = settings.limits;
        parts.spawn(async move {
            listener::serve(listener, tls, routes, limits, stop).await;
            Ok(())
        });
        let peers = Peers {
            member: settings.member.clone(),
            ingest,
            heads: heads.clone(),
            rosters: settings.rosters.clone(),
            identity: settings.identity,
            authorities,
            cosigner,
            clock: settings.clock,
            keeper: keeper.clone(),
            reports: reports.clone(),
            doubts: Doubts::default(),
            compared,
            own: own.clone(),
            accuser,
            pace: settings.pace,
        };
        for witness in settings.witnesses {
            let submitter = Submitter {
                witness,
                member: settings.member.clone(),
                heads: heads.clone(),
                trees: trees.clone(),
                store: store.clone(),
                cosignatures: cosignatures.clone(),
                ingest: peers.ingest.clone(),
            };
            // Before anybody asks for it.
            let (known, stop) = (submitter.recall().await, shutdown.clone());
            parts.spawn(async move {
                submitter.run(known, stop).await;
                Ok(())
            });
        }
        let members = Members {
            peers: peers.clone(),
            own: settings.member.clone(),
            keys,
            trees,
            safeguards: settings.safeguards,
        };
        parts.spawn(members.run(shutdown.clone()));
        let custodian = Custodian {
            peers: peers.clone(),
            fetcher: fetcher.clone(),
            keeper: keeper.clone(),
            store: store.clone(),
            rotten: rotten.clone(),
            reports,
        };
        let comparer = Comparer { peers: peers.clone(), trees: outgoing.trees().clone() };
        let mender = Mender { peers: peers.clone(), outgoing, store: store.clone(), rotten, fetcher, keeper };
        let eraser = Eraser {
            store: store.clone(),
            ingest: peers.ingest.clone(),
            heads: heads.clone(),
            reports: peers.reports.clone(),
            compared: peers.compared.clone(),
            clock: Arc::clone(&peers.clock),
        };
        let recoverer = Recoverer { peers, mender: mender.clone(), accept_loss: settings.accept_loss };
        let (walk, fill) = (mender.clone().walk(shutdown.clone()), mender.clone().fill(shutdown.clone()));
        let mend = mender.mend(shutdown.clone());
        let (compare, recover) = (comparer.run(shutdown.clone()), recoverer.run(shutdown.clone()));
        let (erase, keep) = (eraser.run(shutdown.clone()), custodian.run(shutdown.clone()));
        parts.spawn(async move {
            tokio::join!(walk, mend, fill, compare, recover, erase, keep);
            Ok(())
        });
        tracing::info!(%address, member = %settings.member, roster = roster.version, "the node runs");
        Ok(Self { address, heads, own, rosters: settings.rosters, shutdown, parts, store })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of its logs.
    #[must_use]
    pub const fn heads(&self) -> &Heads {
        &self.heads
    }

    /// How its own log stands.
    #[must_use]
    pub const fn own_log(&self) -> &OwnLog {
        &self.own
    }

    /// The accepted rosters.
    #[must_use]
    pub const fn rosters(&self) -> &SharedRosters {
        &self.rosters
    }

    /// Runs until `stop` completes or a part fails; then lets requests end and closes the store.
    ///
    /// # Errors
    /// What made it stop, if not `stop`.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), NodeError> {
        tokio::pin!(stop);
        let mut outcome = Ok(());
        loop {
            tokio::select! {
                () = &mut stop, if !self.shutdown.is_cancelled() => self.shutdown.cancel(),
                ended = self.parts.join_next() => match ended {
                    None => break,
                    Some(ended) => {
                        let ended = ended.unwrap_or_else(|error| Err(NodeError::Part(error.to_string())));
                        if let Err(error) = ended {
                            tracing::error!(%error, "the node stops");
                            outcome = Err(error);
                        }
                        self.shutdown.cancel();
                    }
                },
            }
        }
        self.store.close().await;
        outcome
    }

    /// Stops at once, in order.
    ///
    /// # Errors
    /// As [`Self::run_until`].
    pub async fn stop(self) -> Result<(), NodeError> {
        self.run_until(std::future::ready(())).await
    }
}
