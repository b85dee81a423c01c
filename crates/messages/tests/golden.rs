//! Messages of every version that was ever sent must parse for ever. These files are added to, never changed.

use messages::{EventBatch, JobMessage, WorkerControl, worker_control};
use serde_json::Value;

#[test]
fn a_job_message_of_the_first_version_is_read_and_keeps_its_fields() {
    let golden = include_str!("golden/job_message.v1.json");
    let message: JobMessage = serde_json::from_str(golden).unwrap();
    assert_eq!((message.automation_id, message.attempt, message.timeout_s), (7, 2, 600));
    assert_eq!((message.cancel_grace_s, message.display, message.cpu_limit, message.memory_limit_bytes), (None, false, None, None));
    let written: Value = serde_json::to_value(&message).unwrap();
    let golden: Value = serde_json::from_str(golden).unwrap();
    for (key, value) in golden.as_object().unwrap() {
        assert_eq!(&written[key], value, "{key}");
    }
}

#[test]
fn a_job_message_reads_and_writes_the_same_json() {
    let golden = include_str!("golden/job_message.v2.json");
    let message: JobMessage = serde_json::from_str(golden).unwrap();
    assert_eq!((message.cancel_grace_s, message.display), (Some(0), true));
    assert_eq!((message.cpu_limit, message.memory_limit_bytes), (Some(0.5), Some(536_870_912.0)));
    assert_eq!(serde_json::to_value(&message).unwrap(), serde_json::from_str::<Value>(golden).unwrap());
}

#[test]
fn a_control_message_reads_and_writes_the_same_json() {
    let golden = include_str!("golden/worker_control.v1.json");
    let message: WorkerControl = serde_json::from_str(golden).unwrap();
    assert_eq!(message.command(), worker_control::Command::Pause);
    assert_eq!(serde_json::to_value(&message).unwrap(), serde_json::from_str::<Value>(golden).unwrap());
}

#[test]
fn a_message_with_only_the_contract_and_unknown_keys_is_read() {
    let message: JobMessage = serde_json::from_str(include_str!("golden/job_message.maestro.json")).unwrap();
    assert_eq!(message.script_path, "/app/automation.py");
    assert_eq!(message.parameters, Some(messages::JsonObject::default()));
}

#[test]
fn foreign_workers_find_what_they_need_in_a_written_message() {
    let message =
        JobMessage { job_id: "x".into(), automation_id: 1, parameters: Some(messages::JsonObject::default()), ..JobMessage::default() };
    let written = serde_json::to_value(&message).unwrap();
    assert_eq!(written["parameters"], serde_json::json!({}), "always an object");
    assert_eq!(written["script_path"], "", "there even when it says nothing");
    assert!(written["automation_id"].is_number() && written["job_id"].is_string());
}

#[test]
fn an_event_batch_of_the_first_version_is_read_and_keeps_its_fields() {
    let golden = include_str!("golden/event_batch.v1.json");
    let batch: EventBatch = serde_json::from_str(golden).unwrap();
    assert_eq!((batch.events[0].r#type.as_str(), batch.replica.as_str()), ("job.failed", ""));
    let written = serde_json::to_value(&batch).unwrap();
    let golden: Value = serde_json::from_str(golden).unwrap();
    for (key, value) in golden["events"][0].as_object().unwrap() {
        assert_eq!(&written["events"][0][key], value, "{key}");
    }
}

#[test]
fn an_event_batch_reads_and_writes_the_same_json() {
    let golden = include_str!("golden/event_batch.v2.json");
    let batch: EventBatch = serde_json::from_str(golden).unwrap();
    assert!(batch.events[0].subject.starts_with("jobs/") && !batch.events[0].traceparent.is_empty());
    let (written, golden) = (serde_json::to_value(&batch).unwrap(), serde_json::from_str::<Value>(golden).unwrap());
    for (key, value) in golden.as_object().unwrap() {
        assert_eq!(&written[key], value, "{key}");
    }
}

#[test]
fn an_event_batch_says_how_many_events_were_before_it() {
    let batch: EventBatch = serde_json::from_str(include_str!("golden/event_batch.v3.json")).unwrap();
    assert_eq!((batch.events.len(), batch.after), (1, Some(12.0)));
    let earlier: EventBatch = serde_json::from_str(include_str!("golden/event_batch.v2.json")).unwrap();
    assert_eq!(earlier.after, None);
}

#[test]
fn an_event_batch_says_whether_its_replica_may_have_lost_some_and_whether_it_stops() {
    let golden = include_str!("golden/event_batch.v4.json");
    let batch: EventBatch = serde_json::from_str(golden).unwrap();
    assert!(batch.resumes && batch.ends);
    let earlier: EventBatch = serde_json::from_str(include_str!("golden/event_batch.v3.json")).unwrap();
    assert!(!earlier.resumes && !earlier.ends);
}
