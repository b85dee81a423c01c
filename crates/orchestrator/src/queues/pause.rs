//! Lists, pauses and resumes queues.

use api_types::PauseRequest;
use auth::Permitted;
use domain::{Scope, automation::is_queue_name};
use runtime::{Editor, Failure};
use store::queues::Queue;

use super::{Queues, convert};
use crate::{automations, notices::Notice};

impl Queues {
    /// Up to `limit` queues after the one with this name, by name.
    pub(crate) async fn list(&self, by: &Permitted, after: Option<&String>, limit: usize) -> Result<Vec<api_types::Queue>, Failure> {
        let queues = store::queues::queue_list(&self.database, by.scope()).await?.into_iter();
        let rest = queues.filter(|queue| after.is_none_or(|after| queue.name > *after));
        Ok(rest.take(limit).map(|queue| self.shown(queue)).collect())
    }

    fn shown(&self, queue: Queue) -> api_types::Queue {
        convert::queue(queue, (self.clock)())
    }

    async fn queue(&self, scope: &Scope, name: &str) -> Result<Queue, Failure> {
        // No other name is ever stored, and the database cannot compare some of them.
        let known = if is_queue_name(name) { store::queues::queue_get(&self.database, scope, name).await? } else { None };
        known.ok_or_else(|| Failure::NotFound(format!("queue \"{}\"", name.escape_debug())))
    }

    /// Pauses it: its pending jobs do not start. An existing pause is changed and keeps its beginning.
    pub(crate) async fn pause(&self, by: &Editor, name: &str, request: PauseRequest) -> Result<api_types::Queue, Failure> {
        let queue = self.queue(by.scope(), name).await?;
        let pause = automations::pause(request, queue.pause, by, (self.clock)())?;
        store::queues::queue_pause(&self.database, by.change(), name, &pause, (self.clock)()).await?;
        self.catalog.put_queue_pause(name, Some(pause.clone()));
        tracing::info!(queue.name = name, user.name = pause.by, "queue paused");
        self.announcer.queue("queue.paused", name);
        Ok(self.shown(Queue { pause: Some(pause), ..queue }))
    }

    /// Resumes it.
    pub(crate) async fn resume(&self, by: &Editor, name: &str) -> Result<api_types::Queue, Failure> {
        let queue = self.queue(by.scope(), name).await?;
        if !store::queues::queue_resume(&self.database, by.change(), name, (self.clock)()).await? {
            return Err(Failure::conflict("wrong_state", format!("queue \"{name}\" is active, not paused")));
        }
        self.catalog.put_queue_pause(name, None);
        tracing::info!(queue.name = name, user.name = %by.actor, "queue resumed");
        self.announcer.queue("queue.resumed", name);
        self.notices.send(Notice::Candidates(vec![name.to_owned()]));
        Ok(self.shown(Queue { pause: None, ..queue }))
    }
}
