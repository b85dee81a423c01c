//! `regente up`.

use std::os::unix::fs::PermissionsExt;

use domain::job::Status;
use serde_json::json;

use crate::{
    client::{Client, PASSWORD, sign_in},
    process::{Place, assert_plain},
};

fn printed_password(out: &str) -> Option<String> {
    let mut lines = out.lines().filter(|line| line.contains("password"));
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "told once: {out}");
    line.split("with the password ").nth(1)?.split_whitespace().next().map(str::to_owned)
}

/// A hub whose local worker is left to its settings.
fn alone() -> Place {
    Place::new().with("REGENTE__WORKER__LOCAL", "auto").with("REGENTE__ADMIN__PASSWORD", PASSWORD)
}

async fn hello(client: &Client, script: &str) -> api_types::Job {
    let body = json!({"name": "hello", "script_path": script, "parameter_schema": {"type": "object", "required": ["name"]}});
    let automation: api_types::Automation = client.post("/api/v1/automations", &body).await.json().await.unwrap();
    client.execute_with(&automation, json!({"name": "Maria"})).await
}

const HELLO: &str = "import json, sys\nconfig = json.load(open(sys.argv[2]))\nprint('hello', config['name'], flush=True)\n\
    json.dump({'greeted': config['name']}, open('result.json', 'w'))\n";

#[tokio::test]
async fn ones_own_robot_runs_without_a_second_program() {
    let place = alone();
    let mut hub = place.start(&["up"]);
    let client = Client::new(&hub.address().await, PASSWORD).await;
    place.write("data/robots/hello.py", HELLO);
    let job = client.ended(hello(&client, "robots/hello.py").await.id).await;
    assert_eq!((job.status, job.result), (Status::Completed, Some(json!({"greeted": "Maria"}))), "{:?}", job.error_message);
    assert_eq!(client.messages(job.id).await, ["hello Maria"]);
    hub.stop().await;
}

#[tokio::test]
async fn a_stop_receives_the_ends_of_the_local_workers_jobs() {
    let place = alone();
    let scripts =
        place.write("robots/slow.sh", "echo begun; while [ ! -e \"$PARAM_GO\" ]; do sleep 0.02; done; echo '{\"n\": 1}' > result.json\n");
    let folder = place.path("robots").display().to_string();
    let mut hub = place.start(&["up", "--scripts", &folder]);
    let client = Client::new(&hub.address().await, PASSWORD).await;
    let automation = client.shell("slow", &scripts).await;
    let job = client.execute_with(&automation, json!({"go": place.path("go").display().to_string()})).await;
    client.logged(job.id, "begun").await;
    hub.terminate();
    let asked = async || hub.err().contains("shutting down").then_some(());
    test_support::eventually("it is stopping", asked).await;
    place.write("go", "");
    let stopped = hub.ended(std::time::Duration::from_secs(60)).await;
    assert!(stopped.status.success() && !stopped.err.contains("ERROR"), "{stopped:?}");
    // Nothing runs here that could report it later.
    let place = place.with("REGENTE__WORKER__LOCAL", "off");
    let mut hub = place.start(&["up"]);
    let client = Client::new(&hub.address().await, PASSWORD).await;
    let job = client.jobs().await.remove(0);
    assert_eq!((job.status, job.result), (Status::Completed, Some(json!({"n": 1}))));
    hub.stop().await;
}

#[tokio::test]
async fn there_is_no_local_worker_with_a_broker_or_when_it_is_off() {
    let broker = test_support::amqp_url().unwrap_or_else(|_| "amqp://127.0.0.1:1".to_owned());
    for place in [alone().with("REGENTE__WORKER__LOCAL", "off"), alone().with("REGENTE__BROKER__URL", &broker)] {
        let mut hub = place.start(&["up"]);
        let client = Client::new(&hub.address().await, PASSWORD).await;
        assert!(!hub.out().contains("Jobs of every queue"), "{}", hub.out());
        assert_eq!(client.get::<Vec<serde_json::Value>>("/api/v1/workers").await, Vec::<serde_json::Value>::new());
        assert!(!place.path("data/worker").exists());
        hub.stop().await;
    }
}

#[tokio::test]
async fn the_demonstration_shows_a_robot_at_work_and_finds_its_data_again() {
    let place = Place::new().with("REGENTE__WORKER__LOCAL", "auto");
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
    assert_secrets_are_kept_well(&place, &password);
    first.stop().await;

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
    let client = client::Client::new(client::Settings::new(address)).unwrap();
    assert_eq!(client.jobs(&api_types::JobFilter::default()).page().await.unwrap(), Vec::new());
    hub.stop().await;
}
