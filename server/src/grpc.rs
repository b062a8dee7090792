//! The gRPC services: three-line handlers over the rooms behind them.

mod codec;
mod custody;
mod fetch;
mod log;
mod lookup;
mod publish;
mod roster;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use axum::{middleware::Next, response::IntoResponse as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, service::Routes};

use almenara_proto::{
    blame::Blame,
    limits::MESSAGE_BYTES,
    name::{Jurisdiction, MemberName},
    wire,
};

use crate::{
    clock::Clock,
    compare::Compared,
    cosign::Cosignatures,
    error,
    fetch::Fetcher,
    identity::Account,
    ingest::Ingest,
    outgoing::Outgoing,
    own_log::OwnLog,
    quota::{LookupQuota, Streams},
    reports::Reports,
    tls::Caller,
};

pub use custody::CustodyApi;
pub use log::LogApi;
pub use lookup::LookupApi;
pub use publish::PublishApi;
pub use roster::RosterApi;

/// The generated service traits and servers.
mod services {
    #![expect(
        unused_qualifications,
        unreachable_pub,
        clippy::allow_attributes,
        reason = "generated; the .proto files carry the documentation"
    )]
    tonic::include_proto!("almenara.v1");
}

/// What every service needs.
#[derive(Clone)]
pub struct Api {
    /// The entrance.
    pub ingest: Ingest,
    /// Of the own log's checkpoints.
    pub cosignatures: Cosignatures,
    /// The door out.
    pub outgoing: Outgoing,
    /// Asks other members for what is not here.
    pub fetcher: Fetcher,
    /// Who keeps how much.
    pub reports: Reports,
    /// What others hold.
    pub compared: Compared,
    /// How the own log stands.
    pub own: OwnLog,
    /// Against bulk enumeration.
    pub lookups: LookupQuota,
    /// Against one member's crowd.
    pub streams: Streams,
    /// Unix seconds.
    pub clock: Clock,
    /// Whose node.
    pub node: MemberName,
    /// Live streams end with it.
    pub shutdown: CancellationToken,
    /// Jurisdictions of consumer accounts, by certificate name.
    pub consumers: BTreeMap<String, Jurisdiction>,
    /// Members that get what is public and nothing else, as the operator alone decides in an emergency.
    pub narrowed: Arc<BTreeSet<MemberName>>,
    /// How long a frame may wait for its reader.
    pub unread: Duration,
}

impl Api {
    /// Who calls. The listener has judged the certificate by the roster in force at this request.
    fn account<T>(&self, request: &Request<T>) -> Result<Account, Status> {
        let id =
            request.extensions().get::<Caller>().and_then(|caller| caller.id.clone()).ok_or_else(|| {
                Status::unauthenticated(
                    "a client certificate of a member is required: ask your operator for one",
                )
            })?;
        let member = id.member().parse().map_err(|error| error::status(Blame::Malformed, &error))?;
        let jurisdiction = self.consumers.get(id.name()).copied();
        let narrowed = self.narrowed.contains(&member);
        Ok(Account { id, member, node: self.node.clone(), jurisdiction, narrowed })
    }
}

/// Every gRPC call needs a certificate, health and reflection included: what a node runs is for members.
async fn require_certificate(request: axum::extract::Request, next: Next) -> axum::response::Response {
    match request.extensions().get::<Caller>() {
        Some(Caller { id: Some(_), .. }) => next.run(request).await,
        _ if is_grpc(&request) => no_certificate().into_http(),
        // What everybody may read has routes of its own.
        _ => (http::StatusCode::NOT_FOUND, "there is no such page here\n").into_response(),
    }
}

fn is_grpc(request: &axum::extract::Request) -> bool {
    let kind = request.headers().get(http::header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn no_certificate() -> Status {
    Status::unauthenticated("a client certificate of a member is required: ask your operator for one")
}

/// All services, with health and reflection.
///
/// # Errors
/// When the embedded descriptors cannot be read, which no input can cause.
pub async fn routes(api: Api) -> Result<axum::Router, tonic_reflection::server::Error> {
    use services::{
        custody_service_server::CustodyServiceServer, log_service_server::LogServiceServer,
        lookup_service_server::LookupServiceServer, publish_service_server::PublishServiceServer,
        roster_service_server::RosterServiceServer,
    };
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(wire::DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<PublishServiceServer<PublishApi>>().await;
    reporter.set_serving::<LogServiceServer<LogApi>>().await;
    reporter.set_serving::<LookupServiceServer<LookupApi>>().await;
    reporter.set_serving::<RosterServiceServer<RosterApi>>().await;
    reporter.set_serving::<CustodyServiceServer<CustodyApi>>().await;
    let publish = PublishServiceServer::new(PublishApi(api.clone()))
        .accept_compressed(tonic::codec::CompressionEncoding::Zstd)
        .max_decoding_message_size(MESSAGE_BYTES);
    let log = LogServiceServer::new(LogApi(api.clone())).max_encoding_message_size(MESSAGE_BYTES);
    let lookup = LookupServiceServer::new(LookupApi(api.clone()))
        .max_decoding_message_size(MESSAGE_BYTES)
        .max_encoding_message_size(MESSAGE_BYTES);
    let mut routes = Routes::new(publish);
    routes = routes
        .add_service(log)
        .add_service(lookup)
        .add_service(CustodyServiceServer::new(CustodyApi(api.clone())))
        .add_service(RosterServiceServer::new(RosterApi(api)))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        // The name that Python's and older clients ask by; the messages are the same.
        .add_service(reflection().build_v1alpha()?);
    Ok(routes.into_axum_router().layer(axum::middleware::from_fn(require_certificate)))
}
