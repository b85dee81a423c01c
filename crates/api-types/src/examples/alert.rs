use serde_json::{Value, json};

use super::JOB;

pub(crate) fn alert() -> Value {
    json!({
        "id": "019ac2a4-51c7-7d30-8a6b-1e9f0c2d4b77", "type": "LATE", "severity": "error", "status": "acknowledged", "source": "regente",
        "rule_id": "019ac1da-0e42-7b19-9c55-7d3a1f80e2c4", "subject_kind": "automation", "subject": "7", "automation_id": 7,
        "automation_name": "Download invoices", "facts": {
            "expected_at": "2026-11-26T13:00:00Z", "predicted_at": null, "certainty": null, "last_success_at": "2026-11-25T12:48:10.552Z",
            "last_seen_at": null, "measured": null, "limit": null, "unit": null, "error_class": null, "error_message": null, "summary": null,
            "description": null, "labels": {}, "url": null
        },
        "count": 1, "opened_at": "2026-11-26T14:00:00.310Z", "began_at": "2026-11-26T14:00:00Z", "last_seen_at": "2026-11-26T14:20:00.115Z",
        "fine_since": null, "acknowledged_at": "2026-11-26T14:04:11.020Z", "acknowledged_by": "maria", "resolved_at": null,
        "resolved_by": null, "resolution": null, "muted_until": null, "note": "Call the finance desk before **11:30**.", "channels": [],
        "jobs": [{"id": JOB, "url": format!("/api/v1/jobs/{JOB}")}], "story": [
            {"at": "2026-11-26T14:00:00.310Z", "what": "opened", "by": null, "text": null},
            {"at": "2026-11-26T14:04:11.020Z", "what": "acknowledged", "by": "maria", "text": "The portal is down"}
        ]
    })
}

pub(crate) fn alertmanager() -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"DiskAlmostFull\"}", "truncatedAlerts": 0, "status": "firing", "receiver": "regente",
        "groupLabels": {"alertname": "DiskAlmostFull"}, "commonLabels": {"alertname": "DiskAlmostFull"}, "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093", "alerts": [{
            "status": "firing", "labels": {"alertname": "DiskAlmostFull", "instance": "erp-01:9100", "severity": "critical"},
            "annotations": {"summary": "erp-01 has 3 % left", "runbook_url": "https://wiki.example/disk"},
            "startsAt": "2026-11-26T14:00:00.000Z", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus:9090/graph?g0.expr=disk", "fingerprint": "c8ce6b7e4a1f0d93"
        }]
    })
}
