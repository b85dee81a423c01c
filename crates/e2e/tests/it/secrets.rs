//! Secrets in the database: what their rows say opens nothing, and keys are changed while hubs run.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth::secrets::{MasterKeys, Place, SecretFault};
use e2e::on_both;
use runtime::{Clocks, Secrets, SecretsError};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Database,
    secrets::{Secret, secret_delete_in_txn, secret_find, secret_insert_if_absent, secret_master_key_ids},
};
use test_support::{Backend, TestDatabase, eventually_within};

use e2e::Delivery;

on_both!(
    a_secret_opens_at_its_place_with_its_key_alone,
    a_missing_key_is_named_before_anything_starts,
    replicas_agree_on_one_secret,
    keys_are_rotated_while_others_read,
    a_rotation_that_met_a_damaged_row_is_taken_up_again,
);

async fn database(delivery: Delivery) -> (TestDatabase, Database) {
    let backend = if delivery == Delivery::Pull { Backend::Sqlite } else { Backend::Postgres };
    let home = TestDatabase::create(backend).await.unwrap();
    let database = home.open().await.unwrap();
    (home, database)
}

fn secrets(database: &Database, keys: &[&SecretString]) -> Secrets {
    let text = keys.iter().map(|key| key.expose_secret()).collect::<Vec<_>>().join(",");
    let keys = if keys.is_empty() { None } else { Some(MasterKeys::parse(&text.into()).unwrap()) };
    Secrets::new(database.clone(), Clocks::default().now, keys)
}

fn place(id: &str) -> Place<'_> {
    Place { purpose: "test", id }
}

async fn found(secrets: &Secrets, id: &str) -> Result<Vec<u8>, SecretsError> {
    secrets.find(place(id)).await.map(|secret| secret.unwrap().expose_secret().to_vec())
}

/// Puts this in the place of the row that is there.
async fn replace(database: &Database, secret: &Secret) {
    let txn = database.begin().await.unwrap();
    secret_delete_in_txn(&txn, &secret.purpose, &secret.id).await.unwrap();
    txn.commit().await.unwrap();
    assert!(secret_insert_if_absent(database, secret).await.unwrap());
}

async fn end(home: TestDatabase, database: Database) {
    database.close().await.unwrap();
    home.close().await.unwrap();
}

async fn a_secret_opens_at_its_place_with_its_key_alone(delivery: Delivery) {
    let (home, database) = database(delivery).await;
    let (key, other) = (MasterKeys::generate(), MasterKeys::generate());
    let mine = secrets(&database, &[&key]);
    for id in ["a", "b"] {
        let _kept = mine.get_or_insert(place(id), format!("secret {id}").as_bytes()).await.unwrap();
    }
    let row = async |id| secret_find(&database, "test", id).await.unwrap().unwrap();
    let (a, b) = (row("a").await, row("b").await);
    assert!(!a.ciphertext.windows(6).any(|part| part == b"secret"));
    assert_eq!(found(&mine, "a").await.unwrap(), b"secret a");
    assert!(
        matches!(found(&secrets(&database, &[&other]), "a").await, Err(SecretsError::Secret(SecretFault::KeyMissing(id))) if id == a.master_key_id)
    );
    let damaged = |found| matches!(found, Err(SecretsError::Secret(SecretFault::Damaged { id, .. })) if id == "a");
    let swapped = Secret { id: "a".to_owned(), ..b };
    let cut = |bytes: &[u8], left| bytes[..left].to_vec();
    let mut rows = vec![swapped];
    for left in [0, 1, 11, 12, 27, a.ciphertext.len() - 1] {
        rows.push(Secret { ciphertext: cut(&a.ciphertext, left), ..a.clone() });
        rows.push(Secret { wrapped_key: cut(&a.wrapped_key, left), ..a.clone() });
    }
    for row in rows {
        replace(&database, &row).await;
        assert!(damaged(found(&mine, "a").await), "{row:?}");
        assert_eq!(found(&mine, "b").await.unwrap(), b"secret b");
    }
    replace(&database, &a).await;
    assert_eq!(found(&mine, "a").await.unwrap(), b"secret a");
    end(home, database).await;
}

