//! Follows a job on the terminal: live log, progress bar, outcome.

use std::{io, time::Duration};

use api_types::{ControlRequest, Job, Progress};
use chrono::TimeDelta;
use client::{Client, LogEvent};
use domain::{ids::JobId, job::Status};
use futures_util::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use tokio::sync::mpsc;

use super::{
    Exit, Fault,
    interrupt::{Decision, Interrupts, OnInterrupt},
    job::status,
    output::{LogPrinter, duration, plain, pretty},
    remote::Hub,
};
use crate::terminal;

/// Interval of requests for the reason why a job is pending.
const REASON_EVERY: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(120);
const SPINNER: &str = "  {spinner} {elapsed}  {wide_msg}";
const BAR: &str = "  [{bar:30}] {pos:>3} %  {wide_msg}";

/// How log lines are printed.
pub(crate) enum Lines {
    /// For people.
    Text(LogPrinter),
    /// As JSON, one per line.
    Json,
}

/// Shows a job's progress.
pub(crate) struct View {
    bar: ProgressBar,
    /// Whether standard error is a terminal.
    has_terminal: bool,
    lines: Lines,
}

impl View {
    /// The bar is shown on standard error, if that is a terminal.
    pub(crate) fn new(lines: Lines) -> Self {
        let bar = ProgressBar::new_spinner().with_style(style(SPINNER)).with_finish(ProgressFinish::AndClear);
        let view = Self { has_terminal: !bar.is_hidden(), bar, lines };
        view.tick();
        view
    }

