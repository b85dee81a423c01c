//! Against a small Jira that has issues, and refuses what the real one does.

use std::sync::{Arc, Mutex};

use domain::ids::AlertId;
use test_support::{Received, Receiver, Reply};
use uuid::Uuid;

use super::*;
use crate::senders::testing::{alert, message, opened, senders};

#[derive(Clone, Debug, Default)]
struct Stored {
    labels: Vec<String>,
    summary: String,
    comments: usize,
    is_done: bool,
}

#[derive(Default)]
struct Site {
    issues: Mutex<Vec<Stored>>,
    /// Answers of issues that were created are lost.
    loses_answers: Mutex<bool>,
}

/// Whether a node is what the format says, and its texts are not empty.
fn is_document(node: &Value) -> bool {
    let children = node["content"].as_array();
    let is_fine = match node["type"].as_str() {
        Some("doc") => node["version"] == 1 && children.is_some(),
        Some("text") => node["text"].as_str().is_some_and(|text| !text.is_empty()),
        Some("paragraph" | "bulletList" | "listItem" | "heading") => children.is_some_and(|children| !children.is_empty()),
        Some("hardBreak") => true,
        _ => false,
    };
    is_fine && children.into_iter().flatten().all(is_document)
}

fn status(is_done: bool) -> Value {
    json!({"name": "x", "statusCategory": {"key": if is_done { "done" } else { "new" }}})
}

impl Site {
    fn answer(&self, request: &Received) -> Reply {
        if request.header("authorization") != format!("Basic {}", STANDARD.encode("bot@example.com:token-of-nobody")) {
            return Reply::new(401, "");
        }
        let (path, body) = (request.target.strip_prefix("/rest/api/3/").unwrap(), request.json());
        let mut issues = self.issues.lock().unwrap();
        match (request.method.as_str(), path) {
            ("POST", "search/jql") => {
                let jql = body["jql"].as_str().unwrap();
                assert!(jql.starts_with("project = \"OPS\" AND labels = \"regente-"), "{jql}");
                let found = issues.iter().rposition(|issue| issue.labels.iter().any(|label| jql.contains(&format!("\"{label}\""))));
                let found: Vec<Value> = found.into_iter().map(|nth| json!({"id": "1", "key": format!("OPS-{nth}")})).collect();
                Reply::json(200, &json!({"issues": found, "isLast": true}))
            }
            ("POST", "issue") => {
                let fields = &body["fields"];
                let summary = fields["summary"].as_str().unwrap().to_owned();
                let is_fine = fields["project"]["key"] == "OPS"
                    && fields["issuetype"]["name"] == "Task"
                    && summary.chars().count() <= 255
                    && !summary.contains('\n')
                    && is_document(&fields["description"]);
                if !is_fine {
                    return Reply::json(400, &json!({"errorMessages": [], "errors": {"summary": "refused"}}));
                }
                let labels: Vec<String> = serde_json::from_value(fields["labels"].clone()).unwrap();
                assert!(labels.iter().all(|label| !label.contains(' ')));
                issues.push(Stored { labels, summary, ..Stored::default() });
                if *self.loses_answers.lock().unwrap() {
                    return Reply::Close;
                }
                Reply::json(201, &json!({"id": "1", "key": format!("OPS-{}", issues.len() - 1), "self": "x"}))
            }
            (method, path) => {
                let (key, rest) = path.strip_prefix("issue/OPS-").unwrap().split_once(['/', '?']).unwrap();
                let Some(issue) = issues.get_mut(key.parse::<usize>().unwrap()) else { return Reply::new(404, "") };
                match (method, rest) {
                    ("GET", "fields=status") => Reply::json(200, &json!({"key": "x", "fields": {"status": status(issue.is_done)}})),
                    ("GET", "transitions") => {
                        let offered =
                            json!([{"id": "11", "name": "Start", "to": status(false)}, {"id": "31", "name": "Close", "to": status(true)}]);
                        Reply::json(200, &json!({"transitions": offered}))
                    }
                    ("POST", "transitions") if body["transition"]["id"] == "31" => {
                        issue.is_done = true;
                        Reply::new(204, "")
                    }
                    ("POST", "comment") if is_document(&body["body"]) => {
                        issue.comments += 1;
                        Reply::json(201, &json!({"id": "9"}))
                    }
                    _ => Reply::new(400, "what?"),
                }
            }
        }
    }
}

