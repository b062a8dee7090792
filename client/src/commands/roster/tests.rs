//! Three members make, sign and accept a roster through files, as people do.

use std::path::{Path, PathBuf};

use almenara_certs::Authority;
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    merkle::empty_root,
    roster::{Member, Segment},
    wire::OrganisationType,
};
use clap::Parser as _;

use crate::{
    cli::Cli,
    clock,
    config::Environment,
    context::Context,
    exit::{CliError, Outcome},
    home::Home,
    keyfile::{self, Purpose},
    output::{Captured, Manner, Output},
    random::Random,
};

const NOW: u64 = 1_800_000_000;

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A folder with root keys and entries of members in these jurisdictions: `m0.pem`, `m0.entry`, …
    fn of(jurisdictions: &[&str]) -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        for (n, jurisdiction) in (0u8..).zip(jurisdictions) {
            let key = |purpose: u8| SigningKey::from_bytes(&[n * 3 + purpose; 32]);
            let name = format!("m{n}.example");
            let authority = Authority::create(&name, almenara_certs::AUTHORITY_VALIDITY, NOW).expect("made");
            let member = Member {
                name: name.parse().expect("a name"),
                organisation_type: OrganisationType::Ngo,
                jurisdiction: jurisdiction.parse().expect("a code"),
                also_subject_to: Vec::new(),
                segments: vec![Segment {
                    from_size: 0,
                    root: empty_root(),
                    root_key: PublicKey::of(&key(1)),
                    log_key: PublicKey::of(&key(2)),
                }],
                cosign_key: PublicKey::of(&key(3)),
                tls_ca: vec![authority.cert_der().to_vec().into()],
                grpc: format!("{name}:7443"),
                https: String::new(),
                contact: String::new(),
            };
            keyfile::create(&desk.path(&format!("m{n}.pem")), Purpose::Root, &name, &key(1))
                .expect("written");
            std::fs::write(desk.path(&format!("m{n}.entry")), member.encode()).expect("written");
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `almenara` with this line, where words that name files of the folder start with `@`, for a person who
    /// types `answers`.
    fn run(&self, line: &str, answers: &'static str) -> (Result<Outcome, CliError>, Captured) {
        let words = line.split(' ').map(|word| match word.strip_prefix('@') {
            Some(file) => self.path(file).display().to_string(),
            None => word.to_owned(),
        });
        let cli = Cli::try_parse_from(std::iter::once("almenara".to_owned()).chain(words)).expect("parsed");
        let manner = Manner { json: cli.global.manner.json, yes: cli.global.manner.yes, ..Manner::default() };
        let (output, captured) = Output::captured(manner, answers);
        let context = Context::new(Home::new(self.folder.path()), output, Environment::default())
            .with(clock::fixed(NOW), Random::system());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        (runtime.block_on(crate::commands::run(cli.verb, &context)), captured)
    }

    fn check(&self, line: &str, answers: &'static str, code: u8, says: &str) -> String {
        let (outcome, captured) = self.run(line, answers);
        let (found, text) = match outcome {
            Ok(outcome) => (crate::exit::Exit::from(outcome), captured.out() + &captured.err()),
            Err(error) => (error.exit(), error.to_string()),
        };
        assert_eq!(found.code(), code, "{line}: {text}");
        assert!(text.contains(says), "{line}: {text}");
        text
    }

    /// A chain of version 1 over these members, accepted in the own home.
    fn accepted(jurisdictions: &[&str]) -> Self {
        let desk = Self::of(jurisdictions);
        let entries: Vec<String> = (0..jurisdictions.len()).map(|n| format!("@m{n}.entry")).collect();
        let entries = entries.join(" ");
        let new = format!(
            "roster new --federation scamwatch.example --group asean=m0.example -o @v1.roster --member-entry {entries}"
        );
        desk.check(&new, "", 0, "");
        desk.sign("v1.roster", 0..jurisdictions.len());
        let config = format!(
            "federation = \"scamwatch.example\"\nroster = \"{}\"\nnodes = [\"m0.example\"]\n",
            desk.hash("v1.roster")
        );
        std::fs::write(desk.path("almenara.toml"), config).expect("written");
        desk.check("roster accept @v1.roster", "", 0, "Roster version 1 of scamwatch.example");
        desk
    }

    fn sign(&self, file: &str, members: impl IntoIterator<Item = usize>) {
        for n in members {
            self.check(&format!("roster sign @{file} --key @m{n}.pem --yes"), "", 0, "");
        }
    }

    /// A member's entry, changed.
    fn change(&self, entry: &str, file: &str, change: impl FnOnce(&mut Member)) {
        let bytes = std::fs::read(self.path(entry)).expect("read");
        let mut member = Member::parse(&bytes).expect("an entry");
        change(&mut member);
        std::fs::write(self.path(file), member.encode()).expect("written");
    }

    fn hash(&self, file: &str) -> String {
        crate::rosters::read(&self.path(file)).expect("a roster").id().to_string()
    }
}

