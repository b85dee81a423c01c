//! A real Alertmanager, set up as docs/SCHEDULES.md says.

use std::process::Stdio;

use tempfile::TempDir;
use test_support::eventually;
use tokio::process::{Child, Command};

use super::*;

on_both!(a_real_alertmanager_starts_a_job_until_the_alert_is_over);

const PROGRAM: &str = "prometheus-alertmanager";

/// The page's configuration, for this hook.
fn configuration(url: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SCHEDULES.md")).unwrap();
    let recipe = page.split("### Alertmanager").nth(1).unwrap().split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let ours =
        recipe.replace("https://hub.example/api/v1/hooks/rgh_…", url).replace("credentials: SECRET", &format!("credentials: {SECRET}"));
    assert!(ours.contains(url) && ours.contains(SECRET), "{recipe}");
    // A group is sent at once, and again each second.
    ours.replace("route:\n", "route:\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1s\n")
}

/// A real one, which sends each group at once and again each second.
pub(crate) struct Alertmanager {
    url: String,
    _process: Child,
    _folder: TempDir,
}

impl Alertmanager {
    pub(crate) async fn start(configuration: &str) -> Self {
        if Command::new(PROGRAM).arg("--version").output().await.is_err() {
            let packages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/debian-packages");
            assert!(Command::new(packages).arg(PROGRAM).status().await.unwrap().success(), "{PROGRAM} could not be installed");
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("config.yml"), configuration).unwrap();
        let process = Command::new(PROGRAM)
            .arg(format!("--config.file={}", at("config.yml").display()))
            .arg(format!("--storage.path={}", at("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = eventually("it listens", async || {
            let log = std::fs::read_to_string(at("log")).unwrap();
            let address = log.split("msg=\"Listening on\" address=").nth(1)?;
            Some(format!("http://{}", address.lines().next().filter(|_| address.contains('\n'))?))
        })
        .await;
        Self { url, _process: process, _folder: folder }
    }

    /// Tells it of the alert.
    pub(crate) async fn alert(&self, more: Value) {
        let mut alert = json!({"labels": {"alertname": "DiskAlmostFull", "instance": "erp-01:9100", "device": "/dev/sda1"}});
        alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let sent = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("{}/api/v2/alerts", self.url)).json(&[alert]);
        assert_eq!(sent.send().await.unwrap().status(), 200);
    }

    /// How many notifications its own counters of this name say.
    pub(crate) async fn counted(&self, name: &str) -> usize {
        let metrics = reqwest::Client::builder().no_proxy().build().unwrap().get(format!("{}/metrics", self.url));
        let metrics = metrics.send().await.unwrap().text().await.unwrap();
        let of_hooks = |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains("integration=\"webhook\"");
        let values: Vec<usize> = metrics.lines().filter(of_hooks).map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!values.is_empty(), "{name} in {metrics}");
        values.iter().sum()
    }

    pub(crate) async fn sent(&self, times: usize) {
        eventually("it sends", async || (self.counted("alertmanager_notifications_total").await >= times).then_some(())).await;
        assert_eq!(self.counted("alertmanager_notifications_failed_total").await, 0);
    }
}

async fn a_real_alertmanager_starts_a_job_until_the_alert_is_over(delivery: Delivery) {
    let world = calm(delivery).await;
    // As the command of the page.
    let fields = json!({
        "signature": {"scheme": "bearer"}, "secret": SECRET, "dedup": {"pointers": ["/groupKey", "/status", "/alerts/0/startsAt"]},
        "filter": [{"pointer": "/status", "operator": "eq", "value": "firing"}],
        "mapping": {"host": {"pointer": "/commonLabels/instance", "required": true}}
    });
    let (automation, hook) = hook(&world, "clean up", fields).await;
    let url = format!("{}/api/v1/hooks/{}", world.client.hub().url(), hook.token.as_deref().unwrap());
    let alertmanager = Alertmanager::start(&configuration(&url)).await;
    let begun = Utc::now();
    alertmanager.alert(json!({"startsAt": begun})).await;
    // It repeats what burns, and that is one job.
    alertmanager.sent(3).await;
    assert_eq!(jobs(&world, &automation).await, 1);
    let first = deliveries(&world, hook.hook.id).await.into_iter().find(|one| one.outcome == Outcome::Accepted).unwrap();
    assert_eq!(world.client.job(first.job_id.unwrap()).await.parameters["host"], "erp-01:9100");
    // It is over, and burns anew.
    let over = Utc::now();
    alertmanager.alert(json!({"startsAt": begun, "endsAt": over})).await;
    alertmanager.alert(json!({"startsAt": over + chrono::TimeDelta::milliseconds(1)})).await;
    eventually("there is a second job", async || (jobs(&world, &automation).await == 2).then_some(())).await;
    let sent = alertmanager.counted("alertmanager_notifications_total").await;
    alertmanager.sent(sent + 2).await;
    assert_eq!(jobs(&world, &automation).await, 2);
    world.end().await;
}
