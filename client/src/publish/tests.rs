//! Against a node in memory, through the generated client and the gRPC codec; only the sockets are missing.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
    time::Duration,
};

use almenara_proto::{
    batch::SignedBatch,
    checkpoint::{Checkpoint, SignedCheckpoint, origin_of},
    indicator::{Indicator, Kind},
    keys::SigningKey,
    limits::{BATCH_BYTES, BATCH_STATEMENTS},
    log::{LogEntry, Withdrawal, WithdrawalReason},
    merkle::{self, Hash},
    name::MemberName,
    release::Release,
    signed::Signed,
    statement::{Category, Claim, Report, Statement},
    wire::{
        self, LeafRefusal, PublishRequest, PublishResponse, Refusal, RefusalCode, publish_request::Item,
        publish_response::Outcome,
    },
};
use futures::StreamExt as _;
use tonic::{Request, Response, Status, Streaming, body::Body, codegen::http};
use tonic_prost::ProstCodec;

use super::*;
use crate::{
    draft::{Draft, Source},
    exit::CliError,
    rpc::publish_service_client::PublishServiceClient,
};

const NOW: u64 = 1_790_000_000;
const MEMBER: &str = "police.th.example";

/// What goes wrong with one connection.
#[derive(Clone, Copy)]
enum Fault {
    /// It cannot be opened.
    Refuse(tonic::Code),
    /// It breaks instead of the n-th answer (from 0); the item was handled nevertheless, or not.
    Break { after: usize, handled: bool },
}

/// How the node lies about every receipt.
#[derive(Clone, Copy)]
enum Lie {
    Id,
    Index,
    Path,
    Key,
    Nothing,
    Leaf,
}

#[derive(Default)]
struct Node {
    leaves: Vec<Hash>,
    places: HashMap<Hash, u64>,
    last_seq: u64,
    /// Values that a safeguard protects.
    protected: BTreeSet<String>,
    /// Batches of which the whole is refused, counted down, with this code.
    refuse: Option<(usize, RefusalCode)>,
    faults: VecDeque<Fault>,
    lie: Option<Lie>,
    /// Values in log order.
    published: Vec<String>,
    /// A seq that another process uses before the next batch.
    overtake: bool,
}

fn log_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

impl Node {
    fn answer(&mut self, request: PublishRequest) -> PublishResponse {
        let (entry, outcome) = match request.item.expect("an item") {
            Item::Batch(submitted) => {
                let batch = SignedBatch::parse(submitted).expect("well formed");
                let entry = LogEntry::Batch(batch.header.clone());
                let outcome = match self.places.get(&entry.id()) {
                    Some(place) => Ok((*place, true)),
                    None => self.admit(batch).map(|()| (self.append(&entry), false)),
                };
                (entry, outcome)
            }
            Item::Withdrawal(signed) => {
                let entry = LogEntry::Withdrawal(Signed::parse(signed).expect("well formed"));
                let place = self.append(&entry);
                (entry, Ok((place, false)))
            }
            _ => panic!("no key is granted here"),
        };
        let mut id = entry.id();
        let outcome = match (outcome, self.lie) {
            (_, Some(Lie::Nothing)) => None,
            (Ok((index, repeated)), _) => Some(Outcome::Receipt(self.receipt(index, repeated))),
            (Err(refusal), _) => Some(Outcome::Refusal(refusal)),
        };
        if matches!(self.lie, Some(Lie::Id)) {
            id.0[0] ^= 1;
        }
        PublishResponse { id: id.0.to_vec().into(), outcome }
    }

    fn admit(&mut self, batch: SignedBatch) -> Result<(), Refusal> {
        let verified = batch.verify().expect("signature and root hold");
        let header = &verified.header.content;
        let whole =
            |code: RefusalCode| Refusal { code: code.into(), message: "no".to_owned(), leaves: Vec::new() };
        if let Some((times @ 1.., code)) = self.refuse {
            self.refuse = Some((times - 1, code));
            return Err(whole(code));
        }
        if std::mem::take(&mut self.overtake) {
            self.last_seq = header.seq + 2;
        }
        if header.seq <= self.last_seq {
            return Err(whole(RefusalCode::Seq));
        }
        let statements: Vec<Statement> =
            verified.leaves.into_iter().map(|leaf| leaf.statement.expect("not void")).collect();
        let leaf = |(leaf, _): (u32, _)| LeafRefusal {
            leaf: if matches!(self.lie, Some(Lie::Leaf)) { 9_999 } else { leaf },
            code: RefusalCode::Protected.into(),
            message: "a safeguard protects it".to_owned(),
        };
        let leaves: Vec<LeafRefusal> = (0..)
            .zip(&statements)
            .filter(|(_, statement)| self.protected.contains(statement.indicator.value()))
            .map(leaf)
            .collect();
        if !leaves.is_empty() {
            return Err(Refusal { leaves, ..whole(RefusalCode::Protected) });
        }
        self.last_seq = header.seq;
        self.published.extend(statements.iter().map(|statement| statement.indicator.value().to_owned()));
        Ok(())
    }

