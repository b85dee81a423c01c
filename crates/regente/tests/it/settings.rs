//! Settings: each fault is named, all at once, and secrets stay inside.

use crate::process::{Place, assert_plain};

/// Exit code of `EX_USAGE`, and the lines of standard error.
async fn refused(place: &Place, arguments: &[&str]) -> Vec<String> {
    let ended = place.run(arguments).await;
    assert_eq!((ended.status.code(), ended.out.as_str()), (Some(64), ""), "{ended:?}");
    assert_plain(&ended.err);
    let lines: Vec<String> = ended.err.lines().map(str::to_owned).collect();
    assert!(lines.iter().all(|line| line.starts_with("regente: ")), "{lines:?}");
    lines
}

fn assert_each_named(lines: &[String], words: &[&str]) {
    for word in words {
        assert!(lines.iter().any(|line| line.contains(word)), "no \"{word}\" in {lines:#?}");
    }
    assert_eq!(lines.len(), words.len(), "one line a fault: {lines:#?}");
}

#[tokio::test]
async fn every_fault_is_reported_at_once() {
    let place = Place::new()
        .with("REGENTE__HTTP__BIND", "nowhere")
        .with("REGENTE__LEASE__AGENT", "5s")
        .with("REGENTE__DATABASE__URL", "mysql://regente:hunter2@db/x")
        .with("REGENTE__BROKER__URL", "http://rabbit")
        .with("REGENTE__LOG__FILTER", "orchestrator=loud");
    let lines = refused(&place, &["config", "check"]).await;
    assert_each_named(&lines, &["http.bind", "lease.agent", "database.url", "broker.url", "log.filter"]);
    assert!(!lines.concat().contains("hunter2"), "{lines:?}");
    for command in [&["up"][..], &["migrate"], &["config", "print"]] {
        assert_eq!(refused(&place, command).await, lines, "{command:?}");
    }
    assert!(!place.path("data").exists(), "nothing is made before the settings are fine");
}

#[tokio::test]
async fn values_of_the_wrong_kind_do_not_hide_each_other() {
    let place =
        Place::new().with("REGENTE__HTTP__WORKERS", "many").with("REGENTE__LEASE__AGENT", "soon").with("REGENTE__LOG__FORMAT", "xml");
    assert_each_named(&refused(&place, &["config", "check"]).await, &["http.workers", "lease.agent", "log.format"]);
}

#[tokio::test]
async fn unknown_keys_are_named() {
    let place = Place::new().with("REGENTE__HTTP__PORT", "1");
    assert_each_named(&refused(&place, &["up"]).await, &["port"]);
    let place = Place::new();
    place.write("regente.toml", "[htp]\nbind = \"x\"\n[dispatch]\nwindows = 3\n[lease]\nagnet = \"1s\"\n");
    assert_each_named(&refused(&place, &["up"]).await, &["htp", "windows", "agnet"]);
    place.write("regente.toml", "[http\n");
    let lines = refused(&place, &["config", "check"]).await;
    assert!(lines[0].contains("regente.toml"), "{lines:?}");
    let lines = refused(&place, &["--config", "missing.toml", "config", "check"]).await;
    assert!(lines.len() == 1 && lines[0].contains("missing.toml"), "{lines:?}");
}

#[tokio::test]
async fn the_environment_takes_precedence_over_the_file() {
    let place = Place::new().with("REGENTE__HTTP__WORKERS", "7");
    place.write("regente.toml", "[http]\nworkers = 3\nbody_limit = 65536\n");
    let ended = place.run(&["config", "print"]).await;
    assert!(ended.out.contains("\nworkers = 7\n") && ended.out.contains("\nbody_limit = 65536\n"), "{ended:?}");
    place.write("other.toml", "[http]\nbody_limit = 77777\n");
    let ended = place.run(&["config", "print", "--config", "other.toml"]).await;
    assert!(ended.out.contains("\nbody_limit = 77777\n"), "{ended:?}");
}

#[tokio::test]
async fn secrets_are_masked() {
    let place = Place::new()
        .with("REGENTE__DATABASE__URL", "postgres://regente:hunter2@db.example/x")
        .with("REGENTE__BROKER__URL", "amqp://regente:hunter3@mq.example")
        .with("REGENTE__ADMIN__PASSWORD", "hunter4")
        .with("REGENTE__WORKER__API_KEY", "hunter5");
    for command in ["print", "check"] {
        let ended = place.run(&["config", command]).await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(!ended.out.contains("hunter") && !ended.err.contains("hunter"), "{ended:?}");
        assert!(!place.path("data").exists(), "looking makes nothing");
    }
}
