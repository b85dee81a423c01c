//! A job's log.

use api_types::{LogLine, LogResponse};
use domain::{ids::JobId, job::Status, log::Level};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{calm, fields, pending, report, running, with};

on_both!(
    one_line_and_many_are_stored_in_their_order,
    bad_lines_are_refused_whole,
    what_the_database_cannot_keep_is_replaced_and_what_is_too_long_is_cut,
    a_batch_that_is_sent_again_adds_nothing,
    an_endless_log_keeps_its_first_and_its_last_part,
    a_log_is_read_in_pages,
    a_page_of_a_log_ends_by_bytes,
);

async fn log(world: &World, job: JobId, body: &Value) -> i64 {
    report(world, job, "log", body).await.expect(201).json::<LogResponse>().log_id
}

async fn one_line_and_many_are_stored_in_their_order(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    assert_eq!(log(&world, job.id, &json!({"level": "WARN", "message": "um", "actionable": true})).await, 1);
    let entries = json!([{"level": "DEBUG", "message": "dois"}, {"message": "três", "timestamp": "2025-01-02T03:04:05.678Z"},
        {"level": "ERROR", "message": "quatro"}, {"level": "CRITICAL", "message": "cinco"}, {"level": "WARNING", "message": ""}]);
    assert_eq!(log(&world, job.id, &json!({"entries": entries})).await, 6);
    assert_eq!(log(&world, job.id, &json!({"entries": []})).await, 6);
    let answer = world.client.get(&format!("/api/v1/jobs/{}/logs", job.id)).await.expect(200);
    let lines: Vec<LogLine> = answer.json();
    let shown: Vec<_> = lines.iter().map(|line| (line.log_id, line.level, line.message.as_str(), line.actionable)).collect();
    let expected = [
        (1, Level::Warning, "um", true),
        (2, Level::Debug, "dois", false),
        (3, Level::Info, "três", false),
        (4, Level::Error, "quatro", false),
        (5, Level::Critical, "cinco", false),
        (6, Level::Warning, "", false),
    ];
    assert_eq!(shown, expected);
    assert_eq!(answer.json::<Value>()[0]["level"], "WARNING", "WARN is shown as WARNING");
    assert_eq!(lines[2].timestamp.to_rfc3339(), "2025-01-02T03:04:05.678+00:00");
    world.end().await;
}

async fn bad_lines_are_refused_whole(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let many: Vec<Value> = (0..10_001).map(|_| json!({"message": "x"})).collect();
    let table = [
        (json!({"level": "LOUD", "message": "x"}), "level"),
        (json!({"level": 3, "message": "x"}), "level"),
        (json!({"message": 3}), "message"),
        (json!({}), "message"),
        (json!({"message": "x", "entries": [{"message": "y"}]}), "entries"),
        (json!({"entries": {"message": "y"}}), "entries"),
        (json!({"entries": [{"message": "fine"}, {"message": "y", "level": "LOUD"}]}), "entries/1/level"),
        (json!({"entries": [{"message": "fine"}, {"message": "y", "timestamp": "noon"}]}), "entries/1/timestamp"),
        (json!({"entries": [{"message": "fine"}, {"message": "y", "timestamp": "-5000-01-01T00:00:00Z"}]}), "entries/1/timestamp"),
        (json!({"message": "y", "timestamp": "+20000-01-01T00:00:00Z"}), "timestamp"),
        (json!({"message": "x", "actionable": "yes"}), "actionable"),
        (json!({"entries": [], "offset": -1}), "offset"),
        (json!({"entries": many}), "entries"),
    ];
    for (body, field) in table {
        let problem = report(&world, job.id, "log", &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{problem:?}");
    }
    assert_eq!(world.client.logs(job.id).await, []);
    let unknown = report(&world, Uuid::now_v7().into(), "log", &json!({"message": "x"})).await.problem(404);
    assert_eq!(unknown.code, "not_found");
    world.end().await;
}

async fn what_the_database_cannot_keep_is_replaced_and_what_is_too_long_is_cut(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let entries =
        json!([{"message": "a\u{0}b"}, {"message": "é".repeat(40_000)}, {"message": "linha 1\nlinha 2\r\u{1b}[31m"}, {"message": "🧾"}]);
    log(&world, job.id, &json!({"entries": entries})).await;
    let lines: Vec<String> = world.client.logs(job.id).await.into_iter().map(|line| line.message).collect();
    assert_eq!(lines[0], "a\u{fffd}b");
    assert!(lines[1].starts_with(&"é".repeat(32_768)) && lines[1].ends_with(" … [14464 bytes cut]"), "{}", &lines[1][65_500..]);
    assert_eq!((lines[2].as_str(), lines[3].as_str()), ("linha 1\nlinha 2\r\u{1b}[31m", "🧾"));
    world.end().await;
}

async fn a_batch_that_is_sent_again_adds_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let batch = json!({"entries": [{"message": "1"}, {"message": "2"}], "offset": 0});
    for _ in 0..3 {
        assert_eq!(log(&world, job.id, &batch).await, 2);
    }
    let overlapping = json!({"entries": [{"message": "2"}, {"message": "3"}], "offset": 1});
    assert_eq!(log(&world, job.id, &overlapping).await, 3);
    let ahead = json!({"entries": [{"message": "4"}], "offset": 3});
    assert_eq!((log(&world, job.id, &ahead).await, log(&world, job.id, &ahead).await), (4, 4));
    let last = json!({"status": "completed", "entries": [{"message": "4"}, {"message": "5"}], "offset": 3});
    let _ended = report(&world, job.id, "finish", &last).await.expect(200);
    let _late = report(&world, job.id, "finish", &last).await.expect(200);
    let lines: Vec<String> = world.client.logs(job.id).await.into_iter().map(|line| line.message).collect();
    assert_eq!(lines, ["1", "2", "3", "4", "5"]);
    world.end().await;
}

