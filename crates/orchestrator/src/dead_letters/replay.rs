//! Replays dead letters: as a new job if the message failed one, else by publishing the message to its queue again.

use std::time::Duration;

use api_types::{DeadLetterRefusal, ReplayRequest, ReplayResponse};
use bytes::Bytes;
use domain::{ids::DeadLetterId, job::Accepted};
use runtime::{Editor, Failure};
use store::{
    dead_letters::{self, DeadLetter, Filter, Replay},
    jobs::{FullJob, NewJob},
};
use uuid::Uuid;

use super::{DeadLetters, read::to_api};
use crate::{
    catalog::rejected,
    writer::{Recording, Requested},
};

/// Time limit for the broker's confirm, for which a transaction waits.
const PATIENCE: Duration = Duration::from_secs(3);

impl DeadLetters {
    pub(crate) async fn replay(&self, by: &Editor, id: DeadLetterId) -> Result<api_types::DeadLetter, Failure> {
        let letter = self.letter(by, id).await?;
        if let Some(replay) = &letter.replay {
            return Err(already_replayed(replay));
        }
        let job = match letter.job_id {
            Some(job_id) => store::jobs::job_get(&self.database, by.scope(), job_id).await?,
            None => None,
        };
        match job {
            Some(job) => self.replay_job(by, &letter, job).await?,
            None => self.replay_message(by, &letter).await?,
        }
        self.announcer.dead_letter("dead_letter.replayed", &letter).await;
        Ok(to_api(self.letter(by, id).await?))
    }

    /// Retries the job that the message failed. The idempotency key makes a request that is repeated, also after a crash, create one job.
    async fn replay_job(&self, by: &Editor, letter: &DeadLetter, job: FullJob) -> Result<(), Failure> {
        let automation_id = job.row.automation_id;
        let entry = self.catalog.require(automation_id).await?;
        let rules = entry.automation.rules();
        let accepted = domain::job::replay(job.row.earlier(), rules, by.name()).map_err(|why| rejected(automation_id, why))?;
        let key = format!("dead-letter/{}", job.row.job.id);
        match dead_letters::dead_letter_retry(&self.database, job.row.job.id).await? {
            Some((retry, other)) if other.as_ref() != Some(&key) => {
                return Err(Failure::conflict("already_retried", format!("job {retry} replaces it already")));
            }
            Some(_) | None => {}
        }
        let accepted = Accepted { parameters: job.parameters, ..accepted };
        let new = NewJob::new(Uuid::now_v7().into(), automation_id, accepted, (self.clock)());
        let new = NewJob { idempotency_key: Some(key), ..new };
        // The replay is recorded with the job. One that an earlier attempt left, which was recorded then, is only marked.
        let new_job_id = self.writer.insert(new, Recording::of(by, Requested::Replay(letter.id))).await?.id;
        let replay = Replay { at: (self.clock)(), by: by.name(), new_job_id: Some(new_job_id) };
        if !dead_letters::dead_letter_mark_recorded(&self.database, letter.id, &replay).await? {
            return Err(self.lost_race(by, letter.id).await?);
        }
        tracing::info!(dead_letter.id = %letter.id, job.id = %new_job_id, user.name = %by.actor, "dead letter replayed as a new job");
        Ok(())
    }

    /// Publishes the message to its queue again. The dead letter is marked in a transaction that commits after the confirm: after a crash
    /// in between the message may be published twice, never zero times.
    async fn replay_message(&self, by: &Editor, letter: &DeadLetter) -> Result<(), Failure> {
        if !letter.body_is_whole {
            let detail = "the message was not text or was truncated, so it cannot be published again";
            return Err(Failure::conflict("body_incomplete", detail));
        }
        if letter.queue_name.is_empty() {
            return Err(Failure::conflict("queue_unknown", "the message does not name its queue"));
        }
        if self.broker.is_none() {
            return Err(Failure::conflict("no_broker", "this hub has no broker to publish the message to"));
        }
        let replay = Replay { at: (self.clock)(), by: by.name(), new_job_id: None };
        let txn = self.database.begin().await?;
        if !dead_letters::dead_letter_mark_replayed_in_txn(&txn, by.change(), letter.id, &replay).await? {
            drop(txn);
            return Err(self.lost_race(by, letter.id).await?);
        }
        self.publish_again(letter).await?;
        txn.commit().await?;
        tracing::info!(dead_letter.id = %letter.id, queue.name = letter.queue_name, user.name = %by.actor, "dead letter published to its queue again");
        Ok(())
    }

