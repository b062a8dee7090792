//! `almenara monitor`: audits again and again, and tells somebody when something does not hold.

use std::{collections::BTreeSet, path::PathBuf, process::Stdio, time::Duration};

use tokio::io::AsyncWriteExt as _;

use super::audit::{What, conclude};
use crate::{
    audit::{self, Report, metrics},
    context::Context,
    exit::{CliError, Outcome},
    files,
    text::tame,
};

/// Whom, how often, and whom to tell.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is audited.
    #[command(flatten)]
    pub what: What,
    /// Seconds between the end of one audit and the beginning of the next
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub every: u64,
    /// End after so many audits [default: never]
    #[arg(long, value_name = "N")]
    pub rounds: Option<u64>,
    /// Write metrics for Prometheus into this file after each audit, as a node exporter collects them
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// Run this command of the shell when there are findings that the audit before did not have: it reads the report as
    /// JSON on its standard input
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
}

/// Monitors. With `--rounds` it ends as the last audit does.
///
/// # Errors
/// [`CliError`], when nothing can be audited at all, or as `audit` says.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let wish = args.what.clone().wish(context)?;
    let mut known = BTreeSet::new();
    let mut round = 0u64;
    loop {
        let report = audit::audit(&wish, context).await?;
        if let Some(path) = &args.metrics {
            let text = metrics::text(&report);
            files::replace_file(path, text.as_bytes()).map_err(|error| CliError::file(path, &error))?;
        }
        let found: BTreeSet<String> = report
            .findings
            .iter()
            .map(|f| format!("{:?} {}: {} [{}]", f.log, f.place, f.what, f.fault))
            .collect();
        context.output.json(&report)?;
        if found.difference(&known).next().is_some() {
            tell(&report, args.exec.as_deref(), context).await;
        }
        known = found;
        round = round.saturating_add(1);
        if args.rounds.is_some_and(|rounds| round >= rounds) {
            return conclude(&report);
        }
        tokio::time::sleep(Duration::from_secs(args.every)).await;
    }
}

/// Says what is new to whoever reads standard error, and to the command.
async fn tell(report: &Report, command: Option<&str>, context: &Context) {
    for finding in &report.findings {
        let log = finding.log.as_ref().map(|log| format!("{log}: ")).unwrap_or_default();
        let what = tame(&finding.what).into_owned();
        context.output.warn(format_args!("{log}{}: {what} [{}]", finding.place, finding.fault));
    }
    let Some(command) = command else { return };
    let told = async {
        let mut child =
            tokio::process::Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            let json = serde_json::to_vec(report).unwrap_or_default();
            input.write_all(&json).await?;
        }
        child.wait().await
    };
    match told.await {
        Ok(status) if status.success() => {}
        Ok(status) => context.output.warn(format_args!("`{command}` ended with {status}")),
        Err(error) => context.output.warn(format_args!("`{command}`: {error}")),
    }
}
