//! `regente schedule export` and `import`.

use api_types::{ScheduleChange, ScheduleExportFilter, ScheduleFieldChange, ScheduleImport, ScheduleImportQuery};
use clap::Args;
use serde_json::Value;

use super::Of;
use crate::{
    commands::{Exit, Fault, Outcome, output::plain, parameters::read_file, remote::Hub},
    terminal,
};

/// Which schedules.
#[derive(Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    of: Of,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The file, - for standard input.
    file: String,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    /// Fail if schedules changed since the --dry-run whose `basis` this is.
    #[arg(long, value_name = "BASIS")]
    basis: Option<String>,
}

pub(super) async fn export(hub: &Hub, args: ExportArgs) -> Outcome {
    let automation_id = args.of.automation_id(hub).await?;
    let filter = ScheduleExportFilter { automation_id, domain: args.of.domain };
    let text = hub.client.schedules_export(&filter).text().await.map_err(|error| hub.fault(error))?;
    terminal::text(&text)?;
    Ok(Exit::Done)
}

pub(super) async fn import(hub: &Hub, args: ImportArgs, is_json: bool) -> Outcome {
    let ImportArgs { file, dry_run, basis } = args;
    let text = String::from_utf8(read_file(&file)?).map_err(|error| Fault::input(format!("{file} is not UTF-8: {error}")))?;
    let query = ScheduleImportQuery { dry_run, basis };
    hub.change(hub.client.schedules_import(&text, &query), is_json, told).await
}

/// The plan, a line a schedule, with its changes below it.
fn told(import: &ScheduleImport) -> String {
    let ScheduleImport { dry_run, basis, created, changed, removed, unchanged } = import;
    let mut lines = Vec::new();
    lines.extend(created.iter().map(|one| format!("+ {} / {}", one.automation, one.name)));
    for ScheduleChange { automation, name, fields } in changed {
        lines.push(format!("~ {automation} / {name}"));
        lines.extend(
            fields.iter().map(|ScheduleFieldChange { field, before, after }| format!("    {field}: {} -> {}", shown(before), shown(after))),
        );
    }
    lines.extend(removed.iter().map(|one| format!("- {} / {}", one.automation, one.name)));
    let [creates, changes, removes] = [created.len(), changed.len(), removed.len()];
    lines.push(if *dry_run {
        format!("{creates} to create, {changes} to change, {removes} to remove, {unchanged} unchanged (basis {basis})")
    } else {
        format!("{creates} created, {changes} changed, {removes} removed, {unchanged} unchanged")
    });
    plain(&lines.join("\n")).into_owned()
}

fn shown(value: &Value) -> String {
    if value.is_null() { "(default)".to_owned() } else { value.to_string() }
}
