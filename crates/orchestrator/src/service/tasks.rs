//! Tasks besides those that the parts start themselves. They end after the context's shutdown.

use runtime::Context;

use super::parts::Parts;
use crate::dead_letters;

pub(super) fn start(parts: &Parts, context: &Context) {
    let Context { settings, tasks, shutdown, .. } = context;
    let (queues, notices, stop) = (parts.broker_queues.clone(), parts.notices.clone(), shutdown.clone());
    tasks.spawn("orchestrator.queues", move || queues.clone().run(notices.clone(), stop.clone()));
    let (refresh, stop) = (parts.refresh(context), shutdown.clone());
    tasks.spawn("orchestrator.refresh", move || refresh.clone().run(stop.clone()));
    let (changes, tick, stop) = (parts.worker_changes.clone(), settings.dispatch.tick, shutdown.clone());
    tasks.spawn("orchestrator.worker_changes", move || changes.clone().count(tick, stop.clone()));
    let Some(broker) = parts.broker.clone() else { return };
    let (letters, of_letters, stop) = (parts.dead_letters(context), broker.clone(), shutdown.clone());
    let queue = settings.broker.dead_letter_queue.clone();
    tasks.spawn("orchestrator.dead_letters", move || dead_letters::run(letters.clone(), of_letters.clone(), queue.clone(), stop.clone()));
    let (queues, notices, database, stop) =
        (parts.broker_queues.clone(), parts.notices.clone(), context.database.clone(), shutdown.clone());
    tasks.spawn("orchestrator.broker", move || queues.clone().watch(broker.clone(), database.clone(), notices.clone(), stop.clone()));
}
