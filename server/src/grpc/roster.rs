//! `RosterService`: the accepted chain.

use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status};

use almenara_certs::Role;
use almenara_proto::{blame::Blame, roster::SignedRoster, wire};

use super::{Api, services::roster_service_server::RosterService};
use crate::error;

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

    async fn submit(
        &self,
        request: Request<wire::SubmitRosterRequest>,
    ) -> Result<Response<wire::SubmitRosterResponse>, Status> {
        let account = self.0.account(&request)?;
        if !matches!(account.id.role(), Role::Node | Role::Operator) {
            return Err(Status::permission_denied("operators and nodes hand in rosters"));
        }
        let malformed = |void: &dyn std::fmt::Display| error::status(Blame::Malformed, void);
        let offered = request.into_inner().roster.ok_or_else(|| malformed(&"a request without a roster"))?;
        let offered = SignedRoster::from_wire(offered).map_err(|void| malformed(&void))?;
        let (rosters, id) = (self.0.outgoing.rosters().clone(), offered.id());
        // It is verified and synced to the disk.
        let accept =
            move || rosters.accept(offered).map_err(|refused| (refused.blame(), refused.to_string()));
        let accepted = tokio::task::spawn_blocking(accept).await;
        match accepted.map_err(|_| Status::internal("the roster could not be read"))? {
            Ok(version) => Ok(Response::new(wire::SubmitRosterResponse { version })),
            Err((blame, refused)) => {
                tracing::warn!(caller = %account.id, %id, error = %refused, "an offered roster is not accepted");
                Err(error::status(blame, &refused))
            }
        }
    }
}
