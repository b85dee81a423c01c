//! `regente audit`: verifies the trail in the database, without a hub that might hide something; lists and exports it over the API.

use std::process::ExitCode;

use auth::chain::{Checked, Flaw, Head, Verifier};
use chrono::TimeDelta;
use clap::{Args, Subcommand};
use runtime::Settings;
use store::{
    Database,
    audit::{Sealed, audit_chain_page, audit_list_unsealed},
};

use crate::{commands, connect, terminal, up};

/// Links that are read at a time.
const PAGE: u64 = 1000;
/// Entries are sealed within seconds. Whatever waits for longer was added past the hub, or no gateway runs.
const SEALED_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// Flaws that are printed; all are counted.
const MOST_PRINTED: u64 = 1000;

/// Subcommands of `regente audit`.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Check the audit trail in the database: nothing was changed, removed or added past the hub. Uses the settings of a hub.
    Verify(VerifyArgs),
    #[command(flatten)]
    Hub(commands::AuditCommand),
}

/// Arguments of `audit verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// What an earlier check printed as the head, kept elsewhere: the trail must still contain it.
    #[arg(long, value_name = "SEQ:HASH")]
    head: Option<Head>,
}

/// Checks the trail. The exit code is 1 when something is wrong with it.
pub(crate) fn verify(settings: &Settings, args: VerifyArgs) -> anyhow::Result<ExitCode> {
    telemetry::init(&settings.log.filter, settings.log.format)?;
    up::runtime()?.block_on(async {
        let database = connect::unchanged(settings).await?;
        let found = check(&database, args.head).await?;
        database.close().await?;
        report(&found)
    })
}

/// What a check found.
struct Found {
    head: Head,
    flaws: u64,
    /// The first ones.
    printed: Vec<Flaw>,
}

impl Found {
    fn add(&mut self, flaws: impl IntoIterator<Item = Flaw>) {
        for flaw in flaws {
            self.flaws += 1;
            if self.flaws <= MOST_PRINTED {
                self.printed.push(flaw);
            }
        }
    }
}

async fn check(database: &Database, known: Option<Head>) -> Result<Found, store::Error> {
    let mut verifier = Verifier::new(known);
    let mut found = Found { head: verifier.head().clone(), flaws: 0, printed: Vec::new() };
    // Entries of later are not missing in the links that were read before.
    let now = database.time().await?.unwrap_or_else(chrono::Utc::now);
    loop {
        let page = audit_chain_page(database, verifier.head().seq, PAGE).await?;
        if page.is_empty() {
            break;
        }
        page.iter().for_each(|sealed| found.add(verifier.check(checked(sealed))));
    }
    found.head = verifier.head().clone();
    found.add(verifier.finish());
    let unsealed = audit_list_unsealed(database, now - SEALED_WITHIN, MOST_PRINTED).await?;
    found.add(unsealed.into_iter().map(|entry| Flaw::Unsealed(entry.id)));
    Ok(found)
}

fn checked(Sealed { link, entry }: &Sealed) -> Checked<'_> {
    Checked { seq: link.seq, entry_id: link.entry_id, prev_hash: &link.prev_hash, hash: &link.hash, entry: entry.as_ref() }
}

fn report(found: &Found) -> anyhow::Result<ExitCode> {
    let Found { head, flaws, printed } = found;
    printed.iter().try_for_each(|flaw| terminal::line(&flaw.to_string()))?;
    let count = |count: u64, one: &str, many: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {many}") };
    let links = count(u64::try_from(head.seq).unwrap_or_default(), "link", "links");
    if *flaws == 0 {
        terminal::line(&format!("The audit trail is intact: {links}, head {head}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal::line(&format!("The audit trail is damaged: {} in {links}, head {head}", count(*flaws, "flaw", "flaws")))?;
    Ok(ExitCode::FAILURE)
}
