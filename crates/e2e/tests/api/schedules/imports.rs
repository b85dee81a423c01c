//! Schedules as a document.

use api_types::ScheduleImport;

use super::*;

on_both!(
    an_import_is_planned_first_and_then_done_whole,
    a_document_with_a_fault_changes_nothing,
    an_export_is_imported_again_without_a_change,
);

async fn import(world: &World, query: &str, text: &str) -> Answer {
    let request = world.client.request(Method::POST, &format!("{SCHEDULES}/import{query}"));
    world.client.send(request.header("content-type", "application/yaml").body(text.to_owned())).await
}

const DOCUMENT: &str = "automations:
  invoices:
    daily:
      cron_expression: 30 7 * * 1-5
      parameters:
        cnpj: 00123
        month: \"{{first_of_last_month|yyyy-MM}}\"
    hourly:
      interval_s: 3600
      timezone: UTC
  other:
    nightly:
      cron_expression: \"@daily\"
      calendar: Brasil (bancos)
      calendar_rule: next_business_day
";

fn names(of: &[api_types::ScheduleNamed]) -> Vec<&str> {
    of.iter().map(|one| one.name.as_str()).collect()
}

async fn an_import_is_planned_first_and_then_done_whole(delivery: Delivery) {
    let world = calm(delivery).await;
    let (invoices, other, third) =
        (automation(&world, "invoices").await, automation(&world, "other").await, automation(&world, "third").await);
    let daily = create(&world, &invoices, json!({"name": "daily", "cron_expression": "0 7 * * *", "jitter_s": 5})).await;
    let _gone = create(&world, &invoices, json!({"name": "gone"})).await;
    let _untouched = create(&world, &third, json!({"name": "stays"})).await;
    let plan: ScheduleImport = import(&world, "?dry_run=true", DOCUMENT).await.expect(200).json();
    assert_eq!(
        (plan.dry_run, names(&plan.created), names(&plan.removed), plan.unchanged),
        (true, vec!["hourly", "nightly"], vec!["gone"], 0)
    );
    let changes: Vec<_> = plan.changed[0].fields.iter().map(|change| (change.field.as_str(), &change.before, &change.after)).collect();
    let parameters = json!({"cnpj": "00123", "month": "{{first_of_last_month|yyyy-MM}}"});
    assert_eq!(
        changes,
        [
            ("cron_expression", &json!("0 7 * * *"), &json!("30 7 * * 1-5")),
            ("jitter_s", &json!(5), &Value::Null),
            ("parameters", &Value::Null, &parameters),
        ]
    );
    assert_eq!(list(&world, "").await, ["daily", "gone", "stays"], "nothing was changed yet");

    let _meanwhile = put(&world, &daily, &json!({"jitter_s": 6})).await.expect(200);
    let basis = format!("?basis={}", plan.basis);
    assert_eq!(import(&world, &basis, DOCUMENT).await.problem(409).code, "changed_meanwhile");
    assert_eq!(list(&world, "").await, ["daily", "gone", "stays"]);
    let plan: ScheduleImport = import(&world, "?dry_run=true", DOCUMENT).await.expect(200).json();
    let done: ScheduleImport = import(&world, &format!("?basis={}", plan.basis), DOCUMENT).await.expect(200).json();
    assert_eq!((done.dry_run, &done.created, &done.changed, &done.removed), (false, &plan.created, &plan.changed, &plan.removed));
    let mut after = list(&world, "").await;
    after.sort();
    assert_eq!(after, ["daily", "hourly", "nightly", "stays"]);
    let kept = get(&world, &daily).await;
    assert_eq!((kept.jitter_s, kept.cron_expression.as_deref(), json!(kept.parameters)), (0, Some("30 7 * * 1-5"), parameters));
    let again: ScheduleImport = import(&world, "", DOCUMENT).await.expect(200).json();
    assert_eq!((again.created.len(), again.changed.len(), again.removed.len(), again.unchanged), (0, 0, 0, 3));
    let none: ScheduleImport = import(&world, "", "automations: {other: {}}").await.expect(200).json();
    assert_eq!(names(&none.removed), ["nightly"]);
    assert_eq!(list(&world, &format!("?automation_id={}", other.id)).await, [""; 0]);
    world.end().await;
}

async fn a_document_with_a_fault_changes_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let _invoices = automation(&world, "invoices").await;
    for (text, status, field) in [
        ("automations: [", 400, ""),
        ("automations: {invoices: {a: {cron_expression: 0 0 30 2 *}, b: {interval_s: 60}}}", 422, "automations/invoices/a/cron_expression"),
        ("automations: {invoices: {a: {cron_expresion: x}}}", 422, "automations/invoices/a/cron_expresion"),
        ("automations: {invoices: {a: {interval_s: often}}}", 422, "automations/invoices/a/interval_s"),
        ("automations: {invoices: {a: {interval_s: 60, timezone: Sao}}}", 422, "automations/invoices/a/timezone"),
        ("automations: {invoices: {a: {interval_s: 60, calendar: none}}}", 422, "automations/invoices/a/calendar"),
        ("automations: {invoices: {a: {interval_s: 60, parameters: {x: '{{todya}}'}}}}", 422, "automations/invoices/a/parameters/x"),
        ("automations: {nobody: {a: {interval_s: 60}}}", 422, "automations/nobody"),
        ("schedules: {}", 422, "schedules"),
    ] {
        let problem = import(&world, "", text).await.problem(status);
        assert!(field.is_empty() || fields(&problem) == [field], "{text}: {problem:?}");
    }
    assert!(list(&world, "?disabled=true").await.is_empty());
    world.end().await;
}

async fn an_export_is_imported_again_without_a_change(delivery: Delivery) {
    let world = calm(delivery).await;
    let (invoices, _other) = (automation(&world, "invoices").await, automation(&world, "other").await);
    let _done = import(&world, "", DOCUMENT).await.expect(200);
    let full = json!({
        "name": "São Paulo: tudo", "interval_s": 900, "timezone": "America/Sao_Paulo", "window_start": "22:00", "window_end": "06:30:30",
        "jitter_s": 30, "start_at": "2030-01-01T00:00:00Z", "end_at": "2031-01-01T00:00:00Z", "enabled": false, "misfire_policy": "all",
        "misfire_limit": 5, "misfire_grace_s": 0, "parameters": {"yes": "yes", "n": "007", "deep": {"a": [1, null, "b: c"]}}, "priority": 9,
        "timeout_s": 60, "max_attempts": 2, "retry_backoff_s": 5, "overlap": "skip", "max_concurrency": 3, "queue_timeout_s": 600,
        "cancel_grace_s": 5, "concurrency_key": "sap", "environment": "HML"
    });
    let _full = create(&world, &invoices, full).await;
    let export = world.client.get(&format!("{SCHEDULES}/export")).await.expect(200);
    assert_eq!(export.headers["content-type"].to_str().unwrap(), "application/yaml");
    let again: ScheduleImport = import(&world, "", &export.text).await.expect(200).json();
    assert_eq!((again.created.len(), again.changed, again.removed.len(), again.unchanged), (0, vec![], 0, 4), "{}", export.text);
    let narrow = world.client.get(&format!("{SCHEDULES}/export?automation_id={}", invoices.id)).await.expect(200);
    assert!(narrow.text.contains("São Paulo: tudo") && !narrow.text.contains("nightly"), "{}", narrow.text);
    assert_eq!(world.client.get(&format!("{SCHEDULES}/export?domain=none")).await.expect(200).text, "automations: {}\n");
    world.end().await;
}
