//! How automations did, told to people.

use api_types::{ActivityReport, Automation, Job, RunCounts};
use domain::job::Status;
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};

use crate::support::{report, start};

on_both!(a_report_has_the_runs_of_a_day, a_report_is_about_what_exists_and_what_the_caller_may_read);

async fn run(world: &World, automation: &Automation, end: Value) -> Job {
    let job = world.client.execute(automation, &json!({})).await;
    start(world, job.id).await;
    let _ended = report(world, job.id, "finish", &end).await.expect(200);
    world.client.ended(job.id).await
}

async fn a_report_has_the_runs_of_a_day(delivery: Delivery) {
    let world = World::start(delivery).await;
    let body = json!({"name": "invoices", "queue_name": world.queue("invoices"), "script_path": "x", "manual_minutes": 30});
    let automation = world.client.automation(&body).await;
    let mut jobs = Vec::new();
    for end in [
        json!({"status": "completed"}),
        json!({"status": "completed"}),
        json!({"status": "completed_no_invoices"}),
        json!({"status": "failed", "error_message": "the portal answered <503>", "error_class": "PORTAL_DOWN"}),
    ] {
        jobs.push(run(&world, &automation, end).await);
    }
    // Midnight may pass while they run.
    let day = jobs[3].completed_at.unwrap().date_naive();
    let of_day = |status| jobs.iter().filter(|job| job.completed_at.unwrap().date_naive() == day && job.status == status).count() as u64;
    let path = format!("/api/v1/reports?timezone=UTC&date={day}");
    let report: ActivityReport = world.client.get(&path).await.expect(200).json();
    let counted = RunCounts {
        total: of_day(Status::Completed) + of_day(Status::CompletedNoInvoices) + 1,
        completed: of_day(Status::Completed),
        completed_no_invoices: of_day(Status::CompletedNoInvoices),
        failed: 1,
        canceled: 0,
        success_percent: report.runs.success_percent,
    };
    assert_eq!((report.runs, report.by_day.as_slice(), report.first_day), (counted, [counted].as_slice(), day));
    assert!((report.hours_saved - 0.5 * counted.completed as f64).abs() < 1e-9, "{}", report.hours_saved);
    let failure = &report.failures[0];
    assert_eq!((failure.error_class.as_str(), failure.count, failure.job_id), ("PORTAL_DOWN", 1, jobs[3].id));
    assert_eq!(failure.automation_name, "invoices");
    let page = world.client.get(&format!("{}&language=en", path.replace("reports?", "reports/page?"))).await.expect(200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    // A browser applies the page's styles, runs nothing and loads nothing.
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline';"), "{policy}");
    assert!(page.text.contains("the portal answered &lt;503&gt;") && page.text.contains("Report for"), "{}", page.text);
    world.end().await;
}

async fn a_report_is_about_what_exists_and_what_the_caller_may_read(delivery: Delivery) {
    let world = World::start(delivery).await;
    let refused = world.client.get("/api/v1/reports?domain=nowhere").await;
    assert_eq!(refused.problem(404).detail, "domain nowhere not found");
    for (query, field) in [("timezone=Mars/Olympus", "timezone"), ("date=2026-02-30", "date"), ("period=yearly", "period"), ("x=1", "x")] {
        let problem = world.client.get(&format!("/api/v1/reports?{query}")).await.problem(400);
        assert!(problem.errors.iter().any(|fault| fault.field == field) || problem.detail.contains(field), "{query}: {problem:?}");
    }
    let far: ActivityReport = world.client.get("/api/v1/reports?date=1999-12-31&period=weekly").await.expect(200).json();
    assert_eq!((far.runs.total, far.by_day.len(), far.first_day.to_string().as_str()), (0, 7, "1999-12-27"));
    world.end().await;
}
