//! `PublishService`: items in, one answer each, in order.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use futures::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use almenara_proto::{blame::Blame, wire};

use super::{Api, services::publish_service_server::PublishService};
use crate::{
    clock::Clock,
    error,
    identity::Account,
    ingest::{Answer, Ingest, Judged, Outcome, Refusal, Room},
};

/// Items of one stream at work at once, answers that nobody reads included: enough to fill a group commit of 8 full
/// batches while the one before it is being synced.
const WINDOW: usize = 16;

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
        let (answers, waiting) = mpsc::channel(WINDOW);
        // A task of its own: whoever does not read answers must not keep what others need for theirs.
        let door = Door {
            ingest: self.0.ingest.clone(),
            account: Arc::new(account),
            clock: Arc::clone(&self.0.clock),
        };
        tokio::spawn(take(Arc::new(door), request.into_inner(), answers));
        Ok(Response::new(Box::pin(ReceiverStream::new(waiting).then(answer))))
    }
}

/// The entrance, for one caller.
struct Door {
    ingest: Ingest,
    account: Arc<Account>,
    clock: Clock,
}

/// Judges many items at once, and hands them to the sequencer in their order.
async fn take(
    door: Arc<Door>,
    items: Streaming<wire::PublishRequest>,
    answers: mpsc::Sender<Result<Answer, Status>>,
) {
    let judged = stream::unfold((Arc::clone(&door), items, answers), next)
        .map(|(place, item)| judge(Arc::clone(&door), place, item))
        .buffered(WINDOW);
    let mut judged = pin!(judged);
    while let Some((place, judged)) = judged.next().await {
        let answer = match judged {
            Ok(judged) => door.ingest.enqueue(judged).await.map_err(Status::from),
            Err(status) => Err(status),
        };
        let over = answer.is_err();
        place.send(answer);
        if over {
            return;
        }
    }
}

type Place = mpsc::OwnedPermit<Result<Answer, Status>>;
type Roomy = (Room, wire::publish_request::Item);
type Arriving = (Arc<Door>, Streaming<wire::PublishRequest>, mpsc::Sender<Result<Answer, Status>>);

/// Reads an item when there is a place for its answer, and waits until there is room for its bytes: nothing more
/// of the stream is read before.
async fn next((door, mut items, answers): Arriving) -> Option<((Place, Result<Roomy, Status>), Arriving)> {
    let place = answers.clone().reserve_owned().await.ok()?;
    let item = match items.message().await.transpose()? {
        Ok(wire::PublishRequest { item: Some(item) }) => {
            door.ingest.room(&item).await.map(|room| (room, item)).map_err(Status::from)
        }
        Ok(_) => Err(error::status(Blame::Malformed, &"a request without an item")),
        Err(status) => Err(status),
    };
    Some(((place, item), (door, items, answers)))
}

async fn judge(
    door: Arc<Door>,
    place: Place,
    item: Result<Roomy, Status>,
) -> (Place, Result<Judged, Status>) {
    let judged = match item {
        Ok((room, item)) => {
            door.ingest.judge(&door.account, item, room, (door.clock)()).await.map_err(Status::from)
        }
        Err(status) => Err(status),
    };
    (place, judged)
}

async fn answer(answer: Result<Answer, Status>) -> Result<wire::PublishResponse, Status> {
    let (id, outcome) = answer?.outcome().await?;
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
