//! `regente orchestrator` and `regente api-gateway`.

use test_support::{Backend, TestDatabase};

use crate::{
    client::{PASSWORD, sign_in},
    process::Place,
};

#[tokio::test]
async fn a_single_service_serves_its_own_routes_and_stops_in_order() {
    for (service, path, status) in [
        ("orchestrator", "/api/v1/jobs", 401),
        ("orchestrator", "/api/v1/auth/login", 404),
        ("api-gateway", "/api/v1/jobs", 404),
        ("api-gateway", "/api/v1/auth/login", 405),
    ] {
        let place = Place::new().with("REGENTE__ADMIN__PASSWORD", PASSWORD);
        let mut running = place.start(&[service]);
        let address = running.address().await;
        for (path, status) in [("/health/live", 200), ("/health/ready", 200), (path, status)] {
            let client = ::client::Client::new(::client::Settings::new(&address)).unwrap();
            let answer = client.bare(reqwest::Method::GET, path).send().await.unwrap();
            assert_eq!(answer.status(), status, "{service} {path}");
        }
        let ended = running.stop().await;
        assert!(ended.status.success(), "{ended:?}");
    }
}

#[tokio::test]
async fn services_on_postgresql_share_a_folder_and_its_keys() {
    let database = TestDatabase::empty(Backend::Postgres).await.unwrap();
    let (url, schema) = (database.settings().url.clone(), database.settings().schema.clone().unwrap());
    let place = Place::new()
        .with("REGENTE__ADMIN__PASSWORD", PASSWORD)
        .with("REGENTE__DATABASE__URL", &url)
        .with("REGENTE__DATABASE__SCHEMA", &schema)
        .with("REGENTE_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let (mut gateway, mut orchestrator) = (place.start(&["api-gateway"]), place.start(&["orchestrator"]));
    let (_, token) = sign_in(&gateway.address().await, PASSWORD).await;
    let client = ::client::Client::new(::client::Settings::new(&orchestrator.address().await)).unwrap();
    let client = client.with_token(&token.unwrap().into()).unwrap();
    assert_eq!(client.request(reqwest::Method::GET, "/api/v1/jobs").send().await.unwrap().status(), 200);
    for ended in [gateway.stop().await, orchestrator.stop().await] {
        assert!(ended.status.success(), "{ended:?}");
    }
    database.close().await.unwrap();
}
