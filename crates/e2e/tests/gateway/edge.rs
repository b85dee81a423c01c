//! A gateway alone, with upstreams of a test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use e2e::Client;
use regente::{Hub, HubOptions};
use runtime::{Section, Service, Settings};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use test_support::{Backend, TestDatabase};

use crate::fake::{Connection, Fake};

/// A gateway for one test. Upstreams are not checked unless the test changes that, and its clock moves only when the test moves it.
pub(crate) struct Edge {
    pub(crate) hub: Hub,
    pub(crate) client: Client,
    seconds: Arc<AtomicI64>,
    folder: TempDir,
    database: TestDatabase,
}

/// Settings of a gateway whose upstreams are these.
pub(crate) fn settings(upstreams: &[String], folder: &TempDir, database: &TestDatabase) -> Settings {
    let sections: Vec<Section> = api_gateway::Service.section().into_iter().collect();
    let mut settings = Settings::load_with(None, &sections).unwrap();
    settings.data_dir = folder.path().join("data");
    settings.http.bind = "127.0.0.1:0".to_owned();
    settings.database.url = database.settings().url.clone().into();
    settings.admin.password = "admin-password-of-a-test".to_owned().into();
    settings.services.orchestrator = upstreams.to_vec();
    let change = |gateway: &mut api_gateway::Settings| {
        gateway.admin_bind = "127.0.0.1:0".to_owned();
        gateway.health_interval = Duration::ZERO;
    };
    settings.change_section(change).unwrap();
    settings
}

impl Edge {
    pub(crate) async fn start(upstreams: &[&Fake]) -> Self {
        Self::with(upstreams, |_| {}).await
    }

    pub(crate) async fn with(upstreams: &[&Fake], change: impl FnOnce(&mut Settings)) -> Self {
        let upstreams: Vec<String> = upstreams.iter().map(|fake| fake.url.clone()).collect();
        let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::create(Backend::Sqlite).await.unwrap());
        let mut settings = settings(&upstreams, &folder, &database);
        change(&mut settings);
        let (seconds, begun) = (Arc::new(AtomicI64::new(0)), Utc::now());
        let moved = seconds.clone();
        let clock = Arc::new(move || -> DateTime<Utc> { begun + TimeDelta::seconds(moved.load(Ordering::SeqCst)) });
        let options = HubOptions { clock, ..HubOptions::default() };
        let hub = Hub::start_with(settings, options, vec![Box::new(api_gateway::Service)]).await.unwrap();
        let key = hub.worker_key().expose_secret().to_owned();
        let client = Client::new(hub.url(), hub.access_token().await.unwrap(), key).unwrap();
        Self { hub, client, seconds, folder, database }
    }

    /// Lets time pass for the gateway.
    pub(crate) fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn token(&self) -> String {
        self.hub.access_token().await.unwrap()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::connect(self.hub.url().trim_start_matches("http://")).await
    }

    /// Sends these bytes, with `{token}` replaced by one of the administrator, and reads all that comes.
    pub(crate) async fn raw(&self, text: &str) -> String {
        let mut connection = self.connect().await;
        connection.write(text.replace("{token}", &self.token().await)).await;
        connection.rest().await
    }

    /// GET of a raw target by the administrator: the whole answer.
    pub(crate) async fn target(&self, target: &str) -> String {
        self.raw(&format!("GET {target} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {{token}}\r\nConnection: close\r\n\r\n")).await
    }

    /// Address of the admin API.
    pub(crate) fn admin(&self) -> String {
        let line = self.hub.announcements().iter().find(|line| line.contains("admin API")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }

    pub(crate) async fn end(self) {
        self.hub.stop().await;
        self.database.close().await.unwrap();
        drop(self.folder);
    }
}

/// Changes the gateway's section.
pub(crate) fn gateway(settings: &mut Settings, change: impl FnOnce(&mut api_gateway::Settings)) {
    settings.change_section(change).unwrap();
}
