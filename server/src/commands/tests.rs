//! Two members make their nodes, sign a roster and join, through files, as operators do.

use std::path::PathBuf;

use almenara_client::{
    clock,
    config::{Config as ClientConfig, Environment},
    exit::Exit,
    home::Home,
    output::{Manner, Output},
    rosters,
};
use clap::Parser as _;

use crate::{cli::Cli, config::Config, context::Context, home::NodeHome, keys::NodeKeys};

const NOW: u64 = 1_800_000_000;
const DAY: u64 = 86_400;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `almenarad` at `now` with this line, where words that name files of the folder start with `@`, for a
    /// person who types `answers`; expects the exit code and a text in what was said.
    fn at(&self, now: u64, line: &str, answers: &'static str, code: u8, says: &str) -> String {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => self.path(file).display().to_string(),
            None => word.to_owned(),
        });
        let cli = Cli::try_parse_from(std::iter::once("almenarad".to_owned()).chain(words)).expect("parsed");
        let manner = Manner { json: cli.manner.json, yes: cli.manner.yes, ..Manner::default() };
        let (output, captured) = Output::captured(manner, answers);
        let home = NodeHome::find(cli.home, cli.config, &Environment::default()).expect("a home");
        let context =
            Context { clock: clock::fixed(now), ..Context::new(home, output, Environment::default()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (found, text) = match runtime.block_on(super::run(cli.verb, &context)) {
            Ok(outcome) => (Exit::from(outcome), captured.out() + &captured.err()),
            Err(error) => (error.exit(), error.to_string()),
        };
        assert_eq!(found.code(), code, "{line}: {text}");
        assert!(text.contains(says), "{line}: {text}");
        text
    }

    fn check(&self, line: &str, answers: &'static str, code: u8, says: &str) -> String {
        self.at(NOW, line, answers, code, says)
    }

    fn init(&self, home: &str, member: &str, jurisdiction: &str) {
        self.check(
            &format!(
                "--home @{home} init --federation scamwatch.example --member {member} --organisation-type police \
                 --jurisdiction {jurisdiction} --address 127.0.0.1:1"
            ),
            "",
            0,
            "almenara roster new",
        );
    }

    /// Version 1 of the members in these homes, signed by all of them, in file `name`; its hash.
    fn roster(&self, name: &str, homes: &[&str]) -> String {
        use almenara_client::{
            keyfile::{Purpose, load},
            passphrase::Passphrases,
        };
        use almenara_proto::roster::{CustodyRule, Member, Roster, SignedRoster};
        let members = homes.iter().map(|home| {
            let bytes = std::fs::read(self.path(home).join("member.entry")).expect("an entry");
            let member = Member::parse(&bytes).expect("an entry");
            (member.name.clone(), member)
        });
        let roster = Roster {
            federation: "scamwatch.example".into(),
            version: 1,
            expires_at: NOW + 365 * DAY,
            previous: None,
            members: members.collect(),
            groups: std::collections::BTreeMap::new(),
            quorum: 1,
            custody: CustodyRule::default(),
        };
        let mut signed = SignedRoster::unsigned(&roster);
        for home in homes {
            signed.sign(
                &load(&self.path(home).join("keys/root.pem"), Purpose::Root, &Passphrases::default())
                    .expect("a root key")
                    .key,
            );
        }
        rosters::write(&self.path(name), &signed).expect("written");
        signed.id().to_string()
    }
}

#[test]
fn a_node_is_made_once() {
    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    let again = "--home @th init --federation scamwatch.example --member police.th.example --organisation-type ngo \
                 --jurisdiction TH --address localhost:1";
    desk.check(again, "", 2, "exists already");
    desk.check(
        &again.replace("@th", "@dry").replace("--address", "--dry-run --address"),
        "",
        0,
        "Would make a node",
    );
    assert!(!desk.path("dry").exists(), "a dry run makes nothing");
    desk.check("--home @nowhere status", "", 2, "almenarad init");
    desk.check("--home @th status", "", 2, "almenarad join");
    desk.check("--home @th run", "", 2, "almenarad join");
}

