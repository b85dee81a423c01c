//! Schedules at the command line.

use api_types::{Fire, Job, Schedule, ScheduleImport, SchedulePreview};
use domain::{
    job::{Status, Trigger},
    schedule::{FireState, ScheduleState},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    hub_commands::{done, signed_in},
    process::Place,
};

async fn json<T: DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

async fn said(place: &Place, arguments: &[&str]) -> String {
    done(place, arguments).await.out
}

/// What a refused command says, and its exit code.
async fn refused(place: &Place, arguments: &[&str], code: i32) -> String {
    let ended = place.run(arguments).await;
    assert_eq!((ended.status.code(), ended.out.as_str()), (Some(code), ""), "{arguments:?}: {ended:?}");
    ended.err
}

#[tokio::test]
async fn a_schedule_is_previewed_created_changed_run_and_deleted() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/um.sh", "echo $PARAM_DAY");
    done(&place, &["automation", "create", "notas", "--script", &script, "--type", "shell"]).await;
    let expression = "30 7 * * 1-5";
    let ended = done(&place, &["schedule", "preview", expression, "-n", "2", "--from", "2026-11-27T12:00:00Z"]).await;
    assert_eq!(ended.err.trim(), "every weekday at 07:30 (de segunda a sexta-feira às 07:30), in America/Sao_Paulo");
    let lines: Vec<_> = ended.out.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with("Mon 2026-11-30 07:30:00  "), "{ended:?}");
    let preview: SchedulePreview =
        json(&place, &["schedule", "preview", "0 8 * * *", "--calendar", "Brasil (bancos)", "--timezone", "UTC"]).await;
    assert_eq!((preview.next_fires.len(), preview.timezone.as_str()), (10, "UTC"));
    assert!(refused(&place, &["schedule", "preview", "0 0 30 2 *"], 65).await.contains("cron: day of month: never fires"));

    let created = said(&place, &["schedule", "create", "notas", "toda manhã", "--cron", expression, "-p", "day={{yesterday}}"]).await;
    assert!(created.starts_with("Schedule toda manhã of notas fires every weekday at 07:30: next 20"), "{created}");
    let file = place.write("limit.json", &json!({"misfire_limit": 50, "priority": 3}).to_string());
    let from_file: Schedule =
        json(&place, &["schedule", "create", "notas", "-F", &file, "--every-s", "3600", "--priority", "9", "--misfire", "all"]).await;
    assert_eq!(
        (from_file.name.as_str(), from_file.interval_s, from_file.misfire_limit, from_file.priority),
        ("Schedule 1", Some(3600), 50, Some(9))
    );
    let listed = said(&place, &["schedule", "list", "--automation", "notas"]).await;
    assert!(listed.contains("toda manhã") && listed.contains("every weekday at 07:30") && listed.contains("  active"), "{listed}");
    let changed =
        said(&place, &["schedule", "update", "Schedule 1", "--cron", "0 8 * * *", "--name", "diária", "--enabled", "false"]).await;
    assert_eq!(changed, "Schedule diária is changed: every day at 08:00.\n");
    let all: Vec<Schedule> = json(&place, &["schedule", "list", "--disabled"]).await;
    assert_eq!(
        all.iter().map(|schedule| (schedule.name.as_str(), schedule.enabled)).collect::<Vec<_>>(),
        [("toda manhã", true), ("diária", false)]
    );
    let on: Vec<Schedule> = json(&place, &["schedule", "list"]).await;
    assert_eq!(on.len(), 1);
    let shown = said(&place, &["schedule", "show", "toda manhã"]).await;
    assert!(shown.contains("expression     30 7 * * 1-5\n") && shown.contains("\"day\": \"{{yesterday}}\""), "{shown}");

    let job: Job = json(&place, &["schedule", "run", "toda manhã", "--follow"]).await;
    assert_eq!((job.status, job.trigger, job.schedule_id), (Status::Completed, Trigger::Manual, Some(all[0].id)));
    let coming: Vec<Fire> = json(&place, &["schedule", "fires", "--schedule", "toda manhã"]).await;
    assert!(!coming.is_empty() && coming.iter().all(|fire| fire.state == FireState::Planned), "{coming:?}");
    assert!(said(&place, &["schedule", "fires", "--limit", "1"]).await.contains("  toda manhã  planned"));
    assert_eq!(said(&place, &["schedule", "delete", "diária"]).await, "Schedule diária is deleted.\n");
    assert!(refused(&place, &["schedule", "show", "diária"], 1).await.contains("there is no schedule \"diária\""));
    let refusal = refused(&place, &["schedule", "create", "notas", "--cron", "0 8 * * 8", "--timezone", "Sao_Paulo"], 65).await;
    assert!(refusal.contains("cron_expression: ") && refusal.contains("timezone: ") && refusal.contains("America/Sao_Paulo"), "{refusal}");
    hub.stop().await;
}

