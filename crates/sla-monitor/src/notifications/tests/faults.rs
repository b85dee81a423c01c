//! What fails: receivers, and the monitor itself at any moment.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use chrono::TimeDelta;
use domain::notification::{Fate, NoticeKind, NotificationState};
use store::{channels::channel_get, notifications::notification_attempts};
use test_support::{Backend, eventually};

use super::{
    both,
    world::{Mood, World, at},
};

both!(
    a_monitor_that_dies_at_any_moment_loses_nothing_and_doubles_nothing,
    a_message_that_arrived_before_the_monitor_died_comes_again_with_its_id,
    a_message_is_tried_for_a_day_with_the_same_id_and_words,
    a_receiver_that_hangs_holds_up_only_itself,
    a_receiver_that_wants_no_more_is_switched_off_with_its_reason,
    what_is_refused_for_good_is_given_up_at_once,
    two_monitors_send_each_message_once,
);

const NOW: &str = "2026-11-27T12:00:00Z";

/// Runs `work` until it is done or was polled `polls` times, and then drops it, as a process that is killed: whether it was done.
async fn killed_after(polls: usize, work: impl Future<Output = ()>) -> bool {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|()| true)
    })
    .await
}

async fn a_monitor_that_dies_at_any_moment_loses_nothing_and_doubles_nothing(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let (pager, hook) = (world.channel("pagerduty", None).await, world.channel("webhook", None).await);
    let (mut polls, mut round) = (1, 0);
    loop {
        round += 1;
        world.breach(round).await;
        let is_done = killed_after(polls, world.work()).await;
        // The claims of the dead one end.
        world.set(world.now() + TimeDelta::seconds(61));
        let arrived = usize::try_from(round).unwrap();
        // The dead one's transaction is rolled back when the database hears of it, and what it locked is passed over until then.
        eventually(&format!("each of {round} arrived, killed after {polls} polls"), async || {
            world.work().await;
            [pager, hook].iter().all(|channel| world.receiver.once(*channel).len() >= arrived).then_some(())
        })
        .await;
        for channel in [pager, hook] {
            assert_eq!(world.receiver.once(channel).len(), arrived, "round {round}, killed after {polls} polls");
        }
        if is_done {
            break;
        }
        polls += 1;
    }
    let log = world.log().await;
    assert!(log.iter().all(|one| one.state == NotificationState::Sent), "{log:#?}");
    assert!(polls > 10, "it was killed at {polls} moments");
    world.end().await;
}

async fn a_message_that_arrived_before_the_monitor_died_comes_again_with_its_id(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let hook = world.channel("webhook", None).await;
    world.receiver.set(hook, Mood::Hangs);
    world.breach(1).await;
    let arrived = eventually("it arrived", async || (world.receiver.all(hook).len() == 1).then_some(()));
    tokio::select! {
        () = world.work() => panic!("there is no answer, so it cannot be noted"),
        () = arrived => {}
    }
    world.receiver.set(hook, Mood::Fine);
    world.set(world.now() + TimeDelta::seconds(61));
    eventually("it is noted", async || {
        world.work().await;
        world.log().await.iter().all(|one| one.state == NotificationState::Sent).then_some(())
    })
    .await;
    assert_eq!((world.receiver.all(hook).len(), world.receiver.once(hook).len()), (2, 1));
    world.end().await;
}

async fn a_message_is_tried_for_a_day_with_the_same_id_and_words(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let mail = world.channel("email", None).await;
    world.receiver.set(mail, Mood::Refuses(Fate::Retry(None)));
    world.breach(1).await;
    world.work_until("2026-11-28T13:00:00Z").await;
    let (got, log) = (world.receiver.all(mail), world.log().await);
    assert!(got.len() > 40, "{}", got.len());
    assert!(got.iter().all(|message| *message == got[0]), "every attempt is the same");
    assert_eq!((log.len(), log[0].state, log[0].attempts as usize), (1, NotificationState::Failed, got.len()));
    assert!(log[0].ended_at.unwrap() <= at(NOW) + TimeDelta::hours(24), "{log:?}");
    assert_eq!((log[0].status, log[0].reason.as_deref()), (Some(503), Some("not now (given up after 24 hours)")));
    let attempts = notification_attempts(&world.database, log[0].id, 5).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.is_taken == Some(false) && attempt.status == Some(503)), "{attempts:?}");
    world.end().await;
}

async fn a_receiver_that_hangs_holds_up_only_itself(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let (hung, fine) = (world.channel("webhook", None).await, world.channel("webhook", None).await);
    world.receiver.set(hung, Mood::Hangs);
    let (router, delivery) = world.monitor();
    let loops = [tokio::spawn(router.run(world.shutdown.clone())), tokio::spawn(delivery.run(world.shutdown.clone()))];
    for nth in 1..=5 {
        world.breach(nth).await;
        let arrived = usize::try_from(nth).unwrap();
        eventually("the other receiver got it", async || (world.receiver.once(fine).len() == arrived).then_some(())).await;
    }
    eventually("the one that hangs was tried", async || (world.receiver.all(hung).len() == 1).then_some(())).await;
    world.shutdown.trigger();
    for one in loops {
        one.abort();
        let _ = one.await;
    }
    world.end().await;
}

async fn a_receiver_that_wants_no_more_is_switched_off_with_its_reason(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let hook = world.channel("webhook", None).await;
    world.receiver.set(hook, Mood::Refuses(Fate::Disable));
    for nth in 1..=2 {
        world.breach(nth).await;
    }
    world.work().await;
    let channel = channel_get(&world.database, hook).await.unwrap().unwrap();
    assert_eq!((channel.enabled, channel.disabled_reason.as_deref()), (false, Some("not now")));
    let states: Vec<_> = world.log().await.iter().map(|one| one.state).collect();
    assert_eq!(states, [NotificationState::Failed, NotificationState::Dropped]);
    assert_eq!(world.receiver.all(hook).len(), 1);
    world.end().await;
}

async fn what_is_refused_for_good_is_given_up_at_once(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let hook = world.channel("webhook", None).await;
    world.receiver.set(hook, Mood::Refuses(Fate::Drop));
    world.breach(1).await;
    world.work().await;
    world.receiver.set(hook, Mood::Fine);
    world.breach(2).await;
    world.work_until("2026-11-27T13:00:00Z").await;
    let states: Vec<_> = world.log().await.iter().map(|one| one.state).collect();
    assert_eq!(states, [NotificationState::Failed, NotificationState::Sent]);
    // Nobody was told that it began.
    world.over(1).await;
    world.over(2).await;
    world.work().await;
    assert_eq!(world.receiver.kinds(hook), [NoticeKind::Opened, NoticeKind::Opened, NoticeKind::Resolved]);
    world.end().await;
}

async fn two_monitors_send_each_message_once(backend: Backend) {
    let world = World::start(backend, NOW).await;
    let channels = [world.channel("webhook", None).await, world.channel("pagerduty", None).await];
    for nth in 1..=15 {
        world.breach(nth).await;
    }
    for _ in 0..3 {
        tokio::join!(world.work(), world.work());
        world.set(world.now() + TimeDelta::seconds(10));
    }
    let pager = world.receiver.all(channels[1]);
    assert_eq!((pager.len(), world.receiver.once(channels[1]).len()), (15, 15));
    // Beyond ten messages, the others are one.
    let hook = world.receiver.all(channels[0]);
    assert_eq!(hook.iter().map(|message| message.alerts.len()).sum::<usize>(), 15);
    assert_eq!(hook.len(), world.receiver.once(channels[0]).len());
    world.end().await;
}
