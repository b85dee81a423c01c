use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use reqwest::Method;
use test_support::eventually;
use tokio::sync::Semaphore;

use crate::{
    edge::{Edge, gateway},
    fake::{Connection, Fake},
};

/// An upstream that answers while it works, one request for each permit of the gate, and else closes connections.
async fn breakable() -> (Fake, Arc<AtomicBool>, Arc<Semaphore>) {
    let (works, gate) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
    let (state, waiting) = (works.clone(), gate.clone());
    let fake = Fake::start(move |hit| {
        let (works, gate) = (state.clone(), waiting.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            if works.load(Ordering::SeqCst) { hit.answer("200 OK", "ok").await } else { None::<Connection> }
        }
    })
    .await;
    (fake, works, gate)
}

/// One POST, which is never sent twice.
async fn post(edge: &Edge) -> u16 {
    let answer = edge.client.send(edge.client.request(Method::POST, "/api/v1/jobs")).await;
    assert!(answer.status != 503 || answer.headers.contains_key("retry-after"));
    answer.status.as_u16()
}

/// 20 at once; all but the one that probes are answered before that goes on.
async fn twenty_with_one_probe(edge: &Edge, gate: &Semaphore) -> Vec<u16> {
    let answered = std::sync::atomic::AtomicUsize::new(0);
    let (requests, answered) = (0..20, &answered);
    let all = join_all(requests.map(|_| async move {
        let status = post(edge).await;
        if answered.fetch_add(1, Ordering::SeqCst) == 18 {
            gate.add_permits(1);
        }
        status
    }));
    let mut statuses = all.await;
    statuses.sort_unstable();
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_probes_an_ejected_upstream() {
    let (fake, works, gate) = breakable().await;
    let edge = Edge::start(&[&fake]).await;
    gate.add_permits(5);
    for _ in 0..5 {
        assert_eq!(post(&edge).await, 502);
    }
    assert_eq!((post(&edge).await, fake.hits()), (503, 5), "ejected");
    edge.pass(29);
    assert_eq!((post(&edge).await, fake.hits()), (503, 5));
    edge.pass(1);
    let failed = twenty_with_one_probe(&edge, &gate).await;
    assert_eq!((failed.iter().filter(|status| **status == 503).count(), failed[0], fake.hits()), (19, 502, 6));
    edge.pass(29);
    assert_eq!((post(&edge).await, fake.hits()), (503, 6), "for as long again");
    works.store(true, Ordering::SeqCst);
    edge.pass(1);
    let probed = twenty_with_one_probe(&edge, &gate).await;
    assert_eq!((probed.iter().filter(|status| **status == 503).count(), probed[0], fake.hits()), (19, 200, 7));
    gate.add_permits(20);
    assert_eq!(join_all((0..20).map(|_| post(&edge))).await, [200; 20]);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unhealthy_upstreams_come_back_without_a_restart() {
    let (first, second) = (Fake::fine().await, Fake::fine().await);
    let edge = Edge::with(&[&first, &second], |settings| {
        gateway(settings, |gateway| gateway.health_interval = Duration::from_millis(100));
    })
    .await;
    first.is_ready.store(false, Ordering::SeqCst);
    second.is_ready.store(false, Ordering::SeqCst);
    eventually("nobody is healthy", async || (post(&edge).await == 503).then_some(())).await;
    let _ready = edge.client.get("/health/ready").await.expect(200);
    second.is_ready.store(true, Ordering::SeqCst);
    eventually("the second is healthy again", async || (post(&edge).await == 200).then_some(())).await;
    let before = first.hits();
    assert_eq!(post(&edge).await, 200);
    assert_eq!(first.hits(), before, "the first is not");
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_end_an_ejection_before_its_time() {
    let (fake, works, gate) = breakable().await;
    let edge = Edge::with(&[&fake], |settings| gateway(settings, |gateway| gateway.health_interval = Duration::from_millis(100))).await;
    fake.is_ready.store(false, Ordering::SeqCst);
    gate.add_permits(1000);
    eventually("it is away", async || (post(&edge).await == 503).then_some(())).await;
    works.store(true, Ordering::SeqCst);
    fake.is_ready.store(true, Ordering::SeqCst);
    eventually("it is back, and the clock stood", async || (post(&edge).await == 200).then_some(())).await;
    edge.end().await;
}
