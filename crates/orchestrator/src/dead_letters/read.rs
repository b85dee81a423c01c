//! Reads and deletes dead letters.

use api_types::DeadLetterDetail;
use auth::Permitted;
use domain::{Scope, ids::DeadLetterId, permission::Permission};
use runtime::{Editor, Failure, reach};
use store::dead_letters::{DeadLetter, Filter};

use super::DeadLetters;

impl DeadLetters {
    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<api_types::DeadLetter>, Failure> {
        Ok(store::dead_letters::dead_letter_list(&self.database, by.scope(), filter).await?.into_iter().map(to_api).collect())
    }

    /// The dead letter, where the caller may do what the request does.
    pub(super) async fn letter(&self, by: &Permitted, id: DeadLetterId) -> Result<DeadLetter, Failure> {
        let find = async |scope: &Scope| store::dead_letters::dead_letter_get(&self.database, scope, id).await;
        reach(by, Permission::RunRead, format_args!("dead letter {id}"), find).await
    }

    pub(crate) async fn detail(&self, by: &Permitted, id: DeadLetterId) -> Result<DeadLetterDetail, Failure> {
        let letter = self.letter(by, id).await?;
        let job = match letter.job_id {
            Some(job_id) => store::jobs::job_get(&self.database, by.scope(), job_id).await?.map(|_| format!("/api/v1/jobs/{job_id}")),
            None => None,
        };
        let (body, body_is_whole, headers) = (letter.body.clone(), letter.body_is_whole, letter.headers.clone());
        Ok(DeadLetterDetail { letter: to_api(letter), body, body_is_whole, headers, job })
    }

    pub(crate) async fn delete(&self, by: &Editor, id: DeadLetterId) -> Result<(), Failure> {
        let letter = self.letter(by, id).await?;
        if !store::dead_letters::dead_letter_delete(&self.database, by.change(), id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        tracing::info!(dead_letter.id = %id, user.name = %by.actor, "dead letter deleted");
        self.announcer.dead_letter("dead_letter.deleted", &letter).await;
        Ok(())
    }
}

fn not_found(id: DeadLetterId) -> Failure {
    Failure::NotFound(format!("dead letter {id}"))
}

pub(super) fn to_api(letter: DeadLetter) -> api_types::DeadLetter {
    let replay = letter.replay;
    api_types::DeadLetter {
        id: letter.id,
        queue_name: letter.queue_name,
        job_id: letter.job_id,
        reason: letter.reason,
        received_at: letter.received_at,
        replayed_at: replay.as_ref().map(|replay| replay.at),
        new_job_id: replay.as_ref().and_then(|replay| replay.new_job_id),
        replayed_by: replay.map(|replay| replay.by),
    }
}
