//! `almenarad init`: everything that a new node needs, in one folder.

use std::{path::Path, str::FromStr};

use almenara_certs::{AUTHORITY_VALIDITY, Authority, LEAF_VALIDITY, Leaf, Role, write_private};
use almenara_client::{
    config::FederationId,
    exit::{CliError, Outcome},
    files,
    keyfile::{self, Purpose},
    roster_view::ORGANISATIONS,
    text::moment,
};
use almenara_proto::{
    keys::{PublicKey, SigningKey},
    merkle,
    name::{Jurisdiction, MemberName},
    roster::{Member, Segment},
    wire::OrganisationType,
};
use rustls_pki_types::ServerName;
use serde::Serialize;

use crate::{context::Context, home::NodeHome, keys, safeguards::SHIPPED};

/// The name of the node's own leaf: a member has one node.
const NODE: &str = "main";

/// Who the member is, and where its node will be.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Federation id, such as scamwatch.example
    #[arg(long)]
    pub federation: FederationId,
    /// The member's name, such as police.th.example; it is never reused
    #[arg(long)]
    pub member: MemberName,
    /// police, ngo, platform, bank, cert, regulator or other
    #[arg(long, value_parser = organisation, value_name = "TYPE")]
    pub organisation_type: OrganisationType,
    /// Where the member sits: two capital letters of ISO 3166-1, or EU, or INT
    #[arg(long)]
    pub jurisdiction: Jurisdiction,
    /// Where others reach the node, HOST:PORT; it goes into the signed roster
    #[arg(long, value_name = "HOST:PORT")]
    pub address: HostPort,
    /// Jurisdictions that its hosting or parent is subject to
    #[arg(long, value_delimiter = ',', value_name = "XX")]
    pub also_subject_to: Vec<Jurisdiction>,
    /// For the public: an e-mail address or a web page
    #[arg(long, default_value = "")]
    pub contact: String,
    /// Where the node listens [default: 0.0.0.0 and the address's port]
    #[arg(long, value_name = "IP:PORT")]
    pub listen: Option<std::net::SocketAddr>,
    /// Put the root key under a passphrase: asked for, or from --passphrase-fd or ALMENARA_PASSPHRASE
    #[arg(long)]
    pub encrypt_root: bool,
    /// Say what would be made, and make nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `host:port`: a DNS name, an IPv4 address, or an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    host: ServerName<'static>,
    port: u16,
    text: String,
}

impl HostPort {
    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = "write HOST:PORT, such as node.police.th.example:7443 or [2001:db8::1]:7443";
        let (host, port) = text.rsplit_once(':').ok_or(rule)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err(rule.to_owned());
        }
        let host = ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|_| rule)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0 && !text.ends_with(&format!("+{port}")))
            .ok_or(rule)?;
        Ok(Self { host, port, text: text.to_owned() })
    }
}

/// What was made.
#[derive(Debug, Serialize)]
struct Made {
    member: String,
    federation: String,
    home: String,
    member_entry: String,
    root_key: String,
    certificate_until: u64,
}

/// What is made before anything is written.
struct Node {
    root: SigningKey,
    log: SigningKey,
    cosign: SigningKey,
    tombstone: [u8; 32],
    authority: Authority,
    leaf: Leaf,
}

