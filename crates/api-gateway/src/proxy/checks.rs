//! Active checks: whether the upstreams are ready, asked beside all requests.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use runtime::{Context, TaskError};

use super::upstream::Pool;

/// Starts the checks of a service, unless the settings want none.
pub(super) fn start(pool: &Arc<Pool>, client: &reqwest::Client, context: &Context) {
    let interval = pool.settings.health_interval;
    if interval.is_zero() {
        return;
    }
    let (pool, client, shutdown) = (pool.clone(), client.clone(), context.shutdown.clone());
    context.tasks.spawn(format!("gateway.health.{}", pool.service), move || {
        let (pool, client, shutdown) = (pool.clone(), client.clone(), shutdown.clone());
        async move {
            loop {
                tokio::select! {
                    () = shutdown.wait() => return Ok::<(), TaskError>(()),
                    () = check_all(&pool, &client) => {}
                }
                tokio::select! {
                    () = shutdown.wait() => return Ok(()),
                    () = tokio::time::sleep(interval) => {}
                }
            }
        }
    });
}

async fn check_all(pool: &Pool, client: &reqwest::Client) {
    join_all(pool.upstreams.iter().enumerate().map(|(index, upstream)| async move {
        let found = check(client, &upstream.base, pool.settings.health_timeout).await;
        let reason = found.as_ref().err().cloned();
        if pool.checked(index, found) {
            match reason {
                Some(reason) => tracing::warn!(service = pool.service, upstream = upstream.base, reason, "an upstream is unhealthy"),
                None => tracing::info!(service = pool.service, upstream = upstream.base, "an upstream is healthy again"),
            }
        }
    }))
    .await;
}

async fn check(client: &reqwest::Client, base: &str, patience: Duration) -> Result<(), String> {
    let answer = client.get(format!("{base}/health/ready")).timeout(patience).send().await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("/health/ready answers {}", answer.status().as_u16())),
        Err(error) if error.is_connect() => Err("it cannot be connected to".to_owned()),
        Err(error) if error.is_timeout() => Err(format!("/health/ready does not answer within {} s", patience.as_secs_f64())),
        Err(_) => Err("the connection was lost".to_owned()),
    }
}
