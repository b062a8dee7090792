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
    desk.check(&format!("roster verify @v1.roster --pin {pin}"), "", 4, "not signed by m0.example");
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
    desk.check("roster propose --anything", "", 2, "not built yet");
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
        log::{KeyGrant, KeyRevocation, Signed},
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
