//! The gateway with a certificate.

use std::path::Path;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use runtime::Settings;
use serde_json::Value;
use tempfile::TempDir;
use test_support::eventually;

use crate::edge::Edge;

/// Writes a new certificate and its key, and returns the certificate.
fn write(folder: &Path) -> Certificate {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("k.pem"), signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("c.pem"), cert.pem()).unwrap();
    Certificate::from_pem(cert.pem().as_bytes()).unwrap()
}

async fn edge(folder: &TempDir) -> Edge {
    let files = ["c.pem", "k.pem"].map(|name| folder.path().join(name));
    Edge::with(&[], |settings: &mut Settings| [settings.http.tls_certificate, settings.http.tls_key] = files).await
}

/// A client that believes this certificate alone, on a connection of its own.
async fn get(edge: &Edge, path: &str, trusted: &Certificate) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().tls_certs_only([trusted.clone()]).build().unwrap();
    client.get(format!("{}{path}", edge.hub.url())).bearer_auth(edge.token().await).send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_encrypted_and_browsers_told_to_stay_so() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write(folder.path());
    let edge = edge(&folder).await;
    let url = edge.hub.url();
    assert!(url.starts_with("https://"), "{url}");
    let answer = get(&edge, "/api/v1/auth/me", &certificate).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["strict-transport-security"]), (200, &"max-age=31536000".parse().unwrap()));
    assert!(reqwest::get(format!("{}/health/live", url.replace("https", "http"))).await.is_err(), "not without");
    assert!(get(&edge, "/health/live", &write(folder.path())).await.is_err(), "another certificate");
    let local = reqwest::get(format!("{}/health/live", edge.hub.local_url())).await.unwrap();
    assert_eq!(local.status(), 200, "programs of this process need none");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_served_and_an_unusable_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let _first = write(folder.path());
    let edge = edge(&folder).await;
    let second = write(folder.path());
    eventually("the new one is served", async || get(&edge, "/health/live", &second).await.ok()).await;
    std::fs::write(folder.path().join("k.pem"), "no key").unwrap();
    let shown = async || {
        let tasks: Value = get(&edge, "/api/v1/ops/tasks", &second).await.unwrap().json().await.unwrap();
        let task = tasks.as_array().unwrap().iter().find(|task| task["name"] == "http.certificate").unwrap();
        task["last_error"].as_str().map(str::to_owned)
    };
    let error = eventually("operators see the fault, by the old certificate", shown).await;
    assert!(error.contains("k.pem has no private key in PEM; the certificate from before is served"), "{error}");
    let third = write(folder.path());
    eventually("one that works again is served", async || get(&edge, "/health/live", &third).await.ok()).await;
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_used_is_a_clear_start_error() {
    let folder = tempfile::tempdir().unwrap();
    let database = test_support::TestDatabase::create(test_support::Backend::Sqlite).await.unwrap();
    let mut settings = crate::edge::settings(&[], &folder, &database);
    settings.http.tls_certificate = folder.path().join("c.pem");
    settings.http.tls_key = folder.path().join("k.pem");
    let started = regente::Hub::start_with(settings, regente::HubOptions::default(), vec![Box::new(api_gateway::Service)]).await;
    let error = started.err().unwrap().to_string();
    assert!(error.contains("c.pem cannot be read"), "{error}");
    database.close().await.unwrap();
}
