//! The other commands.

use serde_json::Value;

use crate::process::Place;

#[tokio::test]
async fn help_names_every_command() {
    let place = Place::new();
    let ended = place.run(&["--help"]).await;
    assert_eq!(ended.status.code(), Some(0));
    let client = ["login", "logout", "passwd", "automation", "run", "job", "completions"];
    let services = ["up", "orchestrator", "api-gateway", "scheduler", "sla-monitor", "worker", "migrate", "config", "openapi"];
    for command in client.into_iter().chain(services) {
        assert!(ended.out.contains(&format!("  {command} ")), "{command} in {}", ended.out);
        let help = place.run(&[command, "--help"]).await;
        assert!(help.status.success() && help.out.contains("Usage: regente"), "{help:?}");
    }
    let version = place.run(&["--version"]).await;
    assert_eq!(version.out.trim(), concat!("regente ", env!("CARGO_PKG_VERSION")));
    for wrong in [&["nonsense"][..], &["up", "--nonsense"], &[]] {
        let ended = place.run(wrong).await;
        assert!(ended.status.code() == Some(2) && ended.err.contains("Usage:"), "{ended:?}");
    }
}

#[tokio::test]
async fn what_is_no_id_is_refused_with_what_one_looks_like() {
    let ended = Place::new().run(&["job", "cancel", "123"]).await;
    assert!(ended.status.code() == Some(2) && ended.err.contains("must be a UUID, such as 01"), "{ended:?}");
}

#[tokio::test]
async fn openapi_prints_the_description() {
    let ended = Place::new().run(&["openapi"]).await;
    let doc: Value = serde_json::from_str(&ended.out).unwrap();
    assert!(doc["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(doc["paths"]["/api/v1/automations/{id}/execute"]["post"].is_object());
    assert_eq!((ended.status.code(), ended.err.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn migrate_makes_the_schema_and_may_run_again() {
    let place = Place::new();
    for _ in 0..2 {
        let ended = place.run(&["migrate"]).await;
        assert_eq!((ended.status.code(), ended.out.trim()), (Some(0), "the schema is up to date"), "{ended:?}");
    }
    assert!(place.path("data/regente.db").exists());
    let mut hub = place.start(&["up"]);
    hub.address().await;
    assert!(hub.out().contains("password"), "migrating makes no administrator");
    hub.stop().await;
}
