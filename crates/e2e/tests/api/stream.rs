//! A job's log as it comes.

use std::time::Duration;

use api_types::{Job, LogLine};
use domain::{ids::JobId, job::Status};
use e2e::{Client, Delivery, World, on_both};
use futures_util::{StreamExt, stream::BoxStream};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;

use crate::{
    grants::{domain, grant, revoke, user},
    support::{calm, report, running, with},
};

on_both!(
    past_lines_come_first_then_new_ones_then_the_end,
    a_stream_continues_after_a_break,
    progress_is_sent_when_it_changes,
    a_reader_that_does_not_keep_up_learns_why_its_stream_ends,
    a_reader_who_may_not_read_any_more_is_sent_no_more_lines,
    a_stream_ends_without_a_line_too_when_its_reader_may_not_read_any_more,
);

/// A stream of server-sent events, read one by one.
struct Events {
    body: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: String,
}

#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<i64>,
    data: Value,
}

impl Events {
    async fn open(world: &World, job: JobId, last: Option<&str>) -> Self {
        Self::open_at(&world.client, job, last).await
    }

    async fn open_at(client: &Client, job: JobId, last: Option<&str>) -> Self {
        let request = client.request(Method::GET, &format!("/api/v1/jobs/{job}/logs/stream"));
        Self::read(last.iter().fold(request, |request, last| request.header("Last-Event-ID", *last))).await
    }

    async fn read(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { body: response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed(), buffer: String::new() }
    }

    /// With another's access token.
    async fn open_as(world: &World, job: JobId, token: &str) -> Self {
        Self::read(world.client.bare(Method::GET, &format!("/api/v1/jobs/{job}/logs/stream")).bearer_auth(token)).await
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let Some(kind) = field("event: ") else { continue };
                let data = serde_json::from_str(&field("data: ").unwrap()).unwrap();
                return Some(Event { kind, id: field("id: ").map(|id| id.parse().unwrap()), data });
            }
            let chunk = tokio::time::timeout(Duration::from_secs(30), self.body.next()).await.expect("the stream is silent");
            self.buffer.push_str(&String::from_utf8(chunk?.unwrap()).unwrap());
        }
    }

    async fn line(&mut self) -> (i64, String) {
        let event = self.next().await.unwrap();
        assert_eq!(event.kind, "log", "{event:?}");
        let line: LogLine = serde_json::from_value(event.data).unwrap();
        assert_eq!(event.id, Some(line.log_id));
        (line.log_id, line.message)
    }

    /// Why the stream ends: the next that it says, and the last.
    async fn denied(&mut self) -> String {
        let event = self.next().await.unwrap();
        assert_eq!(event.kind, "denied", "{event:?}");
        assert_eq!(self.next().await, None, "the reason is the last");
        event.data["detail"].as_str().unwrap().to_owned()
    }

    async fn end(&mut self) -> Job {
        let event = self.next().await.unwrap();
        assert_eq!(event.kind, "end", "{event:?}");
        assert_eq!(self.next().await, None, "the end is the last");
        serde_json::from_value(event.data).unwrap()
    }
}

async fn say(world: &World, job: JobId, words: &[&str]) {
    let entries: Vec<Value> = words.iter().map(|word| json!({"message": word})).collect();
    let _stored = report(world, job, "log", &json!({"entries": entries})).await.expect(201);
}