    fn append(&mut self, entry: &LogEntry) -> u64 {
        let place = self.leaves.len() as u64;
        self.leaves.push(merkle::leaf_hash(&entry.encode()));
        self.places.insert(entry.id(), place);
        place
    }

    fn receipt(&self, index: u64, repeated: bool) -> wire::Receipt {
        let mut path = merkle::inclusion(&self.leaves, index as usize).expect("a place in the log");
        if matches!(self.lie, Some(Lie::Path)) {
            path.push(merkle::empty_root());
        }
        let checkpoint = Checkpoint {
            origin: origin_of(MEMBER),
            size: self.leaves.len() as u64,
            root: merkle::root(&self.leaves),
        };
        let key = log_key(if matches!(self.lie, Some(Lie::Key)) { 8 } else { 9 });
        let signed = SignedCheckpoint::sign(checkpoint, &key).expect("a checkpoint");
        wire::Receipt {
            index: if matches!(self.lie, Some(Lie::Index)) { index + 1 } else { index },
            inclusion: path.iter().map(|hash| hash.0.to_vec().into()).collect(),
            checkpoint: signed.note().to_vec().into(),
            repeated,
        }
    }
}

type Shared = Arc<Mutex<Node>>;

/// Opens one connection to the node.
async fn connect(node: Shared, window: usize) -> Result<Connected, CliError> {
    let fault = node.lock().expect("alive").faults.pop_front();
    if let Some(Fault::Refuse(code)) = fault {
        return Err(Status::new(code, "go away").into());
    }
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let node = node.clone();
        async move {
            let handler = tower::service_fn(move |request: Request<Streaming<PublishRequest>>| {
                let answers = answers(node.clone(), fault, request.into_inner());
                async move { Ok::<_, Status>(Response::new(answers)) }
            });
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<PublishResponse, PublishRequest>::default());
            Ok::<_, std::convert::Infallible>(grpc.streaming(handler, request).await)
        }
    });
    let mut client = PublishServiceClient::new(service);
    Connected::open(window, |requests| async move { client.publish(requests).await }).await
}

fn answers(
    node: Shared,
    fault: Option<Fault>,
    requests: Streaming<PublishRequest>,
) -> impl futures::Stream<Item = Result<PublishResponse, Status>> {
    requests.enumerate().map(move |(number, request)| {
        let request = request?;
        let mut node = node.lock().expect("alive");
        match fault {
            Some(Fault::Break { after, handled }) if number >= after => {
                if handled && number == after {
                    node.answer(request);
                }
                Err(Status::unavailable("the connection broke"))
            }
            _ => Ok(node.answer(request)),
        }
    })
}

fn draft(line: u64, value: &str) -> Draft {
    let indicator = Indicator::new(Kind::Domain, value).expect("a domain");
    let report = Report::new(Kind::Domain, Category::PHISHING, NOW);
    let source = Source { file: None, line };
    Draft::new(source, indicator, Release::clear(), 0, Claim::Report(report), NOW).expect("a draft")
}

fn drafts(count: u64) -> Vec<Draft> {
    (1..=count).map(|line| draft(line, &format!("d{line}.example"))).collect()
}

/// Small generator of distinct bytes; nonces need not be secret here.
fn sealer() -> Sealer {
    let (counter, seq) = (AtomicU64::new(1), AtomicU64::new(0));
    let desk = Desk {
        federation: "scamwatch.example".to_owned(),
        publisher: format!("{MEMBER}/cyber-desk").parse().expect("a publisher"),
        key: log_key(1),
        roster: 1,
    };
    Sealer {
        desk,
        random: Arc::new(move |bytes| {
            for chunk in bytes.chunks_mut(32) {
                let hash = merkle::sha256(&[&counter.fetch_add(1, Ordering::Relaxed).to_be_bytes()]);
                chunk.copy_from_slice(&hash.0[..chunk.len()]);
            }
            Ok(())
        }),
        seq: Arc::new(move || Ok(seq.fetch_add(1, Ordering::Relaxed) + 1)),
        clock: Arc::new(|| NOW),
    }
}