const NEW: &str = "roster new --federation scamwatch.example --member-entry @m0.entry @m1.entry @m2.entry \
                   --group asean=m0.example -o @v1.roster";

#[test]
fn three_members_make_sign_verify_and_accept_a_roster_through_files() {
    let desk = Desk::of(&["TH", "NL", "US"]);
    let text = desk.check(NEW, "", 0, "almenara roster sign");
    assert!(
        text.contains("2 other jurisdictions must cosign: two histories of one log are prevented, unless"),
        "{text}"
    );
    assert!(!text.contains("one jurisdiction only"), "{text}");
    let pin = desk.hash("v1.roster");
    desk.check(&format!("roster verify @v1.roster --pin {pin}"), "", 1, "not signed by m0.example");
    desk.check("roster sign @v1.roster --key @m0.pem", "y\n", 0, "Still to sign: m1.example, m2.example");
    desk.check("roster sign @v1.roster --key @m1.pem", "n\n", 1, &pin);
    desk.check("roster sign @v1.roster --key @m1.pem --yes", "", 0, "Still to sign: m2.example");
    desk.check("roster sign @v1.roster --key @m2.pem", "y\n", 0, "Signed by every member");
    assert_eq!(desk.hash("v1.roster"), pin, "signing changes no byte of what is signed");
    desk.check("roster show @v1.roster", "", 0, "NL, TH, US of 3 jurisdictions (NL, TH, US)");
    desk.check(&format!("roster verify @v1.roster --pin {pin}"), "", 0, "Good: version 1");
    desk.check(&format!("roster verify @v1.roster --pin {}", "0".repeat(64)), "", 4, "was pinned");
    let config =
        format!("federation = \"scamwatch.example\"\nroster = \"{pin}\"\nnodes = [\"m0.example\"]\n");
    std::fs::write(desk.path("almenara.toml"), config).expect("written");
    desk.check("roster show", "", 2, "there is no roster");
    desk.check("roster accept @v1.roster", "", 0, "Roster version 1 of scamwatch.example");
    desk.check("roster show", "", 0, "Roster version 1 of scamwatch.example");
}

#[test]
fn what_is_only_detectable_is_not_called_prevented() {
    let check = |jurisdictions: &[&str], quorum: &str, says: &str| {
        let desk = Desk::of(jurisdictions);
        let entries: String = (0..jurisdictions.len()).map(|n| format!(" @m{n}.entry")).collect();
        let line = format!(
            "roster new --federation a.example --member-entry{entries} --quorum {quorum} -o @v1.roster"
        );
        desk.check(&line, "", 0, &format!("are {says}"));
    };
    check(&["TH", "NL"], "1", "prevented, unless a member cosigns both");
    check(&["TH", "NL", "US"], "1", "detectable, not prevented");
    check(&["TH", "NL", "US"], "2", "prevented");
    // One member of NL may cosign one history with US, and the other another one with KE.
    check(&["TH", "NL", "NL", "US", "KE"], "2", "detectable, not prevented");
    check(&["TH", "NL", "NL", "US", "KE"], "3", "prevented");
    // Of a log in TH two histories settle by one member of NL each; and each of them is honest.
    check(&["TH", "NL", "NL"], "1", "detectable, not prevented");
}

