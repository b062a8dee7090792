//! `PublishService`: items in, one answer each, in order.

use std::pin::Pin;

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use almenara_proto::{blame::Blame, wire};

use super::{Api, services::publish_service_server::PublishService};
use crate::{
    error,
    identity::Account,
    ingest::{Outcome, Refusal},
};

/// Items of one stream at work at once: enough to fill a group commit of 16 full batches while the one before
/// it is being synced.
const WINDOW: usize = 32;

/// The service.
#[derive(Clone)]
pub struct PublishApi(pub Api);

type Answers = Pin<Box<dyn Stream<Item = Result<wire::PublishResponse, Status>> + Send>>;

#[tonic::async_trait]
impl PublishService for PublishApi {
    type PublishStream = Answers;

    async fn publish(
        &self,
        request: Request<Streaming<wire::PublishRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let account = self.0.account(&request)?;
        let api = self.0.clone();
        let answers =
            request.into_inner().map(move |item| one(api.clone(), account.clone(), item)).buffered(WINDOW);
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn one(
    api: Api,
    account: Account,
    item: Result<wire::PublishRequest, Status>,
) -> Result<wire::PublishResponse, Status> {
    let item = item?.item.ok_or_else(|| error::status(Blame::Malformed, &"a request without an item"))?;
    let now = (api.clock)();
    let (id, outcome) = api.ingest.publish(&account, item, now).await?;
    Ok(wire::PublishResponse { id: id.0.to_vec().into(), outcome: Some(to_wire(outcome)) })
}

fn to_wire(outcome: Outcome) -> wire::publish_response::Outcome {
    match outcome {
        Ok(receipt) => wire::publish_response::Outcome::Receipt(receipt),
        Err(Refusal { code, message, leaves }) => wire::publish_response::Outcome::Refusal(wire::Refusal {
            code: code.into(),
            message,
            leaves: leaves
                .into_iter()
                .map(|(leaf, code, message)| wire::LeafRefusal { leaf, code: code.into(), message })
                .collect(),
        }),
    }
}
