//! `almenara lookup`: what is known about values.

use std::io::BufRead as _;

use almenara_proto::{
    indicator::{Hints, Indicator, Kind, canonicalise},
    limits::LOOKUP_VALUES,
    name::MemberName,
    statement::{Category, wire_indicator},
    verdict::{Counted, Policy},
    wire,
};
use serde::Serialize;

use crate::{
    connect::Caller,
    context::Context,
    exit::{CliError, Outcome},
    output::Style,
    roster_view::Awaited,
    store::{Judged, Store},
    text::tame,
};

/// What to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Values; - reads them from standard input, one a line
    #[arg(required = true, value_name = "VALUE")]
    pub values: Vec<String>,
    /// Kind of the values; without it each value is looked up as every kind that it can be
    #[arg(long)]
    pub kind: Option<Kind>,
    /// Country of phone numbers that are written without one, such as TH
    #[arg(long, value_name = "COUNTRY")]
    pub region: Option<String>,
    /// Ask a node instead of the local store; the next configured one that answers, or this member's
    #[arg(long, value_name = "MEMBER", num_args = 0..=1)]
    pub node: Option<Option<MemberName>>,
}

/// The answer about one value.
#[derive(Debug, Serialize)]
struct Answer {
    kind: &'static str,
    value: String,
    /// Whether anything that we may see is said about it.
    known: bool,
    /// Whether the policy lists it.
    listed: bool,
    /// Percent.
    score: u32,
    /// Distinct jurisdictions that observed it.
    corroboration: u32,
    categories: Vec<String>,
    said: Vec<Said>,
}

/// One statement about it.
#[derive(Debug, Serialize)]
struct Said {
    address: String,
    publisher: String,
    /// Whether it counted, and if not, why.
    counted: String,
    lookup_only: bool,
}

/// Looks up.
///
/// # Errors
/// [`CliError`].
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let values = read_values(&args.values)?;
    let mut asked = Vec::new();
    for value in &values {
        asked.extend(indicators(value, &args)?);
    }
    let policy = &context.config()?.policy;
    let answers = match &args.node {
        None => from_store(&asked, policy, context)?,
        Some(member) => from_node(&asked, policy, member.as_ref(), context).await?,
    };
    let awaited = Awaited::of(&context.rosters()?.current().roster, policy);
    tell(&answers, args.kind.is_some(), values.len(), &awaited, context)?;
    Ok(if answers.iter().any(|answer| answer.listed) { Outcome::Done } else { Outcome::No })
}

fn read_values(given: &[String]) -> Result<Vec<String>, CliError> {
    let mut values = Vec::new();
    for value in given {
        if value == "-" {
            for line in std::io::stdin().lock().lines() {
                let line = line.map_err(|error| CliError::usage(format_args!("standard input: {error}")))?;
                values.extend(Some(line.trim().to_owned()).filter(|line| !line.is_empty()));
            }
        } else {
            values.push(value.clone());
        }
    }
    Ok(values)
}

/// What a value can be: of the one kind that was given, or of every kind whose rules it fits.
fn indicators(value: &str, args: &Args) -> Result<Vec<Indicator>, CliError> {
    let hints = Hints { region: args.region.as_deref(), ..Hints::default() };
    if let Some(kind) = args.kind {
        return Ok(vec![canonicalise(kind, value, &hints).map_err(CliError::usage)?.indicator]);
    }
    let can_be = Kind::ALL.iter().filter_map(|kind| canonicalise(*kind, value, &hints).ok());
    let found: Vec<Indicator> = can_be.map(|canonical| canonical.indicator).collect();
    if found.is_empty() {
        return Err(CliError::usage(format_args!(
            "`{}` fits no kind of indicator: give --kind to hear why (and --region for national phone numbers)",
            tame(value)
        )));
    }
    Ok(found)
}

fn from_store(asked: &[Indicator], policy: &Policy, context: &Context) -> Result<Vec<Answer>, CliError> {
    let store = Store::read(context.home.store(), context.config()?.federation.as_str())?;
    let rosters = context.rosters()?;
    let lookups = store.lookups(&rosters.current().roster, policy, context.now());
    let mut answers = Vec::new();
    for indicator in asked {
        let judged = lookups.find(indicator)?;
        answers.push(judged.map_or_else(|| Answer::unknown(indicator), |judged| Answer::of(&judged)));
    }
    Ok(answers)
}