/// Seals so many drafts a batch, so that tests with several batches stay small.
#[derive(Debug)]
struct Small {
    drafts: VecDeque<Draft>,
    a_batch: usize,
    sealer: Sealer,
}

impl Feed for Small {
    fn next(&mut self) -> Result<Option<Submission>, CliError> {
        let batch: Vec<Draft> = self.drafts.drain(..self.a_batch.min(self.drafts.len())).collect();
        if batch.is_empty() { Ok(None) } else { self.sealer.seal(batch).map(Some) }
    }

    fn again(&mut self, drafts: Vec<Draft>) -> Result<Option<Submission>, CliError> {
        self.sealer.seal(drafts).map(Some)
    }
}

fn small(count: u64) -> Small {
    Small { drafts: drafts(count).into(), a_batch: 4, sealer: sealer() }
}

const SETTINGS: Settings = Settings { window: 3, attempts: 4, pause: Duration::ZERO };

/// What became of a run: its result and one line for each event.
struct Told<F> {
    result: Result<Totals, Interrupted<F>>,
    events: Vec<String>,
    node: Shared,
}

fn publish<F: Feed>(node: Node, feed: F) -> Told<F> {
    publish_until(node, feed, usize::MAX)
}

/// The same; somebody stops it when so many items are answered.
fn publish_until<F: Feed>(node: Node, feed: F, stop_after: usize) -> Told<F> {
    let stop = tokio::sync::Notify::new();
    if stop_after == 0 {
        stop.notify_one();
    }
    let node: Shared = Arc::new(Mutex::new(node));
    let log = Log { member: MEMBER.parse().expect("a name"), key: log_key(9).verifying_key().to_bytes() };
    let mut events = Vec::new();
    let mut event = |event: Event<'_>| {
        events.push(match event {
            Event::Accepted(item, receipt) => {
                format!(
                    "{} at {}{}",
                    item.statements(),
                    receipt.index,
                    if receipt.repeated { " again" } else { "" }
                )
            }
            Event::Draft(draft, why) => format!("{} {}", draft.source, why.code),
            Event::Item(item, why) => format!("{} {}", item.kind, why.code),
        });
        if events.len() >= stop_after {
            stop.notify_one();
        }
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let opened = node.clone();
    let result = runtime.block_on(run(
        feed,
        || connect(opened.clone(), SETTINGS.window),
        &log,
        SETTINGS,
        stop.notified(),
        &mut event,
    ));
    Told { result, events, node }
}

fn sorted(values: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut values: Vec<String> = values.into_iter().collect();
    values.sort();
    values
}

fn all_values(count: u64) -> Vec<String> {
    sorted((1..=count).map(|line| format!("d{line}.example")))
}

#[test]
fn each_draft_ends_in_a_verified_receipt() {
    let told = publish(Node::default(), small(10));
    let totals = told.result.expect("published");
    assert_eq!((totals.items, totals.statements, totals.refused), (3, 10, 0));
    assert_eq!(told.events, ["4 at 0", "4 at 1", "2 at 2"]);
    assert_eq!(sorted(told.node.lock().expect("alive").published.clone()), all_values(10));
}

#[test]
fn nothing_to_publish_is_no_failure() {
    assert_eq!(publish(Node::default(), small(0)).result.expect("published"), Totals::default());
}

#[test]
fn named_leaves_are_reported_with_their_lines_and_the_rest_is_sealed_again() {
    let protected =
        ["d2.example", "d5.example", "d6.example", "d9.example", "d10.example"].map(str::to_owned);
    let node = Node { protected: protected.clone().into(), ..Node::default() };
    let told = publish(node, small(10));
    let totals = told.result.expect("published");
    assert_eq!((totals.statements, totals.refused), (5, 5));
    let refused = sorted(told.events.iter().filter(|event| event.starts_with("line")).cloned());
    let expected = [2, 5, 6, 9, 10].map(|line| format!("line {line} protected"));
    assert_eq!(refused, sorted(expected));
    let rest = all_values(10).into_iter().filter(|value| !protected.contains(value));
    assert_eq!(sorted(told.node.lock().expect("alive").published.clone()), sorted(rest));
}

#[test]
fn a_broken_connection_loses_and_doubles_nothing() {
    for after in 0..5 {
        for handled in [true, false] {
            let faults = VecDeque::from([
                Fault::Break { after, handled },
                Fault::Refuse(tonic::Code::Unavailable),
                Fault::Break { after: 1, handled },
            ]);
            let told = publish(Node { faults, ..Node::default() }, small(18));
            let totals = told.result.expect("published in the end");
            assert_eq!((totals.statements, totals.refused), (18, 0), "{after} {handled}");
            assert_eq!(sorted(told.node.lock().expect("alive").published.clone()), all_values(18));
        }
    }
}

