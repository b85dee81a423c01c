//! Identity of workers: a process, not a name. Access of workers: by their credential, never by what a request claims.

use std::time::Duration;

use api_types::{JobAssignment, RegisterResponse, WorkerTokenCreated};
use domain::{ids::WorkerId, job::Status};
use e2e::{Answer, Delivery, Options, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, calm, claim, register, replica};

on_both!(
    a_second_live_process_does_not_get_the_name,
    the_same_process_keeps_its_id_at_once,
    a_name_can_be_taken_over_when_its_worker_is_gone_and_the_old_id_is_invalid,
    a_token_reaches_no_other_worker_and_no_other_queue,
    a_token_is_replaced_by_one_that_opens_as_much,
);

fn registration(name: &str, queue: &str, instance: Option<Uuid>, host: &str) -> Value {
    json!({"name": name, "queues": [queue], "slots": 1, "hostname": host, "instance_id": instance, "pid": 4711})
}

async fn enter(world: &World, body: &Value) -> Answer {
    world.client.report("/register", None, body).await
}

fn id_of(answer: Answer) -> WorkerId {
    answer.expect(200).json::<RegisterResponse>().worker_id
}

async fn a_second_live_process_does_not_get_the_name(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("twins");
    let (one, two) = (Some(Uuid::new_v4()), Some(Uuid::new_v4()));
    let first = id_of(enter(&world, &registration("robots", &queue, one, "pc-1")).await);
    for second in [
        registration("robots", &queue, two, "pc-2"),
        registration("robots", &world.queue("other"), two, "pc-1"),
        // Its folder was copied with the machine.
        registration("robots", &queue, one, "pc-2"),
        registration("robots", &queue, None, ""),
    ] {
        let problem = enter(&world, &second).await.problem(409);
        assert_eq!(problem.code, "worker_name_taken");
        for words in ["\"robots\"", "pc-1", "4711", "since 20"] {
            assert!(problem.detail.contains(words), "{problem:?}");
        }
    }
    let _alive = world.client.report("/heartbeat", None, &json!({"worker_id": first})).await.expect(200);
    let listed: Vec<api_types::Worker> = world.client.get("/api/v1/workers").await.expect(200).json();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].hostname.as_str(), listed[0].pid, listed[0].instance_id), ("pc-1", Some(4711), one));
    world.end().await;
}

async fn the_same_process_keeps_its_id_at_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, "again").await;
    let queue = automation.queue_name.as_str();
    let body = registration("robots", queue, Some(Uuid::new_v4()), "pc-1");
    let id = id_of(enter(&world, &body).await);
    let job = world.client.execute(&automation, &json!({})).await.id;
    if delivery == Delivery::Pull {
        assert_eq!(claim(&world, id, &[queue], json!({})).await[0].job_id, job);
    }
    assert_eq!(id_of(enter(&world, &body).await), id, "killed and restarted: it registers without waiting");
    if delivery == Delivery::Pull {
        assert_eq!(claim(&world, id, &[queue], json!({})).await[0].job_id, job, "what it had is its own still");
    }
    let plain = json!({"name": "plain", "queues": [queue], "slots": 1});
    assert_eq!(id_of(enter(&world, &plain).await), id_of(enter(&world, &plain).await), "a worker that says nothing of its process");
    world.end().await;
}