#[tokio::test]
async fn schedules_are_paused_exported_and_imported() {
    let (place, hub) = signed_in().await;
    let script = place.write("data/um.sh", "true");
    for name in ["notas", "outra"] {
        done(&place, &["automation", "create", name, "--script", &script, "--type", "shell"]).await;
        done(&place, &["schedule", "create", name, "diária", "--cron", "0 6 * * *"]).await;
    }
    assert!(refused(&place, &["schedule", "pause", "diária"], 65).await.contains("name one with --automation"));
    let of_one = ["diária", "--automation", "outra"];
    let paused = said(&place, &[&["schedule", "pause"][..], &of_one, &["--reason", "manutenção"]].concat()).await;
    assert_eq!(paused, "Schedule diária is paused until somebody resumes it.\n");
    let shown: Schedule = json(&place, &[&["schedule", "show"][..], &of_one].concat()).await;
    assert_eq!((shown.state, shown.paused_reason.as_deref()), (ScheduleState::Paused, Some("manutenção")));
    assert_eq!(said(&place, &[&["schedule", "resume"][..], &of_one].concat()).await, "Schedule diária is active.\n");
    assert_eq!(place.run(&["schedule", "pause"]).await.status.code(), Some(2), "of what?");
    assert!(refused(&place, &["schedule", "pause", "--all"], 65).await.contains("until: must be given with all"));
    let later = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc3339();
    assert!(said(&place, &["schedule", "pause", "--all", "--until", &later]).await.starts_with("2 schedules are paused until 20"));
    assert_eq!(said(&place, &["schedule", "resume", "--automation", "notas"]).await, "1 schedule is resumed.\n");

    let export = said(&place, &["schedule", "export"]).await;
    assert_eq!(
        export,
        "automations:\n  notas:\n    diária:\n      cron_expression: 0 6 * * *\n      timezone: America/Sao_Paulo\n  outra:\n    diária:\n      \
         cron_expression: 0 6 * * *\n      timezone: America/Sao_Paulo\n"
    );
    let file = place.write("schedules.yaml", &export.replacen("0 6", "0 7", 1).replace("  outra:\n    diária:", "  outra:\n    noturna:"));
    let plan: ScheduleImport = json(&place, &["schedule", "import", &file, "--dry-run"]).await;
    assert_eq!((plan.created.len(), plan.changed.len(), plan.removed.len()), (1, 1, 1));
    let told = said(&place, &["schedule", "import", &file, "--basis", &plan.basis]).await;
    let lines: Vec<_> = told.lines().collect();
    let expected = [
        "+ outra / noturna",
        "~ notas / diária",
        "    cron_expression: \"0 6 * * *\" -> \"0 7 * * *\"",
        "- outra / diária",
        "1 created, 1 changed, 1 removed, 0 unchanged",
    ];
    assert_eq!(lines, expected);
    assert!(refused(&place, &["schedule", "import", &file, "--basis", &plan.basis], 1).await.contains("were changed since"));
    let same = said(&place, &["schedule", "import", &file, "--dry-run"]).await;
    assert!(same.starts_with("0 to create, 0 to change, 0 to remove, 2 unchanged (basis "), "{same}");
    let bad = place.write("bad.yaml", "automations: {notas: {x: {cron_expression: 0 25 * * *}}}");
    assert!(refused(&place, &["schedule", "import", &bad], 65).await.contains("automations/notas/x/cron_expression: "));
    hub.stop().await;
}