#[test]
fn two_nodes_join_by_a_roster_that_both_signed() {
    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    desk.init("nl", "ngo.nl.example", "NL");
    let hash = desk.roster("v1.roster", &["th", "nl"]);
    let other = "0".repeat(64);
    desk.check(&format!("--home @th join @v1.roster --hash {other}"), "", 4, "was pinned");
    desk.check("--home @th join @v1.roster", "n\n", 1, &hash);
    desk.check("--home @th join @v1.roster", "", 2, "give --yes");
    desk.check("--home @th status", "", 2, "almenarad join");
    desk.check("--home @th join @v1.roster", "y\n", 0, "has joined");
    desk.check("--home @th join @v1.roster", "", 0, "has joined");
    desk.check(&format!("--home @nl join @v1.roster --hash {hash}"), "", 0, "has joined");
    let config = std::fs::read_to_string(desk.path("th/almenarad.toml")).expect("read");
    assert!(config.contains(&format!("\nroster = \"{hash}\"\nlisten")), "{config}");
    // Nobody listens there.
    desk.check("--home @th status", "", 3, "cannot be reached");
}

#[test]
fn a_node_joins_no_roster_that_is_not_its_own() {
    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    desk.init("nl", "ngo.nl.example", "NL");
    desk.init("forged", "police.th.example", "TH");
    desk.roster("without.roster", &["nl"]);
    desk.check("--home @th join @without.roster --yes", "", 2, "police.th.example is not in it");
    desk.roster("forged.roster", &["forged", "nl"]);
    desk.check("--home @th join @forged.roster --yes", "", 2, "lists other keys for police.th.example");
    desk.roster("v1.roster", &["th", "nl"]);
    let mut unsigned = rosters::read(&desk.path("v1.roster")).expect("a roster");
    unsigned.signatures.pop();
    rosters::write(&desk.path("unsigned.roster"), &unsigned).expect("written");
    desk.check("--home @th join @unsigned.roster --yes", "", 4, "is not signed by");
    desk.check("--home @th join @v1.roster --yes", "", 0, "");
    desk.roster("alone.roster", &["th"]);
    desk.check("--home @th join @alone.roster --yes", "", 1, "one federation for life");
}

#[test]
fn what_is_rotated_lies_beside_what_is_in_force_until_a_roster_names_it() {
    use almenara_client::passphrase::Passphrases;
    use almenara_proto::{
        keys::PublicKey,
        roster::{Member, Roster},
    };
    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    desk.init("nl", "ngo.nl.example", "NL");
    desk.roster("v1.roster", &["th", "nl"]);
    desk.check("--home @th join @v1.roster --yes", "", 0, "has joined");
    desk.check("--home @th entry", "", 2, "nothing would change");
    let rotate =
        "--home @th entry --address 127.0.0.1:2 --rotate root --rotate log --rotate cosign --rotate tls";
    desk.check(&format!("{rotate} --dry-run"), "", 0, "Would write");
    assert!(!desk.path("th/keys/log.next.pem").exists(), "a dry run makes nothing");
    desk.check(rotate, "", 0, "--segment police.th.example=SIZE:ROOT");
    desk.check(rotate, "", 2, "exists already");
    let entry = Member::parse(&std::fs::read(desk.path("th/member.next.entry")).expect("an entry"));
    let entry = entry.expect("an entry");
    assert_eq!((entry.grpc.as_str(), entry.tls_ca.len()), ("127.0.0.1:2", 2));
    let keys = |listed| {
        let home = NodeHome::find(Some(desk.path("th")), None, &Environment::default()).expect("a home");
        let config = Config::read(&home, &Environment::default()).expect("a configuration");
        let keys = NodeKeys::load(&config.keys, &config.member, listed, &Passphrases::default());
        let keys = keys.expect("keys");
        (PublicKey::of(&keys.log), PublicKey::of(&keys.cosign))
    };
    let roster = rosters::read(&desk.path("v1.roster")).expect("a roster");
    let roster = Roster::parse(&roster.body).expect("a roster");
    let old = roster.member(&entry.name).expect("listed");
    let of = |member: &Member| (member.segment().expect("a segment").log_key, member.cosign_key);
    assert_eq!((keys(None), keys(Some(old))), (of(old), of(old)));
    assert_eq!(keys(Some(&entry)), of(&entry));
    assert_ne!(of(old), of(&entry));
}

