//! Messages that the broker gave up: shown, replayed, removed.

use api_types::{DeadLetter, DeadLetterDetail, Job, ReplayResponse};
use domain::{
    ids::{DeadLetterId, JobId},
    job::{ErrorClass, Status, Trigger},
};
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use store::{dead_letters::dead_letter_insert, jobs::job_load_for_update_in_txn};
use uuid::Uuid;

use crate::support::{archived, automation, calm, fields, start};

on_both!(
    letters_are_listed_shown_and_removed,
    a_letter_of_a_failed_job_makes_one_new_job,
    a_letter_is_refused_when_its_job_needs_no_new_one,
    many_letters_are_counted_then_replayed,
    bad_requests_about_letters_name_their_fields,
);

fn letter(queue: &str, job_id: Option<JobId>) -> store::dead_letters::DeadLetter {
    store::dead_letters::DeadLetter {
        id: Uuid::now_v7().into(),
        queue_name: queue.to_owned(),
        job_id,
        reason: "rejected".to_owned(),
        body: "{\"x\":1}".to_owned(),
        body_is_whole: true,
        headers: Some(json!({"traceparent": "00-1"})),
        received_at: chrono::DateTime::UNIX_EPOCH,
        replay: None,
    }
}

async fn keep(world: &World, letter: store::dead_letters::DeadLetter) -> DeadLetterId {
    dead_letter_insert(world.hub.database(), &letter).await.unwrap();
    letter.id
}

/// A job that failed because of its message.
async fn failed(world: &World, automation: &api_types::Automation, parameters: Value) -> Job {
    let job = world.client.execute(automation, &parameters).await;
    let txn = world.hub.database().begin().await.unwrap();
    let mut row = job_load_for_update_in_txn(&txn, &[job.id]).await.unwrap().remove(0);
    assert!(row.job.dead_letter("rejected"));
    row.completed_at = Some(chrono::Utc::now());
    store::jobs::job_update_many_in_txn(&txn, &[&row]).await.unwrap();
    txn.commit().await.unwrap();
    let job = world.client.job(job.id).await;
    assert_eq!((job.status, job.error_class), (Status::Failed, Some(ErrorClass::DeadLettered)));
    job
}

async fn replay(world: &World, id: DeadLetterId) -> Answer {
    world.client.post(&format!("/api/v1/dead-letters/{id}/replay"), &json!({})).await
}

async fn list(world: &World, query: &str) -> Vec<DeadLetter> {
    world.client.get(&format!("/api/v1/dead-letters?{query}")).await.expect(200).json()
}

async fn letters_are_listed_shown_and_removed(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "a").await;
    let job = failed(&world, &automation, json!({})).await;
    let first = keep(&world, letter("a", Some(job.id))).await;
    let second = keep(&world, letter("b", Some(Uuid::nil().into()))).await;
    let third = keep(&world, letter("a", None)).await;
    let ids = async |query: &str| list(&world, query).await.into_iter().map(|letter| letter.id).collect::<Vec<_>>();
    assert_eq!(ids("").await, [third, second, first]);
    assert_eq!(ids("queue=a").await, [third, first]);
    assert_eq!(ids(&format!("job_id={}", job.id)).await, [first]);
    assert_eq!((ids("replayed=true").await, ids("replayed=false&limit=1").await), (vec![], vec![third]));
    let page = world.client.get("/api/v1/dead-letters?queue=a&limit=1").await.expect(200);
    let link = page.headers["link"].to_str().unwrap().to_owned();
    assert_eq!(ids(link.split(['?', '>']).nth(1).unwrap()).await, [first]);
    let shown =
        async |id: DeadLetterId| -> DeadLetterDetail { world.client.get(&format!("/api/v1/dead-letters/{id}")).await.expect(200).json() };
    let whole = shown(first).await;
    assert_eq!((whole.body.as_str(), whole.body_is_whole, whole.letter.reason.as_str()), ("{\"x\":1}", true, "rejected"));
    assert_eq!((whole.headers, whole.job), (Some(json!({"traceparent": "00-1"})), Some(format!("/api/v1/jobs/{}", job.id))));
    assert_eq!((shown(second).await.job, shown(third).await.job), (None, None), "the hub has no such job");
    let delete =
        async |id: DeadLetterId| world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/dead-letters/{id}"))).await;
    let _gone = delete(third).await.expect(204);
    assert_eq!(delete(third).await.problem(404).code, "not_found");
    assert_eq!(world.client.get(&format!("/api/v1/dead-letters/{third}")).await.problem(404).code, "not_found");
    assert_eq!(replay(&world, third).await.problem(404).code, "not_found");
    world.end().await;
}

async fn a_letter_of_a_failed_job_makes_one_new_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "again").await;
    let job = failed(&world, &automation, json!({"cnpj": "1"})).await;
    let first = keep(&world, letter(&automation.queue_name, Some(job.id))).await;
    // The same message may have been kept twice, when an ack was lost.
    let twin = keep(&world, letter(&automation.queue_name, Some(job.id))).await;
    let (one, other) = tokio::join!(replay(&world, first), replay(&world, first));
    let (done, refused) = if one.status == 200 { (one, other) } else { (other, one) };
    let done: DeadLetter = done.expect(200).json();
    assert_eq!(refused.problem(409).code, "already_replayed");
    assert_eq!((done.replayed_by.as_deref(), done.replayed_at.is_some()), (Some("admin"), true));
    let new = world.client.job(done.new_job_id.unwrap()).await;
    assert_eq!((new.retry_of, new.trigger, new.attempt, new.parameters), (Some(job.id), Trigger::Retry, 2, job.parameters));
    assert_eq!(replay(&world, first).await.problem(409).code, "already_replayed");
    let same: DeadLetter = replay(&world, twin).await.expect(200).json();
    assert_eq!(same.new_job_id, Some(new.id), "no second job");
    world.end().await;
}