async fn a_name_can_be_taken_over_when_its_worker_is_gone_and_the_old_id_is_invalid(delivery: Delivery) {
    let settings = |settings: &mut runtime::Settings| settings.lease.agent = Duration::from_secs(2);
    let world = World::start_with(delivery, Options { settings: Some(Box::new(settings)), ..Options::default() }).await;
    let (other, other_client) = replica(&world).await;
    let automation = automation(&world, "heirs").await;
    let queue = automation.queue_name.as_str();
    let lost = registration("robots", queue, Some(Uuid::new_v4()), "pc-1");
    let heir = registration("robots", queue, Some(Uuid::new_v4()), "pc-2");
    let old = id_of(enter(&world, &lost).await);
    let _seen = other_client.report("/heartbeat", None, &json!({"worker_id": old})).await.expect(200);
    let _paused = world.client.post(&format!("/api/v1/workers/{old}/pause"), &json!({})).await.expect(200);
    assert_eq!(enter(&world, &heir).await.problem(409).code, "worker_name_taken");
    let new = eventually("the first is lost", async || {
        let answer = enter(&world, &heir).await;
        (answer.status == 200).then(|| id_of(answer))
    })
    .await;
    assert_ne!(new, old);
    let job = world.client.execute(&automation, &json!({})).await.id;
    for (path, body) in [
        ("/heartbeat".to_owned(), json!({"worker_id": old})),
        ("/jobs/claim".to_owned(), json!({"worker_id": old, "queues": [queue]})),
        (format!("/jobs/{job}/start"), json!({"worker_id": old})),
        ("/goodbye".to_owned(), json!({"worker_id": old})),
    ] {
        assert_eq!(world.client.report(&path, None, &body).await.problem(404).code, "not_found", "{path}");
        eventually("the other replica sees it", async || (other_client.report(&path, None, &body).await.status == 404).then_some(())).await;
    }
    assert_eq!(enter(&world, &lost).await.problem(409).code, "worker_name_taken", "so that the old process ends");
    let listed: Vec<api_types::Worker> = world.client.get("/api/v1/workers").await.expect(200).json();
    assert_eq!(listed.iter().map(|worker| worker.id).collect::<Vec<_>>(), [new]);
    assert!(listed[0].paused_at.is_some(), "a pause is the name's");
    let _gone = world.client.report("/goodbye", None, &json!({"worker_id": new})).await.expect(204);
    let _stopped = enter(&world, &lost).await.expect(200);
    other.stop().await;
    world.end().await;
}

/// What a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shows {
    SharedKey,
    Person,
    /// A token without limits.
    Any,
    /// A token of the other queue.
    OtherQueue,
    /// A token bound to worker A's name that opens the other queue alone.
    BoundOtherQueue,
    /// The token that registered worker A.
    Own,
}

struct Place {
    world: World,
    tokens: Vec<(Shows, String)>,
}

impl Place {
    async fn new(delivery: Delivery, name: &str, queue: &str, other: &str) -> Self {
        let world = calm(delivery).await;
        let mut tokens = Vec::new();
        for (shows, body) in [
            (Shows::Any, json!({"name": "any"})),
            (Shows::OtherQueue, json!({"name": "qb", "queues": [world.queue(other)]})),
            (Shows::BoundOtherQueue, json!({"name": "bound", "worker_name": name, "queues": [world.queue(other)]})),
            (Shows::Own, json!({"name": "own", "queues": [world.queue(queue)]})),
        ] {
            let made: WorkerTokenCreated = world.client.post("/api/v1/worker-tokens", &body).await.expect(201).json();
            tokens.push((shows, made.token));
        }
        Self { world, tokens }
    }

    async fn ask(&self, shows: Shows, (method, path): (Method, &str), lease: Option<Uuid>, body: &Value) -> Answer {
        let client = &self.world.client;
        let full = format!("/api/v1/worker{path}");
        let mut request = match shows {
            Shows::SharedKey => client.worker(method.clone(), path),
            Shows::Person => client.request(method.clone(), &full),
            _ => {
                let token = &self.tokens.iter().find(|(known, _)| *known == shows).unwrap().1;
                client.bare(method.clone(), &full).header("X-Worker-API-Key", token)
            }
        };
        if let Some(lease) = lease {
            request = request.header("X-Lease-Token", lease.to_string());
        }
        client.send(if method == Method::GET { request } else { request.json(body) }).await
    }
}

