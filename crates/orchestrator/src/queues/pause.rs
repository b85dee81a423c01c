//! Lists, pauses and resumes queues.

use api_types::PauseRequest;
use auth::Permitted;
use domain::{Scope, automation::is_queue_name, permission::Permission};
use runtime::{Editor, Failure, reach};
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

    /// A queue of which the caller may do this to every automation.
    async fn queue(&self, by: &Permitted, name: &str) -> Result<Queue, Failure> {
        let find = async |scope: &Scope| match is_queue_name(name) {
            true => store::queues::queue_get(&self.database, scope, name).await,
            // No other name is ever stored, and the database cannot compare some of them.
            false => Ok(None),
        };
        let queue = reach(by, Permission::RobotRead, format_args!("queue \"{}\"", name.escape_debug()), find).await?;
        let within = store::queues::queue_list_within(&self.database, by.scope()).await?;
        match within.is_none_or(|within| within.contains(name)) {
            true => Ok(queue),
            false => Err(by.denied(format!("every automation of queue \"{name}\"")).into()),
        }
    }

    /// Pauses it: its pending jobs do not start. An existing pause is changed and keeps its beginning.
    pub(crate) async fn pause(&self, by: &Editor, name: &str, request: PauseRequest) -> Result<api_types::Queue, Failure> {
        let queue = self.queue(by, name).await?;
        let pause = automations::pause(request, queue.pause, by, (self.clock)())?;
        store::queues::queue_pause(&self.database, by.change(), name, &pause, (self.clock)()).await?;
        self.catalog.put_queue_pause(name, Some(pause.clone()));
        tracing::info!(queue.name = name, user.name = pause.by, "queue paused");
        self.announcer.queue("queue.paused", name);
        Ok(self.shown(Queue { pause: Some(pause), ..queue }))
    }

    /// Resumes it.
    pub(crate) async fn resume(&self, by: &Editor, name: &str) -> Result<api_types::Queue, Failure> {
        let queue = self.queue(by, name).await?;
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
