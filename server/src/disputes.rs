//! Whether a dispute may be published: it is of a report that this node holds, and tells nobody of it who may not
//! see it (PROTOCOL.md §3).

use almenara_proto::{
    batch::statement_id,
    log::LogEntry,
    name::MemberName,
    release::{Audience, Release, Tlp},
    statement::{Claim, Dispute, Statement},
    wire::RefusalCode,
};

use crate::{
    ingest::Refusal,
    store::{LogId, Place, Store, StoreError},
};

/// Judges one dispute by a desk of `member`; `log` is the disputed report's.
pub(crate) async fn judge(
    store: &Store,
    log: Option<LogId>,
    statement: &Statement,
    dispute: &Dispute,
    member: &MemberName,
) -> Result<Result<(), Refusal>, StoreError> {
    let unknown = || {
        let why = format!("{} with this id is no report that this node holds", dispute.target);
        Err(Refusal::new(RefusalCode::UnknownTarget, why))
    };
    let Some(report) = disputed(store, log, dispute).await? else { return Ok(unknown()) };
    if report.indicator != statement.indicator {
        return Ok(unknown());
    }
    if !within(&statement.release, &report.release, [&dispute.target.member, member]) {
        let why = format!("its audience is not within that of {}: others would learn of it", dispute.target);
        return Ok(Err(Refusal::new(RefusalCode::Audience, why)));
    }
    Ok(Ok(()))
}

async fn disputed(
    store: &Store,
    log: Option<LogId>,
    dispute: &Dispute,
) -> Result<Option<Statement>, StoreError> {
    let place = log.and_then(|log| Place::new(log, dispute.target.entry, dispute.target.leaf).ok());
    let Some(place) = place else { return Ok(None) };
    let found = store.statements_at(&[place]).await?;
    let entries = store.entries_at(&[(place.log(), place.entry())]).await?;
    let (Some(bytes), Some((_, entry))) = (found.get(&place), entries.first()) else { return Ok(None) };
    let Ok(LogEntry::Batch(signed)) = LogEntry::parse(&entry.bytes) else { return Ok(None) };
    if statement_id(&signed.content.origin_hash(), bytes) != dispute.id {
        return Ok(None);
    }
    Ok(Statement::parse(bytes).ok().filter(|statement| matches!(statement.claim, Claim::Report(_))))
}

/// Whether everybody who may see `inner` may see `outer` as well, whatever the roster. `parties` made the two
/// statements, and know of both.
fn within(inner: &Release, outer: &Release, parties: [&MemberName; 2]) -> bool {
    if outer.tlp == Some(Tlp::Clear) {
        return true;
    }
    let party = |name: &Audience| matches!(name, Audience::Member(name) if parties.contains(&name));
    let between_them = !inner.to.is_empty() && inner.to.iter().all(party);
    let named = || inner.to.iter().all(|name| party(name) || outer.to.contains(name));
    match (inner.tlp, outer.tlp) {
        // For its origin alone.
        (None, _) => true,
        (Some(Tlp::Clear), _) => false,
        (Some(Tlp::AmberStrict | Tlp::Red), _) if between_them => true,
        (_, None) => false,
        (Some(inner_tlp), Some(Tlp::Green)) => {
            inner_tlp >= Tlp::Green && inner.not_to.is_superset(&outer.not_to)
        }
        (Some(inner_tlp), Some(outer_tlp)) => {
            inner_tlp >= outer_tlp && named() && inner.not_to.is_superset(&outer.not_to)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(tlp: Option<Tlp>, to: &[&str], not_to: &[&str]) -> Release {
        let names = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Release { tlp, pap: None, to: names(to), not_to: names(not_to) }
    }

    fn check(inner: (Option<Tlp>, &[&str], &[&str]), outer: (Option<Tlp>, &[&str], &[&str]), expected: bool) {
        let parties = ["a.example".parse().unwrap(), "b.example".parse().unwrap()];
        let found = within(
            &release(inner.0, inner.1, inner.2),
            &release(outer.0, outer.1, outer.2),
            [&parties[0], &parties[1]],
        );
        assert_eq!(found, expected, "{inner:?} within {outer:?}");
    }

    #[test]
    fn a_dispute_reaches_nobody_whom_the_report_does_not() {
        use Tlp::{Amber, AmberStrict, Clear, Green, Red};
        let (clear, green) = ((Some(Clear), &[][..], &[][..]), (Some(Green), &[][..], &[][..]));
        let not_us = (Some(Green), &[][..], &["jurisdiction:US"][..]);
        let to_c = (Some(Amber), &["c.example"][..], &[][..]);
        let to_cd = (Some(Amber), &["c.example", "d.example"][..], &[][..]);
        let strict_c = (Some(AmberStrict), &["c.example"][..], &[][..]);
        let red_a = (Some(Red), &["a.example"][..], &[][..]);
        let hidden = (None, &[][..], &[][..]);
        for inner in [clear, green, not_us, to_c, strict_c, red_a, hidden] {
            check(inner, clear, true);
            check(clear, inner, inner == clear);
            check(hidden, inner, true);
            check(red_a, inner, true);
        }
        check(green, not_us, false);
        check(not_us, green, true);
        check(not_us, not_us, true);
        check(to_c, green, true);
        check(to_c, not_us, false);
        check(green, to_c, false);
        check(to_c, to_cd, true);
        check(to_cd, to_c, false);
        check(strict_c, to_c, true);
        check(to_c, strict_c, false);
        check((Some(Amber), &["a.example", "c.example"], &[]), to_c, true);
        check(to_c, hidden, false);
        check(green, hidden, false);
    }
}