/// Makes a node's home; one that has a configuration is refused.
///
/// # Errors
/// [`CliError`] (usage), when there is a node already or the arguments cannot be.
pub fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let home = &context.home;
    if home.config().exists() {
        return Err(CliError::usage(format!(
            "{} exists already: there is a node here, and its keys cannot be made again. Choose another --home, or `almenarad cert renew` for a new certificate",
            home.config().display()
        )));
    }
    let now = context.now();
    let node = Node::make(args, context)?;
    let entry = node.entry(args);
    // What we made is judged as others will judge it.
    Member::parse(&entry.encode())?;
    let config = config_text(args);
    crate::config::Config::parse(home.config(), &config, home.folder())?;
    let made = Made {
        member: args.member.to_string(),
        federation: args.federation.to_string(),
        home: home.folder().display().to_string(),
        member_entry: home.member_entry().display().to_string(),
        root_key: PublicKey::of(&node.root).to_string(),
        certificate_until: now.saturating_add(LEAF_VALIDITY.as_secs()),
    };
    if args.dry_run {
        context.output.answer(&made, |made| {
            format!("Would make a node of {} in {}:\n\n{config}", made.member, made.home)
        })?;
        return Ok(Outcome::Done);
    }
    // Asked for before anything is written.
    let root = home.key("root.pem");
    let passphrase = args.encrypt_root.then(|| context.passphrases.choose(&root)).transpose()?;
    node.write(&args.member, passphrase.as_deref().map(String::as_str), context)?;
    let create = |path: &Path, bytes: &[u8]| {
        files::create_file(path, bytes).map_err(|error| CliError::file(path, &error))
    };
    create(&home.member_entry(), &entry.encode())?;
    for (name, list) in SHIPPED {
        create(&home.safeguards().join(name), list.as_bytes())?;
    }
    // Last: a home with a configuration is a whole one.
    create(home.config(), config.as_bytes())?;
    context.output.answer(&made, |made| next_steps(made, home))?;
    Ok(Outcome::Done)
}

impl Node {
    fn make(args: &Args, context: &Context) -> Result<Self, CliError> {
        let authority = Authority::create(args.member.as_str(), AUTHORITY_VALIDITY, context.now())?;
        let hosts = std::slice::from_ref(&args.address.host);
        Ok(Self {
            root: context.random.signing_key()?,
            log: context.random.signing_key()?,
            cosign: context.random.signing_key()?,
            tombstone: context.random.bytes()?,
            leaf: authority.issue(Role::Node, NODE, hosts, LEAF_VALIDITY, context.now())?,
            authority,
        })
    }

    fn entry(&self, args: &Args) -> Member {
        Member {
            name: args.member.clone(),
            organisation_type: args.organisation_type,
            jurisdiction: args.jurisdiction,
            also_subject_to: args.also_subject_to.clone(),
            segments: vec![Segment {
                from_size: 0,
                root: merkle::empty_root(),
                root_key: PublicKey::of(&self.root),
                log_key: PublicKey::of(&self.log),
            }],
            cosign_key: PublicKey::of(&self.cosign),
            tls_ca: vec![self.authority.cert_der().to_vec().into()],
            // One port serves both.
            grpc: args.address.text.clone(),
            https: args.address.text.clone(),
            contact: args.contact.clone(),
        }
    }

    fn write(
        &self,
        member: &MemberName,
        passphrase: Option<&str>,
        context: &Context,
    ) -> Result<(), CliError> {
        let home = &context.home;
        for folder in [home.key(""), home.tls(""), home.store(), home.rosters(), home.safeguards()] {
            files::create_private_folder(&folder).map_err(|error| CliError::file(&folder, &error))?;
        }
        // What the node itself needs opens without a person, as it must after a power cut.
        for (purpose, key) in [(Purpose::Log, &self.log), (Purpose::Cosign, &self.cosign)] {
            keyfile::create(&home.key(&format!("{purpose}.pem")), purpose, member.as_str(), key)?;
        }
        let root = home.key("root.pem");
        match passphrase {
            Some(passphrase) => keyfile::create_encrypted(
                &root,
                Purpose::Root,
                member.as_str(),
                &self.root,
                passphrase,
                &context.random,
            )?,
            None => keyfile::create(&root, Purpose::Root, member.as_str(), &self.root)?,
        }
        keys::create_tombstone(&home.key("tombstone.key"), member, &self.tombstone)?;
        write_private(&home.tls("authority.pem"), self.authority.cert_pem())?;
        write_private(&home.tls("authority.key"), &self.authority.key_pem())?;
        write_private(&home.tls("cert.pem"), &self.leaf.chain_pem)?;
        Ok(write_private(&home.tls("key.pem"), &self.leaf.key_pem)?)
    }
}