#[test]
fn a_seq_that_was_overtaken_is_drawn_again() {
    let told = publish(Node { overtake: true, ..Node::default() }, small(40));
    let totals = told.result.expect("published");
    assert_eq!((totals.statements, totals.refused), (40, 0));
    assert_eq!(sorted(told.node.lock().expect("alive").published.clone()), all_values(40));
}

#[test]
fn a_batch_that_is_refused_as_a_whole_is_reported_and_the_others_go_on() {
    let told = publish(Node { refuse: Some((1, RefusalCode::Quota)), ..Node::default() }, small(10));
    let totals = told.result.expect("published");
    assert_eq!((totals.statements, totals.refused), (6, 4));
    assert_eq!(told.events, ["a batch of 4 statements quota", "4 at 0", "2 at 1"]);
    // A node that goes on refusing the seq is not asked for ever.
    let told = publish(Node { refuse: Some((99, RefusalCode::Seq)), ..Node::default() }, small(4));
    assert_eq!(told.result.expect("published").refused, 4);
}

#[test]
fn a_receipt_that_does_not_hold_is_misbehaviour() {
    for lie in [Lie::Id, Lie::Index, Lie::Path, Lie::Key, Lie::Nothing] {
        let interrupted =
            publish(Node { lie: Some(lie), ..Node::default() }, small(10)).result.expect_err("noticed");
        assert_eq!(interrupted.error.exit().code(), 4, "{}", interrupted.error);
        assert_eq!(interrupted.totals, Totals::default());
        assert!(!interrupted.unsettled.is_empty());
    }
    let node = Node { lie: Some(Lie::Leaf), protected: ["d1.example".to_owned()].into(), ..Node::default() };
    assert_eq!(publish(node, small(4)).result.expect_err("noticed").error.exit().code(), 4);
}

#[test]
fn what_is_unsettled_when_the_node_stays_away_can_be_submitted_later() {
    let gone = std::iter::repeat_n(Fault::Refuse(tonic::Code::Unavailable), 4);
    let faults = std::iter::once(Fault::Break { after: 1, handled: true }).chain(gone).collect();
    let told = publish(Node { faults, ..Node::default() }, small(20));
    finished_later(told, 4, Some("4 at 1 again"), 4);
}

#[test]
fn what_is_unsettled_when_somebody_stops_it_can_be_submitted_later() {
    // At once, and in the middle, when some items are in flight.
    finished_later(publish_until(Node::default(), small(20), 0), 0, None, 0);
    let told = publish_until(Node::default(), small(20), 1);
    let (settled, held) = {
        let node = told.node.lock().expect("alive");
        let settled = told.result.as_ref().expect_err("stopped").totals.statements;
        (settled, node.published.len() as u64)
    };
    assert!(settled == 4 && (4..20).contains(&held), "{settled} {held}");
    finished_later(told, settled, None, held - settled);
}

/// `settled` statements have receipts; what is left is submitted, `repeated` of it for the second time.
fn finished_later(told: Told<Small>, settled: u64, first: Option<&str>, repeated: u64) {
    let interrupted = told.result.expect_err("given up");
    assert_eq!(interrupted.error.exit().code(), 3);
    assert_eq!(interrupted.totals.statements, settled);
    let mut feed = interrupted.feed.expect("the rest can be sealed");
    let mut left: Vec<Submission> = interrupted.unsettled;
    while let Some(item) = feed.next().expect("sealed") {
        left.push(item);
    }
    let requests = left.into_iter().map(|item| item.request).collect();
    let node = Arc::into_inner(told.node).expect("not shared").into_inner().expect("alive");
    let told = publish(node, FromFile(requests));
    let totals = told.result.expect("published");
    assert_eq!((totals.statements, totals.repeated), (20 - settled, repeated));
    if first.is_some() {
        assert_eq!(told.events.first().map(String::as_str), first);
    }
    assert_eq!(sorted(told.node.lock().expect("alive").published.clone()), all_values(20));
}

/// Items from a file.
#[derive(Debug)]
struct FromFile(VecDeque<PublishRequest>);

impl Feed for FromFile {
    fn next(&mut self) -> Result<Option<Submission>, CliError> {
        Ok(self.0.pop_front().map(Submission::parse).transpose()?)
    }

    fn again(&mut self, _: Vec<Draft>) -> Result<Option<Submission>, CliError> {
        Ok(None)
    }
}

