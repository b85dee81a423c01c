//! `regente audit list` and `export`.

use std::{collections::BTreeSet, io::Write as _};

use api_types::{AuditEntry, AuditExportFilter, AuditFilter};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use futures_util::TryStreamExt as _;

use super::{
    Exit, Outcome,
    output::{Width, json_list, moment, table},
    remote::Remote,
};

/// Entries that are listed by default.
const DEFAULT_LIMIT: usize = 50;
/// Maximum number of items in a page.
const PAGE: usize = 1000;

/// What to do with the audit trail of a hub.
#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// List changes, newest first: who changed what, when, from where. `-o json` has what was before and after.
    List {
        #[command(flatten)]
        which: Which,
        /// Maximum number of changes.
        #[arg(long, default_value_t = DEFAULT_LIMIT, value_name = "N", conflicts_with = "all")]
        limit: usize,
        /// List all changes.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Print changes as lines of JSON, in the order of the hash chain.
    Export {
        #[command(flatten)]
        which: Which,
        /// Only changes after the one with this number: the `seq` of the last line of an earlier export.
        #[arg(long, value_name = "SEQ")]
        after: Option<i64>,
        #[command(flatten)]
        remote: Remote,
    },
}

/// Selects changes.
#[derive(Args)]
pub(crate) struct Which {
    /// Only changes of this actor.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action, such as automation.update.
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only changes of this kind of target, or of one of them: automation, or automation:7.
    #[arg(long, value_name = "KIND[:ID]")]
    target: Option<String>,
    /// Only changes at this time or later: 2026-11-26T08:30:00-03:00, or a date (UTC).
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    from: Option<DateTime<Utc>>,
    /// Only changes before this time.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    to: Option<DateTime<Utc>>,
}

impl Which {
    /// Kind and id of the target.
    fn target(&self) -> (Option<String>, Option<String>) {
        match self.target.as_deref().map(|target| target.split_once(':').map_or((target, None), |(kind, id)| (kind, Some(id)))) {
            Some((kind, id)) => (Some(kind.to_owned()), id.map(str::to_owned)),
            None => (None, None),
        }
    }
}

const COLUMNS: [(&str, Width); 6] = [
    ("time", Width::Whole),
    ("actor", Width::Whole),
    ("action", Width::Whole),
    ("target", Width::Whole),
    ("address", Width::Whole),
    ("changed", Width::Cut),
];

pub(super) async fn run(command: AuditCommand) -> Outcome {
    match command {
        AuditCommand::List { which, limit, all, remote } => list(&which, if all { usize::MAX } else { limit }, &remote).await,
        AuditCommand::Export { which, after, remote } => export(which, after, &remote).await,
    }
}

async fn list(which: &Which, most: usize, remote: &Remote) -> Outcome {
    let hub = remote.hub()?;
    let (target_kind, target_id) = which.target();
    let (actor, action) = (which.actor.clone(), which.action.clone());
    let limit = u32::try_from(most.clamp(1, PAGE)).ok();
    let filter = AuditFilter { actor, action, target_kind, target_id, from: which.from, to: which.to, limit, after: None };
    let found = hub.client.audit(&filter);
    if remote.is_json() {
        json_list(&hub, found, most).await?;
    } else {
        let entries = found.take(most).await.map_err(|error| hub.fault(error))?;
        table(&COLUMNS, &entries.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

async fn export(which: Which, after: Option<i64>, remote: &Remote) -> Outcome {
    let hub = remote.hub()?;
    let (target_kind, target_id) = which.target();
    let Which { actor, action, target: _, from, to } = which;
    let filter = AuditExportFilter { actor, action, target_kind, target_id, from, to, after };
    let mut chunks = hub.client.audit_export(&filter).await.map_err(|error| hub.fault(error))?;
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = chunks.try_next().await.map_err(|error| hub.fault(error))? {
        out.write_all(&chunk)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// The names of what changed; their values are in the JSON.
fn row(entry: &AuditEntry) -> Vec<String> {
    let sides = [&entry.before, &entry.after].into_iter().flatten().filter_map(serde_json::Value::as_object);
    let changed: BTreeSet<&str> = sides.flat_map(|fields| fields.keys()).map(String::as_str).collect();
    vec![
        moment(entry.at),
        entry.actor.clone(),
        entry.action.clone(),
        format!("{} {}", entry.target_kind, entry.target_id),
        entry.address.clone().unwrap_or_default(),
        changed.into_iter().collect::<Vec<_>>().join(", "),
    ]
}