/// Every worker route with every credential but the one that may: none speaks for worker A, none sees or ends its job, and the lease token
/// proves the lease without widening a token to another queue.
async fn a_token_reaches_no_other_worker_and_no_other_queue(delivery: Delivery) {
    let place = Place::new(delivery, "A", "qa", "qb").await;
    let world = &place.world;
    let automation = automation(world, "qa").await;
    let queue = automation.queue_name.as_str();
    let asked = registration("A", queue, Some(Uuid::new_v4()), "pc-1");
    let worker = id_of(place.ask(Shows::Own, (Method::POST, "/register"), None, &asked).await);
    let (job, waiting) = (world.client.execute(&automation, &json!({})).await.id, world.client.execute(&automation, &json!({})).await.id);
    let started =
        place.ask(Shows::Own, (Method::POST, &format!("/jobs/{job}/start")), None, &json!({"worker_id": worker})).await.expect(200);
    let lease = Some(started.json::<api_types::StartResponse>().lease_token);
    let as_a = json!({"worker_id": worker, "queues": [queue]});
    let end = json!({"status": "failed", "error_message": "forged"});
    let on = |what: &str| format!("/jobs/{job}/{what}");
    let for_a = [
        (Method::POST, "/heartbeat".to_owned(), json!({"worker_id": worker})),
        (Method::POST, "/goodbye".to_owned(), json!({"worker_id": worker})),
        (Method::POST, "/jobs/claim".to_owned(), as_a),
        (Method::POST, format!("/jobs/{waiting}/start"), json!({"worker_id": worker})),
    ];
    let about_job = [
        (Method::POST, on("log"), json!({"message": "m"})),
        (Method::POST, on("progress"), json!({"percent": 1})),
        (Method::POST, on("finish"), end.clone()),
        (Method::GET, on("status"), Value::Null),
        (Method::GET, on("cancellation"), Value::Null),
    ];
    let mut wrong = Vec::new();
    let mut check = |what: String, fine: bool, answer: &Answer| {
        if !fine {
            wrong.push(format!("{what}: {} {}", answer.status, answer.text));
        }
    };
    for shows in [Shows::SharedKey, Shows::Person, Shows::Any, Shows::OtherQueue, Shows::BoundOtherQueue] {
        let entered = place.ask(shows, (Method::POST, "/register"), None, &registration("A", queue, Some(Uuid::new_v4()), "pc-2")).await;
        check(format!("{shows:?} register"), matches!(entered.status.as_u16(), 403 | 409), &entered);
        let narrow = registration("A", &world.queue("qb"), Some(Uuid::new_v4()), "pc-2");
        let entered = place.ask(shows, (Method::POST, "/register"), None, &narrow).await;
        check(format!("{shows:?} register for its own queue"), matches!(entered.status.as_u16(), 403 | 409), &entered);
        for (method, path, body) in &for_a {
            let answer = place.ask(shows, (method.clone(), path), lease, body).await;
            check(format!("{shows:?} {path}"), answer.status == 403, &answer);
        }
        let elsewhere = matches!(shows, Shows::OtherQueue | Shows::BoundOtherQueue);
        for (method, path, body) in &about_job {
            let answer = place.ask(shows, (method.clone(), path), None, body).await;
            check(format!("{shows:?} {path} without lease"), answer.status == 403, &answer);
            if elsewhere {
                let answer = place.ask(shows, (method.clone(), path), lease, body).await;
                check(format!("{shows:?} {path} with lease"), answer.status == 403, &answer);
            }
        }
        for (lease, refused) in [(None, true), (lease, elsewhere)] {
            if refused {
                let batch =
                    json!([{"job_id": job, "lease_token": lease, "finish": end}, {"job_id": waiting, "start": {"worker_id": worker}}]);
                let answer = place.ask(shows, (Method::POST, "/reports"), None, &batch).await;
                let outcomes: Value = answer.json();
                let each = outcomes[0]["status"] == 403 && outcomes[1]["status"] == 403;
                check(format!("{shows:?} reports"), answer.status == 403 || each, &answer);
            }
        }
        if elsewhere {
            let answer = place.ask(shows, (Method::POST, &format!("/jobs/{waiting}/start")), None, &json!({})).await;
            check(format!("{shows:?} start"), answer.status == 403, &answer);
            let answer = place.ask(shows, (Method::GET, &format!("/jobs/{waiting}/status")), None, &Value::Null).await;
            check(format!("{shows:?} status of a job that waits"), answer.status == 403, &answer);
        }
    }
    // Under its own name it can renew no lease of another queue.
    let own = registration("B", &world.queue("qb"), None, "");
    let b = id_of(place.ask(Shows::OtherQueue, (Method::POST, "/register"), None, &own).await);
    let before = world.client.job(job).await.lease_expires_at;
    let stolen = json!({"worker_id": b, "jobs": [{"job_id": job, "lease_token": lease}]});
    let beat = place.ask(Shows::OtherQueue, (Method::POST, "/heartbeat"), None, &stolen).await.expect(200);
    assert_eq!(beat.json::<api_types::HeartbeatResponse>().stale, [job]);
    assert_eq!(world.client.job(job).await.lease_expires_at, before);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let held = world.client.job(job).await;
    assert_eq!((held.status, world.client.job(waiting).await.status), (Status::Running, Status::Pending));
    assert_eq!(world.client.logs(job).await.len(), 0);
    // The one that may does all of it.
    for (method, path, body) in for_a.iter().take(1).chain(&about_job) {
        let answer = place.ask(Shows::Own, (method.clone(), path), None, body).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
    }
    place.world.end().await;
}