async fn from_node(
    asked: &[Indicator],
    policy: &Policy,
    member: Option<&MemberName>,
    context: &Context,
) -> Result<Vec<Answer>, CliError> {
    let mut caller = Caller::open(context)?;
    let mut failed =
        |member: &MemberName, error: &CliError| context.output.warn(format_args!("{member}: {error}"));
    let node = match member {
        Some(member) => caller.call(member).await?,
        None => caller.next(&mut failed).await?,
    };
    let mut client = node.lookups();
    let mut answers = Vec::new();
    for some in asked.chunks(LOOKUP_VALUES) {
        let request = wire::LookupRequest {
            indicators: some.iter().map(wire_indicator).collect(),
            policy: Some(policy.to_wire()),
        };
        let response = client.lookup(request).await.map_err(|status| node.error(status))?.into_inner();
        if response.verdicts.len() != some.len() {
            return Err(CliError::misbehaved(format_args!(
                "{} gives {} verdicts on {} values: ask another node",
                node.member,
                response.verdicts.len(),
                some.len()
            )));
        }
        let each = some.iter().zip(&response.verdicts);
        answers.extend(each.map(|(indicator, verdict)| Answer::from_wire(indicator, verdict)));
    }
    Ok(answers)
}

fn names(categories: impl Iterator<Item = Category>) -> Vec<String> {
    categories.map(|category| category.to_string()).collect()
}

impl Answer {
    fn unknown(indicator: &Indicator) -> Self {
        Self::from_wire(indicator, &wire::LookupVerdict::default())
    }

    fn of(judged: &Judged) -> Self {
        let said = judged.pieces.iter().zip(&judged.verdict.counted).map(|(piece, counted)| Said {
            address: piece.address.to_string(),
            publisher: piece.publisher.to_string(),
            counted: counted.as_str().to_owned(),
            lookup_only: piece.statement.lookup_only(),
        });
        Self {
            kind: judged.indicator.kind().as_str(),
            value: judged.indicator.value().to_owned(),
            known: true,
            listed: judged.verdict.listed,
            score: judged.verdict.score,
            corroboration: judged.verdict.corroboration,
            categories: names(judged.categories().into_iter()),
            said: said.collect(),
        }
    }

    fn from_wire(indicator: &Indicator, verdict: &wire::LookupVerdict) -> Self {
        let counted = |said: &&wire::Considered| said.counted() == wire::Counted::Yes;
        let categories = verdict.considered.iter().filter(counted).flat_map(|said| &said.categories);
        let categories: std::collections::BTreeSet<Category> =
            categories.filter_map(|number| Category::from_number(*number)).collect();
        let said = verdict.considered.iter().map(|said| Said {
            address: said.address.clone(),
            publisher: said.publisher.clone(),
            counted: said.counted().as_str_name().trim_start_matches("COUNTED_").to_ascii_lowercase(),
            lookup_only: said.lookup_only,
        });
        Self {
            kind: indicator.kind().as_str(),
            value: indicator.value().to_owned(),
            known: verdict.known,
            listed: verdict.listed,
            score: verdict.score,
            corroboration: verdict.corroboration,
            categories: names(categories.into_iter()),
            said: said.collect(),
        }
    }

    fn word(&self) -> &'static str {
        match (self.known, self.listed) {
            (false, _) => "not known",
            (true, false) if self.is_pending() => "pending",
            (true, false) => "not listed",
            (true, true) => "LISTED",
        }
    }

    /// Whether it is not listed, and some of what is said does not count yet.
    fn is_pending(&self) -> bool {
        !self.listed && self.said.iter().any(|said| said.counted == Counted::Pending.as_str())
    }
}

/// Says all answers to machines; to people, of the kinds that were only guessed, those that are known.
fn tell(
    answers: &[Answer],
    kind_given: bool,
    values: usize,
    awaited: &Awaited,
    context: &Context,
) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return answers.iter().try_for_each(|answer| output.json(answer));
    }
    let shown: Vec<&Answer> = answers.iter().filter(|answer| answer.known || kind_given).collect();
    let rows: Vec<[String; 6]> = shown
        .iter()
        .map(|answer| {
            let desks: std::collections::BTreeSet<&str> =
                answer.said.iter().map(|said| said.publisher.as_str()).collect();
            [
                answer.kind.to_owned(),
                answer.value.clone(),
                answer.word().to_owned(),
                format!("{}%", answer.score),
                answer.categories.join(","),
                desks.into_iter().collect::<Vec<_>>().join(","),
            ]
        })
        .collect();
    if !rows.is_empty() {
        output.table(["kind", "value", "verdict", "score", "categories", "said by"], &rows)?;
    }
    if shown.iter().any(|answer| answer.is_pending()) {
        output.say(format_args!("What is pending waits {awaited}."))?;
    }
    let known = shown.iter().filter(|answer| answer.known).count();
    if known == 0 {
        let text =
            if values == 1 { "Nothing is known about it." } else { "Nothing is known about any of them." };
        output.say(output.paint(Style::Dim, text))?;
    }
    Ok(())
}
