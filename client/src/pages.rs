//! What a node shows to everybody (`/log/…`, `/roster/…`): fetched over HTTP/2, without a certificate, from the address
//! in the signed roster. No redirect is followed.

use std::{future::poll_fn, pin::Pin, task::Context, time::Duration};

use bytes::{Bytes, BytesMut};
use tonic::{
    body::Body,
    codegen::{Body as _, Service, http},
    transport::Channel,
};

use almenara_proto::{name::MemberName, note::MAX_SIGNATURES, roster::Member};

use crate::{
    exit::CliError,
    text::tame,
    tls::{self, Clock, SharedAuthorities},
};

/// How long one page may take: the largest bundle (8 MiB) over a link of 1 MBit/s.
const PATIENCE: Duration = Duration::from_secs(80);

/// Bytes of a note: three lines, and a hundred signature lines with names of the greatest length.
pub const NOTE_BYTES: usize = 1_024 + MAX_SIGNATURES * 512;

/// A node's public pages.
#[derive(Clone, Debug)]
pub struct Pages {
    member: MemberName,
    channel: Channel,
}

impl Pages {
    /// Connects to the node of `member`, as the roster has it.
    ///
    /// # Errors
    /// [`CliError`], when it cannot be reached, or another answers for it.
    pub async fn open(
        member: &Member,
        authorities: &SharedAuthorities,
        clock: &Clock,
    ) -> Result<Self, CliError> {
        let channel = tls::connect_as_nobody(&member.grpc, member.name.as_str(), authorities, clock).await?;
        Ok(Self { member: member.name.clone(), channel })
    }

    /// Whose node.
    #[must_use]
    pub const fn member(&self) -> &MemberName {
        &self.member
    }

    /// A page of at most `most` bytes; nothing where there is none. `path` begins with `/`.
    ///
    /// # Errors
    /// [`CliError`]: unavailable, or misbehaved when the page is longer than any such page.
    pub async fn get(&self, path: &str, most: usize) -> Result<Option<Bytes>, CliError> {
        let unavailable = |why: &dyn std::fmt::Display| {
            CliError::unavailable(format_args!("{}: {path}: {}", self.member, tame(&why.to_string())))
        };
        let fetching = tokio::time::timeout(PATIENCE, self.fetch(path, most));
        match fetching.await.map_err(|_| unavailable(&"it does not come in time"))? {
            Ok(page) => Ok(page),
            Err(NoPage::Status(status)) => Err(unavailable(&format_args!("the node answers {status}"))),
            Err(NoPage::Connection(why)) => Err(unavailable(&why)),
            Err(NoPage::TooLong) => Err(CliError::misbehaved(format_args!(
                "{}: {path} is longer than {most} bytes, which no such page is",
                self.member
            ))),
        }
    }

    async fn fetch(&self, path: &str, most: usize) -> Result<Option<Bytes>, NoPage> {
        let mut channel = self.channel.clone();
        let connection = |error: &dyn std::fmt::Display| NoPage::Connection(error.to_string());
        let ready =
            |context: &mut Context<'_>| Service::<http::Request<Body>>::poll_ready(&mut channel, context);
        poll_fn(ready).await.map_err(|error| connection(&error))?;
        let request = http::Request::get(path).body(Body::empty()).map_err(|error| connection(&error))?;
        let response = channel.call(request).await.map_err(|error| connection(&error))?;
        match response.status() {
            http::StatusCode::OK => {}
            http::StatusCode::NOT_FOUND => return Ok(None),
            other => return Err(NoPage::Status(other)),
        }
        let mut body = response.into_body();
        let mut page = BytesMut::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let Ok(data) = frame.map_err(|error| connection(&error))?.into_data() else { continue };
            if page.len().saturating_add(data.len()) > most {
                return Err(NoPage::TooLong);
            }
            page.extend_from_slice(&data);
        }
        Ok(Some(page.freeze()))
    }
}

/// Why there is no answer.
enum NoPage {
    Status(http::StatusCode),
    Connection(String),
    TooLong,
}
