//! Consumes the dead-letter queue: stores each message and fails the job that it names, so that no job waits for a message that is gone.

use std::{sync::Arc, time::Duration};

use broker::{Broker, Delivery};
use chrono::{DateTime, Utc};
use domain::ids::JobId;
use messages::JobMessage;
use runtime::{Failure, Shutdown, TaskError};
use serde_json::{Map, Value};
use store::{Database, dead_letters::DeadLetter};
use uuid::Uuid;

use super::DeadLetters;
use crate::{
    events::Announcer,
    writer::{Change, Writer},
};

/// Maximum stored size of a message in bytes.
const MOST_BODY: usize = 1024 * 1024;

/// Consumes messages from the dead-letter queue: stores each, and fails the job that it names if that is pending.
pub(crate) async fn run(letters: DeadLetters, broker: Arc<Broker>, queue: String, shutdown: Shutdown) -> Result<(), TaskError> {
    let DeadLetters { database, writer, clock, announcer, .. } = letters;
    let mut consumer = broker.consume(&queue, 50);
    loop {
        let delivery = tokio::select! {
            () = shutdown.wait() => return Ok(()),
            delivery = consumer.next() => delivery,
        };
        let delivery = delivery.ok_or("the connection to the broker was closed")?;
        match take(&database, &writer, &announcer, (&delivery, clock())).await {
            // After a lost ack the message is redelivered: its job is unchanged, the dead letter is stored twice.
            Ok(()) => drop(delivery.ack().await),
            Err(failure) => {
                tracing::warn!(error = %failure, "dead letter not stored, retrying");
                tokio::time::sleep(Duration::from_secs(1)).await;
                drop(delivery.requeue().await);
            }
        }
    }
}

async fn take(
    database: &Database,
    writer: &Writer,
    announcer: &Announcer,
    (delivery, now): (&Delivery, DateTime<Utc>),
) -> Result<(), Failure> {
    let message = serde_json::from_slice::<JobMessage>(&delivery.body).ok();
    let job_id: Option<JobId> = message.and_then(|message| message.job_id.parse().ok());
    let (queue_name, reason) =
        delivery.death.as_ref().map_or_else(|| (String::new(), "unknown".to_owned()), |death| (death.queue.clone(), death.reason.clone()));
    tracing::warn!(queue.name = queue_name, job.id = job_id.map(tracing::field::display), reason, "message was dead-lettered");
    let (body, body_is_whole) = kept(&delivery.body);
    if let Some(job_id) = job_id {
        match writer.change(job_id, Change::DeadLetter { reason: reason.clone() }).await {
            Ok(_) | Err(Failure::NotFound(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    let letter = DeadLetter {
        id: Uuid::now_v7().into(),
        queue_name,
        job_id,
        reason,
        body,
        body_is_whole,
        headers: headers(&delivery.headers),
        received_at: now,
        replay: None,
    };
    store::dead_letters::dead_letter_insert(database, &letter).await?;
    announcer.dead_letter("dead_letter.created", &letter).await;
    Ok(())
}

/// The message as text that the database accepts, and whether that is the exact message.
fn kept(body: &[u8]) -> (String, bool) {
    let lossy = String::from_utf8_lossy(body);
    let text = if lossy.contains('\0') { lossy.replace('\0', "\u{fffd}") } else { lossy.into_owned() };
    let text = text[..text.floor_char_boundary(MOST_BODY)].to_owned();
    let is_whole = text.as_bytes() == body;
    (text, is_whole)
}

fn headers(headers: &[(String, String)]) -> Option<Value> {
    let fine = |(name, value): &(String, String)| !name.contains('\0') && !value.contains('\0');
    let kept: Map<String, Value> =
        headers.iter().filter(|header| fine(header)).map(|(name, value)| (name.clone(), value.clone().into())).collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_body_says_whether_it_is_exact() {
        assert_eq!(kept("ação".as_bytes()), ("ação".to_owned(), true));
        assert_eq!(kept(b"a\0b"), ("a\u{fffd}b".to_owned(), false));
        assert_eq!(kept(&[0xff, b'a']), ("\u{fffd}a".to_owned(), false));
        assert_eq!(kept("\u{fffd}".as_bytes()), ("\u{fffd}".to_owned(), true));
        let (text, is_whole) = kept("é".repeat(MOST_BODY).as_bytes());
        assert!(text.len() <= MOST_BODY && !is_whole);
    }

    #[test]
    fn headers_that_the_database_refuses_are_omitted() {
        let all = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "\0".to_owned())];
        assert_eq!(headers(&all), Some(serde_json::json!({"a": "1"})));
        assert_eq!(headers(&all[1..]), None);
    }
}
