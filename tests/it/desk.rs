//! A desk with the command line against a node: from a list to everybody's blocklist, and back out of it.

use std::path::{Path, PathBuf};

use almenara_certs::Role;
use almenara_client::{
    commands,
    config::Environment,
    context::Context,
    exit::Exit,
    home::Home,
    keyfile::{self, Purpose},
    output::{Manner, Output},
    random::Random,
    rosters,
};
use almenara_tests::cluster::{Cluster, FEDERATION, NOW, key};
use anyhow::{Context as _, Result};
use clap::Parser as _;

/// A folder of `almenara` for one of `member`'s people.
struct Person<'a> {
    cluster: &'a Cluster,
    home: PathBuf,
}

impl<'a> Person<'a> {
    fn new(cluster: &'a Cluster, member: usize, role: Role, name: &str) -> Result<Self> {
        let home = cluster.dir.path().join(format!("{member}-{name}"));
        let who = cluster.members.get(member).context("no such member")?;
        let leaf = who.authority.issue(role, name, &[], std::time::Duration::from_secs(86_400), NOW)?;
        std::fs::create_dir_all(home.join("tls"))?;
        std::fs::create_dir_all(home.join("rosters"))?;
        std::fs::write(home.join("tls/cert.pem"), &leaf.chain_pem)?;
        almenara_certs::write_private(&home.join("tls/key.pem"), &leaf.key_pem)?;
        rosters::write(&home.join("rosters/1.roster"), &cluster.roster.signed)?;
        let desk = format!("{}/{name}", who.name);
        keyfile::create(&home.join("desk.pem"), Purpose::Publisher, &desk, &key(100))?;
        let config = format!(
            "federation = \"{FEDERATION}\"\nroster = \"{}\"\nnodes = [\"{}\"]\n\
             [publisher]\nname = \"{desk}\"\nkey = \"desk.pem\"\n",
            cluster.roster.signed.id(),
            who.name
        );
        std::fs::write(home.join("almenara.toml"), config)?;
        Ok(Self { cluster, home })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Runs `almenara` with this line; words that name files of the home start with `@`. What it printed.
    async fn check(&self, line: &str, code: u8) -> Result<String> {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => self.path(file).display().to_string(),
            None => word.to_owned(),
        });
        let cli =
            almenara_client::cli::Cli::try_parse_from(std::iter::once("almenara".to_owned()).chain(words))?;
        let (output, captured) = Output::captured(Manner { yes: true, ..Manner::default() }, "");
        let context = Context::new(Home::new(&self.home), output, Environment::default())
            .with(self.cluster.clock(), Random::system());
        let (found, text) = match commands::run(cli.verb, &context).await {
            Ok(outcome) => (Exit::from(outcome), captured.out() + &captured.err()),
            Err(error) => (error.exit(), error.to_string()),
        };
        assert_eq!(found.code(), code, "{line}: {text}");
        Ok(text)
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

const HOW: &str = "--kind domain --category phishing --tlp GREEN --pap GREEN --observed";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_published_pulled_elsewhere_exported_and_withdrawn() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    let desk = Person::new(&cluster, 0, Role::Publisher, "cyber-desk")?;
    let platform = Person::new(&cluster, 1, Role::Consumer, "app-1")?;

    // More than one batch, with a line that nobody can use.
    let list: String = (0..5_000).map(|n| format!("scam{n}[.]example\n")).collect();
    std::fs::write(desk.path("list.txt"), list + "co.uk\n")?;
    let dry = desk.check(&format!("publish @list.txt {HOW} --dry-run"), 0).await?;
    assert!(
        dry.contains("Would send 5,000 statements as police.th.example/cyber-desk to the node of police"),
        "{dry}"
    );
    let told = desk.check(&format!("publish @list.txt {HOW}"), 0).await?;
    assert!(told.contains("at index 1 to 2: 5,000 statements, in 2 items"), "{told}");