#[test]
fn a_call_that_is_not_permitted_is_not_tried_again() {
    let faults = VecDeque::from([Fault::Refuse(tonic::Code::PermissionDenied)]);
    let interrupted = publish(Node { faults, ..Node::default() }, small(4)).result.expect_err("refused");
    assert_eq!(interrupted.error.exit().code(), 1);
}

#[test]
fn a_withdrawal_gets_its_receipt_and_a_refused_signed_batch_names_its_leaves() {
    let publisher = format!("{MEMBER}/cyber-desk").parse().expect("a publisher");
    let withdrawal = Withdrawal {
        federation: "scamwatch.example".to_owned(),
        member: MEMBER.parse::<MemberName>().expect("a name"),
        publisher,
        key: almenara_proto::keys::PublicKey::of(&log_key(1)),
        seq: 9,
        made_at: NOW,
        reason: WithdrawalReason::Outdated,
        erase: false,
        targets: vec![(0, 1)],
        second_key: None,
    };
    let withdrawal = Signed::sign(withdrawal, &log_key(1)).to_wire();
    let batch = sealer().seal(drafts(3)).expect("sealed");
    let node = Node { protected: ["d2.example".to_owned()].into(), ..Node::default() };
    let items = [PublishRequest { item: Some(Item::Withdrawal(withdrawal)) }, batch.request].into();
    let told = publish(node, FromFile(items));
    let totals = told.result.expect("answered");
    assert_eq!((totals.items, totals.refused), (1, 3));
    assert_eq!(told.events, ["0 at 0", "a batch of 3 statements protected"]);
}

#[test]
fn a_damaged_signed_file_is_noticed_before_it_is_sent() {
    let request = sealer().seal(drafts(3)).expect("sealed").request;
    assert!(Submission::parse(request.clone()).is_ok());
    let Some(Item::Batch(batch)) = request.item else { panic!("a batch") };
    let mut damaged = batch.clone();
    damaged.signature = vec![1; 64].into();
    assert!(Submission::parse(PublishRequest { item: Some(Item::Batch(damaged)) }).is_err());
    let mut damaged = batch;
    damaged.statements.swap(0, 1);
    assert!(Submission::parse(PublishRequest { item: Some(Item::Batch(damaged)) }).is_err());
    assert!(Submission::parse(PublishRequest { item: None }).is_err());
}

/// Sizes of the batches that a packer makes of `drafts`.
fn packed(drafts: Vec<Draft>) -> Vec<usize> {
    let mut packer = Packer::default();
    let mut sizes: Vec<usize> =
        drafts.into_iter().filter_map(|draft| packer.push(draft)).map(|batch| batch.len()).collect();
    sizes.extend(packer.finish().map(|batch| batch.len()));
    sizes
}

#[test]
fn a_batch_holds_4096_statements_3_mib_and_one_report_for_each_indicator() {
    assert!(packed(Vec::new()).is_empty());
    assert_eq!(packed(drafts(BATCH_STATEMENTS as u64)), [BATCH_STATEMENTS]);
    assert_eq!(packed(drafts(BATCH_STATEMENTS as u64 + 1)), [BATCH_STATEMENTS, 1]);
    assert_eq!(packed(vec![draft(1, "a.example"), draft(2, "b.example"), draft(3, "a.example")]), [2, 1]);
    let long = |line: u64| {
        let mut report = Report::new(Kind::Domain, Category::PHISHING, NOW);
        report.description = "x".repeat(15_000);
        let indicator = Indicator::new(Kind::Domain, format!("d{line}.example")).expect("a domain");
        Draft::new(Source { file: None, line }, indicator, Release::clear(), 0, Claim::Report(report), NOW)
            .expect("a draft")
    };
    let drafts: Vec<Draft> = (0..300).map(long).collect();
    let sizes = packed(drafts.clone());
    assert_eq!(sizes.iter().sum::<usize>(), 300);
    let first: usize = drafts.iter().take(sizes[0]).map(Draft::bytes).sum();
    assert!(first <= BATCH_BYTES && first + drafts[0].bytes() > BATCH_BYTES);
    let submission = sealer().seal(drafts.into_iter().take(sizes[0]).collect()).expect("sealed");
    assert_eq!(submission.statements(), sizes[0] as u64);
}

#[test]
fn a_leaf_leads_back_to_its_draft() {
    let submission = sealer().seal(drafts(100)).expect("sealed");
    let Some(Item::Batch(batch)) = &submission.request.item else { panic!("a batch") };
    let drafts = submission.drafts.as_ref().expect("kept");
    for (bytes, draft) in batch.statements.iter().zip(drafts) {
        assert_eq!(Statement::parse(bytes).expect("not void").indicator, *draft.indicator());
    }
}