async fn a_missing_key_is_named_before_anything_starts(delivery: Delivery) {
    let (home, database) = database(delivery).await;
    let (key, other) = (MasterKeys::generate(), MasterKeys::generate());
    let none = secrets(&database, &[]).check().await.unwrap_err().to_string();
    assert!(none.contains("REGENTE_MASTER_KEY") && none.contains("regente secrets key"), "{none}");
    secrets(&database, &[&other]).check().await.unwrap();
    let _kept = secrets(&database, &[&key]).get_or_insert(place("a"), b"x").await.unwrap();
    let id = secret_master_key_ids(&database).await.unwrap().remove(0);
    for wrong in [vec![], vec![&other]] {
        let refused = secrets(&database, &wrong).check().await.unwrap_err().to_string();
        assert!(refused.contains(&id) && refused.contains("is not here"), "{refused}");
    }
    secrets(&database, &[&other, &key]).check().await.unwrap();
    end(home, database).await;
}

async fn replicas_agree_on_one_secret(delivery: Delivery) {
    let (home, database) = database(delivery).await;
    let key = MasterKeys::generate();
    let tasks: Vec<_> = (0..8_u8)
        .map(|nth| {
            let mine = secrets(&database, &[&key]);
            tokio::spawn(async move { mine.get_or_insert(place("shared"), &[nth]).await.unwrap().expose_secret().to_vec() })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.push(task.await.unwrap());
    }
    all.dedup();
    assert_eq!(all.len(), 1, "{all:?}");
    end(home, database).await;
}

async fn keys_are_rotated_while_others_read(delivery: Delivery) {
    let (home, database) = database(delivery).await;
    let (old, new) = (MasterKeys::generate(), MasterKeys::generate());
    let before = secrets(&database, &[&old]);
    for nth in 0..230_u32 {
        let _kept = before.get_or_insert(place(&nth.to_string()), &nth.to_le_bytes()).await.unwrap();
    }
    let (both, done) = (secrets(&database, &[&new, &old]), Arc::new(AtomicBool::new(false)));
    let reader = tokio::spawn({
        let (both, done) = (both.clone(), done.clone());
        async move {
            let mut rounds = 0;
            while !done.load(Ordering::SeqCst) || rounds == 0 {
                for nth in (0..230_u32).step_by(7) {
                    assert_eq!(found(&both, &nth.to_string()).await.unwrap(), nth.to_le_bytes());
                }
                rounds += 1;
            }
        }
    });
    // Two at once do not undo each other.
    let change = test_support::change();
    let (one, two) = tokio::join!(both.rotate(&change), both.rotate(&change));
    assert_eq!(one.unwrap() + two.unwrap(), 230);
    done.store(true, Ordering::SeqCst);
    eventually_within(Duration::from_secs(60), "the reader ends", async || reader.is_finished().then_some(())).await;
    reader.await.unwrap();
    let after = secrets(&database, &[&new]);
    after.check().await.unwrap();
    for nth in 0..230_u32 {
        assert_eq!(found(&after, &nth.to_string()).await.unwrap(), nth.to_le_bytes());
    }
    assert_eq!(both.rotate(&test_support::change()).await.unwrap(), 0);
    assert!(before.check().await.is_err(), "the old key opens nothing any more");
    end(home, database).await;
}

async fn a_rotation_that_met_a_damaged_row_is_taken_up_again(delivery: Delivery) {
    let (home, database) = database(delivery).await;
    let (old, new) = (MasterKeys::generate(), MasterKeys::generate());
    let before = secrets(&database, &[&old]);
    for id in ["a", "b", "c"] {
        let _kept = before.get_or_insert(place(id), id.as_bytes()).await.unwrap();
    }
    let row = secret_find(&database, "test", "b").await.unwrap().unwrap();
    replace(&database, &Secret { wrapped_key: vec![1], ..row.clone() }).await;
    let both = secrets(&database, &[&new, &old]);
    let refused = both.rotate(&test_support::change()).await.unwrap_err().to_string();
    assert!(refused.contains("test b"), "it names the row: {refused}");
    replace(&database, &row).await;
    assert_eq!(both.rotate(&test_support::change()).await.unwrap(), 2, "the first was wrapped before");
    secrets(&database, &[&new]).check().await.unwrap();
    end(home, database).await;
}
