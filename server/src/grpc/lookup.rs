//! `LookupService`: many values a call, one verdict each, from what the caller may see.

use std::collections::{BTreeSet, HashMap, HashSet};

use tonic::{Request, Response, Status};

use almenara_proto::{
    blame::Blame,
    indicator::Indicator,
    limits::LOOKUP_VALUES,
    name::Address,
    statement::parse_indicator,
    verdict::{self, Evidence, Policy, Standing},
    wire,
};

use super::{Api, services::lookup_service_server::LookupService};
use crate::{error, outgoing::Seen, store::Place};

/// Statements in one answer: about a hundred bytes each, and a message holds 4 MiB.
const CONSIDERED: usize = 32_768;

/// The service.
#[derive(Clone)]
pub struct LookupApi(pub Api);

#[tonic::async_trait]
impl LookupService for LookupApi {
    async fn lookup(
        &self,
        request: Request<wire::LookupRequest>,
    ) -> Result<Response<wire::LookupResponse>, Status> {
        let account = self.0.account(&request)?;
        let wanted = request.into_inner();
        if wanted.indicators.len() > LOOKUP_VALUES {
            return Err(error::status(
                Blame::Malformed,
                &format!("{} values, over {LOOKUP_VALUES}: split the call", wanted.indicators.len()),
            ));
        }
        let now = (self.0.clock)();
        self.0.lookups.take(&account.member, wanted.indicators.len() as u64, now).map_err(|seconds| {
            Status::resource_exhausted(format!(
                "the lookup quota of {} is used up for {seconds} seconds: pull the list instead of asking value by \
                 value",
                account.member
            ))
        })?;
        let malformed = |error| error::status(Blame::Malformed, &error);
        let policy = Policy::from_wire(wanted.policy.unwrap_or_default()).map_err(malformed)?;
        let indicators: Vec<Indicator> = wanted
            .indicators
            .into_iter()
            .map(parse_indicator)
            .collect::<Result<_, _>>()
            .map_err(malformed)?;
        let roster = self.0.outgoing.rosters().current();
        let recipient = account.recipient(roster.roster.jurisdiction(&account.member));
        // A value that is asked for twice is judged once.
        let mut places_of: HashMap<&Indicator, usize> = HashMap::with_capacity(indicators.len());
        let mut distinct: Vec<Indicator> = Vec::with_capacity(indicators.len());
        let at: Vec<usize> = indicators
            .iter()
            .map(|indicator| {
                *places_of.entry(indicator).or_insert_with(|| {
                    distinct.push(indicator.clone());
                    distinct.len() - 1
                })
            })
            .collect();
        let seen = self.0.outgoing.about(&distinct, &recipient).await?;
        let considered: usize = at.iter().filter_map(|at| seen.get(*at)).map(Vec::len).sum();
        if considered > CONSIDERED {
            return Err(Status::resource_exhausted(format!(
                "{considered} statements would be in the answer, over {CONSIDERED}: ask for fewer values a call"
            )));
        }
        let places: Vec<Place> = seen.iter().flatten().map(|seen| seen.place).collect();
        let withdrawn: HashSet<Place> = self.0.outgoing.withdrawn(&places).await?.into_iter().collect();
        let judged: Vec<wire::LookupVerdict> =
            seen.iter().map(|seen| self.verdict(seen, &withdrawn, &policy, now)).collect();
        let verdicts = at.iter().filter_map(|at| judged.get(*at).cloned()).collect();
        Ok(Response::new(wire::LookupResponse { verdicts }))
    }
}

impl LookupApi {
    fn verdict(
        &self,
        seen: &[Seen],
        withdrawn: &HashSet<Place>,
        policy: &Policy,
        now: u64,
    ) -> wire::LookupVerdict {
        if seen.is_empty() {
            return wire::LookupVerdict::default();
        }
        let rosters = self.0.outgoing.rosters().current();
        let evidence: Vec<Evidence<'_>> = seen
            .iter()
            .map(|seen| Evidence {
                address: Address {
                    member: seen.header.member.clone(),
                    entry: seen.place.entry(),
                    leaf: seen.place.leaf(),
                },
                publisher: seen.header.publisher.as_str(),
                jurisdiction: rosters.roster.jurisdiction(&seen.header.member),
                statement: seen.statement.get(),
                standing: self.standing(seen, withdrawn),
            })
            .collect();
        let verdict = verdict::verdict(&evidence, policy, now);
        let considered = evidence.iter().zip(&verdict.counted).map(|(piece, counted)| {
            let report = piece.statement.report();
            wire::Considered {
                address: piece.address.to_string(),
                publisher: piece.publisher.to_owned(),
                counted: counted.to_wire().into(),
                categories: report
                    .map(|report| {
                        report.categories.iter().map(|category| category.number()).collect::<BTreeSet<_>>()
                    })
                    .unwrap_or_default()
                    .into_iter()
                    .collect(),
                confidence: report.and_then(|report| report.confidence).map(u32::from),
                valid_until: report.map_or(0, |report| report.valid_until),
                lookup_only: piece.statement.lookup_only(),
                possibly_coerced: report.is_some_and(|report| report.possibly_coerced),
            }
        });
        wire::LookupVerdict {
            known: true,
            listed: verdict.listed,
            score: verdict.score,
            corroboration: verdict.corroboration,
            changes_on: verdict.changes_on.unwrap_or(0),
            considered: considered.collect(),
        }
    }

    fn standing(&self, seen: &Seen, withdrawn: &HashSet<Place>) -> Standing {
        let head = self.0.outgoing.heads().get(&seen.header.member);
        let entry = seen.place.entry();
        let cut = head.as_ref().and_then(|head| head.prefix.cut(&seen.header.key));
        // Hardly any log has one: only then the roster is asked for whether it is in force.
        let parted = head.as_ref().filter(|head| head.quarantine.is_some()).is_some_and(|head| {
            head.quarantined(self.0.outgoing.rosters()).is_some_and(|quarantine| entry >= quarantine.agreed)
        });
        Standing {
            withdrawn: withdrawn.contains(&seen.place),
            cut: !seen.counts || parted || cut.is_some_and(|cut| entry >= cut),
            pending: head.is_none_or(|head| entry >= head.settled_size()),
        }
    }
}