#[test]
fn signing_asks_and_never_assumes() {
    let desk = Desk::of(&["TH", "NL", "US"]);
    desk.check(NEW, "", 0, "");
    desk.check("roster sign @v1.roster --key @m0.pem", "", 2, "give --yes");
    desk.check("roster sign @v1.roster --key @m0.pem --dry-run", "", 0, "none of 3 jurisdictions");
    let unsigned = crate::rosters::read(&desk.path("v1.roster")).expect("a roster");
    assert!(unsigned.signatures.is_empty(), "nothing was signed");
    keyfile::create(&desk.path("x.pem"), Purpose::Root, "x.example", &SigningKey::from_bytes(&[99; 32]))
        .expect("written");
    desk.check("roster sign @v1.roster --key @x.pem --yes", "", 2, "root key of no member");
}

#[test]
fn one_jurisdiction_is_told_that_promise_two_does_not_hold() {
    let desk = Desk::of(&["TH", "TH", "TH"]);
    desk.check(NEW, "", 0, "TH alone decides who belongs");
    desk.check("roster show @v1.roster", "", 0, "promises 2 and 3 of the protocol do not hold here");
}

#[test]
fn a_roster_file_is_not_overwritten_and_what_is_none_is_refused() {
    let desk = Desk::of(&["TH", "NL", "US"]);
    desk.check(NEW, "", 0, "");
    desk.check(NEW, "", 2, "v1.roster");
    desk.check("roster show @m0.pem", "", 2, "no roster file");
    desk.check("roster show @nothing.roster", "", 2, "nothing.roster");
    desk.check(&NEW.replace("@m1.entry", "@m0.entry"), "", 2, "m0.example has an entry already");
    desk.check(&NEW.replace("asean=m0", "asean=m9"), "", 2, "m9.example in group asean is no member");
}

#[test]
fn a_desk_gets_a_key_and_loses_it_through_files() {
    let desk = Desk::of(&["TH"]);
    desk.check("keygen --purpose publisher --name m0.example/desk", "", 0, "almenara grant");
    desk.check("keygen --purpose publisher --name m0.example/desk", "", 2, "never overwritten");
    let grant = "grant --root-key @m0.pem --publisher m0.example/desk --key @keys/desk.pub.pem -o @g.signed";
    desk.check(grant, "", 2, "which federation?");
    let grant = format!("{grant} --federation scamwatch.example");
    desk.check(&grant, "", 0, "almenara submit");
    desk.check(
        &grant.replace("example/desk", "example/other"),
        "",
        2,
        "not a publisher key of m0.example/other",
    );
    desk.check(&grant.replace("m0.example/desk", "m1.example/desk"), "", 2, "only m1.example's own");
    desk.check(&grant.replace("@keys/desk.pub.pem", "abc"), "", 2, "64 lowercase hex digits");
    let weak = format!("01{}", "0".repeat(62));
    desk.check(&grant.replace("@keys/desk.pub.pem", &weak), "", 2, "small order");
    let root = PublicKey::of(&SigningKey::from_bytes(&[1; 32])).to_string();
    desk.check(&grant.replace("@keys/desk.pub.pem", &root), "", 2, "one key has one purpose");
    let revoke = "revoke --root-key @m0.pem --key @keys/desk.pub.pem --since-index 7 --reason lost \
                  --federation scamwatch.example -o @r.signed";
    desk.check(revoke, "n\n", 1, "at entry 7 of the log and above");
    desk.check(revoke, "y\n", 0, "almenara submit");
    assert_eq!(signed_by_root(&desk.path("g.signed")) + signed_by_root(&desk.path("r.signed")), 2);
}

