//! `almenara audit`: checks what nodes show to everybody.

use std::path::PathBuf;

use almenara_proto::name::MemberName;

use crate::{
    audit::{self, Finding, Report, Sample, Wish, html},
    context::Context,
    exit::{CliError, Outcome},
    files,
    output::Style,
    text::{count, plural, tame},
};

/// Whom, and how much.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What is audited.
    #[command(flatten)]
    pub what: What,
    /// Also write a report for people into this file, a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What is audited; the same for `audit` and `monitor`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct What {
    /// Members whose nodes are audited, or folders with the same pages [default: `nodes` of almenara.toml]
    #[arg(value_name = "NODE or DIR")]
    pub targets: Vec<String>,
    /// Audit the log of this member only; may be repeated
    #[arg(long = "log", value_name = "MEMBER")]
    pub logs: Vec<MemberName>,
    /// Also look at statements, as far as they are shown to us: of so many entries of each log, or `all`
    #[arg(long, value_name = "N or all", value_parser = sample)]
    pub sample: Option<Sample>,
    /// Replay every log from its first entry, and not from where the last audit ended
    #[arg(long)]
    pub full: bool,
    /// Keep every page that a node shows in this folder, which can be audited again without a network
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

fn sample(text: &str) -> Result<Sample, String> {
    match text {
        "all" => Ok(Sample::All),
        number => number.parse().map(Sample::Entries).map_err(|_| "a number, or `all`".to_owned()),
    }
}

impl What {
    pub(super) fn wish(self, context: &Context) -> Result<Wish, CliError> {
        let targets = if self.targets.is_empty() {
            context.config()?.nodes.iter().map(ToString::to_string).collect()
        } else {
            self.targets
        };
        if targets.is_empty() {
            return Err(CliError::usage(
                "nobody to audit: name a node or a folder, or `nodes` in almenara.toml",
            ));
        }
        Ok(Wish { targets, logs: self.logs, keep: self.keep, sample: self.sample, full: self.full })
    }
}

/// Audits. Exit code 1: findings; 3: not all could be looked at; 4: somebody signed two histories.
///
/// # Errors
/// [`CliError`], also for 3 and 4, after the report was printed.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let report = audit::audit(&args.what.wish(context)?, context).await?;
    if let Some(path) = &args.html {
        files::replace_file(path, html::page(&report).as_bytes())
            .map_err(|error| CliError::file(path, &error))?;
    }
    tell(&report, context)?;
    conclude(&report)
}

/// How a report ends a command.
pub(super) fn conclude(report: &Report) -> Result<Outcome, CliError> {
    let proven: Vec<String> = report
        .findings
        .iter()
        .filter_map(|finding| Some(finding.evidence.as_ref()?.display().to_string()))
        .collect();
    if !proven.is_empty() {
        return Err(CliError::misbehaved(format_args!(
            "somebody signed two histories; the evidence is in {}, and `almenara evidence verify` checks it",
            proven.join(", ")
        )));
    }
    if !report.findings.is_empty() {
        return Ok(Outcome::No);
    }
    match report.unfinished.first() {
        None => Ok(Outcome::Done),
        Some(first) => Err(CliError::unavailable(format_args!("not everything could be looked at: {first}"))),
    }
}

fn tell(report: &Report, context: &Context) -> Result<(), CliError> {
    let output = &context.output;
    if output.is_json() {
        return output.json(report);
    }
    let rows: Vec<[String; 9]> = report
        .logs
        .iter()
        .map(|log| {
            [
                log.member.clone(),
                log.source.clone(),
                count(log.entries),
                format!("+{}", count(log.new_entries)),
                count(log.settled),
                count(log.tally.statements),
                count(log.tally.withdrawn),
                count(log.tiles),
                if log.whole { "holds" } else { "NOT to its end" }.to_owned(),
            ]
        })
        .collect();
    output.table(
        ["log", "shown by", "entries", "new", "settled", "statements", "withdrawn", "tiles", ""],
        &rows,
    )?;
    for log in report.logs.iter().filter(|log| log.shown + log.withheld > 0) {
        output.say(format_args!(
            "{}: {} statements looked at, {} of the same batches are not shown to us.",
            log.member,
            count(log.shown),
            count(log.withheld)
        ))?;
    }
    for finding in &report.findings {
        output.say(words(finding, &output.paint(Style::Bad, "finding:")))?;
    }
    for reason in &report.unfinished {
        output.warn(tame(reason));
    }
    let logs = plural(report.logs.len(), "log", "logs");
    match (report.findings.len(), report.unfinished.is_empty()) {
        (0, true) => output.say(format_args!("{logs}: {}", output.paint(Style::Good, "everything holds."))),
        (0, false) => output.say(format_args!("{logs}: what was looked at holds, and not everything was.")),
        (many, _) => output.say(format_args!("{logs}, {}.", plural(many, "finding", "findings"))),
    }
}

fn words(finding: &Finding, heading: &str) -> String {
    let log = finding.log.as_ref().map(|log| format!("{log}: ")).unwrap_or_default();
    let evidence =
        finding.evidence.as_ref().map(|path| format!("; proof: {}", path.display())).unwrap_or_default();
    let place = tame(&finding.place.to_string()).into_owned();
    let (what, fault) = (tame(&finding.what).into_owned(), tame(&finding.fault.to_string()).into_owned());
    format!("{heading} {log}{place}: {what} [{fault}]{evidence}")
}