async fn an_endless_log_keeps_its_first_and_its_last_part(delivery: Delivery) {
    let world = with(delivery, |settings| settings.limits.log_lines = 200).await;
    let job = running(&world).await;
    let batch = |from: i64, to: i64| {
        let level = |nth| if nth == 250 { "ERROR" } else { "INFO" };
        let entries: Vec<Value> = (from..to).map(|nth| json!({"level": level(nth), "message": nth.to_string()})).collect();
        json!({"entries": entries, "offset": from})
    };
    assert_eq!(log(&world, job.id, &batch(0, 150)).await, 150);
    assert_eq!(log(&world, job.id, &batch(150, 230)).await, 201);
    for _ in 0..2 {
        assert_eq!(log(&world, job.id, &batch(230, 5000)).await, 202, "what is sent again is not counted again");
    }
    let mut end = batch(5000, 6500);
    end["status"] = json!("completed");
    let _ = report(&world, job.id, "finish", &end).await.expect(200);
    let _ = report(&world, job.id, "finish", &end).await.expect(200);
    assert_eq!(log(&world, job.id, &json!({"message": "late"})).await, 1203);
    assert_eq!(world.client.job(job.id).await.status, Status::Completed);
    let lines = world.client.logs(job.id).await;
    assert!(lines.iter().map(|line| line.log_id).eq(1..=1203), "the numbers have no gap");
    let text = |nth: usize| lines[nth].message.as_str();
    assert!((0..200).all(|nth| text(nth) == nth.to_string()));
    assert!(text(200).starts_with("the log has reached its limit of 200 lines or "), "{}", text(200));
    assert_eq!((text(201), text(202)), ("250", "5299 lines before this one were dropped"));
    assert!((203..1203).all(|nth| text(nth) == (nth + 5297).to_string()));
    world.end().await;
}

async fn a_log_is_read_in_pages(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    for batch in 0..30 {
        let entries: Vec<Value> = (0..7).map(|line| json!({"message": format!("{}", batch * 7 + line)})).collect();
        log(&world, job.id, &json!({"entries": entries})).await;
    }
    let (mut path, mut found) = (format!("/api/v1/jobs/{}/logs?limit=50", job.id), Vec::new());
    loop {
        let answer = world.client.get(&path).await.expect(200);
        let lines: Vec<LogLine> = answer.json();
        assert!(lines.len() <= 50);
        found.extend(lines.into_iter().map(|line| line.message.parse::<i64>().unwrap()));
        let Some(link) = answer.headers.get("link") else { break };
        path = link.to_str().unwrap().trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!(found, (0..210).collect::<Vec<_>>());
    let path = format!("/api/v1/jobs/{}/logs", job.id);
    let after: Vec<LogLine> = world.client.get(&format!("{path}?after=208")).await.expect(200).json();
    assert_eq!(after.iter().map(|line| line.log_id).collect::<Vec<_>>(), [209, 210]);
    for (query, field) in [("limit=0", "limit"), ("limit=10001", "limit"), ("after=x", "after"), ("level=ERROR", "level")] {
        assert_eq!(fields(&world.client.get(&format!("{path}?{query}")).await.problem(400)), [field], "{query}");
    }
    let quiet = pending(&world).await;
    assert_eq!(world.client.logs(quiet.id).await, []);
    world.end().await;
}

async fn a_page_of_a_log_ends_by_bytes(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    for batch in 0..3 {
        let entries: Vec<Value> = (0..50).map(|line| json!({"message": format!("{} {}", batch * 50 + line, "x".repeat(60_000))})).collect();
        log(&world, job.id, &json!({"entries": entries})).await;
    }
    let (mut path, mut found, mut pages) = (format!("/api/v1/jobs/{}/logs?limit=10000", job.id), Vec::new(), 0);
    loop {
        let answer = world.client.get(&path).await.expect(200);
        assert!(answer.text.len() < 5 * 1024 * 1024, "{}", answer.text.len());
        pages += 1;
        let number = |line: LogLine| line.message.split(' ').next().unwrap().parse::<i64>().unwrap();
        found.extend(answer.json::<Vec<LogLine>>().into_iter().map(number));
        let Some(link) = answer.headers.get("link") else { break };
        path = link.to_str().unwrap().trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    assert_eq!((found, pages), ((0..150).collect::<Vec<_>>(), 3));
    world.end().await;
}
