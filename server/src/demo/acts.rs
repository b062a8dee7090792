//! What happens, act by act.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use almenara_client::exit::CliError;
use almenara_proto::indicator::Kind;

use super::{
    Args, forge,
    hand::{Answer, almenara},
    house::{self, Organisation, text},
    story::Story,
};

const POLICE_SAMPLE: &str = include_str!("sample/police.txt");
const NGO_SAMPLE: &str = include_str!("sample/ngo.txt");
/// Reported by mistake, and withdrawn.
const MISTAKE: &str = "charity-of-the-border.example";

/// Who plays, and what is known so far.
pub(super) struct Cast {
    dir: PathBuf,
    organisations: Vec<Organisation>,
    list: PathBuf,
    own_list: bool,
    kind: Kind,
    chain: Option<String>,
    mistake: String,
    listed: u64,
}

/// A number in an answer.
fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

impl Cast {
    /// Three homes, one roster signed by all, three running nodes, and their desks with granted keys.
    pub(super) async fn assemble(dir: &Path, args: &Args, story: &mut Story<'_>) -> Result<Self, CliError> {
        story.step("Three organisations of three jurisdictions agree on a roster")?;
        let mut organisations = house::build(dir).await?;
        for one in &mut organisations {
            one.start(args.safeguards.as_deref()).await?;
        }
        for one in &organisations {
            one.staff(dir).await?;
            story.fact(format_args!(
                "{:<22} {}  node at {}, desk {}/{} with a granted key",
                one.name,
                one.jurisdiction,
                one.address(),
                one.name,
                one.desk
            ))?;
        }
        story.fact(
            "Each has its own certificate authority; the roster that all three signed says whom to believe.",
        )?;
        story.took()?;
        let list = match &args.import {
            Some(list) => list.clone(),
            None => write(&dir.join("police.txt"), POLICE_SAMPLE)?,
        };
        Ok(Self {
            dir: dir.to_owned(),
            organisations,
            list,
            own_list: args.import.is_some(),
            kind: args.kind,
            chain: args.chain.clone(),
            mistake: MISTAKE.to_owned(),
            listed: 0,
        })
    }

    fn one(&self, at: usize) -> Result<&Organisation, CliError> {
        self.organisations.get(at).ok_or_else(|| CliError::internal("an organisation is missing"))
    }

    /// The police desk imports a list, signs it and publishes it; the NGO publishes its own.
    pub(super) async fn publish(&mut self, story: &mut Story<'_>) -> Result<(), CliError> {
        let name = self.list.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        story.step(&format!(
            "The police desk publishes {name}, canonicalised, signed, with receipts verified"
        ))?;
        let category = if self.kind == Kind::Wallet { "scam.investment" } else { "scam.phishing" };
        let answer = self.publish_list(0, &self.list, self.kind, category).await?;
        let accepted = self.account(&answer, story)?;
        story.expect(accepted > 0, "something was published")?;
        if self.own_list {
            let extra = write(&self.dir.join("mistake.txt"), MISTAKE)?;
            self.publish_list(0, &extra, Kind::Domain, "scam.phishing").await?;
        }
        story.took()?;

        story.step("The NGO publishes what people who came home told")?;
        let list = write(&self.dir.join("ngo.txt"), NGO_SAMPLE)?;
        let answer = self.publish_list(1, &list, Kind::Domain, "recruit.job_lure").await?;
        self.account(&answer, story)?;
        story.took()
    }

    async fn publish_list(
        &self,
        at: usize,
        list: &Path,
        kind: Kind,
        category: &str,
    ) -> Result<Answer, CliError> {
        let one = self.one(at)?;
        let refused = self.dir.join(format!("refused-by-{}.jsonl", one.name));
        let lines = self.dir.join(format!("lines-of-{}.jsonl", one.name));
        let mut words = vec![
            "--home",
            text(&one.desk_home)?,
            "publish",
            text(list)?,
            "--format",
            "plain",
            "--kind",
            kind.as_str(),
            "--category",
            category,
            "--tlp",
            "CLEAR",
            "--pap",
            "CLEAR",
            "--observed",
            "--refused",
            text(&refused)?,
            "--report",
            text(&lines)?,
        ];
        if let Some(chain) = &self.chain {
            words.extend(["--chain", chain]);
        }
        Ok(almenara(&words).await)
    }

