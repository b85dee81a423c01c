//! Alerts at the command line.

use api_types::Alert;
use domain::alert::{AlertEventKind, AlertStatus};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    hub_commands::{done, idle, refused},
    process::Place,
};

async fn parsed<T: DeserializeOwned>(place: &Place, arguments: &[&str]) -> T {
    let ended = done(place, &[arguments, &["-o", "json"]].concat()).await;
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

async fn said(place: &Place, arguments: &[&str]) -> String {
    done(place, arguments).await.out
}

/// Opens an alert as Alertmanager does, and gives its id.
async fn open(place: &Place) -> String {
    let key: Value = parsed(place, &["key", "create", "alertmanager", "--grant", "robot.run"]).await;
    let alert = json!({
        "status": "firing", "labels": {"alertname": "Disk", "severity": "page"}, "annotations": {"summary": "3 % livre"},
        "startsAt": "2026-11-27T05:00:00Z", "fingerprint": "a1"
    });
    let message = serde_json::from_value(json!({"alerts": [alert]})).unwrap();
    let settings = client::Settings::new(place.variable("REGENTE_URL"));
    let sender = client::Client::new(settings).unwrap().with_token(&key["key"].as_str().unwrap().to_owned().into()).unwrap();
    assert_eq!(sender.alerts_alertmanager(&message).await.unwrap().opened, 1);
    parsed::<Vec<Alert>>(place, &["alert", "list", "--source", "prometheus"]).await[0].id.to_string()
}

#[tokio::test]
async fn an_alert_is_listed_taken_muted_commented_shown_and_resolved() {
    use AlertEventKind::{Acknowledged, Commented, Muted, Opened, Unmuted};
    let (place, hub) = idle().await;
    let id = open(&place).await;
    let listed = said(&place, &["alert", "list", "--severity", "critical,error"]).await;
    assert!(listed.contains(&id) && listed.contains("EXTERNAL") && listed.contains("3 % livre"), "{listed}");
    let taken = said(&place, &["alert", "acknowledge", &id, "--comment", "estou vendo"]).await;
    assert_eq!(taken, format!("Alert {id} is yours: 3 % livre.\n"));
    let silent = said(&place, &["alert", "mute", &id, "--for", "4h"]).await;
    assert!(silent.starts_with(&format!("Alert {id} is silent until ")), "{silent}");
    assert_eq!(said(&place, &["alert", "mute", &id, "--off"]).await, format!("Alert {id} is not silent any more.\n"));
    let noted = said(&place, &["alert", "comment", &id, "o fornecedor sabe"]).await;
    assert_eq!(noted, format!("The comment is in the story of alert {id}.\n"));
    let shown = said(&place, &["alert", "show", &id]).await;
    for line in [
        "severity       critical\n",
        "says           3 % livre\n",
        "acknowledged by admin: estou vendo",
        "commented by admin: o fornecedor sabe",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(said(&place, &["alert", "resolve", &id]).await, format!("Alert {id} is resolved: 3 % livre.\n"));
    assert_eq!(parsed::<Vec<Alert>>(&place, &["alert", "list"]).await, []);
    let kept: Alert = parsed(&place, &["alert", "show", &id]).await;
    let story: Vec<_> = kept.story.iter().map(|line| line.what).collect();
    assert_eq!((kept.status, &story[..5]), (AlertStatus::Resolved, &[Opened, Acknowledged, Muted, Unmuted, Commented][..]));
    let late = refused(&place, &["alert", "mute", &id, "--for", "1h"], 1).await;
    assert!(late.contains("is resolved"), "{late}");
    hub.stop().await;
}
