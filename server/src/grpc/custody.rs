//! `CustodyService`: who keeps what, and who looked at what was kept for others.

use std::{collections::BTreeMap, time::Duration};

use tonic::{Request, Response, Status};

use almenara_certs::Role;
use almenara_proto::{name::Address, wire};

use super::{Api, fetch::Call, services::custody_service_server::CustodyService};

/// Accesses of one answer, some 100 bytes each.
const ACCESSES: u32 = 4_096;
/// A first count may read all that is stored: whoever asks gets the report before, and counting goes on later.
const COUNTING: Duration = Duration::from_secs(2);

/// The service.
#[derive(Clone)]
pub struct CustodyApi(pub Api);

#[tonic::async_trait]
impl CustodyService for CustodyApi {
    async fn confirm(
        &self,
        request: Request<wire::ConfirmRequest>,
    ) -> Result<Response<wire::ConfirmResponse>, Status> {
        let account = self.0.account(&request)?;
        if account.id.role() != Role::Node {
            return Err(Status::permission_denied(
                "the nodes of members ask who holds what, and nobody else",
            ));
        }
        let wire::ConfirmRequest { origin, roster, wanted } = request.into_inner();
        let call = Call::new(&self.0, account, &origin, roster, wanted, false)?;
        Ok(Response::new(wire::ConfirmResponse { held: call.held(&self.0).await? }))
    }

    async fn reports(
        &self,
        request: Request<wire::ReportsRequest>,
    ) -> Result<Response<wire::ReportsResponse>, Status> {
        self.0.account(&request)?;
        if let Ok(made) = tokio::time::timeout(COUNTING, self.0.reports.make()).await {
            made?;
        }
        Ok(Response::new(wire::ReportsResponse { reports: self.0.reports.to_wire() }))
    }

    async fn accesses(
        &self,
        request: Request<wire::AccessesRequest>,
    ) -> Result<Response<wire::AccessesResponse>, Status> {
        let account = self.0.account(&request)?;
        if account.member != self.0.node || !matches!(account.id.role(), Role::Node | Role::Operator) {
            return Err(Status::permission_denied(
                "the operators of this node's member read who was shown what, and nobody else",
            ));
        }
        let wire::AccessesRequest { since, after } = request.into_inner();
        let heads = self.0.outgoing.heads().all();
        let origins: BTreeMap<_, _> = heads.iter().map(|head| (head.log, head.prefix.member())).collect();
        let logged = self.0.outgoing.accesses(since, after, ACCESSES).await?;
        let accesses = logged.into_iter().filter_map(|(number, access)| {
            let member = (*origins.get(&access.place.log())?).clone();
            let address = Address { member, entry: access.place.entry(), leaf: access.place.leaf() };
            let (at, asker, holder) = (access.at, access.asker, access.holder);
            Some(wire::Access { number, at, address: address.to_string(), asker, holder })
        });
        Ok(Response::new(wire::AccessesResponse { accesses: accesses.collect() }))
    }
}