/// How many items of a file hold under the first member's root key.
fn signed_by_root(path: &Path) -> usize {
    use almenara_proto::{
        log::{KeyGrant, KeyRevocation},
        signed::Signed,
        wire::publish_request::Item,
    };
    let root = SigningKey::from_bytes(&[1; 32]).verifying_key();
    let items = crate::signed::read(path).expect("opened");
    let holds = |item: Item| match item {
        Item::KeyGrant(signed) => Signed::<KeyGrant>::parse(signed).expect("parsed").verify(&root).is_ok(),
        Item::KeyRevocation(signed) => {
            Signed::<KeyRevocation>::parse(signed).expect("parsed").verify(&root).is_ok()
        }
        _ => false,
    };
    items.filter(|item| item.clone().is_ok_and(|item| item.item.is_some_and(holds))).count()
}

const PROPOSE: &str = "roster propose -o @v2.roster";

#[test]
fn the_next_version_is_proposed_signed_merged_verified_and_accepted_through_files() {
    let desk = Desk::accepted(&["TH", "NL", "US"]);
    let fourth = Desk::of(&["TH", "NL", "US", "KE"]);
    std::fs::copy(fourth.path("m3.entry"), desk.path("m3.entry")).expect("copied");
    std::fs::copy(fourth.path("m3.pem"), desk.path("m3.pem")).expect("copied");
    let text = desk.check(&format!("{PROPOSE} --add-member @m3.entry"), "", 0, "roster sign");
    assert!(text.contains("- m3.example joins: ngo in KE"), "{text}");
    assert!(
        text.contains("2 more jurisdictions of version 1 out of NL (m1.example), TH (m0.example)"),
        "{text}"
    );
    assert!(text.contains("3 more jurisdictions of version 2 out of KE (m3.example), NL"), "{text}");
    desk.check("roster verify @v2.roster", "", 1, "Not yet: version 2");

    // Each signs a copy of its own, after looking at what changes.
    for n in [0, 1, 3] {
        std::fs::copy(desk.path("v2.roster"), desk.path(&format!("c{n}.roster"))).expect("copied");
    }
    let text = desk.check("roster sign @c0.roster --key @m0.pem", "y\n", 0, "as m0.example");
    assert!(text.contains("m3.example joins"), "{text}");
    desk.check("roster sign @c1.roster --key @m1.pem", "n\n", 1, "");
    desk.sign("c1.roster", [1]);
    desk.sign("c3.roster", [3]);
    desk.check("roster accept @c3.roster", "", 4, "of the jurisdictions of version 1 signed");
    desk.check("roster merge @c0.roster @c3.roster -o @two.roster", "", 0, "two.roster still needs: 1 more");
    desk.check("roster merge @two.roster @c1.roster -o @v2s.roster", "", 0, "almenara roster submit");
    desk.check("roster merge @v1.roster @c1.roster -o @x.roster", "", 2, "is another roster");
    assert_eq!(desk.hash("v2s.roster"), desk.hash("v2.roster"), "signing changes no byte of what is signed");
    desk.check("roster verify @v2s.roster", "", 0, "Good: version 2 of scamwatch.example, 4 members");
    let pin = desk.hash("v1.roster");
    desk.check(
        &format!("roster verify @v1.roster @v2s.roster --pin {pin}"),
        "",
        0,
        "3 of 4 jurisdictions vote (KE",
    );
    desk.check("roster show @v2s.roster", "", 0, "m3.example joins");
    desk.check("roster accept @v2s.roster", "", 0, "Roster version 2");
    desk.check("roster verify @v2.roster", "", 0, "Good: version 2");
    desk.check("roster show", "", 0, "m3.example joins");
}

