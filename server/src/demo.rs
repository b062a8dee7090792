//! `almenarad demo`: three organisations of three jurisdictions in one process, with real mTLS on loopback.
//!
//! Everything is done by the commands that people type, and what is told is what they and the nodes answered. Where
//! something must be refused, the demo ends non-zero when it is not.

mod acts;
mod forge;
mod hand;
mod house;
mod story;

use std::path::PathBuf;

use almenara_client::exit::{CliError, Outcome};
use almenara_proto::indicator::Kind;

use crate::context::Context;
use acts::Cast;
use story::Story;

/// What to run it on.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Import this list instead of the sample
    #[arg(long, value_name = "FILE")]
    pub import: Option<PathBuf>,
    /// Kind of the list's values
    #[arg(long, default_value = "domain")]
    pub kind: Kind,
    /// Chain of wallets: btc, eth, tron … or auto
    #[arg(long)]
    pub chain: Option<String>,
    /// Protected values in the MISP warninglist format, instead of the node's own lists
    #[arg(long, value_name = "DIR")]
    pub safeguards: Option<PathBuf>,
    /// Keep everything in this folder, which must not exist or be empty
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the nodes running until interrupted
    #[arg(long)]
    pub stay: bool,
}

/// Runs the demo.
///
/// # Errors
/// [`CliError`]: whatever did not go as it must.
pub async fn run(args: Args, context: &Context) -> Result<Outcome, CliError> {
    let temporary;
    let dir = match &args.dir {
        Some(dir) => {
            if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
                let dir = dir.display();
                return Err(CliError::usage(format!(
                    "{dir} is not empty: choose another folder, or empty it"
                )));
            }
            std::fs::create_dir_all(dir).map_err(|error| CliError::file(dir, &error))?;
            std::path::absolute(dir).map_err(|error| CliError::file(dir, &error))?
        }
        None => {
            temporary = tempfile::TempDir::new().map_err(CliError::unavailable)?;
            temporary.path().to_owned()
        }
    };
    let mut story = Story::new(&context.output);
    let mut cast = Cast::assemble(&dir, &args, &mut story).await?;
    cast.publish(&mut story).await?;
    cast.replicate(&mut story).await?;
    cast.refuse(&mut story).await?;
    cast.pull_and_export(&mut story).await?;
    cast.withdraw(&mut story).await?;
    cast.close(&mut story, args.dir.is_some()).await?;
    if args.stay {
        story.fact("The nodes stay until you press Ctrl-C.")?;
        tokio::signal::ctrl_c().await.map_err(CliError::unavailable)?;
    }
    cast.stop().await?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::{Outcome, hand};

    #[tokio::test(flavor = "multi_thread")]
    async fn every_step_is_a_line_of_json_with_what_was_answered() {
        let home = tempfile::TempDir::new().expect("a folder");
        let home = home.path().to_str().expect("UTF-8");
        let told = hand::almenarad(&["--home", home, "demo"]).await;
        assert_eq!(told.outcome, Ok(Outcome::Done), "{:?}", told.json.last());
        let steps: Vec<u64> = told.json.iter().filter_map(|step| step["step"].as_u64()).collect();
        assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7, 8]);
        let checks: Vec<_> =
            told.json.iter().filter_map(|step| step["checks"].as_array()).flatten().collect();
        assert!(checks.len() >= 8 && checks.iter().all(|check| check["holds"] == true), "{checks:?}");
        let sent = &told.json[1]["answers"][1];
        assert_eq!(sent["of"], "publish");
        assert_eq!(sent["answer"]["statements"], told.json[1]["rows"][0]["in the log"]);
        assert!(sent["answer"]["indices"].is_array(), "{sent}");
        assert!(told.json.iter().take(7).all(|step| step["took"].as_u64().is_some_and(|took| took > 0)));
    }
}
