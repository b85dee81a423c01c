use domain::{Scope, job::Status, policy::Pause};
use store::{
    automations::{Draft, automation_archive, automation_insert},
    queues::{Queue, queue_get, queue_list, queue_list_pauses_unscoped, queue_pause, queue_resume},
};

use crate::{
    case::Case,
    fixtures::{at, draft, id_at, insert, new_job, one_of_each, set_status},
};

both!(
    a_pause_lasts_until_its_end_or_somebody_resumes,
    queues_are_those_of_automations_jobs_and_pauses,
    jobs_are_counted_by_what_they_do,
    a_queue_that_nothing_names_does_not_exist,
);

fn pause(until: Option<i64>) -> Pause {
    Pause { at: at(10), until: until.map(at), reason: None, by: "maria".into() }
}

async fn a_pause_lasts_until_its_end_or_somebody_resumes(db: Case) {
    let (mine, other) = ("fila/ção 1", "other");
    assert!(!queue_resume(&db, &test_support::change(), mine, at(10)).await.unwrap(), "it was never paused");
    queue_pause(&db, &test_support::change(), mine, &pause(None), at(0)).await.unwrap();
    queue_pause(&db, &test_support::change(), other, &pause(None), at(0)).await.unwrap();
    let with_reason = Pause { reason: Some("manutenção".into()), ..pause(Some(20)) };
    queue_pause(&db, &test_support::change(), mine, &with_reason, at(0)).await.unwrap();
    let mut pauses = queue_list_pauses_unscoped(&db).await.unwrap();
    pauses.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(pauses, [(mine.to_owned(), with_reason), (other.to_owned(), pause(None))], "another takes its place");
    assert!(!queue_resume(&db, &test_support::change(), mine, at(20)).await.unwrap(), "it ended by itself");
    assert!(queue_resume(&db, &test_support::change(), mine, at(19)).await.unwrap());
    assert!(!queue_resume(&db, &test_support::change(), mine, at(19)).await.unwrap(), "resumed once");
    assert_eq!(queue_list_pauses_unscoped(&db).await.unwrap(), [(other.to_owned(), pause(None))]);
}

async fn queues_are_those_of_automations_jobs_and_pauses(db: Case) {
    for (name, queue) in [("a", "of two"), ("b", "of two"), ("c", "archived"), ("d", "archived with jobs")] {
        let automation =
            automation_insert(&db, &Scope::All, &test_support::change(), &Draft { queue_name: queue.into(), ..draft(name) }, at(1))
                .await
                .unwrap();
        if queue.starts_with("archived") {
            automation_archive(&db, &test_support::change(), automation.id, at(2)).await.unwrap();
        }
    }
    insert(&db, &[store::jobs::NewJob { queue_name: "archived with jobs".into(), ..new_job(1) }]).await;
    queue_pause(&db, &test_support::change(), "paused", &pause(None), at(0)).await.unwrap();
    queue_pause(&db, &test_support::change(), "of two", &pause(Some(20)), at(0)).await.unwrap();
    let queue = |name: &str, waiting, pause| Queue { name: name.into(), waiting, running: 0, pause };
    let expected = [queue("archived with jobs", 1, None), queue("of two", 0, Some(pause(Some(20)))), queue("paused", 0, Some(pause(None)))];
    assert_eq!(queue_list(&db, &Scope::All).await.unwrap(), expected);
    for queue in expected {
        assert_eq!(queue_get(&db, &Scope::All, &queue.name).await.unwrap(), Some(queue));
    }
    assert_eq!(queue_get(&db, &Scope::All, "archived").await.unwrap(), Some(queue("archived", 0, None)));
}

async fn jobs_are_counted_by_what_they_do(db: Case) {
    one_of_each(&db).await;
    for nth in 100..105 {
        insert(&db, &[store::jobs::NewJob { queue_name: "other".into(), ..new_job(nth) }]).await;
    }
    set_status(&db, id_at(100, 100), Status::Running).await;
    let counted = |queue: Queue| (queue.name, queue.waiting, queue.running);
    let all: Vec<_> = queue_list(&db, &Scope::All).await.unwrap().into_iter().map(counted).collect();
    assert_eq!(all, [("invoices".to_owned(), 3, 2), ("other".to_owned(), 4, 1)]);
    assert_eq!(queue_get(&db, &Scope::All, "other").await.unwrap().map(counted), Some(("other".to_owned(), 4, 1)));
}

async fn a_queue_that_nothing_names_does_not_exist(db: Case) {
    one_of_each(&db).await;
    assert_eq!(queue_get(&db, &Scope::All, "nothing").await.unwrap(), None);
    assert_eq!(queue_get(&db, &Scope::All, "Invoices").await.unwrap(), None);
}
