use serde_json::{Value, json};

use super::JOB;

fn runs(completed: u64, none: u64, failed: u64) -> Value {
    let percent = (completed + none) as f64 * 100.0 / (completed + none + failed) as f64;
    json!({
        "total": completed + none + failed, "completed": completed, "completed_no_invoices": none, "failed": failed, "canceled": 0,
        "success_percent": percent
    })
}

pub(crate) fn activity_report() -> Value {
    json!({
        "domain": "finance", "period": "daily", "timezone": "America/Sao_Paulo", "first_day": "2026-11-26",
        "from": "2026-11-26T03:00:00Z", "until": "2026-11-27T03:00:00Z", "runs": runs(40, 6, 4), "runs_before": runs(41, 8, 1),
        "by_day": [runs(40, 6, 4)], "late": 1, "hours_saved": 10.0,
        "automations": [{
            "automation_id": 7, "automation_name": "Download invoices", "runs": runs(40, 6, 4), "late": 1, "hours_saved": 10.0
        }],
        "failures": [{
            "error_class": "PORTAL_DOWN", "count": 3, "job_id": JOB, "automation_id": 7, "automation_name": "Download invoices",
            "message": "the portal answered 503"
        }],
        "slowest": [{"automation_id": 7, "automation_name": "Download invoices", "median_s": 184.0, "usual_s": 96.5}]
    })
}
