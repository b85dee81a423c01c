//! What is in the way of a start is told in one clear line.

use std::{net::TcpListener, time::Duration};

use store::{Database, Settings};

use crate::process::Place;

async fn fault(place: &Place, words: &[&str]) {
    let ended = place.run(&["up"]).await;
    let line = ended.one_line();
    assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
    assert_eq!((ended.status.code(), ended.out.as_str()), (Some(1), ""), "{line}");
}

#[tokio::test]
async fn a_taken_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::new().with("REGENTE__HTTP__BIND", &address);
    fault(&place, &[&address, "in use"]).await;
    assert!(!place.path("data").exists(), "nothing is left behind");
}

#[tokio::test]
async fn an_address_of_another_machine() {
    fault(&Place::new().with("REGENTE__HTTP__BIND", "192.0.2.1:8080"), &["192.0.2.1:8080"]).await;
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written() {
    let place = Place::new();
    let file = place.write("data", "");
    fault(&place, &["data folder data"]).await;
    fault(&place.with("REGENTE__DATA_DIR", &format!("{file}/below")), &["data folder", "data/below"]).await;
}

#[tokio::test]
async fn a_data_folder_in_use_by_another() {
    let place = Place::new();
    let mut first = place.start(&["up"]);
    first.address().await;
    fault(&place, &["data folder data", "in use by another regente"]).await;
    first.stop().await;
}

#[tokio::test]
async fn a_file_that_is_not_a_database() {
    let place = Place::new();
    place.write("data/regente.db", &"not a database ".repeat(1000));
    fault(&place, &["database", "file is not a database"]).await;
    let place = Place::new();
    std::fs::create_dir_all(place.path("data/regente.db")).unwrap();
    fault(&place, &["database", "unable to open database file"]).await;
}

#[tokio::test]
async fn a_locked_database() {
    let place = Place::new();
    let made = place.run(&["migrate"]).await;
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let other = Database::connect(&Settings::new(&format!("sqlite://{}", place.path("data/regente.db").display()))).await.unwrap();
    let held = other.begin().await.unwrap();
    let ended = place.run(&["up"]).await;
    let line = ended.one_line();
    assert!(line.contains("database") && line.contains("locked"), "{line}");
    assert!(ended.err.contains("waiting for the database"), "it says what it waits for: {ended:?}");
    drop(held);
    other.close().await.unwrap();
    let mut hub = place.start(&["up"]);
    hub.address().await;
    hub.stop().await;
}

#[tokio::test]
async fn an_empty_worker_key_file() {
    let place = Place::new();
    place.write("data/worker-key", "");
    fault(&place, &["worker-key is empty", "delete it"]).await;
}

#[tokio::test]
async fn an_unreachable_database_server() {
    let place = Place::new()
        .with("REGENTE__DATABASE__URL", "postgres://regente:hunter2@127.0.0.1:1/regente")
        .with("REGENTE__DATABASE__ACQUIRE_TIMEOUT", "1s");
    let ended = place.run(&["up"]).await;
    let line = ended.one_line();
    assert!(line.contains("database") && !line.contains("hunter2"), "{line}");
    for command in ["up", "migrate"] {
        let place = Place::new().with("REGENTE__DATABASE__URL", "postgres://regente:hunter2@:x/y/z?q");
        let ended = place.run(&[command]).await;
        assert!(ended.one_line().contains("database") && !ended.err.contains("hunter2"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_of_the_database() {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set: run the tests with `make test`");
    let (_, server) = url.split_once('@').unwrap();
    let place = Place::new().with("REGENTE__DATABASE__URL", &format!("postgres://regente:hunter2@{server}"));
    let ended = place.run(&["up"]).await;
    let line = ended.one_line();
    assert!(line.contains("password authentication failed") && !line.contains("hunter2"), "{line}");
}

#[tokio::test]
async fn a_schema_that_does_not_exist() {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set: run the tests with `make test`");
    let place = Place::new().with("REGENTE__DATABASE__URL", &url).with("REGENTE__DATABASE__SCHEMA", "nowhere");
    for command in ["up", "migrate"] {
        let ended = place.run(&[command]).await;
        let line = ended.one_line();
        assert!(line.contains("no schema nowhere") && line.contains("CREATE SCHEMA nowhere"), "{line}");
        assert!(!line.contains("another program"), "{line}");
    }
}

#[tokio::test]
async fn insecure_dev_beyond_this_machine() {
    let place = Place::new().with("REGENTE__HTTP__BIND", "0.0.0.0:0");
    let ended = place.start(&["up", "--insecure-dev"]).ended(Duration::from_secs(20)).await;
    assert!(ended.one_line().contains("0.0.0.0:0"), "{ended:?}");
}
