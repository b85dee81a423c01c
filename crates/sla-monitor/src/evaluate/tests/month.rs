//! A month of a team's robots: faults at known minutes, and the alerts that follow, as a person would write them down.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc, Weekday};
use domain::{
    alert::Subject,
    calendar::{Calendar, HolidaySet},
    ids::{AutomationId, ChannelId, JobId, WorkerId},
    job::{Status, Trigger},
    policy::Pause,
    sla::{Expectations, Target},
};
use store::{
    automations::{automation_pause, automation_resume},
    channels::channel_disable,
    queues::{queue_pause, queue_resume},
};
use test_support::Backend;

use super::world::{Hub, Monitor, Ran, at};
use crate::notifications::tests::both;

both!(a_month_has_the_alerts_that_a_person_would_write_down);

/// When the team's month begins and ends: midnight in São Paulo.
const BEGIN: &str = "2026-11-01T03:00:00Z";
const END: &str = "2026-12-01T03:00:00Z";

/// Type and subject, when it began, when the hub found it, when it was over, how often it was seen.
const EXPECTED: &[&str] = &[
    // The run of the 3rd failed, and its retry succeeded in time: nothing. The 4th's failed for good, until somebody ran it again.
    "FAILURE invoices | 04 09:05:00 | 04 09:05:00 | 04 10:40:00 | 1",
    "LATE invoices | 04 09:45:00 | 04 09:45:00 | 04 10:40:00 | 1",
    // Nothing ran between 10:05 and 14:05: 120 minutes and a grace of 10.
    "LATE prices | 07 12:15:00 | 07 12:15:00 | 07 14:05:00 | 1",
    // Three failures in a row, and no success meanwhile.
    "LATE prices | 09 13:15:00 | 09 13:15:00 | 09 15:05:00 | 1",
    "FAILURE_STREAK prices | 09 14:05:00 | 09 14:05:00 | 09 15:05:00 | 1",
    // One morning, and two in a row, without a run until somebody started one at 9:00.
    "LATE invoices | 10 09:45:00 | 10 09:45:00 | 10 12:10:00 | 1",
    "LATE invoices | 12 09:45:00 | 12 09:45:00 | 13 12:10:00 | 2",
    // The 17th was paused, the 18th somebody was early. A trial at dawn does not count for the 19th; the run waited for its worker.
    "LATE invoices | 19 09:45:00 | 19 09:45:00 | 19 10:00:00 | 1",
    // The 20th is a holiday. On the 23rd the run took 80 minutes, on the 24th 20 seconds.
    "LATE invoices | 23 09:45:00 | 23 09:45:00 | 23 10:20:00 | 1",
    "DURATION invoices | 23 10:00:00 | 23 10:00:00 | 23 10:20:00 | 1",
    "DURATION invoices | 24 09:00:20 | 24 09:00:20 | 25 09:10:00 | 1",
    // An afternoon of the 25th: a worker is silent, jobs pile up, a reconciler fails, and the hub has switched a channel off.
    "WORKER_DOWN worker | 25 13:31:00 | 25 13:31:00 | 25 13:52:00 | 1",
    "QUEUE_BACKLOG orders | 25 14:00:15 | 25 14:00:15 | 25 14:12:15 | 1",
    "HUB sweep | 25 14:22:00 | 25 14:22:00 | 25 14:42:15 | 1",
    "HUB channel | 25 14:27:05 | 25 14:27:15 | 25 15:00:00 rule_changed | 1",
    // No monitor ran from the 26th at noon to the 27th at noon. What was late and came meanwhile is told to nobody.
    "LATE prices | 27 10:15:00 | 27 12:00:00 | 27 13:05:00 | 1",
    // The queue is paused on the 30th: nothing.
];

