//! `RosterService`: the accepted chain.

use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status};

use almenara_proto::wire;

use super::{Api, services::roster_service_server::RosterService};

/// The service.
#[derive(Clone)]
pub struct RosterApi(pub Api);

#[tonic::async_trait]
impl RosterService for RosterApi {
    type GetStream = Pin<Box<dyn Stream<Item = Result<wire::SignedRoster, Status>> + Send>>;

    async fn get(
        &self,
        request: Request<wire::GetRosterRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        self.0.account(&request)?;
        let chain = self.0.outgoing.rosters().from(request.get_ref().from_version);
        let signed = chain.into_iter().map(|accepted| Ok(accepted.signed.to_wire()));
        Ok(Response::new(Box::pin(futures::stream::iter(signed.collect::<Vec<_>>()))))
    }
}
