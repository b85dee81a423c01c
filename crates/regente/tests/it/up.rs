//! `regente up`.

use std::os::unix::fs::PermissionsExt;

use domain::job::Status;

use crate::{
    client::{Client, sign_in},
    process::{Place, assert_plain},
};

fn printed_password(out: &str) -> Option<String> {
    let mut lines = out.lines().filter(|line| line.contains("password"));
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "told once: {out}");
    line.split("with the password ").nth(1)?.split_whitespace().next().map(str::to_owned)
}

#[tokio::test]
async fn the_demonstration_shows_a_robot_at_work_and_finds_its_data_again() {
    let place = Place::new();
    let mut first = place.start(&["up", "--demo"]);
    let address = first.address().await;
    let out = first.out();
    for words in ["Running the example nfe-summary", "is completed after", "issuer", "CNPJ", "total R$", "CSV: "] {
        assert!(out.contains(words), "no \"{words}\" in {out}");
    }
    assert!(out.lines().filter(|line| line.contains(" INFO ")).count() > 3, "the log is shown: {out}");
    let csv = out.lines().find_map(|line| line.trim().strip_prefix("CSV: ")).unwrap();
    assert!(std::fs::read_to_string(place.path(csv)).unwrap().lines().count() > 1, "{csv} is the summary");
    assert_plain(&out);
    assert_eq!(first.err(), "", "nothing to complain about");
    let password = printed_password(&out).unwrap();
    let client = Client::new(&address, &password).await;
    let jobs = client.jobs().await;
    assert_eq!(jobs.iter().map(|job| job.status).collect::<Vec<_>>(), [Status::Completed]);
    assert!(jobs[0].progress.is_some() && jobs[0].result.is_some());
    first.stop().await;
    assert_secrets_are_kept_well(&place, &password);

    let mut second = place.start(&["up", "--demo"]);
    let address = second.address().await;
    assert_eq!(printed_password(&second.out()), None, "only the first start has a password to tell");
    assert_eq!(sign_in(&address, "wrong").await.0, 401);
    let client = Client::new(&address, &password).await;
    assert_eq!(client.jobs().await.len(), 2);
    let automations: Vec<api_types::Automation> = client.get("/api/v1/automations").await;
    assert_eq!(automations.len(), 2, "the examples are not registered twice");
    second.stop().await;
}

fn assert_secrets_are_kept_well(place: &Place, password: &str) {
    for (name, mode) in [("data", 0o700), ("data/worker-key", 0o600), ("data/regente.db", 0o600), ("data/regente.db-wal", 0o600)] {
        assert_eq!(std::fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
    }
    for file in std::fs::read_dir(place.path("data")).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        assert!(!bytes.windows(password.len()).any(|window| window == password.as_bytes()), "the password is in {}", path.display());
    }
}

#[tokio::test]
async fn a_password_of_the_settings_is_never_printed_and_may_change() {
    let place = Place::new().with("REGENTE__ADMIN__PASSWORD", "first-of-the-settings");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    assert_eq!(sign_in(&address, "first-of-the-settings").await.0, 200);
    let ended = hub.stop().await;
    assert!(!ended.out.contains("first-of-the-settings") && !ended.err.contains("first-of-the-settings"), "{ended:?}");
    assert!(!ended.out.contains("password"), "{ended:?}");
    let place = place.with("REGENTE__ADMIN__PASSWORD", "second-of-the-settings");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    assert_eq!((sign_in(&address, "first-of-the-settings").await.0, sign_in(&address, "second-of-the-settings").await.0), (401, 200));
    hub.stop().await;
}

#[tokio::test]
async fn insecure_dev_needs_no_sign_in() {
    let place = Place::new();
    let mut hub = place.start(&["up", "--insecure-dev"]);
    let address = hub.address().await;
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(http.get(format!("{address}/api/v1/jobs")).send().await.unwrap().status(), 200);
    hub.stop().await;
}