pub(super) fn organisation(text: &str) -> Result<OrganisationType, String> {
    let names: Vec<&str> = ORGANISATIONS.iter().map(|(name, _)| *name).collect();
    let known = ORGANISATIONS.iter().find(|(name, _)| *name == text);
    known.map(|(_, organisation)| *organisation).ok_or_else(|| format!("use one of {}", names.join(", ")))
}

fn config_text(args: &Args) -> String {
    let (federation, member) = (&args.federation, &args.member);
    let any = || std::net::SocketAddr::from(([0, 0, 0, 0], args.address.port));
    let listen = args.listen.unwrap_or_else(any);
    format!(
        r#"# The node of {member}. Paths are relative to this folder; every key can be overridden by an environment
# variable ALMENARA__SECTION__KEY.
federation = "{federation}"
member = "{member}"
# roster = "<64 hex digits>"       # SHA-256 of roster version 1; `almenarad join FILE` writes it
listen = "{listen}"

[store]
url = "sqlite:store/node.db"       # or postgres://USER:PASSWORD@HOST/DATABASE

[keys]
log = "keys/log.pem"
cosign = "keys/cosign.pem"
tombstone = "keys/tombstone.key"

[tls]
certificate = "tls/cert.pem"
key = "tls/key.pem"

[safeguards]
directory = "safeguards"           # lists of values that nobody reports by accident (MISP warninglist format)

[quotas]
statements_per_day = {statements}     # each publisher
lookups_per_minute = {lookups}    # each member

[consumers]                        # consumer certificate = its own jurisdiction; others have their member's
# "app-1" = "US"

[narrowing]
members = []                       # in an emergency: these get what is public and nothing else, until you lift it

[witnesses]                        # outside the federation; they cosign your checkpoints (C2SP tlog-witness)
# outside = {{ url = "https://witness.example", key = "witness.example/w1+0123abcd+BA…" }}

[log]
level = "info"
format = "text"                    # or json
"#,
        statements = grouped(crate::config::STATEMENTS_PER_DAY),
        lookups = grouped(crate::config::LOOKUPS_PER_MINUTE),
    )
}

/// A number as TOML lets people write it: `2_000_000`.
fn grouped(number: u64) -> String {
    almenara_client::text::count(number).replace(',', "_")
}

fn next_steps(made: &Made, home: &NodeHome) -> String {
    let (folder, entry, root) = (&made.home, &made.member_entry, home.key("root.pem"));
    let root = root.display();
    format!(
        "The node of {member} is made in {folder}. Its certificate holds until {until}.\n\
         \n\
         Next:\n\
         1. Send {entry} to the member who collects the entries; they run\n     \
              almenara roster new --federation {federation} --member-entry FILE… -o v1.roster\n\
         2. When v1.roster comes to you, look at it and sign it, and pass it on:\n     \
              almenara roster sign v1.roster --key {root}\n   \
            Then move {root} to a medium that stays offline: the node never needs it.\n\
         3. When every member has signed, compare the roster's hash by voice, and\n     \
              almenarad --home {folder} join v1.roster\n     \
              almenarad --home {folder} run\n\
         \n\
         Back up {folder}/keys and {folder}/tls now: without them this member starts again under another name.",
        member = made.member,
        until = moment(made.certificate_until),
        federation = made.federation,
    )
}

#[cfg(test)]
mod unit {
    use super::*;

    fn check(text: &str, good: bool) {
        assert_eq!(text.parse::<HostPort>().is_ok(), good, "{text}");
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        check("node.police.th.example:7443", true);
        check("localhost:7443", true);
        check("192.0.2.1:7443", true);
        check("[2001:db8::1]:7443", true);
        check("2001:db8::1:7443", false);
        check("node.police.th.example", false);
        check("node:0", false);
        check("node:+443", false);
        check("node:70000", false);
        check(":7443", false);
        check("https://node:7443", false);
        check("no de:7443", false);
    }
}