async fn site() -> (Arc<Site>, Jira) {
    let site = Arc::new(Site::default());
    let answers = site.clone();
    let receiver = Receiver::start(move |request| answers.answer(request)).await.unwrap();
    let settings = json!({"url": receiver.url(), "email": "bot@example.com", "project": "OPS"});
    (site, serde_json::from_value(settings).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_an_issue_that_is_commented_and_closed() {
    let ((senders, _database), (site, settings)) = (senders().await, site().await);
    let secrets = opened("api_token", "token-of-nobody");
    let mut given = message(NoticeKind::Opened, vec![alert("x")]);
    given.title = "é\r\n".repeat(500);
    let reference = senders.jira(&settings, &secrets, &given).await.unwrap().reference;
    assert_eq!(reference.as_deref(), Some("OPS-0"));
    for (kind, reference) in [
        (NoticeKind::Reminded, reference.clone()),
        (NoticeKind::Acknowledged, None),
        (NoticeKind::Resolved, reference),
        (NoticeKind::Resolved, None),
    ] {
        let told = Message { reference, ..message(kind, vec![alert("x")]) };
        assert_eq!(senders.jira(&settings, &secrets, &told).await.unwrap().reference.as_deref(), Some("OPS-0"), "{kind}");
    }
    let issues = site.issues.lock().unwrap().clone();
    assert_eq!((issues.len(), issues[0].comments, issues[0].is_done), (1, 4, true));
    assert!(issues[0].labels.iter().any(|label| *label == format!("regente-{}", alert("x").id)), "{issues:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_makes_no_second_issue() {
    let ((senders, _database), (site, settings)) = (senders().await, site().await);
    let secrets = opened("api_token", "token-of-nobody");
    let given = message(NoticeKind::Opened, vec![alert("x")]);
    *site.loses_answers.lock().unwrap() = true;
    assert!(matches!(senders.jira(&settings, &secrets, &given).await.unwrap_err().fate, Fate::Retry(_)));
    *site.loses_answers.lock().unwrap() = false;
    assert_eq!(senders.jira(&settings, &secrets, &given).await.unwrap().reference.as_deref(), Some("OPS-0"));
    assert_eq!(site.issues.lock().unwrap().len(), 1);
    // The next alert of the same rule is an issue of its own.
    let mut next = message(NoticeKind::Opened, vec![alert("x")]);
    next.alerts[0].id = AlertId::new(Uuid::from_u128(8));
    assert_eq!(senders.jira(&settings, &secrets, &next).await.unwrap().reference.as_deref(), Some("OPS-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_jira_does_not_do_is_a_clear_fault() {
    let ((senders, _database), (site, settings)) = (senders().await, site().await);
    let secrets = opened("api_token", "token-of-nobody");
    let resolved = message(NoticeKind::Resolved, vec![alert("x")]);
    let nothing = senders.jira(&settings, &secrets, &resolved).await.unwrap();
    assert_eq!((nothing.answer.as_str(), site.issues.lock().unwrap().len()), ("the alert has no issue that could be closed", 0));
    let wrong = senders.jira(&settings, &opened("api_token", "wrong-token"), &resolved).await.unwrap_err();
    assert_eq!((wrong.status, wrong.fate), (Some(401), Fate::Retry(None)));
    senders.jira(&settings, &secrets, &message(NoticeKind::Opened, vec![alert("x")])).await.unwrap();
    let other = Jira { close_transition: Some("Resolve".to_owned()), ..settings.clone() };
    let missing = senders.jira(&other, &secrets, &resolved).await.unwrap_err();
    assert!(missing.message.contains("no \"Resolve\" among its transitions (Start, Close)") && missing.fate == Fate::Drop, "{missing}");
    let several = message(NoticeKind::Digest, vec![alert("x"), alert("y")]);
    assert_eq!(senders.jira(&settings, &secrets, &several).await.unwrap_err().fate, Fate::Drop);
    let no_jira = Receiver::start(|_| Reply::new(200, "<html>")).await.unwrap();
    let elsewhere = Jira { url: no_jira.url(), ..settings };
    let strange = senders.jira(&elsewhere, &secrets, &resolved).await.unwrap_err();
    assert!(strange.message.contains("is the address a site of Jira Cloud?"), "{strange}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_leaves_a_closed_issue() {
    let ((senders, _database), (site, settings)) = (senders().await, site().await);
    senders.jira(&settings, &opened("api_token", "token-of-nobody"), &message(NoticeKind::Test, vec![])).await.unwrap();
    let issues = site.issues.lock().unwrap().clone();
    assert_eq!((issues.len(), issues[0].is_done, issues[0].summary.as_str()), (1, true, "Faturamento <São Paulo> & co is late"));
}
