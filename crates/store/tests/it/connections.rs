use domain::Scope;
use std::{net::TcpListener, time::Duration};

use store::{Database, Error, Settings, jobs::job_get};
use test_support::{Proxy, eventually};

use crate::{
    case::Case,
    fixtures::{commit, id_at, insert, new_job},
};

both!(closed_pool_is_unavailable, exhausted_pool_is_unavailable, rows_outlive_the_connection, ping_answers);
suite!(network, Postgres, cut_connections_are_unavailable_and_replaced, a_reserved_connection_survives_a_refusal_and_is_replaced_when_cut);

async fn outcome_of(url: &str) -> Result<(), Error> {
    let settings = Settings { acquire_timeout: Duration::from_millis(500), ..Settings::new(url) };
    Database::connect(&settings).await.map(drop)
}

#[tokio::test]
async fn unreachable_server_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = outcome_of(&format!("postgres://user:word@127.0.0.1:{port}/none")).await;
    assert!(matches!(&silent, Err(Error::Unavailable(_))), "{silent:?}");
    drop(listener);
    let refused = outcome_of(&format!("postgres://user:word@127.0.0.1:{port}/none")).await;
    assert!(matches!(&refused, Err(Error::Unavailable(text)) if !text.contains("word")), "{refused:?}");
}

#[tokio::test]
async fn file_that_cannot_be_opened_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let missing = outcome_of(&format!("sqlite://{}/none/test.db", folder.path().display())).await;
    assert!(matches!(missing, Err(Error::Unavailable(_))), "{missing:?}");
    std::fs::write(folder.path().join("text.db"), "not a database, but long enough to have a header".repeat(100)).unwrap();
    let text = outcome_of(&format!("sqlite://{}/text.db", folder.path().display())).await;
    assert!(matches!(text, Err(Error::Unavailable(_))), "{text:?}");
}

#[tokio::test]
async fn an_invalid_url_is_refused() {
    for url in
        ["", "regente.db", "mysql://user:word@localhost/regente", "postgres://user:word@localhost:port/regente", "sqlite://a.db?mode=odd"]
    {
        let outcome = outcome_of(url).await;
        assert!(matches!(&outcome, Err(Error::Refused(text)) if !text.contains("word")), "{url:?}: {outcome:?}");
    }
}

async fn closed_pool_is_unavailable(db: Case) {
    let hub = db.other_hub().await;
    hub.close().await.unwrap();
    assert!(matches!(hub.ping().await, Err(Error::Unavailable(_))));
    assert!(matches!(hub.begin().await.map(drop), Err(Error::Unavailable(_))));
    assert!(matches!(job_get(&hub, &Scope::All, id_at(1, 1)).await, Err(Error::Unavailable(_))));
}

async fn exhausted_pool_is_unavailable(db: Case) {
    let settings = Settings { max_connections: 1, acquire_timeout: Duration::from_secs(1), ..db.settings.clone() };
    let hub = Database::connect(&settings).await.unwrap();
    let txn = hub.begin().await.unwrap();
    assert!(matches!(hub.ping().await, Err(Error::Unavailable(_))));
    assert!(matches!(hub.begin().await.map(drop), Err(Error::Unavailable(_))));
    txn.commit().await.unwrap();
    hub.ping().await.unwrap();
    hub.close().await.unwrap();
}

async fn rows_outlive_the_connection(db: Case) {
    insert(&db, &[new_job(1)]).await;
    db.close().await.unwrap();
    let later = db.other_hub().await;
    later.migrate().await.unwrap();
    assert!(job_get(&later, &Scope::All, new_job(1).id).await.unwrap().is_some());
    later.close().await.unwrap();
}

async fn ping_answers(db: Case) {
    db.ping().await.unwrap();
}

async fn cut_connections_are_unavailable_and_replaced(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let (hub, proxy) = behind_a_proxy(&db).await;
    let txn = hub.begin().await.unwrap();
    store::jobs::job_insert_many_in_txn(&txn, &[&new_job(2)]).await.unwrap();
    proxy.cut().await;
    let lost = store::jobs::job_insert_many_in_txn(&txn, &[&new_job(3)]).await;
    assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
    assert!(matches!(txn.commit().await, Err(Error::Unavailable(_))));
    let outcome = hub.ping().await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    proxy.restore();
    eventually("the hub has a new connection", async || hub.ping().await.ok()).await;
    // The server has noticed too, and let go of what the transaction had locked.
    commit(&db, async |txn| store::jobs::job_insert_many_in_txn(txn, &[&new_job(2)]).await).await.unwrap();
    assert_eq!(db.rows("jobs").await, 2);
    hub.close().await.unwrap();
}

async fn a_reserved_connection_survives_a_refusal_and_is_replaced_when_cut(db: Case) {
    let (hub, proxy) = behind_a_proxy(&db).await;
    let insert_alone = async |number| store::jobs::job_insert_at_once(&hub, &[&new_job(number)], &[], crate::fixtures::at(0)).await;
    insert_alone(1).await.unwrap();
    let twice = insert_alone(1).await;
    assert!(matches!(twice, Err(Error::Duplicate(_))), "{twice:?}");
    // While a transaction has the pool's only place.
    let txn = hub.begin().await.unwrap();
    insert_alone(2).await.unwrap();
    txn.commit().await.unwrap();
    proxy.cut().await;
    let lost = insert_alone(3).await;
    assert!(matches!(lost, Err(Error::Unavailable(_))), "{lost:?}");
    proxy.restore();
    eventually("the hub has a new connection", async || insert_alone(3).await.ok()).await;
    assert_eq!(db.rows("jobs").await, 3);
    proxy.cut().await;
    hub.close().await.unwrap();
    assert!(matches!(insert_alone(5).await, Err(Error::Unavailable(_))));
}

/// A hub whose connections can be cut.
async fn behind_a_proxy(db: &Case) -> (Database, Proxy) {
    let (before_host, rest) = db.settings.url.split_once('@').unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let proxy = Proxy::start(host.to_owned()).await.unwrap();
    let url = format!("{before_host}@{}/{path}", proxy.address());
    let settings = Settings { url, max_connections: 1, acquire_timeout: Duration::from_secs(1), ..db.settings.clone() };
    (Database::connect(&settings).await.unwrap(), proxy)
}