    cluster.settled(1, 0, 3).await?;
    platform.check("pull", 0).await?;
    platform.check("export --format plain -o @block.txt", 0).await?;
    let blocked = read(&platform.path("block.txt"))?;
    assert_eq!(blocked.lines().count(), 5_000);
    assert!(blocked.contains("\nscam17.example\n"));

    desk.check("pull", 0).await?;
    desk.check("withdraw --indicator domain scam17.example --reason false_positive", 0).await?;
    cluster.wait_for(1, 0, 4).await?;
    platform.check("pull", 0).await?;
    platform.check("export --format plain -o @block.txt", 0).await?;
    assert!(!read(&platform.path("block.txt"))?.contains("\nscam17.example\n"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_run_left_goes_first() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH")]).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    let desk = Person::new(&cluster, 0, Role::Publisher, "cyber-desk")?;
    let folder = desk.path("unsettled");
    std::fs::create_dir(&folder)?;
    // As a run leaves it that was stopped: one item is in the log already, another one is not.
    for name in ["known", "new"] {
        std::fs::write(desk.path("list.txt"), format!("{name}.example\n"))?;
        desk.check(&format!("import @list.txt {HOW} -o @{name}.jsonl"), 0).await?;
        desk.check(&format!("sign @{name}.jsonl -o @{name}.signed"), 0).await?;
    }
    desk.check("submit @known.signed", 0).await?;
    let left = [read_bytes(&desk.path("known.signed"))?, read_bytes(&desk.path("new.signed"))?].concat();
    std::fs::write(folder.join("1795305600-000.signed"), left)?;

    std::fs::write(desk.path("list.txt"), "later.example\n")?;
    let told = desk.check(&format!("publish @list.txt {HOW}"), 0).await?;
    assert!(told.contains("at index 1 to 2: 2 statements (1 of them were there already)"), "{told}");
    assert!(told.contains("at index 3: 1 statements"), "{told}");
    assert!(told.contains("First what an earlier run left"), "{told}");
    assert_eq!(std::fs::read_dir(&folder)?.count(), 0, "nothing is unsettled any more");

    // What the node refuses is kept aside, and holds nothing up.
    let stranger = Person::new(&cluster, 0, Role::Publisher, "other-desk")?;
    std::fs::create_dir(stranger.path("unsettled"))?;
    std::fs::copy(desk.path("new.signed"), stranger.path("unsettled/1795305600-000.signed"))?;
    let told = stranger.check("submit @unsettled/1795305600-000.signed", 1).await?;
    assert!(told.contains("not_yours"), "{told}");
    std::fs::write(stranger.path("list.txt"), "x.example\n")?;
    let told = stranger.check(&format!("publish @list.txt {HOW}"), 1).await?;
    assert!(told.contains("the file is now") && told.contains("000.refused"), "{told}");
    assert!(stranger.path("unsettled/1795305600-000.refused").exists());
    Ok(())
}

fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_node_refuses_is_named_by_its_line_and_the_rest_is_published() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH")]).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    let desk = Person::new(&cluster, 0, Role::Publisher, "cyber-desk")?;
    std::fs::write(desk.path("old.txt"), "scam1.example\nscam2.example\n")?;
    desk.check(&format!("publish @old.txt {HOW}"), 0).await?;
    desk.check("pull", 0).await?;
    desk.check("withdraw --indicator domain scam2.example --reason false_positive", 0).await?;

    // A stale list cannot resurrect the false positive.
    std::fs::write(desk.path("new.txt"), "# stale\nscam2.example\nscam3.example\nscam4.example\n")?;
    let told = desk.check(&format!("publish @new.txt {HOW} --refused @refused.jsonl"), 1).await?;
    assert!(told.contains("at index 3: 2 statements, in 1 items") && told.contains("withdrawn"), "{told}");
    let refused: serde_json::Value = serde_json::from_str(&read(&desk.path("refused.jsonl"))?)?;
    assert_eq!((&refused["line"], &refused["value"]), (&2.into(), &"scam2.example".into()));
    desk.check("pull", 0).await?;
    desk.check("export --format plain -o @block.txt", 0).await?;
    assert_eq!(read(&desk.path("block.txt"))?, "scam1.example\nscam3.example\nscam4.example\n");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_signed_offline_is_submitted_later_and_never_twice() -> Result<()> {
    let mut cluster = Cluster::start(&[("police.th.example", "TH")]).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    cluster.stop(0).await?;
    {
        let desk = Person::new(&cluster, 0, Role::Publisher, "cyber-desk")?;
        std::fs::write(desk.path("list.txt"), "scam1.example\nscam2.example\n")?;
        desk.check(&format!("import @list.txt {HOW} -o @drafts.jsonl"), 0).await?;
        desk.check("sign @drafts.jsonl -o @drafts.signed", 0).await?;
        desk.check("submit @drafts.signed", 3).await?;
    }
    cluster.restart(0).await?;
    let desk = Person { cluster: &cluster, home: cluster.dir.path().join("0-cyber-desk") };
    let first = desk.check("submit @drafts.signed", 0).await?;
    assert!(first.contains("at index 1: 2 statements, in 1 items"), "{first}");
    let again = desk.check("submit @drafts.signed", 0).await?;
    assert!(again.contains("at index 1: 2 statements (2 of them were there already)"), "{again}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_cosigned_is_said_to_wait_and_can_be_waited_for() -> Result<()> {
    let mut cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    cluster.stop(1).await?;
    cluster.grant(0, "cyber-desk", 100).await?;
    {
        let desk = Person::new(&cluster, 0, Role::Publisher, "cyber-desk")?;
        std::fs::write(desk.path("list.txt"), "scam1.example\n")?;
        desk.check(&format!("publish @list.txt {HOW}"), 0).await?;
        let waits = "police.th.example: 2 entries wait for cosignatures of 1 other jurisdiction, not counted";
        for (line, code) in [("pull", 0), ("pull --wait 0", 1)] {
            let told = desk.check(line, code).await?;
            assert!(told.contains(waits) && told.contains("Listed indicators: +0"), "{told}");
        }
        let told = desk.check("export --format plain", 1).await?;
        assert!(told.contains("1 left out: it is pending"), "{told}");
    }
    cluster.restart(1).await?;
    let desk = Person { cluster: &cluster, home: cluster.dir.path().join("0-cyber-desk") };
    let told = desk.check("pull --wait 10", 0).await?;
    assert!(told.contains("Listed indicators: +1") && !told.contains("wait"), "{told}");
    desk.check("export --format plain", 0).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_roster_is_proposed_signed_and_submitted_from_the_command_line() -> Result<()> {
    let cluster = Cluster::start(&[("police.th.example", "TH"), ("ngo.nl.example", "NL")]).await?;
    let operator = Person::new(&cluster, 0, Role::Operator, "ops")?;
    for (at, member) in cluster.members.iter().enumerate() {
        let path = operator.path(&format!("root{at}.pem"));
        keyfile::create(&path, Purpose::Root, member.name.as_str(), &member.root_key)?;
    }
    let told = operator.check("roster propose --cap-percent 40 -o @next.roster", 0).await?;
    assert!(told.contains("40"), "{told}");
    operator.check("roster sign @next.roster --key @root0.pem", 0).await?;
    let told = operator.check("roster verify @next.roster", 1).await?;
    assert!(told.contains("ngo.nl.example"), "{told}");
    operator.check("roster submit @next.roster", 1).await?;
    operator.check("roster sign @next.roster --key @root1.pem", 0).await?;
    operator.check("roster verify @next.roster", 0).await?;
    operator.check("roster submit @next.roster", 0).await?;
    for node in 0..2 {
        cluster.has_roster(node, 2).await?;
        assert_eq!(cluster.node(node)?.rosters().current().roster.custody.cap_percent, 40);
    }
    // The same again changes nothing.
    operator.check("roster submit @next.roster", 0).await?;
    Ok(())
}
