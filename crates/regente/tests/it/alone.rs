//! `regente orchestrator` and `regente api-gateway`.

use crate::{client::PASSWORD, process::Place};

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
