//! A job's log as it comes.

use std::time::Duration;

use client::{Client, LogEvent, Settings};
use futures_util::TryStreamExt as _;
use uuid::Uuid;

use crate::server::{Answer, Server, problem, stream};

fn line(id: i64, message: &str) -> String {
    let message = serde_json::to_string(message).unwrap();
    format!(
        "event: log\nid: {id}\ndata: {{\"log_id\":{id},\"timestamp\":\"2026-11-26T00:00:00Z\",\"level\":\"INFO\",\"message\":{message}}}\n\n"
    )
}

fn end() -> String {
    let job = serde_json::json!({"id": Uuid::nil(), "job_id": Uuid::nil(), "automation_id": 1, "queue_name": "q", "status": "completed",
        "trigger": "API", "priority": 5, "parameters": {}, "attempt": 1, "created_at": "2026-11-26T00:00:00Z"});
    format!("event: end\ndata: {job}\n\n")
}

async fn followed(server: &Server, after: i64) -> Vec<String> {
    let events = server.client().job_follow(Uuid::nil().into(), after);
    let shown = events.map_ok(|event| match event {
        LogEvent::Line(line) => format!("{} {}", line.log_id, line.message),
        LogEvent::Progress(progress) => format!("{:?}", progress.step),
        LogEvent::Interrupted(error) => error.to_string(),
        LogEvent::Ended(job) => job.status.to_string(),
    });
    shown.try_collect().await.unwrap()
}

fn last_event_ids(server: &Server) -> Vec<String> {
    let id = |request: &String| request.lines().find_map(|line| line.strip_prefix("last-event-id: ")).unwrap().to_owned();
    server.requests().iter().map(id).collect()
}

#[tokio::test]
async fn lines_come_in_order_however_they_are_cut() {
    let text = [": alive\n\n", &line(1, "ação"), "event: later\ndata: 1\n\n", &line(2, "três\nquatro")].concat();
    let progress = "event: progress\ndata: {\"step\":2}\n\nevent: progress\ndata: null\n\n";
    let bytes = [text.as_bytes(), progress.as_bytes(), end().as_bytes()].concat();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    let server = Server::start([stream(&pieces)]).await;
    assert_eq!(followed(&server, 0).await, ["1 ação", "2 três\nquatro", "Some(2)", "None", "completed"]);
}

#[tokio::test]
async fn an_interrupted_stream_resumes_after_the_last_line() {
    let half = [line(1, "um"), line(2, "dois"), "event: log\nid: 3\ndata: {\"log".to_owned()].concat();
    let slow = [line(3, "três"), "event: slow\ndata: {}\n\n".to_owned()].concat();
    let rest = [line(4, "quatro"), end()].concat();
    let answers = [
        stream(&[half.as_bytes()]),
        Answer::Close,
        problem(503, "unavailable", ""),
        stream(&[slow.as_bytes()]),
        stream(&[rest.as_bytes()]),
    ];
    let server = Server::start(answers).await;
    let shown = followed(&server, 0).await;
    let lines: Vec<_> = shown.iter().filter(|text| !text.starts_with("the hub at")).collect();
    assert_eq!(lines, ["1 um", "2 dois", "3 três", "4 quatro", "completed"]);
    assert_eq!(shown.len() - lines.len(), 2, "each break is told once: {shown:?}");
    assert_eq!(last_event_ids(&server), ["0", "2", "2", "2", "3"]);
}

#[tokio::test]
async fn a_stream_begins_after_the_requested_line() {
    let server = Server::start([stream(&[end().as_bytes()])]).await;
    assert_eq!(followed(&server, 41).await, ["completed"]);
    assert_eq!(last_event_ids(&server), ["41"]);
}

#[tokio::test]
async fn a_deleted_job_ends_the_stream() {
    let server = Server::start([stream(&[line(1, "um").as_bytes()]), problem(404, "not_found", "")]).await;
    let mut events = server.client().job_follow(Uuid::nil().into(), 0);
    assert!(matches!(events.try_next().await.unwrap(), Some(LogEvent::Line(_))));
    assert!(matches!(events.try_next().await.unwrap(), Some(LogEvent::Interrupted(_))));
    assert_eq!(events.try_next().await.unwrap_err().status(), Some(404));
    assert!(events.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_is_an_error() {
    let server = Server::start([stream(&[line(1, "um").as_bytes()])]).await;
    let client = Client::new(Settings { resume: Duration::ZERO, ..server.settings() }).unwrap();
    let mut events = client.job_follow(Uuid::nil().into(), 0);
    assert!(matches!(events.try_next().await.unwrap(), Some(LogEvent::Line(_))));
    while let Ok(event) = events.try_next().await {
        assert!(matches!(event, Some(LogEvent::Interrupted(_))), "{event:?}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_parsed_is_an_error() {
    let server = Server::start([stream(&[b"event: log\nid: 1\ndata: {}\n\n"])]).await;
    let error = server.client().job_follow(Uuid::nil().into(), 0).try_next().await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
}