    /// Every line is accounted for: what the client said of it, and what the node said of the rest.
    fn account(&self, answer: &Answer, story: &mut Story<'_>) -> Result<u64, CliError> {
        let (Some(import), Some(sent)) = (answer.json.first(), answer.json.get(1)) else {
            return match &answer.outcome {
                Err(error) => Err(CliError::internal(error)),
                Ok(_) => Err(CliError::internal(format!("publishing answered {:?}", answer.json))),
            };
        };
        if let Err(error) = &answer.outcome {
            return Err(CliError::internal(error));
        }
        story.answer("publish", import);
        story.answer("publish", sent);
        let of = |name| number(import, name);
        let (published, refused) = (number(sent, "statements"), number(sent, "refused"));
        story.table(
            [
                "lines",
                "accepted",
                "repaired",
                "duplicate",
                "refused",
                "comments",
                "in the log",
                "refused by the node",
            ],
            &[[
                of("lines").to_string(),
                of("accepted").to_string(),
                of("repaired").to_string(),
                of("duplicate").to_string(),
                of("refused").to_string(),
                of("skipped").to_string(),
                published.to_string(),
                refused.to_string(),
            ]],
        )?;
        for (reason, counted) in import.get("reasons").and_then(Value::as_object).into_iter().flatten() {
            let example = counted.pointer("/examples/0/message").and_then(Value::as_str).unwrap_or_default();
            story.fact(format_args!(
                "{:>7} refused by the client, {reason}: {example}",
                number(counted, "count")
            ))?;
        }
        for (reason, counted) in sent.get("reasons").and_then(Value::as_object).into_iter().flatten() {
            let count = counted.get(0).and_then(Value::as_u64).unwrap_or_default();
            let example = counted.pointer("/1/0").and_then(Value::as_str).unwrap_or_default();
            story.fact(format_args!("{count:>7} refused by the node, {reason}: {example}"))?;
        }
        let sum = ["accepted", "repaired", "duplicate", "refused", "skipped"].map(of).iter().sum::<u64>();
        story.expect(sum == of("lines"), format_args!("all {} lines are accounted for", of("lines")))?;
        story.expect(
            of("accepted") + of("repaired") == published + refused,
            format_args!("all {} drafts were logged or refused with a reason", published + refused),
        )?;
        Ok(published)
    }

    /// Waits until every node holds every log, and knows who has cosigned it.
    pub(super) async fn replicate(&mut self, story: &mut Story<'_>) -> Result<(), CliError> {
        story.step("The nodes replicate each other's logs, verify every byte, and cosign what they hold")?;
        let sizes = self.sizes()?;
        for holder in &self.organisations {
            for (origin, size) in &sizes {
                holder.wait_for(origin, *size, Duration::from_secs(120)).await?;
            }
        }
        let mut rows = Vec::new();
        for (origin, size) in &sizes {
            let held = |at: usize| Ok::<_, CliError>(self.one(at)?.held(origin).to_string());
            rows.push([origin.to_string(), size.to_string(), held(0)?, held(1)?, held(2)?]);
        }
        let name = |at: usize| Ok::<_, CliError>(format!("held by {}", self.one(at)?.name));
        let header = ["log of".to_owned(), "entries".to_owned(), name(0)?, name(1)?, name(2)?];
        story.table(header.each_ref().map(String::as_str), &rows)?;
        let settled =
            |holder: &Organisation| sizes.iter().all(|(origin, size)| holder.settled(origin) >= *size);
        story.expect(
            self.organisations.iter().all(settled),
            "every node holds every log under its origin's checkpoint, which another jurisdiction cosigned",
        )?;
        story.took()
    }

