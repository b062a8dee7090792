//! The report as a page that a person reads, on a phone or printed: one file without scripts, images or links outwards.
//! Everything in it that others wrote is escaped.

use std::fmt::{self, Write as _};

use super::report::{LogReport, Report};
use crate::text::{count, moment, plural, tame};

/// Text as it stands in HTML, also within quotes. What commands a terminal or reorders text is shown as an escape too.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in tame(self.0).chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Dark on light, one column on a phone, no colour that carries meaning alone, and no shading on paper.
const STYLE: &str = "\
:root{color-scheme:light}*{box-sizing:border-box}\
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1a1a1a;background:#fff;\
overflow-wrap:anywhere}\
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}\
.verdict{border:2px solid;border-radius:.5rem;padding:.8rem 1rem;margin:1rem 0;font-weight:600}\
.clean{color:#0b5d1e}.findings{color:#8a4b00}.misbehaved{color:#9b1c1c}\
.finding{border-left:4px solid #8a4b00;padding:.3rem 0 .3rem .8rem;margin:.8rem 0}\
.finding.misbehaved{border-color:#9b1c1c;color:inherit}\
dl{display:grid;grid-template-columns:minmax(8rem,14rem) 1fr;gap:.15rem 1rem;margin:.4rem 0}\
dt{color:#555}dd{margin:0}code,.hash{font:.85em/1.4 ui-monospace,monospace}\
section,dl,footer{break-inside:avoid}h2,h3{break-after:avoid}footer{margin-top:2.5rem;color:#555;font-size:.9rem}\
@media(max-width:34rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}\
@media print{body{font-size:10.5pt;max-width:none;padding:0}a{color:inherit}}";

/// The whole page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut page = String::with_capacity(16 * 1024);
    // Writing to a String cannot fail.
    let _ = write(&mut page, report);
    page
}

fn write(out: &mut String, report: &Report) -> fmt::Result {
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Audit of {}</title><style>{STYLE}</style></head><body>\n<h1>Audit of {}</h1>\n",
        Escaped(&report.federation),
        Escaped(&report.federation)
    )?;
    let (class, verdict) = verdict(report);
    writeln!(out, "<p class=\"verdict {class}\">{}</p>", Escaped(&verdict))?;
    out.push_str("<dl>\n");
    pair(out, "Made on", &moment(report.at))?;
    pair(out, "Shown by", &report.sources.join(", "))?;
    pair(out, "Roster", &format!("version {}", report.roster_version))?;
    hash(out, "All of it rests on", &report.roster_hash)?;
    let quorum = plural(report.quorum as usize, "other jurisdiction", "other jurisdictions");
    pair(out, "Settled means", &format!("cosigned in {quorum}"))?;
    out.push_str("</dl>\n");

    if !report.findings.is_empty() {
        out.push_str("<h2>What does not hold, or should be looked at</h2>\n");
    }
    for finding in &report.findings {
        let class = if finding.evidence.is_some() { "finding misbehaved" } else { "finding" };
        let log = finding.log.as_ref().map(|log| format!("{log}: ")).unwrap_or_default();
        let place = format!("{log}{}", finding.place);
        write!(
            out,
            "<section class=\"{class}\"><strong>{}</strong><br>{}<br>",
            Escaped(&place),
            Escaped(&finding.what)
        )?;
        write!(out, "Whose fault it can be: {}", Escaped(&finding.fault.to_string()))?;
        if let Some(evidence) = &finding.evidence {
            let path = evidence.display().to_string();
            write!(out, "<br>Proof for anybody: <code>{}</code>", Escaped(&path))?;
        }
        out.push_str("</section>\n");
    }
    if !report.unfinished.is_empty() {
        out.push_str("<h2>What could not be looked at</h2>\n<ul>\n");
        for reason in &report.unfinished {
            writeln!(out, "<li>{}</li>", Escaped(reason))?;
        }
        out.push_str("</ul>\n");
    }

    out.push_str("<h2>The logs</h2>\n");
    let mut logs = report.logs.as_slice();
    while let Some((first, others)) = logs.split_first() {
        // What several show alike is said once.
        let alike = others.iter().take_while(|other| is_alike(first, other)).count();
        let (same, rest) = others.split_at(alike);
        section(out, first, same)?;
        logs = rest;
    }
    writeln!(out, "<footer>{}</footer></body></html>", Escaped(WHAT_IT_SAYS))
}

/// For who reads nothing else.
const WHAT_IT_SAYS: &str = "Checked: that the rosters follow from the hash above; that every checkpoint is signed by the \
log's key and extends what earlier audits have seen; that every entry and every tile leads to it; that every batch was \
signed by a key that was granted at its place; that cosignatures hold. Not proven by this: that what was said is true, \
that nobody was shown another log (compare reports of others), and what was withheld from this auditor.";

fn verdict(report: &Report) -> (&'static str, String) {
    let proven = report.findings.iter().filter(|finding| finding.evidence.is_some()).count();
    let found = report.findings.len();
    match (proven, found) {
        (1.., _) => (
            "misbehaved",
            format!(
                "Somebody signed two histories: {proven} proven, {found} in all.",
                found = plural(found, "finding", "findings")
            ),
        ),
        (0, 1..) => ("findings", format!("{}.", plural(found, "finding", "findings"))),
        (0, 0) if report.unfinished.is_empty() => {
            ("clean", "Everything that was looked at holds.".to_owned())
        }
        (0, 0) => ("findings", "What was looked at holds, but not everything could be looked at.".to_owned()),
    }
}