async fn a_token_is_replaced_by_one_that_opens_as_much(delivery: Delivery) {
    let place = Place::new(delivery, "A", "qa", "qb").await;
    let world = &place.world;
    let queue = world.queue("qa");
    let body = registration("A", &queue, Some(Uuid::new_v4()), "pc-1");
    let first = id_of(place.ask(Shows::Own, (Method::POST, "/register"), None, &body).await);
    let second = id_of(place.ask(Shows::Any, (Method::POST, "/register"), None, &body).await);
    assert_ne!(second, first, "the same process with a new token: what the old one registered is the old one's");
    let beats = async || place.ask(Shows::Any, (Method::POST, "/heartbeat"), None, &json!({"worker_id": first})).await;
    world.everywhere("what the old one registered is gone", async || beats().await.status == 404).await;
    let problem = beats().await.problem(404);
    assert_eq!(problem.code, "not_found");
    let _gone = place.ask(Shows::Any, (Method::POST, "/goodbye"), None, &json!({"worker_id": second})).await.expect(204);
    let narrow = registration("A", &world.queue("qb"), None, "");
    let refused = place.ask(Shows::OtherQueue, (Method::POST, "/register"), None, &narrow).await.problem(403);
    assert!(refused.detail.contains("\"A\"") && !refused.detail.contains("pc-1"), "{refused:?}");
    let plain = id_of(place.ask(Shows::Own, (Method::POST, "/register"), None, &registration("A", &queue, None, "")).await);
    assert_ne!(plain, second);
    if delivery == Delivery::Pull {
        let automation = automation(world, "qa").await;
        let job = world.client.execute(&automation, &json!({})).await.id;
        let claim_body = json!({"worker_id": plain, "queues": [queue]});
        let claimed: Vec<JobAssignment> = place.ask(Shows::Own, (Method::POST, "/jobs/claim"), None, &claim_body).await.expect(200).json();
        assert_eq!(claimed[0].job_id, job);
    }
    let shared = register(world, "of the shared key", &[&queue]).await;
    let refused = place.ask(Shows::Any, (Method::POST, "/heartbeat"), None, &json!({"worker_id": shared})).await.problem(403);
    assert!(refused.detail.contains("another key or token"), "{refused:?}");
    place.world.end().await;
}