async fn a_letter_is_refused_when_its_job_needs_no_new_one(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "needless").await;
    let running = world.client.execute(&automation, &json!({})).await;
    start(&world, running.id).await;
    let id = keep(&world, letter(&automation.queue_name, Some(running.id))).await;
    let problem = replay(&world, id).await.problem(409);
    assert_eq!(problem.code, "wrong_state");
    assert!(problem.detail.contains("running"), "{problem:?}");
    let retried = failed(&world, &automation, json!({})).await;
    let retry = store::jobs::NewJob {
        automation_id: automation.id,
        trigger: Trigger::Retry,
        attempt: 2,
        retry_of: Some(retried.id),
        ..test_support::new_job(Uuid::now_v7().into(), &automation.queue_name)
    };
    let txn = world.hub.database().begin().await.unwrap();
    store::jobs::job_insert_many_in_txn(&txn, &[&retry]).await.unwrap();
    txn.commit().await.unwrap();
    let id = keep(&world, letter(&automation.queue_name, Some(retried.id))).await;
    let problem = replay(&world, id).await.problem(409);
    assert_eq!(problem.code, "already_retried");
    assert!(problem.detail.contains(&retry.id.to_string()), "{problem:?}");
    let orphan = failed(&world, &automation, json!({})).await;
    let _archived =
        world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", automation.id))).await.expect(200);
    archived(&world, &automation).await;
    let id = keep(&world, letter(&automation.queue_name, Some(orphan.id))).await;
    assert_eq!(replay(&world, id).await.problem(409).code, "automation_archived");
    let cut = store::dead_letters::DeadLetter { body_is_whole: false, ..letter("q", None) };
    assert_eq!(replay(&world, keep(&world, cut).await).await.problem(409).code, "body_incomplete");
    assert_eq!(replay(&world, keep(&world, letter("", None)).await).await.problem(409).code, "queue_unknown");
    let id = keep(&world, letter(&world.queue("never-made"), None)).await;
    let expected = if delivery == Delivery::Queue { "queue_missing" } else { "no_broker" };
    let answer = test_support::eventually("the broker is there", async || Some(replay(&world, id).await).filter(|got| got.status != 503));
    assert_eq!(answer.await.problem(409).code, expected);
    assert_eq!(list(&world, "replayed=true").await, [], "what was refused can be tried again");
    world.end().await;
}

async fn many_letters_are_counted_then_replayed(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "many").await;
    let queue = automation.queue_name.clone();
    let mut jobs = Vec::new();
    for nth in 0..3 {
        let job = failed(&world, &automation, json!({"nth": nth})).await;
        keep(&world, letter(&queue, Some(job.id))).await;
        jobs.push(job.id);
    }
    let cut = keep(&world, store::dead_letters::DeadLetter { body_is_whole: false, ..letter(&queue, None) }).await;
    keep(&world, letter("another", None)).await;
    let many = async |body: Value| -> ReplayResponse { world.client.post("/api/v1/dead-letters/replay", &body).await.expect(200).json() };
    let counted = many(json!({"queue": queue, "dry_run": true})).await;
    assert_eq!((counted.dry_run, counted.matched, counted.replayed, counted.last), (true, 4, 0, None));
    let some = many(json!({"queue": queue, "limit": 2})).await;
    assert_eq!((some.matched, some.replayed, some.refused.len()), (4, 2, 0));
    let rest = many(json!({"queue": queue})).await;
    assert_eq!((rest.matched, rest.replayed, rest.last), (2, 1, Some(cut)));
    assert_eq!(rest.refused.iter().map(|one| (one.id, one.code.as_str())).collect::<Vec<_>>(), [(cut, "body_incomplete")]);
    assert_eq!(many(json!({"queue": queue, "after": cut})).await.refused, []);
    let all: Vec<Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json();
    let mut again: Vec<JobId> = all.iter().filter_map(|job| job.retry_of).collect();
    again.sort_unstable();
    assert_eq!(again, jobs, "each once");
    world.end().await;
}

async fn bad_requests_about_letters_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    for (query, field) in
        [("limit=0", "limit"), ("job_id=x", "job_id"), ("replayed=maybe", "replayed"), ("queue=%00", "queue"), ("x=1", "x")]
    {
        let problem = world.client.get(&format!("/api/v1/dead-letters?{query}")).await.problem(400);
        assert!(problem.detail.contains(field), "{query}: {problem:?}");
    }
    for (body, field) in [
        (json!({"limit": 0}), "limit"),
        (json!({"limit": 1001}), "limit"),
        (json!({"limit": -1}), "limit"),
        (json!({"queue": "a\u{0}"}), "queue"),
        (json!({"after": "x"}), "after"),
    ] {
        assert_eq!(fields(&world.client.post("/api/v1/dead-letters/replay", &body).await.problem(422)), [field], "{body}");
    }
    assert_eq!(fields(&world.client.get("/api/v1/dead-letters/x").await.problem(400)), ["id"]);
    assert_eq!(fields(&world.client.post("/api/v1/dead-letters/x/replay", &json!({})).await.problem(400)), ["id"]);
    world.end().await;
}
