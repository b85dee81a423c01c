//! Lists over their pages.

use api_types::{QueueFilter, WorkerTokenFilter};
use client::Error;
use futures_util::TryStreamExt as _;

use crate::server::{Server, answer, ok, problem};

fn queue(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","waiting":0,"running":0,"paused_at":null,"paused_until":null,"paused_reason":null,"paused_by":null,"later":1.50}}"#
    )
}

fn page(names: &[&str], next: &str) -> crate::server::Answer {
    let body = names.iter().map(|name| queue(name)).collect::<Vec<_>>().join(",");
    answer("200 OK", &format!("link: </api/v1/queues?{next}>; rel=\"next\"\r\n"), &format!("[{body}]"))
}

#[tokio::test]
async fn items_come_in_order_over_all_pages() {
    let server = Server::start([page(&["a", "ç"], "limit=2&after=%C3%A7"), page(&["d"], "limit=2&after=d"), ok("[]")]).await;
    let filter = QueueFilter { limit: Some(2), after: None };
    let queues: Vec<_> = server.client().queues(&filter).items().try_collect().await.unwrap();
    assert_eq!(queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["a", "ç", "d"]);
    let asked: Vec<_> = server.requests().iter().map(|request| request.lines().next().unwrap().to_owned()).collect();
    let expected = ["limit=2", "limit=2&after=%C3%A7", "limit=2&after=d"].map(|query| format!("GET /api/v1/queues?{query} HTTP/1.1"));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_page_is_requested_when_its_items_are() {
    let server = Server::start([page(&["a", "b"], "after=b"), ok("[]")]).await;
    assert_eq!(server.client().queues(&QueueFilter::default()).take(2).await.unwrap().len(), 2);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_automation_is_found_by_its_name_with_one_request() {
    let server = Server::start([ok("[]")]).await;
    assert_eq!(server.client().automation_named("São Paulo & cia").await.unwrap(), None);
    let asked = server.requests();
    assert!(asked.len() == 1 && asked[0].starts_with("GET /api/v1/automations?limit=1&name=S%C3%A3o+Paulo+%26+cia HTTP/1.1"), "{asked:?}");
}

#[tokio::test]
async fn raw_items_are_as_the_hub_wrote_them() {
    let server = Server::start([ok(&format!("[{},\n {}]", queue("a"), queue("b")))]).await;
    let items = server.client().queues(&QueueFilter::default()).raw().take(9).await.unwrap();
    assert_eq!(items.iter().map(|item| item.get()).collect::<Vec<_>>(), [queue("a"), queue("b")]);
}

#[tokio::test]
async fn an_error_ends_a_list_after_what_was_read() {
    let server = Server::start([page(&["a"], "after=a"), problem(403, "forbidden", "")]).await;
    let mut items = server.client().queues(&QueueFilter::default()).items();
    assert_eq!(items.try_next().await.unwrap().unwrap().name, "a");
    assert_eq!(items.try_next().await.unwrap_err().status(), Some(403));
    assert!(items.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_that_goes_in_a_circle_ends() {
    let server = Server::start([page(&["a"], "after=a"), page(&["b"], "after=a")]).await;
    let outcome = server.client().queues(&QueueFilter::default()).take(100).await;
    assert!(matches!(outcome, Err(Error::Answer { .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_answer_that_is_not_a_list_is_an_error() {
    let server = Server::start([ok("{\"a\":1}")]).await;
    let outcome = server.client().worker_tokens(&WorkerTokenFilter::default()).page().await;
    assert!(matches!(outcome, Err(Error::Answer { .. })), "{outcome:?}");
}
