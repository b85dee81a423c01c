//! `regente events`: what happens, as lines for people and as JSON.

use std::time::Duration;

use serde_json::Value;

use crate::{
    hub_commands::{done, idle},
    process::{Ended, Place},
};

/// Runs a command that waits for events, and makes some happen until it has enough.
async fn watched(place: &Place, arguments: &[&str]) -> Ended {
    let happen = async {
        loop {
            done(place, &["queue", "pause", "notas"]).await;
            done(place, &["queue", "resume", "notas"]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! { ended = place.run(arguments) => ended, () = happen => unreachable!() }
}

#[tokio::test]
async fn events_are_printed_as_they_happen() {
    let (place, hub) = idle().await;
    let script = place.write("data/x.sh", "true");
    done(&place, &["automation", "create", "notas", "--script", &script, "--type", "shell", "--queue", "notas"]).await;
    let ended = watched(&place, &["events", "--kind", "queue.*", "--automation", "notas", "--count", "3"]).await;
    assert_eq!((ended.status.code(), ended.err.as_str()), (Some(0), ""), "{ended:?}");
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines.len(), 3, "{ended:?}");
    assert!(lines.iter().all(|line| line.contains(" queues/notas queue_name=notas")), "{ended:?}");
    let ended = watched(&place, &["events", "--kind", "queue.paused,job.*", "--count", "1", "-o", "json"]).await;
    let event: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((event["type"].as_str(), event["queue_name"].as_str()), (Some("queue.paused"), Some("notas")), "{ended:?}");
    let refused = place.run(&["events", "--kind", "nonsense"]).await;
    assert_eq!(refused.status.code(), Some(65), "{refused:?}");
    assert!(refused.err.contains("kinds"), "{refused:?}");
    hub.stop().await;
}