/// Whether two show the same of one log: the later one was only compared, since nothing in it was new.
fn is_alike(first: &LogReport, other: &LogReport) -> bool {
    let all = |log: &LogReport| (log.entries, log.settled, log.whole, log.tally, log.shown, log.withheld);
    (&first.member, &first.root) == (&other.member, &other.root) && all(first) == all(other)
}

/// A log, as its first source shows it and others do alike.
fn section(out: &mut String, log: &LogReport, same: &[LogReport]) -> fmt::Result {
    let place = log.jurisdiction.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
    writeln!(out, "<section><h3>{}</h3><dl>", Escaped(&format!("{}{place}", log.member)))?;
    let sources: Vec<&str> = std::iter::once(log).chain(same).map(|one| one.source.as_str()).collect();
    pair(out, if same.is_empty() { "Shown by" } else { "Shown alike by" }, &sources.join(", "))?;
    let whole = if log.whole { "" } else { "; NOT replayed to its end" };
    pair(
        out,
        "Entries",
        &format!("{}, {} of them replayed now{whole}", count(log.entries), count(log.new_entries)),
    )?;
    pair(out, "Settled", &count(log.settled))?;
    for one in &log.cosigned {
        let note = if one.counts { "" } else { ", does not count" };
        pair(
            out,
            "Cosigned by",
            &format!("{} ({}) on {}{note}", one.member, one.jurisdiction, moment(one.at)),
        )?;
    }
    let tally = &log.tally;
    let of =
        |number: u64, one: &str, many: &str| plural(usize::try_from(number).unwrap_or(usize::MAX), one, many);
    let batches = of(tally.batches, "batch", "batches");
    pair(out, "Statements", &format!("{} in {batches}", count(tally.statements)))?;
    let keys = format!("{} granted, {} revoked", count(tally.grants), count(tally.revocations));
    pair(out, "Keys of desks", &keys)?;
    let withdrawn =
        format!("{} by {}", count(tally.withdrawn), of(tally.withdrawals, "withdrawal", "withdrawals"));
    // What there is none of is not worth a line of paper.
    for (name, number, text) in [
        ("Kept by some only", tally.custodied, count(tally.custodied)),
        ("Withdrawn", tally.withdrawals, withdrawn),
        ("Erasing withdrawals", tally.erasures, count(tally.erasures)),
        ("Safeguards overridden", tally.overrides, count(tally.overrides)),
        ("Void entries", tally.void, count(tally.void)),
        ("Tiles recomputed now", log.tiles, count(log.tiles)),
    ] {
        if number > 0 {
            pair(out, name, &text)?;
        }
    }
    if log.shown + log.withheld > 0 {
        pair(
            out,
            "Statements looked at",
            &format!("{}; {} not shown to us", count(log.shown), count(log.withheld)),
        )?;
    }
    for one in &log.revoked {
        hash(out, &format!("Revoked from {}", count(one.from)), &one.key)?;
    }
    if let Some(root) = &log.root {
        hash(out, "Root", root)?;
    }
    match log.seen_before {
        0 => pair(out, "Before", "never audited from here")?,
        time => pair(out, "Before", &format!("audited on {}", moment(time)))?,
    }
    if log.grew_at > 0 {
        pair(out, "Last seen to grow", &moment(log.grew_at))?;
    }
    out.push_str("</dl></section>\n");
    Ok(())
}

fn pair(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "<dt>{}</dt><dd>{}</dd>", Escaped(name), Escaped(value))
}

fn hash(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "<dt>{}</dt><dd class=\"hash\">{}</dd>", Escaped(name), Escaped(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Fault, Finding, Place};

    #[test]
    fn nothing_that_others_wrote_is_more_than_text() {
        let hostile = "<script>alert(1)</script><img src=x onerror='y'>\" onload=\"z &amp; javascript:1\u{202e}\u{1b}[2J";
        let mut report = Report {
            federation: hostile.to_owned(),
            roster_hash: hostile.to_owned(),
            sources: vec![hostile.to_owned()],
            unfinished: vec![hostile.to_owned()],
            ..Report::default()
        };
        report.findings.push(Finding {
            log: None,
            place: Place::State(hostile.into()),
            what: hostile.to_owned(),
            fault: Fault::Served(hostile.to_owned()),
            evidence: Some(hostile.into()),
        });
        report.logs.push(LogReport {
            member: hostile.to_owned(),
            jurisdiction: Some(hostile.to_owned()),
            source: hostile.to_owned(),
            root: Some(hostile.to_owned()),
            ..LogReport::default()
        });
        let page = page(&report);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("onload=\""), "{page}");
        assert!(!page.chars().any(|c| c == '\u{202e}' || c == '\u{1b}'));
        // Beside what stands in this file there is no tag: every `<` of theirs is escaped.
        let tags = page.matches('<').count();
        let mut harmless = report.clone();
        let plain = |text: &mut String| *text = "plain".to_owned();
        plain(&mut harmless.federation);
        assert_eq!(super::page(&harmless).matches('<').count(), tags);
        assert_eq!(page.matches("&lt;script&gt;").count(), 13);
    }

    #[test]
    fn a_clean_report_says_so_and_what_it_does_not_say() {
        let report = Report { federation: "scamwatch.example".into(), ..Report::default() };
        let page = page(&report);
        assert!(page.contains("Everything that was looked at holds."), "{page}");
        assert!(page.contains("Not proven by this"), "{page}");
    }
}