    fn sizes(&self) -> Result<Vec<(almenara_proto::name::MemberName, u64)>, CliError> {
        Ok(self.organisations.iter().map(|one| (one.name.clone(), one.held(&one.name))).collect())
    }

    /// What must not get in.
    pub(super) async fn refuse(&mut self, story: &mut Story<'_>) -> Result<(), CliError> {
        story.step("What must not get in")?;
        let police = self.one(0)?;
        let before = police.held(&police.name);
        for (what, expected, refusal) in forge::attempts(police, self.one(1)?).await? {
            story.expect(
                refusal.0 == expected,
                format_args!(
                    "{what}: refused ({}): {}",
                    refusal.0.as_str_name().trim_start_matches("REFUSAL_CODE_"),
                    refusal.1
                ),
            )?;
        }
        let protected = write(&self.dir.join("protected.txt"), "google.com\nwww.google.com\n")?;
        let answer = self.publish_list(0, &protected, Kind::Domain, "scam.phishing").await?;
        let sent = answer.json.get(1).cloned().unwrap_or_default();
        story.answer("publish", &sent);
        let example =
            sent.pointer("/reasons/protected/1/0").and_then(Value::as_str).unwrap_or_default().to_owned();
        story.expect(
            number(&sent, "refused") == 2 && number(&sent, "statements") == 0,
            format_args!("protected domains: refused: {example}"),
        )?;
        let stranger = forge::stranger(police).await;
        story.expect(
            stranger.is_err(),
            format_args!("a certificate of nobody's authority: {}", stranger.err().unwrap_or_default()),
        )?;
        story.expect(police.held(&police.name) == before, "nothing of it reached the log")?;
        story.took()
    }

    /// The platform pulls from its own node, and exports a blocklist.
    pub(super) async fn pull_and_export(&mut self, story: &mut Story<'_>) -> Result<(), CliError> {
        story.step("The platform pulls, verifies everything itself, and exports blocklists")?;
        let pulled = self.pull(2).await?;
        story.answer("pull", &pulled);
        self.listed = number(&pulled, "listed");
        for log in pulled.get("logs").and_then(Value::as_array).into_iter().flatten() {
            story.fact(format_args!(
                "{:<22} {:>7} entries, {:>8} statements, {} void",
                log.get("member").and_then(Value::as_str).unwrap_or_default(),
                number(log, "entries"),
                number(log, "statements"),
                number(log, "void")
            ))?;
        }
        story.expect(self.listed > 0, format_args!("{} indicators are listed", self.listed))?;
        self.export(story).await?;
        story.expect(
            self.blocklist()?.contains(&self.mistake),
            format_args!("{} is on the list, by mistake", self.mistake),
        )?;
        story.took()
    }

    async fn pull(&self, at: usize) -> Result<Value, CliError> {
        almenara(&["--home", text(&self.one(at)?.app_home)?, "pull"]).await.done()
    }

    fn list_path(&self, name: &str) -> PathBuf {
        self.dir.join("blocklists").join(name)
    }

    fn blocklist(&self) -> Result<String, CliError> {
        let path = self.list_path("hosts");
        std::fs::read_to_string(&path).map_err(|error| CliError::file(&path, &error))
    }

