//! `almenarad accesses`: who was shown what on request, in the last thirty days.

use almenara_client::{
    exit::{CliError, Outcome},
    rpc::custody_service_client::CustodyServiceClient,
    text::moment,
    tls::{SharedAuthorities, connect},
};
use almenara_proto::wire::AccessesRequest;
use serde::Serialize;

use crate::context::Context;

/// Which ones.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only the last so many days
    #[arg(long, value_name = "DAYS")]
    pub days: Option<u64>,
}

/// A statement was shown on request.
#[derive(Debug, Serialize)]
struct Access {
    /// Unix seconds.
    at: u64,
    address: String,
    /// The member that asked.
    asker: String,
    /// The member whose node showed it.
    holder: String,
}

/// Prints one line an access, the oldest first.
///
/// # Errors
/// [`CliError`]: (unavailable) when the node does not answer.
pub async fn run(args: &Args, context: &Context) -> Result<Outcome, CliError> {
    let config = context.config()?;
    let rosters = context.rosters(&config)?;
    let authorities =
        SharedAuthorities::new(almenara_client::rosters::authorities(&rosters.current().roster)?);
    let identity = context.identity(&config)?;
    let address = config.local_address().to_string();
    let channel = connect(&address, config.member.as_str(), &identity, &authorities, &context.clock).await?;
    let mut client = CustodyServiceClient::new(channel);
    let since = args.days.map_or(0, |days| context.now().saturating_sub(days.saturating_mul(86_400)));
    let (mut after, mut rows) = (0, Vec::new());
    loop {
        let page = client.accesses(AccessesRequest { since, after }).await?.into_inner().accesses;
        let Some(last) = page.last().map(|access| access.number).filter(|number| *number > after) else {
            break;
        };
        after = last;
        for access in page {
            let access =
                Access { at: access.at, address: access.address, asker: access.asker, holder: access.holder };
            context.output.json(&access)?;
            rows.push([moment(access.at), access.address, access.asker, access.holder]);
        }
    }
    if rows.is_empty() {
        context.output.say("Nothing was shown on request.")?;
        return Ok(Outcome::Done);
    }
    context.output.table(["at", "statement", "asked by", "shown by"], &rows)?;
    Ok(Outcome::Done)
}