/// What happens in the month, besides the monitor's work.
#[derive(Clone, Debug)]
enum Event {
    /// Robots: a job is requested, begins, ends.
    Requested(&'static str, u32, Trigger),
    Begins(u32),
    Ends(u32, Status),
    /// One began then, and ends.
    Ran(&'static str, DateTime<Utc>, Status),
    /// A failed attempt and its retry, in one transaction as the orchestrator writes them.
    FailsAndIsTriedAgain(u32, u32),
    /// People.
    Paused(bool),
    QueuePaused(bool),
    Watched(bool),
    /// The afternoon of the 25th.
    Beat,
    Reconciled(bool),
    Switched,
}

/// The script of a month.
#[derive(Default)]
struct Script {
    events: Vec<(DateTime<Utc>, Event)>,
    jobs: u32,
}

impl Script {
    fn add(&mut self, time: DateTime<Utc>, event: Event) {
        self.events.push((time, event));
    }

    /// A run that begins when it is requested.
    fn run(&mut self, name: &'static str, begin: DateTime<Utc>, (trigger, seconds, status): (Trigger, i64, Status)) {
        self.waits_and_runs(name, (begin, begin), (trigger, seconds, status));
    }

    fn waits_and_runs(
        &mut self,
        name: &'static str,
        (requested, begin): (DateTime<Utc>, DateTime<Utc>),
        (trigger, seconds, status): (Trigger, i64, Status),
    ) {
        self.jobs += 1;
        self.add(requested, Event::Requested(name, self.jobs, trigger));
        self.add(begin, Event::Begins(self.jobs));
        self.add(begin + TimeDelta::seconds(seconds), Event::Ends(self.jobs, status));
    }

    fn invoices(&mut self) {
        let (scheduled, manual) = (Trigger::Scheduled, Trigger::Manual);
        for day in 1..=30 {
            let six = at(&format!("2026-11-{day:02}T09:00:00Z"));
            let minutes = |minutes| six + TimeDelta::minutes(minutes);
            let good = (scheduled, 600, Status::Completed);
            match day {
                3 => {
                    self.run("invoices", six, (scheduled, 300, Status::Failed));
                    let (_, Event::Ends(first, _)) = self.events.pop().unwrap() else { panic!() };
                    self.jobs += 1;
                    self.add(minutes(5), Event::FailsAndIsTriedAgain(first, self.jobs));
                    self.add(minutes(15), Event::Begins(self.jobs));
                    self.add(minutes(20), Event::Ends(self.jobs, Status::Completed));
                }
                4 => {
                    self.run("invoices", six, (scheduled, 300, Status::Failed));
                    self.run("invoices", minutes(90), (manual, 600, Status::Completed));
                }
                12 => {}
                10 | 13 => self.run("invoices", minutes(180), (manual, 600, Status::Completed)),
                17 => {
                    self.add(minutes(-60), Event::Paused(true));
                    self.add(minutes(360), Event::Paused(false));
                }
                18 => self.run("invoices", minutes(-120), (manual, 600, Status::Completed)),
                19 => {
                    self.run("invoices", minutes(-180), (manual, 600, Status::Completed));
                    self.waits_and_runs("invoices", (six, minutes(50)), good);
                }
                23 => self.run("invoices", six, (scheduled, 80 * 60, Status::Completed)),
                24 => self.run("invoices", six, (scheduled, 20, Status::Completed)),
                30 => {
                    self.add(minutes(-60), Event::QueuePaused(true));
                    self.add(minutes(180), Event::QueuePaused(false));
                }
                // Finados, and the day of Zumbi.
                2 | 20 => {}
                _ if matches!(six.weekday(), Weekday::Sat | Weekday::Sun) => {}
                _ => self.run("invoices", six, good),
            }
        }
    }

    fn prices(&mut self) {
        let mut hour = at(BEGIN);
        while hour < at(END) {
            let status = match (hour.day(), hour.hour()) {
                (7, 11..=13) | (26, 20..) | (27, ..3 | 9..=12) => None,
                (9, 12..=14) => Some(Status::Failed),
                _ => Some(Status::Completed),
            };
            if let Some(status) = status {
                self.add(hour + TimeDelta::minutes(5), Event::Ran("prices", hour, status));
            }
            hour += TimeDelta::hours(1);
        }
    }

    fn afternoon(&mut self) {
        let time = |text: &str| at(&format!("2026-11-25T{text}Z"));
        self.add(time("13:00:00"), Event::Watched(true));
        self.add(time("15:00:00"), Event::Watched(false));
        for minute in 0..120 {
            let beat = time("13:00:50") + TimeDelta::minutes(minute);
            let run = time("13:01:00") + TimeDelta::minutes(minute);
            if !(30..49).contains(&minute) {
                self.add(beat, Event::Beat);
            }
            self.add(run, Event::Reconciled(!(80..99).contains(&minute)));
        }
        for _ in 0..12 {
            self.jobs += 1;
            self.add(time("14:00:05"), Event::Requested("orders", self.jobs, Trigger::Api));
            self.add(time("14:10:05"), Event::Ends(self.jobs, Status::Canceled));
        }
        self.add(time("14:25:05"), Event::Switched);
    }

    fn whole() -> Vec<(DateTime<Utc>, Event)> {
        let mut script = Self::default();
        script.invoices();
        script.prices();
        script.afternoon();
        script.events.sort_by_key(|(time, _)| *time);
        script.events
    }
}

/// Who is in the month.
struct Team {
    hub: Hub,
    invoices: AutomationId,
    prices: AutomationId,
    orders: AutomationId,
    worker: Option<WorkerId>,
    channel: ChannelId,
    jobs: Vec<Option<JobId>>,
    watching: Vec<domain::ids::SlaId>,
}

impl Team {
    async fn start(backend: Backend) -> Self {
        let hub = Hub::start(backend, BEGIN).await;
        let (invoices, prices, orders) = (hub.automation("invoices").await, hub.automation("prices").await, hub.automation("orders").await);
        let calendar = hub.calendar(&Calendar::with_holidays("Dias úteis", [HolidaySet::Br])).await;
        let (of_invoices, of_prices) = (|| Target::Automation(invoices), || Target::Automation(prices));
        let none = Expectations::default;
        let by = "06:30:00".parse().ok();
        hub.rule(of_invoices(), Some(calendar), Expectations { expected_daily_time: by, late_after_minutes: 15, ..none() }).await;
        hub.rule(of_invoices(), None, Expectations { alert_on_failure: true, ..none() }).await;
        hub.rule(of_invoices(), None, Expectations { max_duration_s: Some(3600), ..none() }).await;
        hub.rule(of_invoices(), None, Expectations { min_duration_s: Some(60), ..none() }).await;
        hub.rule(of_prices(), None, Expectations { expected_run_every_minutes: Some(120), late_after_minutes: 10, ..none() }).await;
        hub.rule(of_prices(), None, Expectations { failure_streak: Some(3), ..none() }).await;
        let channel = hub.channel("email", None).await;
        Self { hub, invoices, prices, orders, worker: None, channel, jobs: vec![None; 2000], watching: Vec::new() }
    }

    fn automation(&self, name: &str) -> AutomationId {
        match name {
            "invoices" => self.invoices,
            "prices" => self.prices,
            _ => self.orders,
        }
    }

    async fn apply(&mut self, event: Event) {
        let (hub, by) = (&self.hub, test_support::change());
        let job = |nth: u32| self.jobs[nth as usize].unwrap();
        let pause = || Pause { at: hub.now(), until: None, reason: None, by: "ana".to_owned() };
        match event {
            Event::Requested(name, nth, trigger) => {
                let ran = Ran { automation: self.automation(name), queue: name, created: hub.now(), trigger, retry_of: None };
                self.jobs[nth as usize] = Some(hub.job(&ran).await);
            }
            Event::Begins(nth) => hub.begins(job(nth)).await,
            Event::Ends(nth, status) => hub.ends(job(nth), status).await,
            Event::Ran(name, began, status) => {
                let automation = self.automation(name);
                let ran = Ran { automation, queue: name, created: began, trigger: Trigger::Scheduled, retry_of: None };
                let job = hub.job(&ran).await;
                hub.change_job(job, |row| row.started_at = Some(began)).await;
                hub.ends(job, status).await;
            }
            Event::FailsAndIsTriedAgain(first, next) => {
                let retry_of = Some(job(first));
                let ran = Ran { automation: self.invoices, queue: "invoices", created: hub.now(), trigger: Trigger::Retry, retry_of };
                let retry = hub.job(&ran).await;
                hub.ends(job(first), Status::Failed).await;
                self.jobs[next as usize] = Some(retry);
            }
            Event::Paused(true) => assert!(automation_pause(&hub.database, &by, self.invoices, &pause(), hub.now()).await.unwrap()),
            Event::Paused(false) => assert!(automation_resume(&hub.database, &by, self.invoices, hub.now()).await.unwrap()),
            Event::QueuePaused(true) => queue_pause(&hub.database, &by, "invoices", &pause(), hub.now()).await.unwrap(),
            Event::QueuePaused(false) => assert!(queue_resume(&hub.database, &by, "invoices", hub.now()).await.unwrap()),
            Event::Watched(true) => {
                self.worker = Some(hub.worker("worker", "orders").await);
                hub.reconciler("sweep", 60, Ok(())).await;
                let queue = || Target::Queue("orders".to_owned());
                let rules = [
                    (queue(), Expectations { worker_gone_after_s: Some(70), ..Expectations::default() }),
                    (queue(), Expectations { max_backlog: Some(10), ..Expectations::default() }),
                    (Target::Everything, Expectations { watch_hub: true, ..Expectations::default() }),
                ];
                for (target, expect) in rules {
                    self.watching.push(hub.rule(target, None, expect).await);
                }
            }
            Event::Watched(false) => {
                for id in &self.watching {
                    hub.change_rule(*id, |rule| rule.enabled = false).await;
                }
            }
            Event::Beat => hub.heard_of(self.worker.unwrap()).await,
            Event::Reconciled(is_fine) => hub.reconciler("sweep", 60, is_fine.then_some(()).ok_or("no")).await,
            Event::Switched => {
                let _disabled = channel_disable(&hub.database, &by, (self.channel, "it refused everything"), hub.now()).await.unwrap();
            }
        }
    }
}

async fn a_month_has_the_alerts_that_a_person_would_write_down(backend: Backend) {
    let mut team = Team::start(backend).await;
    let mut monitor = Some(Monitor::start(&team.hub));
    let (down, up) = (at("2026-11-26T12:00:00Z"), at("2026-11-27T12:00:00Z"));
    for (time, event) in Script::whole() {
        if time >= down && time < up {
            monitor = None;
        } else if monitor.is_none() {
            team.hub.set(up);
            monitor.insert(Monitor::start(&team.hub)).work().await;
        }
        if let Some(monitor) = &mut monitor {
            monitor.work_until(&team.hub, time).await;
        }
        team.hub.set(time);
        team.apply(event).await;
    }
    monitor.unwrap().work_until(&team.hub, at(END)).await;
    let names = [
        (Subject::Automation(team.invoices), "invoices"),
        (Subject::Automation(team.prices), "prices"),
        (Subject::Worker(team.worker.unwrap()), "worker"),
        (Subject::Hub(format!("channel email {}", team.channel)), "channel"),
    ];
    let found = team.hub.table(&names).await;
    assert_eq!(found, EXPECTED, "{found:#?}");
    team.hub.end().await;
}
