//! Streams whose readers lose the right to see something, or everything.

use api_types::ApiKeyCreated;
use e2e::{Delivery, World, on_both};
use reqwest::Method;
use serde_json::json;

use super::{
    plain,
    reading::{Close, Read, Sse, Ws},
    source::Source,
};
use crate::grants::{automation, domain, grant, revoke, user};

on_both!(
    a_role_that_is_taken_away_ends_streams_before_the_next_event,
    streams_end_without_an_event_too,
    a_narrower_role_leaves_the_stream_and_what_it_may_see,
    an_api_key_that_is_revoked_ends_its_streams_before_the_next_event,
    a_deactivated_user_s_streams_end,
);

/// A reader of both kinds with this credential, which have received an event.
async fn readers(world: &World, source: &Source, credential: &str) -> (Sse, Ws) {
    let mut sse = Sse::open_as(world, "?kinds=job.made", credential).await;
    let mut ws = Ws::open_as(world, "?kinds=job.made", credential).await;
    source.publish("job.made", 1);
    assert_eq!((sse.numbers(1).await, ws.numbers(1).await), (vec![1], vec![1]));
    (sse, ws)
}

/// They end with this reason, and nothing comes before.
async fn end(mut sse: Sse, mut ws: Ws, code: &str, close_code: u16) {
    assert_eq!(sse.end().await, code);
    let Close { code, reason } = ws.closed().await;
    assert_eq!(code, close_code, "{reason}");
}

async fn a_role_that_is_taken_away_ends_streams_before_the_next_event(delivery: Delivery) {
    let (world, source) = plain(delivery).await;
    let (ana, token) = user(&world, "ana").await;
    let viewer = grant(&world, &ana, json!({"right": "viewer"})).await;
    let (sse, ws) = readers(&world, &source, &token).await;
    revoke(&world, &ana, &viewer).await;
    source.publish("job.made", 2);
    end(sse, ws, "forbidden", 4403).await;
    world.end().await;
}

async fn streams_end_without_an_event_too(delivery: Delivery) {
    let (world, source) = plain(delivery).await;
    let (ana, token) = user(&world, "ana").await;
    let viewer = grant(&world, &ana, json!({"right": "viewer"})).await;
    let (sse, ws) = readers(&world, &source, &token).await;
    revoke(&world, &ana, &viewer).await;
    end(sse, ws, "forbidden", 4403).await;
    world.end().await;
}

async fn a_narrower_role_leaves_the_stream_and_what_it_may_see(delivery: Delivery) {
    let (world, _source) = plain(delivery).await;
    let (ana, token) = user(&world, "ana").await;
    let (finance, sales) = (domain(&world, "finance").await, domain(&world, "sales").await);
    let mine = automation(&world, "mine", json!({"domain_id": finance.id})).await;
    let other = automation(&world, "other", json!({"domain_id": sales.id})).await;
    let viewer = grant(&world, &ana, json!({"right": "viewer"})).await;
    let mut sse = Sse::open_as(&world, "?kinds=job.created", &token).await;
    let mut ws = Ws::open_as(&world, "?kinds=job.created", &token).await;
    let seen = format!("jobs/{}", world.client.execute(&other, &json!({})).await.id);
    assert_eq!((sse.subjects(1).await, ws.subjects(1).await), (vec![seen.clone()], vec![seen]));
    grant(&world, &ana, json!({"right": "viewer", "domain_id": finance.id})).await;
    revoke(&world, &ana, &viewer).await;
    for _ in 0..2 {
        let _hidden = world.client.execute(&other, &json!({})).await;
        let seen = format!("jobs/{}", world.client.execute(&mine, &json!({})).await.id);
        assert_eq!((sse.subjects(1).await, ws.subjects(1).await), (vec![seen.clone()], vec![seen]));
    }
    world.end().await;
}

async fn an_api_key_that_is_revoked_ends_its_streams_before_the_next_event(delivery: Delivery) {
    let (world, source) = plain(delivery).await;
    let body = json!({"name": "watcher", "grants": [{"right": "run.read"}]});
    let made: ApiKeyCreated = world.client.post("/api/v1/api-keys", &body).await.expect(201).json();
    let (sse, ws) = readers(&world, &source, &made.key).await;
    let path = format!("/api/v1/api-keys/{}", made.kept.id);
    let _gone = world.client.send(world.client.request(Method::DELETE, &path)).await.expect(204);
    source.publish("job.made", 2);
    end(sse, ws, "unauthorized", 4401).await;
    world.end().await;
}

async fn a_deactivated_user_s_streams_end(delivery: Delivery) {
    let (world, source) = plain(delivery).await;
    let (ana, token) = user(&world, "ana").await;
    grant(&world, &ana, json!({"right": "viewer"})).await;
    let (sse, ws) = readers(&world, &source, &token).await;
    let _off = world.client.post(&format!("/api/v1/users/{}/deactivate", ana.id), &json!({})).await.expect(200);
    source.publish("job.made", 2);
    end(sse, ws, "unauthorized", 4401).await;
    world.end().await;
}
