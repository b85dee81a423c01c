//! What a scraper gets of each process, and who may have it.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::{automation, calm, start, with};

on_both!(each_process_serves_its_metrics, ends_of_jobs_are_counted_by_robot_and_automation, a_scraper_elsewhere_shows_a_credential);

const OPEN: &str =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

/// The metrics of a process, as a scraper without a credential gets them.
async fn scrape(url: &str, accept: &str) -> (String, String) {
    let answer = reqwest::Client::new().get(format!("{url}/metrics")).header("Accept", accept).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer.headers()["content-type"].to_str().unwrap().to_owned(), answer.text().await.unwrap())
}

/// The samples by name with labels. Fails if a line is none of the format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(samples.insert(series.to_owned(), value).is_none(), "twice: {line}");
    }
    samples
}

/// What Prometheus' own tool says against it.
fn promtool(text: &str) -> String {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install prometheus");
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let done = tool.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn processes(world: &World) -> Vec<String> {
    [&world.hub].into_iter().chain(&world.peers).chain(&world.gateways).map(|hub| hub.url()).collect()
}

async fn each_process_serves_its_metrics(delivery: Delivery) {
    let world = calm(delivery).await;
    let robot = automation(&world, "metered").await;
    let job = world.client.execute(&robot, &json!({})).await;
    start(&world, job.id).await;
    let _ended = world.client.report(&format!("/jobs/{}/finish", job.id), None, &json!({"status": "completed"})).await.expect(200);
    let _unknown = world.client.get("/api/v1/made-up/path").await.expect(404);
    let (mut requests, mut unmatched, mut named) = (0.0, 0.0, 0);
    for url in processes(&world) {
        let (kind, classic) = scrape(&url, "*/*").await;
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        assert_eq!(promtool(&classic), "", "{url}");
        let (kind, open) = scrape(&url, OPEN).await;
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        assert!(open.ends_with("# EOF\n") && !classic.contains("# EOF"));
        for text in [&classic, &open] {
            assert!(!text.contains("_total_total") && !text.contains("made-up") && !text.contains(&job.id.to_string()));
        }
        let shown = samples(&classic);
        let of = |name: &str| {
            shown.iter().filter(|(series, _)| series.starts_with(name)).map(|(series, value)| (series.clone(), *value)).collect::<Vec<_>>()
        };
        let answers = of("http_requests_total{");
        assert!(answers.iter().any(|(series, value)| series.contains(r#"status="500""#) && *value == 0.0), "what did not happen is there");
        requests += answers.iter().map(|(_, value)| value).sum::<f64>();
        unmatched += of("http_request_duration_seconds_count{")
            .iter()
            .filter(|(series, _)| series.contains(r#"route="unmatched""#))
            .map(|(_, value)| value)
            .sum::<f64>();
        named += of("http_request_duration_seconds_count{")
            .iter()
            .filter(|(series, _)| series.contains(r#"route="/api/v1/automations/{id}/execute""#))
            .count();
        assert!(shown["http_requests_in_flight"] >= 1.0, "the scrape itself");
        assert!(shown["regente_database_connections_max"] >= 1.0 && shown["regente_tokio_alive_tasks"] >= 1.0);
        assert!(
            shown["process_resident_memory_bytes"] > 1e6 && shown["process_open_fds"] > 3.0 && shown["process_start_time_seconds"] > 1.7e9
        );
        let shown_open = samples(&open);
        let missing: Vec<_> = shown.keys().filter(|series| !series.contains("_bucket{") && !shown_open.contains_key(*series)).collect();
        assert!(missing.is_empty(), "both formats have the same series: {missing:?}");
    }
    assert!(requests >= 4.0 && unmatched >= 1.0 && named >= 1, "{requests} {unmatched} {named}");
    world.end().await;
}

async fn a_scraper_elsewhere_shows_a_credential(delivery: Delivery) {
    let world = with(delivery, |settings| settings.http.metrics_from.clear()).await;
    for path in ["/metrics", "/metrics/"] {
        assert_eq!(world.client.send(world.client.bare(Method::GET, path)).await.problem(401).code, "unauthorized");
        let shown = world.client.bare(Method::GET, path).header("X-Worker-API-Key", world.hub.worker_key().expose_secret());
        let key = world.client.send(shown).await;
        assert_eq!(key.problem(403).code, "forbidden", "a worker");
        let text = |answer: Answer| answer.expect(200).text;
        assert!(text(world.client.get(path).await).contains("process_cpu_seconds_total "));
    }
    world.end().await;
    // By default this machine alone, and nobody behind a proxy of it.
    let world = calm(delivery).await;
    let from = async |name: &str, value: &str| world.client.send(world.client.bare(Method::GET, "/metrics").header(name, value)).await;
    let _told = from("X-Forwarded-For", "198.51.100.7").await.expect(401);
    let _unsaid = from("Forwarded", "for=127.0.0.1").await.expect(401);
    let _garbled = from("X-Forwarded-For", "unknown").await.expect(401);
    let _near = world.client.send(world.client.bare(Method::GET, "/metrics")).await.expect(200);
    world.end().await;
}

/// The sum over all processes: any of those that run the orchestrator may have written an end.
async fn total(world: &World, series: &str) -> f64 {
    let mut sum = 0.0;
    for url in processes(world) {
        sum += samples(&scrape(&url, "*/*").await.1).get(series).copied().unwrap_or_default();
    }
    sum
}

async fn ends_of_jobs_are_counted_by_robot_and_automation(delivery: Delivery) {
    let world = calm(delivery).await;
    let robot = automation(&world, "metered").await;
    let of = |name: &str, end: &str| format!(r#"{name}{{robo_nome="none",job_nome="{}"{end}}}"#, robot.name);
    let ended = |status: &str| of("rpa_jobs_executados_total", &format!(r#",status="{status}""#));
    for end in ["completed", "failed", "failed"] {
        let job = world.client.execute(&robot, &json!({})).await;
        start(&world, job.id).await;
        let text = scrape(&world.hub.url(), "*/*").await.1;
        assert!(!world.peers.is_empty() || text.contains(&ended("canceled")), "each end is there before the first: {text}");
        let _ended = world.client.report(&format!("/jobs/{}/finish", job.id), None, &json!({"status": end})).await.expect(200);
    }
    assert_eq!((total(&world, &ended("completed")).await, total(&world, &ended("failed")).await), (1.0, 2.0));
    assert_eq!((total(&world, &ended("canceled")).await, total(&world, &of("rpa_execucoes_falhas_total", "")).await), (0.0, 2.0));
    assert_eq!(total(&world, &of("rpa_execucao_duracao_segundos_count", "")).await, 3.0);
    assert_eq!(total(&world, &of("rpa_execucao_duracao_segundos_bucket", r#",le="3600""#)).await, 3.0);
    assert_eq!(total(&world, "regente_job_wait_seconds_count").await, 3.0);
    world.end().await;
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/OBSERVABILITY.md");
const BEGIN: &str = "<!-- metrics: begin -->\n";
const END: &str = "<!-- metrics: end -->\n";

/// With `REGENERATE` in the environment it writes the table instead.
#[test]
fn the_page_has_every_metric() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let made = runtime::metrics::markdown();
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGIN}{made}{END}{after}")).unwrap();
    } else {
        assert!(
            table == made,
            "docs/OBSERVABILITY.md is not the catalog's; write it again: REGENERATE=1 cargo test --test api the_page_has"
        );
    }
}
