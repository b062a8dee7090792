//! Attempts that a node must refuse, made with the library as an attacker would.

use std::sync::Arc;

use tonic::transport::Channel;

use almenara_certs::{AUTHORITY_VALIDITY, Authority, LEAF_VALIDITY, Role, read_private};
use almenara_client::{
    clock,
    exit::CliError,
    keyfile::{self, Purpose},
    passphrase::Passphrases,
    random::Random,
    rpc::publish_service_client::PublishServiceClient,
    tls::{self, Identity, SharedAuthorities},
};
use almenara_proto::{
    batch::{self, Author, SignedBatch},
    indicator::{Indicator, Kind},
    keys::SigningKey,
    name::Publisher,
    release::Release,
    statement::{Category, Claim, Report, Ruleset, Statement},
    wire::{self, RefusalCode},
};

use super::house::{FEDERATION, Organisation};

/// What was tried, what must be answered, what was answered.
type Attempt = (&'static str, RefusalCode, (RefusalCode, String));

/// Tries what a thief, a liar and a neighbour would.
pub(super) async fn attempts(police: &Organisation, ngo: &Organisation) -> Result<Vec<Attempt>, CliError> {
    let own = desk_identity(police)?;
    let channel = connect(police, &own).await?;
    let publisher = publisher(police)?;
    let file = police.desk_home.join("keys").join(format!("{}.pem", police.desk));
    let key = keyfile::load(&file, Purpose::Publisher, &Passphrases::default())?.key;
    let stolen = Random::system().signing_key()?;

    let forged = one_report(&publisher, &stolen, "forged.example")?;
    let mut altered = one_report(&publisher, &key, "altered.example")?;
    altered.statements = altered
        .statements
        .iter()
        .map(|bytes| {
            let mut bytes = bytes.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            bytes.into()
        })
        .collect();
    let neighbour = self::publisher(ngo)?;
    let impersonated = one_report(&neighbour, &key, "impersonated.example")?;
    Ok(vec![
        (
            "a batch signed with a key that was never granted",
            RefusalCode::Key,
            submit(&channel, &forged).await?,
        ),
        ("a batch with one bit changed", RefusalCode::Void, submit(&channel, &altered).await?),
        (
            "the police desk speaking as the NGO's",
            RefusalCode::NotYours,
            submit(&channel, &impersonated).await?,
        ),
    ])
}

/// A certificate that names the police desk, of an authority that nobody knows. Gives why it was refused.
pub(super) async fn stranger(police: &Organisation) -> Result<(), String> {
    let attempt = async {
        let now = clock::system()();
        let authority = Authority::create(police.name.as_str(), AUTHORITY_VALIDITY, now)?;
        let leaf = authority.issue(Role::Publisher, police.desk, &[], LEAF_VALIDITY, now)?;
        let identity = Identity::from_pem(&leaf.chain_pem, &leaf.key_pem)?;
        connect(police, &identity).await?;
        Ok::<_, CliError>(())
    };
    attempt.await.map_err(|error| error.to_string())
}

fn publisher(one: &Organisation) -> Result<Publisher, CliError> {
    Publisher::new(&one.name, one.desk).map_err(CliError::internal)
}

fn desk_identity(one: &Organisation) -> Result<Identity, CliError> {
    let certificate = one.desk_home.join("tls").join("cert.pem");
    let chain =
        std::fs::read_to_string(&certificate).map_err(|error| CliError::file(&certificate, &error))?;
    Ok(Identity::from_pem(&chain, &read_private(&one.desk_home.join("tls").join("key.pem"))?)?)
}

async fn connect(to: &Organisation, identity: &Identity) -> Result<Channel, CliError> {
    let roster = to.roster()?;
    let authorities = SharedAuthorities::new(almenara_client::rosters::authorities(&roster)?);
    let clock = clock::system();
    Ok(tls::connect(&to.address(), to.name.as_str(), identity, &authorities, &Arc::clone(&clock)).await?)
}

fn one_report(publisher: &Publisher, key: &SigningKey, domain: &str) -> Result<SignedBatch, CliError> {
    let now = clock::system()();
    let statement = Statement {
        nonce: Random::system().bytes()?,
        indicator: Indicator::new(Kind::Domain, domain).map_err(CliError::internal)?,
        made_at: now,
        ruleset: Ruleset::default(),
        release: Release::clear(),
        copies: 0,
        claim: Claim::Report(Report::new(Kind::Domain, Category::PHISHING, now)),
    };
    let author = Author { federation: FEDERATION, publisher, key };
    // Above every seq that the desk used: those are in microseconds.
    batch::seal(&author, vec![statement], u64::MAX / 2, 1, now).map_err(CliError::internal)
}

async fn submit(channel: &Channel, batch: &SignedBatch) -> Result<(RefusalCode, String), CliError> {
    let item = wire::publish_request::Item::Batch(batch.to_wire());
    let request = tokio_stream::iter([wire::PublishRequest { item: Some(item) }]);
    let mut answers = PublishServiceClient::new(channel.clone()).publish(request).await?.into_inner();
    let answer = answers.message().await?.and_then(|answer| answer.outcome);
    match answer {
        Some(wire::publish_response::Outcome::Refusal(refusal)) => Ok((refusal.code(), refusal.message)),
        _ => Ok((RefusalCode::Unspecified, "it was taken".to_owned())),
    }
}