async fn past_lines_come_first_then_new_ones_then_the_end(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    say(&world, job.id, &["um", "dois"]).await;
    let mut events = Events::open(&world, job.id, None).await;
    assert_eq!((events.line().await, events.line().await), ((1, "um".into()), (2, "dois".into())));
    say(&world, job.id, &["três\nquatro"]).await;
    assert_eq!(events.line().await, (3, "três\nquatro".into()));
    let last = json!({"status": "completed", "result": {"n": 1}, "entries": [{"message": "fim"}]});
    let _ended = report(&world, job.id, "finish", &last).await.expect(200);
    assert_eq!(events.line().await, (4, "fim".into()), "the last words come before the end");
    let ended = events.end().await;
    assert_eq!((ended.id, ended.status, ended.result), (job.id, Status::Completed, Some(json!({"n": 1}))));
    let mut again = Events::open(&world, job.id, None).await;
    for number in 1..=4 {
        assert_eq!(again.line().await.0, number);
    }
    assert_eq!(again.end().await.status, Status::Completed, "a stream of a job that has ended ends at once");
    world.end().await;
}

async fn a_stream_continues_after_a_break(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    say(&world, job.id, &["1", "2", "3"]).await;
    let mut events = Events::open(&world, job.id, None).await;
    assert_eq!((events.line().await.0, events.line().await.0), (1, 2));
    drop(events);
    say(&world, job.id, &["4"]).await;
    let mut events = Events::open(&world, job.id, Some("2")).await;
    assert_eq!((events.line().await.0, events.line().await.0), (3, 4));
    let _ended = report(&world, job.id, "finish", &json!({"status": "failed"})).await.expect(200);
    assert_eq!(events.end().await.status, Status::Failed);
    for (last, first) in [("nonsense", 1), ("-5", 1), ("3", 4)] {
        assert_eq!(Events::open(&world, job.id, Some(last)).await.line().await.0, first, "{last}");
    }
    assert_eq!(Events::open(&world, job.id, Some("99")).await.end().await.id, job.id);
    world.end().await;
}

