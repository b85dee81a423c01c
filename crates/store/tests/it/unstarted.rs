//! Jobs whose message was delivered and that never started.

use domain::waiting::Unstarted;
use serde_json::json;
use store::{
    job_events::JobEvent,
    jobs::{
        job_list_candidates_in_txn, job_list_dispatched_before_in_txn, job_list_unstarted_unscoped, job_note_refused, job_undeliver_in_txn,
        job_undispatch_in_txn, job_unpark,
    },
};
use test_support::eventually;

use crate::{
    case::{Case, number},
    fixtures::{at, commit, id_at, insert, mark_dispatched, new_job, wanted},
};

both!(a_job_is_parked_only_after_the_maximum_of_deliveries);
suite!(locked_rows, Postgres, two_replicas_that_report_one_message_count_it_once);

async fn two_replicas_that_report_one_message_count_it_once(db: Case) {
    let ids = [new_job(1).id];
    insert(&db, &[new_job(1)]).await;
    commit(&db, async |txn| mark_dispatched(txn, &ids, at(1)).await).await.unwrap();
    let first = db.begin().await.unwrap();
    assert_eq!(job_list_dispatched_before_in_txn(&first, &ids, at(2)).await.unwrap(), ids);
    let other = db.other_hub().await;
    let second = tokio::spawn(async move {
        let counted = commit(&other, async |txn| job_undeliver_in_txn(txn, &ids, at(2), (1, at(2))).await).await;
        other.close().await.unwrap();
        counted.unwrap()
    });
    let raw = db.raw().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("the second waits for the first", async || (number(&raw, waiting).await == 1).then_some(())).await;
    job_undispatch_in_txn(&first, &ids).await.unwrap();
    mark_dispatched(&first, &ids, at(3)).await.unwrap();
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), (Vec::new(), 0), "the message of now is not the one that was lost");
    raw.close().await.unwrap();
}

async fn a_job_is_parked_only_after_the_maximum_of_deliveries(db: Case) {
    let ids = [new_job(1).id, new_job(2).id];
    insert(&db, &[new_job(1), new_job(2)]).await;
    for (time, parked) in [(1, 0), (2, 0), (3, 1)] {
        commit(&db, async |txn| mark_dispatched(txn, &ids, at(time)).await).await.unwrap();
        let now_parked = commit(&db, async |txn| {
            // The second one is only taken back: nobody had its message.
            job_undispatch_in_txn(txn, &ids[1..]).await?;
            let dispatched_anew = job_undeliver_in_txn(txn, &ids, at(time), (3, at(time))).await?;
            assert_eq!(dispatched_anew, (Vec::new(), 0), "an old report is not of this message");
            job_undeliver_in_txn(txn, &ids, at(time + 1), (3, at(time))).await
        });
        assert_eq!(now_parked.await.unwrap(), (vec![ids[0]], parked), "{time}");
    }
    job_note_refused(&db, ids[0], 2, at(9)).await.unwrap();
    let counted = Unstarted { deliveries: 3, parked_at: Some(at(3)), refused_keys: 0, refused_key_at: None };
    assert_eq!(job_list_unstarted_unscoped(&db, &ids).await.unwrap(), [(ids[0], counted)], "keys count while its message is on its way");
    let candidates = async || {
        let found = commit(&db, async |txn| job_list_candidates_in_txn(txn, &wanted(&[], at(99), 10)).await).await.unwrap();
        found.iter().map(|job| job.row.job.id).collect::<Vec<_>>()
    };
    assert_eq!(candidates().await, ids[1..]);
    let event =
        |job_id| JobEvent { id: id_at(1, 7), job_id, kind: "job.resumed".into(), actor: None, detail: json!({}), created_at: at(10) };
    assert_eq!(job_unpark(&db, &test_support::change(), &event(ids[1])).await.unwrap(), None);
    assert_eq!(job_unpark(&db, &test_support::change(), &event(ids[0])).await.unwrap(), Some(new_job(1).queue_name));
    assert_eq!(job_unpark(&db, &test_support::change(), &event(ids[0])).await.unwrap(), None);
    assert_eq!(candidates().await, ids);
    commit(&db, async |txn| mark_dispatched(txn, &ids, at(11)).await).await.unwrap();
    job_note_refused(&db, ids[0], 2, at(12)).await.unwrap();
    job_note_refused(&db, ids[0], 1, at(13)).await.unwrap();
    let refused = Unstarted { refused_keys: 3, refused_key_at: Some(at(13)), ..Unstarted::default() };
    assert_eq!(job_list_unstarted_unscoped(&db, &ids).await.unwrap(), [(ids[0], refused)], "the count began anew");
}
