//! An audit as Prometheus reads it (text exposition format), for a file that a node exporter collects.

use std::fmt::Write as _;

use super::report::{LogReport, Report};

/// A number of each log.
type OfLog = fn(&LogReport) -> u64;

/// Name, help, and the number.
const LOGS: [(&str, &str, OfLog); 8] = [
    ("entries", "Entries under the newest checkpoint", |log| log.entries),
    ("settled_entries", "Entries that a quorum of other jurisdictions has cosigned", |log| log.settled),
    ("statements", "Statements published so far", |log| log.tally.statements),
    ("withdrawn_statements", "Statements withdrawn so far", |log| log.tally.withdrawn),
    ("void_entries", "Entries that count for nothing", |log| log.tally.void),
    ("revoked_keys", "Keys of desks that ended", |log| log.revoked.len() as u64),
    ("whole", "1 when the log was replayed up to its checkpoint", |log| log.whole.into()),
    ("grew_at_seconds", "When new entries were last seen, in Unix seconds", |log| log.grew_at),
];

/// All metrics.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let proven = report.findings.iter().filter(|finding| finding.evidence.is_some()).count();
    for (name, help, value) in [
        ("findings", "What does not hold, or should be looked at", report.findings.len() as u64),
        ("evidence", "Findings with proof that somebody signed two histories", proven as u64),
        ("unfinished", "What could not be looked at", report.unfinished.len() as u64),
        ("at_seconds", "When the audit began, in Unix seconds", report.at),
        ("roster_version", "Version of the roster in force", report.roster_version),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP almenara_audit_{name} {help}.\n# TYPE almenara_audit_{name} gauge");
        let _ = writeln!(text, "almenara_audit_{name} {value}");
    }
    for (name, help, number) in LOGS {
        let _ = writeln!(
            text,
            "# HELP almenara_audit_log_{name} {help}.\n# TYPE almenara_audit_log_{name} gauge"
        );
        for log in &report.logs {
            let (member, source) = (label(&log.member), label(&log.source));
            let value = number(log);
            let _ =
                writeln!(text, "almenara_audit_log_{name}{{log=\"{member}\",source=\"{source}\"}} {value}");
        }
    }
    text
}

/// As the format wants it within quotes.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_line_and_no_label_breaks_one() {
        let log = LogReport {
            member: "m1.example".into(),
            source: "a\"b\\c\nd".into(),
            entries: 7,
            ..LogReport::default()
        };
        let text = text(&Report { logs: vec![log], ..Report::default() });
        let line = "almenara_audit_log_entries{log=\"m1.example\",source=\"a\\\"b\\\\c\\nd\"} 7";
        assert!(text.lines().any(|found| found == line), "{text}");
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 5 + LOGS.len());
    }
}
