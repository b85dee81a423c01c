//! `regente worker doctor`.

use std::collections::HashMap;

use serde_json::Value;

use crate::{
    process::{Ended, Place},
    worker::place,
};

fn findings(ended: &Ended) -> HashMap<String, (String, String, bool)> {
    let found: Vec<Value> = serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let entry =
        |finding: &Value| (text(finding, "check"), (text(finding, "verdict"), text(finding, "message"), finding.get("remedy").is_some()));
    found.iter().map(entry).collect()
}

#[tokio::test]
async fn without_a_hub_it_reports_that_and_fails() {
    let place = Place::new();
    let arguments = ["worker", "doctor", "--server", "http://127.0.0.1:9", "--work-dir", "work", "--amqp", "amqp://127.0.0.1:9/%2f"];
    let ended = place.run(&[&arguments[..], &["--json"]].concat()).await;
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let found = findings(&ended);
    let verdict = |check: &str| found[check].0.as_str();
    assert_eq!([verdict("hub"), verdict("broker"), verdict("key"), verdict("clock")], ["fail", "fail", "warn", "warn"], "{found:?}");
    assert_eq!([verdict("work_folder"), verdict("python"), verdict("shell"), verdict("xvfb"), verdict("settings")], ["ok"; 5], "{found:?}");
    assert!(found.values().all(|(verdict, _, remedy)| *remedy == (verdict != "ok")), "each fault has a remedy: {found:?}");
    let left: Vec<_> = std::fs::read_dir(place.path("work")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    let people = place.run(&arguments).await;
    assert!(people.out.contains("FAIL  hub") && people.out.contains("-> check --server") && people.out.contains("cannot work: 2 faults"));
    assert!(people.err.is_empty(), "{people:?}");
}

#[tokio::test]
async fn with_a_hub_it_checks_key_version_and_clock() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let arguments = ["worker", "doctor", "--json", "--server", &address, "--work-dir", "work"];
    let well = place.run(&[&arguments[..], &["--key-file", "data/worker-key"]].concat()).await;
    let found = findings(&well);
    assert_eq!(well.status.code(), Some(0), "{found:?}");
    for check in ["hub", "key", "clock", "broker"] {
        assert_eq!(found[check].0, "ok", "{found:?}");
    }
    assert!(found["hub"].1.contains(env!("CARGO_PKG_VERSION")) && found["clock"].1.contains("0 s"), "{found:?}");
    let locked_out = place.run(&[&arguments[..], &["--key", "wrong"]].concat()).await;
    assert_eq!(locked_out.status.code(), Some(1));
    assert_eq!(findings(&locked_out)["key"].0, "fail");
    hub.stop().await;
}

#[tokio::test]
async fn missing_parts_of_the_host_are_found() {
    let place = Place::new();
    let file = place.write("file", "");
    let below = format!("{file}/work");
    let arguments = ["worker", "doctor", "--json", "--server", "ftp://x", "--python", "no-such-python", "--base-dir", "nowhere"];
    let ended = place.run(&[&arguments[..], &["--work-dir", &below]].concat()).await;
    assert_eq!(ended.status.code(), Some(1));
    let found = findings(&ended);
    for check in ["settings", "work_folder", "base_folder", "python", "hub"] {
        assert_eq!(found[check].0, "fail", "{check}: {found:?}");
    }
    assert!(found["python"].1.contains("no-such-python: not found"), "{found:?}");
}
