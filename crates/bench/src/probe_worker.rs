//! A worker built from the agent's parts that reports when each message arrived, which the agent does not expose.

use std::sync::Arc;

use anyhow::Result;
use api_types::{FinishRequest, HeartbeatRequest, RegisterRequest};
use broker::{Broker, Delivery};
use domain::{
    ids::{JobId, WorkerId},
    job::Status,
};
use messages::JobMessage;
use secrecy::SecretString;
use worker_agent::{Auth, HubClient};

use crate::{
    cli::WorkerOptions,
    clock::now_us,
    noop_worker::{end_of_input, stamp},
};

const REQUEST_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

pub(crate) async fn run(options: WorkerOptions) -> Result<()> {
    let hub = Arc::new(HubClient::new(&options.server, &Auth::WorkerKey(SecretString::from(options.key.clone())), REQUEST_LIMIT)?);
    let registration = RegisterRequest {
        name: format!("bench-{}", options.queue),
        queues: options.queue_names(),
        slots: options.slots,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: worker_agent::hostname(),
        uses_broker: true,
        ..RegisterRequest::default()
    };
    let registered = hub.register(&registration).await?;
    let beat = std::time::Duration::from_secs_f64(registered.heartbeat_interval_s);
    let broker = Broker::connect(&options.amqp, "bench probe")?;
    let mut consumer = broker.consume(&options.queue, u16::try_from(options.slots)?);
    let end = end_of_input();
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            () = tokio::time::sleep(beat) => {
                let request = HeartbeatRequest { worker_id: registered.worker_id, jobs: Vec::new(), cpu_percent: None, memory_bytes: None };
                hub.heartbeat(&request, REQUEST_LIMIT).await?;
            }
            delivery = consumer.next() => {
                let Some(delivery) = delivery else { return Ok(()) };
                work(&hub, registered.worker_id, delivery).await?;
            }
        }
    }
}

async fn work(hub: &HubClient, worker: WorkerId, delivery: Delivery) -> Result<()> {
    let received_us = now_us();
    let message: JobMessage = serde_json::from_slice(&delivery.body)?;
    let job: JobId = message.job_id.parse()?;
    let started = hub.start(job, worker).await?;
    stamp(&format!("{job} {received_us}"));
    let end = FinishRequest {
        status: Status::Completed,
        result: None,
        error_class: None,
        error_message: None,
        entries: Vec::new(),
        offset: None,
        progress: None,
    };
    hub.finish(job, started.lease_token, &end).await?;
    delivery.ack().await?;
    Ok(())
}