async fn progress_is_sent_when_it_changes(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let mut events = Events::open(&world, job.id, None).await;
    for (step, message) in [(1, "baixando"), (2, "somando")] {
        let _stored = report(&world, job.id, "progress", &json!({"step": step, "total_steps": 2, "message": message})).await.expect(200);
        let event = events.next().await.unwrap();
        assert_eq!((event.kind.as_str(), event.data), ("progress", json!({"step": step, "total_steps": 2, "message": message})));
    }
    let _ended = report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    assert_eq!(events.end().await.progress.unwrap().step, Some(2));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_at_one_hub_carries_what_was_reported_to_another() {
    let world = calm(Delivery::Queue).await;
    let (other, there) = world.replica().await;
    let job = running(&world).await;
    say(&world, job.id, &["um"]).await;
    let mut events = Events::open_at(&there, job.id, None).await;
    assert_eq!(events.line().await, (1, "um".into()));
    say(&world, job.id, &["dois"]).await;
    assert_eq!(events.line().await, (2, "dois".into()));
    let _stored = report(&world, job.id, "progress", &json!({"step": 1})).await.expect(200);
    assert_eq!(events.next().await.unwrap().kind, "progress");
    let _ended = report(&world, job.id, "finish", &json!({"status": "completed", "entries": [{"message": "fim"}]})).await.expect(200);
    assert_eq!(events.line().await, (3, "fim".into()));
    assert_eq!(events.end().await.status, Status::Completed);
    other.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_of_the_hub_ends_open_streams() {
    let world = calm(Delivery::Pull).await;
    let job = running(&world).await;
    let mut events = Events::open(&world, job.id, None).await;
    say(&world, job.id, &["1"]).await;
    assert_eq!(events.line().await.0, 1);
    let stopped = std::time::Instant::now();
    world.end().await;
    assert_eq!(events.next().await, None);
    assert!(stopped.elapsed() < Duration::from_secs(8), "{:?}", stopped.elapsed());
}

async fn a_reader_that_does_not_keep_up_learns_why_its_stream_ends(delivery: Delivery) {
    let world = with(delivery, |settings| settings.http.stream_patience = Duration::from_millis(20)).await;
    let job = running(&world).await;
    let mut written = 0;
    // More than the sockets of a connection hold.
    for _ in 0..6 {
        let entries: Vec<Value> = (0..60).map(|_| json!({"message": "x".repeat(60_000)})).collect();
        let _logged = report(&world, job.id, "log", &json!({"entries": entries})).await.expect(201);
        written += 60;
    }
    // It may take the hub a while to fill them.
    let mut is_disconnected = false;
    for pause in [200, 1_000, 5_000, 20_000] {
        let mut events = Events::open(&world, job.id, None).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut last = 0;
        let end = loop {
            let event = events.next().await.unwrap();
            match event.id {
                Some(id) if id == written => break None,
                Some(id) => {
                    assert_eq!((event.kind.as_str(), id), ("log", last + 1));
                    last = id;
                }
                None => break Some(event),
            }
        };
        let Some(end) = end else { continue };
        assert_eq!(end.kind, "slow");
        assert!(end.data["detail"].as_str().unwrap().contains("Last-Event-ID"), "{end:?}");
        assert_eq!(events.next().await, None);
        let mut again = Events::open(&world, job.id, Some(&last.to_string())).await;
        assert_eq!(again.line().await.0, last + 1, "it continues where it was");
        is_disconnected = true;
        break;
    }
    assert!(is_disconnected);
    world.end().await;
}

async fn a_reader_who_may_not_read_any_more_is_sent_no_more_lines(delivery: Delivery) {
    let world = calm(delivery).await;
    let (job, (ana, token), sales) = (running(&world).await.id, user(&world, "ana").await, domain(&world, "sales").await);
    let path = format!("/api/v1/jobs/{job}");
    let answers = async |status: u16| {
        let asked = || world.client.send(world.client.bare(Method::GET, &path).bearer_auth(&token));
        world.everywhere("the change counts", async || asked().await.status == status).await;
    };
    let viewer = grant(&world, &ana, json!({"right": "viewer"})).await;
    answers(200).await;
    let mut streams = [Events::open_as(&world, job, &token).await, Events::open_as(&world, job, &token).await];
    say(&world, job, &["um"]).await;
    for stream in &mut streams {
        assert_eq!(stream.line().await, (1, "um".into()));
    }
    // What is left is about another place: here is nothing.
    grant(&world, &ana, json!({"right": "viewer", "domain_id": sales.id})).await;
    revoke(&world, &ana, &viewer).await;
    answers(404).await;
    say(&world, job, &["dois"]).await;
    for stream in &mut streams {
        assert!(stream.denied().await.contains(&job.to_string()));
    }
    let mut own = Events::open(&world, job, None).await;
    assert_eq!((own.line().await.0, own.line().await.0), (1, 2), "others go on");
    world.end().await;
}

async fn a_stream_ends_without_a_line_too_when_its_reader_may_not_read_any_more(delivery: Delivery) {
    let world = calm(delivery).await;
    let (job, (ana, token)) = (running(&world).await.id, user(&world, "ana").await);
    let viewer = grant(&world, &ana, json!({"right": "viewer"})).await;
    let asked = || world.client.send(world.client.bare(Method::GET, "/api/v1/jobs").bearer_auth(&token));
    eventually("the grant counts", async || (asked().await.status == 200).then_some(())).await;
    let mut events = Events::open_as(&world, job, &token).await;
    revoke(&world, &ana, &viewer).await;
    assert!(events.denied().await.contains("run.read"));
    let (bea, token) = user(&world, "bea").await;
    grant(&world, &bea, json!({"right": "viewer"})).await;
    let asked = || world.client.send(world.client.bare(Method::GET, "/api/v1/jobs").bearer_auth(&token));
    eventually("the grant counts", async || (asked().await.status == 200).then_some(())).await;
    let mut events = Events::open_as(&world, job, &token).await;
    let sign_out = world.client.bare(Method::POST, "/api/v1/auth/logout").bearer_auth(&token).json(&json!({}));
    assert!(world.client.send(sign_out).await.status.is_success());
    assert!(events.denied().await.contains("sign"));
    world.end().await;
}