    async fn export(&self, story: &mut Story<'_>) -> Result<(), CliError> {
        let home = text(&self.one(2)?.app_home)?;
        let folder = self.dir.join("blocklists");
        std::fs::create_dir_all(&folder).map_err(|error| CliError::file(&folder, &error))?;
        let formats: [(&str, &str, &[&str]); 4] = [
            ("hosts", "hosts", &[]),
            ("rpz", "rpz.zone", &["--origin", "rpz.almenara.example"]),
            ("csv", "indicators.csv", &[]),
            ("jsonl", "indicators.jsonl", &[]),
        ];
        for (format, file, more) in formats {
            let path = self.list_path(file);
            let mut words = vec!["--home", home, "export", "--format", format, "-o", text(&path)?];
            words.extend(more);
            let summary = almenara(&words).await.done()?;
            story.answer(&format!("export --format {format}"), &summary);
            let skipped: Vec<String> = summary
                .get("skipped")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(code, skipped)| {
                    let example = skipped.pointer("/examples/0").and_then(Value::as_str).unwrap_or_default();
                    format!("; {} left out ({code}, such as {example})", number(skipped, "count"))
                })
                .collect();
            story.fact(format_args!(
                "{format:<6} {:>8} written{}",
                number(&summary, "written"),
                skipped.concat()
            ))?;
        }
        Ok(())
    }

    /// A false positive goes, everywhere, and does not come back.
    pub(super) async fn withdraw(&mut self, story: &mut Story<'_>) -> Result<(), CliError> {
        story.step("A false positive is withdrawn, and stays away")?;
        let police = self.one(0)?;
        let desk = text(&police.desk_home)?;
        almenara(&["--home", desk, "pull", police.name.as_str()]).await.done()?;
        let withdrawn = almenara(&[
            "--home",
            desk,
            "--yes",
            "withdraw",
            "--indicator",
            "domain",
            &self.mistake,
            "--reason",
            "false_positive",
        ])
        .await
        .done()?;
        story.answer("withdraw", &withdrawn);
        let size = police.held(&police.name);
        self.one(2)?.wait_for(&police.name, size, Duration::from_secs(30)).await?;
        let pulled = self.pull(2).await?;
        story.answer("pull", &pulled);
        story.expect(
            number(&pulled, "unlisted") == 1,
            format_args!("{} left the platform's list", self.mistake),
        )?;
        self.export(story).await?;
        story.expect(!self.blocklist()?.contains(&self.mistake), "it is in none of its files")?;
        let again = write(&self.dir.join("again.txt"), &self.mistake)?;
        let answer = self.publish_list(0, &again, Kind::Domain, "scam.phishing").await?;
        let sent = answer.json.get(1).cloned().unwrap_or_default();
        story.answer("publish", &sent);
        let why =
            sent.pointer("/reasons/withdrawn/1/0").and_then(Value::as_str).unwrap_or_default().to_owned();
        story.expect(
            number(&sent, "refused") == 1 && number(&sent, "statements") == 0,
            format_args!("a stale import cannot bring it back: {why}"),
        )?;
        story.took()
    }

    /// What one can do now.
    pub(super) async fn close(&mut self, story: &mut Story<'_>, kept: bool) -> Result<(), CliError> {
        story.step(&format!("Done in {:.1} seconds", story.seconds()))?;
        if !kept {
            story.fact("Keep everything and go on by hand with: almenarad demo --dir demo --stay")?;
            return story.end();
        }
        let (node, app) = (text(&self.one(2)?.node_home)?, text(&self.one(2)?.app_home)?);
        let value = if self.own_list { "VALUE" } else { "crypto-mentor-lily.example" };
        story.fact("Go on by hand (start a node first, if it does not run any more):")?;
        for command in [
            format!("target/release/almenarad --home {node} run"),
            format!("target/release/almenara --home {app} pull"),
            format!("target/release/almenara --home {app} status"),
            format!("target/release/almenara --home {app} lookup {value}"),
            format!("target/release/almenara --home {app} show domain {value}"),
            format!("target/release/almenara --home {app} export --format hosts"),
        ] {
            story.fact(command)?;
        }
        story.end()
    }

    /// Stops the nodes in order.
    pub(super) async fn stop(self) -> Result<(), CliError> {
        for one in self.organisations {
            if let Some(node) = one.node {
                node.stop().await.map_err(CliError::internal)?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, content: &str) -> Result<PathBuf, CliError> {
    std::fs::write(path, content).map_err(|error| CliError::file(path, &error))?;
    Ok(path.to_owned())
}