    /// Redraws the bar, if there is a terminal.
    fn tick(&self) {
        if self.has_terminal {
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Hides the bar during a question.
    async fn without_bar<T>(&self, asking: impl Future<Output = T>) -> T {
        let position = self.bar.position();
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        let answer = asking.await;
        self.bar.reset();
        self.bar.set_position(position);
        self.tick();
        answer
    }

    /// Shows one event.
    pub(crate) fn show(&self, event: &LogEvent) -> io::Result<()> {
        match event {
            LogEvent::Line(line) => self.bar.suspend(|| match &self.lines {
                Lines::Text(printer) => printer.print(line),
                Lines::Json => terminal::line(&serde_json::to_string(line)?),
            })?,
            LogEvent::Progress(progress) => self.progress(progress),
            LogEvent::Interrupted(error) => self.note(&format!("{error}; trying again")),
            LogEvent::Ended(_) => self.bar.finish_and_clear(),
        }
        Ok(())
    }

    fn progress(&self, progress: &Progress) {
        if let Some(percent) = percent(progress) {
            self.bar.set_style(style(BAR).progress_chars("=> "));
            self.bar.set_length(100);
            self.bar.set_position(percent);
        }
        self.say(progress.message.as_deref().unwrap_or_default());
    }

    /// Prints a message next to the bar.
    fn say(&self, message: &str) {
        self.bar.set_message(plain(message).replace('\n', " "));
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| terminal::note(text));
    }

    /// Shows why the job is pending; as a line where there is no bar.
    fn waits(&self, reason: &str) {
        if self.has_terminal { self.say(reason) } else { terminal::note(reason) }
    }
}

/// The template must be one of those above; an invalid one would show nothing.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn percent(progress: &Progress) -> Option<u64> {
    let of_steps = || Some(100 * u64::try_from(progress.step?).ok()? / u64::try_from(progress.total_steps?).ok()?.max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0–100 before")]
    let reported = progress.percent.map(|percent| percent.clamp(0.0, 100.0) as u64);
    reported.or_else(of_steps).map(|percent| percent.min(100))
}

/// Where a job that is followed stands when nobody follows it any more.
pub(super) enum Left {
    /// It has ended.
    Ended(Box<Job>),
    /// It goes on without whoever followed it.
    Running(JobId),
}

/// Follows a job, and each next attempt that its automation's retry policy makes of it, to the last one's end, or until somebody wants to go on
/// without.
pub(super) async fn follow_attempts(hub: &Hub, id: JobId, lines: impl Fn() -> Lines, on_interrupt: OnInterrupt) -> Result<Left, Fault> {
    let mut interrupts = Interrupts::listen()?;
    let mut id = id;
    loop {
        let Some(job) = follow(hub, id, lines(), on_interrupt, &mut interrupts).await? else { return Ok(Left::Running(id)) };
        let next = match job.status {
            Status::Failed => hub.client.job_next_attempt(&job).await.map_err(|error| hub.fault(error))?,
            _ => None,
        };
        let Some(next) = next else { return Ok(Left::Ended(Box::new(job))) };
        terminal::note(&ending(&job));
        terminal::note(&again(hub, &next).await);
        id = next.id;
    }
}

/// What comes after a failure: `attempt 2 of 3 in 30 s, as job …`.
async fn again(hub: &Hub, next: &Job) -> String {
    // The rules for lost workers and the job's own may allow more than the policy.
    let policy = hub.client.automation(next.automation_id).await.map(|automation| automation.retry_policy.max_attempts).ok();
    let most = policy.and_then(|most| i32::try_from(most).ok()).filter(|most| *most >= next.attempt);
    let most = most.map(|most| format!(" of {most}")).unwrap_or_default();
    let wait = next.not_before.map(|at| at - next.created_at).filter(|wait| *wait > TimeDelta::zero());
    let when = wait.map_or_else(|| "at once".to_owned(), |wait| format!("in {}", duration(wait)));
    format!("attempt {}{most} {when}, as job {}", next.attempt, next.id)
}

/// Follows one job to its end, or until somebody wants to go on without. Only the job's end is a job.
pub(super) async fn follow(
    hub: &Hub,
    id: JobId,
    lines: Lines,
    on_interrupt: OnInterrupt,
    interrupts: &mut Interrupts,
) -> Result<Option<Job>, Fault> {
    let mut events = hub.client.job_follow(id, 0);
    let view = View::new(lines);
    let mut reasons = Reasons::of(hub.client.clone(), id);
    loop {
        tokio::select! {
            event = events.try_next() => match event.map_err(|error| hub.fault(error))? {
                Some(LogEvent::Ended(job)) => return Ok(Some(*job)),
                Some(event) => view.show(&event)?,
                None => return Err(Fault::here("the log ended before the job did")),
            },
            Some(reason) = reasons.receiver.recv() => view.waits(&reason),
            is_from_terminal = interrupts.next() => {
                match view.without_bar(interrupts.decide(on_interrupt, is_from_terminal)).await {
                    Decision::Detach => return Ok(None),
                    Decision::Cancel => cancel(hub, id, &view).await?,
                    Decision::GoOn => {}
                }
            }
        }
    }
}

async fn cancel(hub: &Hub, id: JobId, view: &View) -> Result<(), Fault> {
    let request = ControlRequest { reason: Some("interrupted at the command line".to_owned()) };
    match hub.client.job_cancel(id, &request).await {
        Ok(_) => view.note("canceling the job; interrupt again to detach"),
        // It has ended meanwhile; the log shows its outcome.
        Err(error) if error.status() == Some(409) => {}
        Err(error) => return Err(hub.fault(error)),
    }
    Ok(())
}

/// Polls why a job has not started, until it has.
struct Reasons {
    receiver: mpsc::Receiver<String>,
    asking: tokio::task::AbortHandle,
}

impl Reasons {
    fn of(client: Client, id: JobId) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let asking = tokio::spawn(async move {
            let mut last = None;
            loop {
                tokio::time::sleep(REASON_EVERY).await;
                // The log stream reports errors.
                let Ok(job) = client.job(id).await else { continue };
                let Some(reason) = job.waiting_reason.map(|reason| reason.message) else {
                    if job.started_at.is_some() || job.status.is_terminal() {
                        return;
                    }
                    continue;
                };
                if last.as_ref() != Some(&reason) {
                    last = Some(reason.clone());
                    if sender.send(format!("the job is pending: {reason}")).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self { receiver, asking: asking.abort_handle() }
    }
}

impl Drop for Reasons {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

/// Says how a followed job ended, or how to find it again; what comes of it is the command's exit code. Its result goes to standard output.
pub(super) async fn conclude(hub: &Hub, left: Left, is_json: bool) -> Result<Exit, Fault> {
    let job = match left {
        Left::Ended(job) => job,
        Left::Running(id) => {
            terminal::note(&format!("job {id} continues; `regente job logs -f {id}` follows it again"));
            return Ok(Exit::Interrupted);
        }
    };
    if is_json {
        terminal::line(&hub.client.job(job.id).text().await.map_err(|error| hub.fault(error))?)?;
    } else {
        terminal::note(&ending(&job));
        if let Some(result) = &job.result {
            terminal::line(&plain(&pretty(result)))?;
        }
    }
    Ok(job.status.into())
}

fn ending(job: &Job) -> String {
    let took = job.started_at.zip(job.completed_at).map(|(from, to)| format!(" after {}", duration(to - from)));
    let class = job.error_class.as_ref().map(|class| format!(": {}", class.as_str()));
    let message = job.error_message.as_ref().map(|message| format!(": {}", plain(message)));
    format!(
        "job {} is {}{}{}{}",
        job.id,
        status(job.status),
        took.unwrap_or_default(),
        class.unwrap_or_default(),
        message.unwrap_or_default()
    )
}