#[test]
fn a_desk_gets_a_home_that_needs_no_editing() {
    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    let issue = "--home @th cert issue --role publisher --name cyber-desk --client-home @desk";
    desk.check(issue, "", 2, "almenarad join");
    let hash = desk.roster("v1.roster", &["th"]);
    desk.check("--home @th join @v1.roster --yes", "", 0, "TH alone decides who belongs");
    desk.check(issue, "", 0, "almenara --home");
    desk.check(issue, "", 2, "exists already");
    let home = Home::new(desk.path("desk"));
    let config = ClientConfig::read(&home, &Environment::default()).expect("a configuration");
    assert_eq!(config.publisher.expect("a desk").name.to_string(), "police.th.example/cyber-desk");
    let chain = rosters::Rosters::open(home.rosters(), config.roster).expect("a chain");
    assert_eq!(chain.current().id.to_string(), hash);
    let certificate = "--home @th cert inspect @desk/tls/cert.pem";
    desk.check(certificate, "", 0, "accepted by the nodes of scamwatch.example");
    desk.at(NOW + 91 * DAY, certificate, "", 1, "it expired");
    desk.at(NOW + 91 * DAY, "--home @th cert renew @desk/tls", "", 0, "publisher/cyber-desk until");
    desk.at(NOW + 91 * DAY, certificate, "", 0, "accepted by");
}

#[test]
fn certificates_are_issued_for_those_who_can_use_them() {
    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    desk.init("nl", "ngo.nl.example", "NL");
    desk.check("--home @th cert issue --role node --name two -o @two", "", 2, "at least one DNS name");
    desk.check("--home @th cert issue --role node --name two --host two.example -o @two", "", 0, "node/two");
    desk.check(
        "--home @th cert issue --role consumer --name app --host a.example -o @app",
        "",
        2,
        "leave them out",
    );
    desk.check("--home @th cert inspect @two/cert.pem", "", 0, "no roster here");
    desk.check("--home @th cert inspect @two/key.pem", "", 2, "key.pem");
    desk.check("--home @nl cert renew @two", "", 2, "did not issue that certificate");
    desk.check("--home @th cert renew", "", 0, "node/main until");
    desk.check(
        "--home @th cert issue --role node --name x --host x.example --client-home @x",
        "",
        2,
        "home of its own",
    );
}

#[test]
fn certificate_and_lists_are_read_again_and_what_cannot_be_used_changes_nothing() {
    use almenara_proto::indicator::{Indicator, Kind};

    let desk = Desk::new();
    desk.init("th", "police.th.example", "TH");
    desk.init("nl", "ngo.nl.example", "NL");
    desk.init("forged", "police.th.example", "TH");
    desk.roster("v1.roster", &["th", "nl"]);
    desk.check("--home @th join @v1.roster --yes", "", 0, "has joined");
    let home = NodeHome::find(Some(desk.path("th")), None, &Environment::default()).expect("a home");
    let config = Config::read(&home, &Environment::default()).expect("a configuration");
    let (output, _) = Output::captured(Manner::default(), "");
    let context =
        Context { clock: clock::fixed(NOW + DAY), ..Context::new(home, output, Environment::default()) };
    let settings = super::run::settings(&config, &context).expect("settings");
    let reload = crate::reload::Reload::of(&config, &settings);

    let leaf = || settings.identity.current().cert.first().expect("a leaf").to_vec();
    let first = leaf();
    desk.at(NOW + DAY, "--home @th cert renew", "", 0, "node/main until");
    reload.certificate().expect("renewed");
    let renewed = leaf();
    assert_ne!(renewed, first);
    for (other, why) in [("nl", "ngo.nl.example"), ("forged", "authority")] {
        for file in ["tls/cert.pem", "tls/key.pem"] {
            std::fs::copy(desk.path(other).join(file), desk.path("th").join(file)).expect("copied");
        }
        let error = reload.certificate().expect_err("not ours").to_string();
        assert!(error.contains("th/tls/cert.pem") && error.contains(why), "{error}");
        assert_eq!(leaf(), renewed);
    }

    let protected = |name: &str| {
        let indicator = Indicator::new(Kind::Domain, name).expect("a domain");
        settings.safeguards.current().protects(&indicator).is_some()
    };
    assert!(!protected("shop.example"));
    let list = desk.path("th/safeguards/own.json");
    let json = r#"{"name": "own", "description": "", "version": 1, "type": "string",
                   "matching_attributes": ["domain"], "list": ["shop.example"]}"#;
    std::fs::write(&list, json).expect("written");
    reload.safeguards().expect("a list");
    assert!(protected("shop.example") && protected("ngo.nl.example"));
    std::fs::write(&list, "{").expect("written");
    let error = reload.safeguards().expect_err("no list").to_string();
    assert!(error.contains("own.json"), "{error}");
    assert!(protected("shop.example"), "what was in force stays");
}
