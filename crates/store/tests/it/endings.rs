//! Transactions that end badly: what failed is gone whole, and the connection it failed on does no harm to those that follow.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use sea_orm::ConnectionTrait;
use store::{
    Database, Error, Settings,
    jobs::job_insert_many_in_txn,
    secrets::{Secret, secret_insert_if_absent},
};

use crate::{
    case::{Case, number},
    fixtures::{at, commit, new_job},
};

both!(a_failed_commit_does_not_affect_later_statements, a_begin_whose_caller_is_dropped_leaves_no_transaction_open);
suite!(automatic_rollback, Sqlite, a_statement_that_ended_its_transaction_does_not_affect_later_ones);

/// A hub with one connection: whatever is wrong with it, the next one gets it.
async fn narrow_hub(db: &Case) -> Database {
    Database::connect(&Settings { max_connections: 1, ..db.settings.clone() }).await.unwrap()
}

async fn insert_job(hub: &Database, job: u32) -> Result<(), Error> {
    commit(hub, async |txn| job_insert_many_in_txn(txn, &[&new_job(job)]).await).await
}

/// A statement by itself.
async fn assert_secret_lasts(db: &Case, hub: &Database, id: &str) {
    let (purpose, id, master_key_id) = ("test".to_owned(), id.to_owned(), "key".to_owned());
    let secret = Secret { purpose, id, master_key_id, wrapped_key: vec![1], ciphertext: vec![2], created_at: at(0) };
    assert!(secret_insert_if_absent(hub, &secret).await.unwrap());
    let raw = db.raw().await;
    assert_eq!(number(&raw, &format!("SELECT count(*) FROM secrets WHERE id = '{}'", secret.id)).await, 1, "{}", secret.id);
    raw.close().await.unwrap();
}

/// Three transactions and a statement by itself, each seen by somebody else as soon as it is answered.
async fn assert_lasts(db: &Case, hub: &Database, first: u32) {
    let before = db.rows("jobs").await;
    for job in first..first + 3 {
        insert_job(hub, job).await.unwrap();
        assert_eq!(db.rows("jobs").await, before + i64::from(job - first) + 1);
    }
    assert_secret_lasts(db, hub, &format!("after job {first}")).await;
    let raw = db.raw().await;
    // And nobody holds the lock of a transaction that is over.
    raw.execute_unprepared("DELETE FROM secrets").await.unwrap();
    raw.close().await.unwrap();
}

async fn a_failed_commit_does_not_affect_later_statements(db: Case) {
    let hub = narrow_hub(&db).await;
    let raw = db.raw().await;
    let (make, end): (&[&str], &str) = if db.is_postgres() {
        let function = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused late'; END $$";
        let trigger =
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()";
        (&[function, trigger], "DROP TRIGGER refuse ON jobs")
    } else {
        let table = "CREATE TABLE refused (id INTEGER REFERENCES automations (id) DEFERRABLE INITIALLY DEFERRED)";
        let trigger = "CREATE TRIGGER refuse AFTER INSERT ON jobs BEGIN INSERT INTO refused VALUES (-1); END";
        (&[table, trigger], "DROP TRIGGER refuse")
    };
    for statement in make {
        raw.execute_unprepared(statement).await.unwrap();
    }
    for job in 1..3 {
        let txn = hub.begin().await.unwrap();
        job_insert_many_in_txn(&txn, &[&new_job(job)]).await.unwrap();
        let refused = txn.commit().await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    raw.execute_unprepared(end).await.unwrap();
    raw.close().await.unwrap();
    assert_eq!(db.rows("jobs").await, 0);
    assert_lasts(&db, &hub, 1).await;
    hub.close().await.unwrap();
}

/// What a full disk does, and an error of the disk: the statement fails, and SQLite has rolled everything back by itself.
async fn a_statement_that_ended_its_transaction_does_not_affect_later_ones(db: Case) {
    let hub = narrow_hub(&db).await;
    let raw = db.raw().await;
    raw.execute_unprepared("CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END").await.unwrap();
    for job in 1..3 {
        let refused = insert_job(&hub, job).await;
        assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    }
    raw.execute_unprepared("DROP TRIGGER full").await.unwrap();
    raw.close().await.unwrap();
    // One that is given up is rolled back as a whole too.
    let txn = hub.begin().await.unwrap();
    job_insert_many_in_txn(&txn, &[&new_job(1)]).await.unwrap();
    drop(txn);
    assert_lasts(&db, &hub, 1).await;
    hub.close().await.unwrap();
}

/// A request whose client hangs up is dropped wherever it waits.
async fn a_begin_whose_caller_is_dropped_leaves_no_transaction_open(db: Case) {
    let hub = narrow_hub(&db).await;
    for polls in 1..6 {
        begin_and_leave(&hub, polls).await;
        assert_secret_lasts(&db, &hub, &format!("after {polls}")).await;
    }
    assert_lasts(&db, &hub, 1).await;
    hub.close().await.unwrap();
}

/// Polls a begin so often, and drops it wherever it is then.
async fn begin_and_leave(hub: &Database, polls: u32) {
    let mut begin = pin!(hub.begin());
    let mut left = polls;
    let outcome = poll_fn(|context| match begin.as_mut().poll(context) {
        Poll::Ready(begun) => Poll::Ready(Some(begun)),
        Poll::Pending if left > 1 => {
            left -= 1;
            Poll::Pending
        }
        Poll::Pending => Poll::Ready(None),
    });
    drop(outcome.await);
}
