//! The figures as a table, against what they must reach.

use std::collections::BTreeMap;

use serde::Serialize;

use super::measure::{Figures, Phase};

/// Everything of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Verifications a second on one core around each phase: the yardstick V of its figures. A machine's speed
    /// wanders within minutes, so each figure is read against what one core did just then.
    pub ed25519_verify_per_s: BTreeMap<Phase, f64>,
    /// Of the disk under the databases.
    pub fdatasync_p50_ms: f64,
    /// Decisions of release on one core.
    pub release_per_s: f64,
    /// At a tenth of the size.
    pub tenth: Figures,
    /// At the whole size.
    pub whole: Figures,
}

/// What a figure must reach.
enum Goal {
    /// So many times V.
    Verifications(f64),
    /// Whatever one core verifies.
    PerSecond(f64),
}

/// A row of the table.
struct Row {
    name: &'static str,
    tenth: f64,
    whole: f64,
    goal: String,
    reached: bool,
}

impl Report {
    fn rows(&self) -> Vec<Row> {
        let at_least = |name, phase, of: fn(&Figures) -> f64, least: Goal| {
            let (tenth, whole) = (of(&self.tenth), of(&self.whole));
            let v = self.ed25519_verify_per_s.get(&phase).copied().unwrap_or_default();
            let (least, words) = match least {
                Goal::Verifications(times) => {
                    (times * v, format!(" ({:.1} of {times} V, V = {v:.0})", whole / v))
                }
                Goal::PerSecond(least) => (least, String::new()),
            };
            // The cost of one statement may grow by half from a tenth of the size to the whole.
            let growth = tenth / whole;
            Row {
                name,
                tenth,
                whole,
                goal: format!("≥ {least:.0}{words}; cost × {growth:.2}"),
                reached: whole >= least && growth <= 1.5,
            }
        };
        let at_most = |name, of: fn(&Figures) -> f64, most: f64| Row {
            name,
            tenth: of(&self.tenth),
            whole: of(&self.whole),
            goal: format!("≤ {most}"),
            reached: of(&self.whole) <= most,
        };
        let no_goal = |name, of: fn(&Figures) -> f64| Row {
            name,
            tenth: of(&self.tenth),
            whole: of(&self.whole),
            goal: "(no goal)".to_owned(),
            reached: true,
        };
        vec![
            at_least("publish_per_s", Phase::Publish, |f| f.publish_per_s, Goal::Verifications(4.0)),
            at_least("replicate_per_s", Phase::Replicate, |f| f.replicate_per_s, Goal::Verifications(4.0)),
            at_least("pull_per_s", Phase::Pull, |f| f.pull_per_s, Goal::Verifications(8.0)),
            at_least("lookup_bulk_per_s", Phase::Lookup, |f| f.lookup_bulk_per_s, Goal::Verifications(10.0)),
            at_least(
                "lookup_bulk_all_hits_per_s",
                Phase::LookupHits,
                |f| f.lookup_bulk_all_hits_per_s,
                Goal::Verifications(3.0),
            ),
            no_goal("lookup_p99_us", |f| f.lookup_p99_us),
            at_least(
                "single_publish_per_s",
                Phase::Singles,
                |f| f.single_publish_per_s,
                Goal::PerSecond(6_000.0),
            ),
            no_goal("single_publish_followed_per_s", |f| f.single_publish_followed_per_s),
            at_most("visible_p50_ms", |f| f.visible_p50_ms, 20.0),
            at_most("visible_p99_ms", |f| f.visible_p99_ms, 100.0),
            at_most("server_rss_mib_max", |f| f.server_rss_mib_max, 256.0),
            at_most("disk_bytes_per_statement", |f| f.disk_bytes_per_statement, 300.0),
            no_goal("wal_peak_mib", |f| f.wal_peak_mib),
        ]
    }

    /// The table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = format!(
            "V: Ed25519 verifications a second on one core, just then; fdatasync p50 {:.2} ms\n\
             release: {:.0} decisions a second on one core {} ≥ 2000000\n{:<30}{:>14}{:>14}   goal\n",
            self.fdatasync_p50_ms,
            self.release_per_s,
            if self.release_per_s >= 2e6 { "✓" } else { "✗" },
            "statements",
            self.tenth.statements,
            self.whole.statements
        );
        for row in self.rows() {
            let mark = if row.reached { "✓" } else { "✗" };
            out.push_str(&format!(
                "{:<30}{:>14.1}{:>14.1} {mark} {}\n",
                row.name, row.tenth, row.whole, row.goal
            ));
        }
        out
    }
}