#[test]
fn every_change_is_told_and_nothing_else_is() {
    let desk = Desk::accepted(&["TH", "NL", "US"]);
    desk.change("m1.entry", "m1n.entry", |member| member.grpc = "new.example:7443".into());
    let check = |flags: &str, changes: &[&str]| {
        let text = desk.check(&format!("roster propose --dry-run {flags}"), "", 0, "Changes since version 1");
        let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  - ")).collect();
        let told = |change: &&&str| told.iter().any(|line| line.contains(**change));
        assert!(changes.iter().all(|change| told(&change)), "{flags}: {text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("  - ")).count(), changes.len(), "{text}");
    };
    check("--expires-in-days 400", &["35 days later"]);
    check("--quorum 1", &["1 other jurisdiction must cosign"]);
    check(
        "--copies-amber 2 --copies-amber-strict 1 --cap-percent 40",
        &["TLP:AMBER is kept in 2", "TLP:AMBER+STRICT is kept in 1", "above 40 percent"],
    );
    check("--replace-member @m1n.entry", &["m1.example changes its gRPC address"]);
    check(
        "--remove-member m0.example",
        &["m0.example in TH leaves for good", "m0.example leaves group asean"],
    );
    check("--remove-group asean", &["group asean is gone"]);
    check("--join-group asean=m1.example,m2.example", &["m1.example joins group", "m2.example joins group"]);
    check("--leave-group asean=m0.example", &["m0.example leaves group asean"]);
    check("--add-group eu=m1.example", &["group eu is new", "m1.example joins group eu"]);
    assert!(!desk.path("v2.roster").exists(), "nothing was written");
}

#[test]
fn a_proposal_that_makes_no_sense_says_what_to_write_instead() {
    let desk = Desk::accepted(&["TH", "NL", "US"]);
    let other = Desk::of(&["TH", "NL", "US", "KE"]);
    std::fs::copy(other.path("m3.entry"), desk.path("m3.entry")).expect("copied");
    let check = |flags: &str, says: &str| {
        desk.check(&format!("roster propose --dry-run {flags}"), "", 2, says);
    };
    check("--add-member @m1.entry", "give its new entry with --replace-member");
    check("--replace-member @m3.entry", "--add-member");
    check("--remove-member m3.example", "m3.example is no member");
    check("--join-group eu=m1.example", "there is no group eu");
    check("--join-group asean=m0.example", "in group asean already");
    check("--leave-group asean=m1.example", "not in group asean");
    check("--add-group asean=m1.example", "--join-group and --leave-group");
    check("--join-group asean=m9.example", "is no member");
    check(
        "--remove-member m0.example --remove-member m1.example --remove-member m2.example",
        "without members",
    );
    desk.check("roster propose --quorum 3 --dry-run", "", 0, "Nothing ever settles of any log");
    desk.check("roster propose --quorum 1 --dry-run", "", 0, "Two histories may both settle of any log");
}

#[test]
fn lost_keys_are_replaced_by_a_segment_that_brings_a_new_log_key() {
    let desk = Desk::accepted(&["TH", "NL", "US"]);
    let key = |n: u8| PublicKey::of(&SigningKey::from_bytes(&[n; 32]));
    let root = "ab".repeat(32);
    desk.change("m1.entry", "fresh.entry", |member| {
        member.segments[0].root_key = key(60);
        member.segments[0].log_key = key(61);
    });
    desk.change("m1.entry", "old-log-key.entry", |member| member.segments[0].root_key = key(60));
    let check = |flags: &str, code, says: &str| desk.check(&format!("{PROPOSE} {flags}"), "", code, says);
    check("--replace-member @fresh.entry", 2, "--segment m1.example=SIZE:ROOT");
    check(
        &format!("--replace-member @old-log-key.entry --segment m1.example=7:{root}"),
        2,
        "needs a new one",
    );
    check(&format!("--replace-member @m1.entry --segment m2.example=7:{root}"), 2, "--segment m2.example");
    let text =
        check(&format!("--replace-member @fresh.entry --segment m1.example=7:{root}"), 0, "signs with both");
    assert!(text.contains("m1.example's log goes on from entry 7 under new keys"), "{text}");

    // The old root key votes in version 1 and the new one in version 2.
    keyfile::create(&desk.path("m1new.pem"), Purpose::Root, "m1.example", &SigningKey::from_bytes(&[60; 32]))
        .expect("written");
    desk.sign("v2.roster", [0]);
    let text = desk.check("roster sign @v2.roster --key @m1.pem --yes", "", 0, "of version 2");
    assert!(!text.contains("more jurisdiction of version 1"), "{text}");
    desk.check("roster sign @v2.roster --key @m1new.pem --yes", "", 0, "almenara roster submit");
    desk.check("roster verify @v2.roster", "", 0, "Good: version 2");
}

#[test]
fn nobody_signs_blindly_or_two_futures() {
    let desk = Desk::accepted(&["TH", "NL", "US"]);
    desk.check(PROPOSE, "", 0, "");
    desk.check("roster propose --quorum 1 -o @rival.roster", "", 0, "");
    // A machine that only signs has no configuration: the version before is given as a file.
    let bare = Desk::of(&["TH", "NL", "US"]);
    for file in ["v1.roster", "v2.roster"] {
        std::fs::copy(desk.path(file), bare.path(file)).expect("copied");
    }
    bare.check("roster sign @v2.roster --key @m0.pem --yes", "", 2, "give its file with --after");
    bare.check(
        "roster sign @v2.roster --key @m0.pem --yes --after @v2.roster",
        "",
        2,
        "give the file of that version",
    );
    bare.check(
        "roster sign @v2.roster --key @m0.pem --yes --after @v1.roster",
        "",
        0,
        "Changes since version 1",
    );
    bare.check("roster show @v2.roster", "", 0, "the version before is not at hand");
    // It knows of no accepted version 2, and of its own signature all the same.
    std::fs::copy(desk.path("rival.roster"), bare.path("rival.roster")).expect("copied");
    let rival = "roster sign @rival.roster --key @m0.pem --yes --after @v1.roster";
    let first = bare.hash("v2.roster");
    bare.check(rival, "", 1, &format!("has signed another version 2, {first}"));
    bare.check(&format!("{rival} --instead-of {}", bare.hash("rival.roster")), "", 1, "two futures");
    bare.check(&format!("{rival} --instead-of {first}"), "", 0, "Signed as m0.example");
    bare.check(rival, "", 0, "Signed as m0.example");
    bare.check("roster sign @v2.roster --key @m0.pem --yes --after @v1.roster", "", 1, "--instead-of");

    desk.sign("v2.roster", [0, 1]);
    desk.check("roster accept @v2.roster", "", 0, "");
    desk.check("roster sign @rival.roster --key @m0.pem --yes", "", 1, "two futures");
    desk.check("roster verify @rival.roster", "", 4, "is another one");
    desk.check("roster submit @rival.roster --yes", "", 4, "is another one");
    desk.check("roster submit @v1.roster --yes", "", 2, "almenarad join");
    desk.check("roster submit @v2.roster --dry-run", "", 0, "sends version 2 to the nodes of m0.example");
    desk.check("roster propose --quorum 1 -o @v3.roster", "", 0, "");
    desk.check("roster submit @v3.roster --yes", "", 1, "almenara roster verify");
}

#[test]
fn machines_get_the_changes_and_the_votes() {
    let desk = Desk::accepted(&["TH", "NL", "US"]);
    let answer = |line: &str| -> serde_json::Value {
        let (outcome, captured) = desk.run(line, "");
        assert_eq!(outcome, Ok(Outcome::Done), "{line}");
        serde_json::from_str(&captured.out()).expect("one object")
    };
    let proposed = answer(&format!("{PROPOSE} --quorum 1 --json"));
    assert_eq!(proposed["changes"][0]["kind"], "quorum");
    assert_eq!(proposed["forkable"].as_array().map(Vec::len), Some(3));
    assert_eq!(proposed["ballots"][0]["required"], 2);
    assert_eq!(proposed["ballots"][1]["jurisdictions"][0]["unsigned"][0], "m1.example");
    let signed = answer("roster sign @v2.roster --key @m1.pem --yes --json");
    assert_eq!(signed["ballots"][1]["votes"], 1);
    let first = answer("roster verify @v1.roster --json");
    assert_eq!((&first["good"], &first["version"]), (&true.into(), &1.into()));
}