    async fn publish_again(&self, letter: &DeadLetter) -> Result<(), Failure> {
        let Some(broker) = &self.broker else { return Ok(()) };
        let headers = headers(letter);
        let body = Bytes::from(letter.body.clone().into_bytes());
        let sent = tokio::time::timeout(PATIENCE, broker.publish(&letter.queue_name, body, &headers)).await;
        match sent.unwrap_or(Err(broker::Error::Disconnected)) {
            Ok(()) => Ok(()),
            Err(broker::Error::Unroutable { queue }) => {
                Err(Failure::conflict("queue_missing", format!("the broker no longer has the queue \"{queue}\"")))
            }
            Err(error) => Err(Failure::BrokerUnavailable(error.to_string())),
        }
    }

    /// The failure when a concurrent request replayed or deleted the dead letter first.
    async fn lost_race(&self, by: &Editor, id: DeadLetterId) -> Result<Failure, Failure> {
        let letter = self.letter(by, id).await?;
        Ok(letter.replay.as_ref().map_or_else(|| Failure::Unavailable("the dead letter changed meanwhile".to_owned()), already_replayed))
    }

    pub(crate) async fn replay_many(&self, by: &Editor, request: ReplayRequest) -> Result<ReplayResponse, Failure> {
        let limit = request.limit.unwrap_or(100);
        if !(1..=1000).contains(&limit) {
            return Err(Failure::field("limit", "must be 1 to 1000"));
        }
        if request.queue.as_ref().is_some_and(|queue| queue.contains('\0')) {
            return Err(Failure::field("queue", "must not contain NUL characters"));
        }
        let filter = Filter { queue: request.queue, limit: limit.into(), after: request.after, ..Filter::default() };
        let open = Filter { replayed: Some(false), ..filter.clone() };
        let matched = dead_letters::dead_letter_count(&self.database, by.scope(), &open).await?;
        let mut response = ReplayResponse { dry_run: request.dry_run, matched, replayed: 0, refused: Vec::new(), last: None };
        if request.dry_run {
            return Ok(response);
        }
        for letter in dead_letters::dead_letter_list_open(&self.database, by.scope(), &filter).await? {
            match self.replay(by, letter.id).await {
                Ok(_) => response.replayed += 1,
                Err(Failure::Conflict { code, detail, .. }) => {
                    response.refused.push(DeadLetterRefusal { id: letter.id, code: code.to_owned(), detail });
                }
                // It was deleted meanwhile.
                Err(Failure::NotFound(_)) => {}
                // Replayed ones stay replayed; the same request continues with the rest.
                Err(failure) => return Err(failure),
            }
            response.last = Some(letter.id);
        }
        Ok(response)
    }
}

/// The headers of the message, without those that the broker added when it was dead-lettered.
fn headers(letter: &DeadLetter) -> Vec<(String, String)> {
    let kept = letter.headers.as_ref().and_then(serde_json::Value::as_object).into_iter().flatten();
    let sent = kept.filter(|(name, _)| !name.starts_with("x-first-death-") && !name.starts_with("x-last-death-"));
    sent.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn already_replayed(replay: &Replay) -> Failure {
    let place = replay.new_job_id.map_or_else(|| "to its queue".to_owned(), |id| format!("as job {id}"));
    Failure::conflict("already_replayed", format!("the message was replayed {place} by {} at {}", replay.by, replay.at.to_rfc3339()))
}
