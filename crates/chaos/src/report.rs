use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde::Serialize;
use test_support::percentile;

use crate::{
    check::{Alerting, Breach},
    faults::Kind,
    recovery::{Measured, target},
};

/// Findings of a run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Which processes there were.
    pub(crate) shape: &'static str,
    pub(crate) seed: u64,
    pub(crate) seconds: u64,
    pub(crate) accepted: usize,
    pub(crate) repeated_requests: usize,
    pub(crate) jobs: usize,
    /// Jobs by status and error class.
    pub(crate) ends: BTreeMap<String, usize>,
    /// Programs that robots started.
    pub(crate) programs: usize,
    pub(crate) acts: Acts,
    pub(crate) watched: Watched,
    pub(crate) timed: Timed,
    pub(crate) alerted: Alerted,
    pub(crate) faults: BTreeMap<String, usize>,
    pub(crate) recoveries: Vec<Measured>,
    pub(crate) rest_s: Option<f64>,
    /// Peak memory of each hub and agent.
    pub(crate) peaks_mib: BTreeMap<String, u64>,
    /// Violations observed during the run or at its end.
    pub(crate) failures: Vec<String>,
    pub(crate) breaches: Vec<Breach>,
}

/// Actions of the operator.
#[derive(Default, Serialize)]
pub(crate) struct Acts {
    /// Jobs whose cancellation it requested, and that are canceled.
    pub(crate) cancels: usize,
    pub(crate) canceled: usize,
    pub(crate) job_pauses: usize,
    pub(crate) automation_pauses: usize,
    /// Pauses and changes of schedules.
    pub(crate) schedule_pauses: usize,
    pub(crate) schedule_changes: usize,
}

/// What watchers of live events saw.
#[derive(Default, Serialize)]
pub(crate) struct Watched {
    pub(crate) watchers: usize,
    pub(crate) ends: usize,
    pub(crate) resets: usize,
}

/// What schedules did.
#[derive(Default, Serialize)]
pub(crate) struct Timed {
    pub(crate) schedules: usize,
    /// Slots that have a job, and those that a pause skipped.
    pub(crate) slots: usize,
    pub(crate) skipped: usize,
}

/// What SLA rules found and told.
#[derive(Default, Serialize)]
pub(crate) struct Alerted {
    pub(crate) rules: usize,
    /// Alerts by type, and those that are over.
    pub(crate) alerts: BTreeMap<String, usize>,
    pub(crate) resolved: usize,
    /// Different messages, and how often one came.
    pub(crate) messages: usize,
    pub(crate) received: usize,
}

impl Alerted {
    pub(crate) fn of(seen: &Alerting) -> Self {
        let mut alerts = BTreeMap::new();
        seen.found.alerts.iter().for_each(|alert| *alerts.entry(alert.alert_type.clone()).or_default() += 1);
        let resolved = seen.found.alerts.iter().filter(|alert| !alert.is_open).count();
        Self { rules: seen.rules.len(), alerts, resolved, messages: seen.different(), received: seen.messages.len() }
    }
}

impl Report {
    pub(crate) fn is_fine(&self) -> bool {
        self.failures.is_empty() && self.breaches.is_empty()
    }

    /// Text for people.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n{}, seed {}, faults for {} s\n", self.shape, self.seed, self.seconds)?;
        let ends: Vec<_> = self.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
        writeln!(
            out,
            "{} requests accepted ({} repeated), {} jobs: {}",
            self.accepted,
            self.repeated_requests,
            self.jobs,
            ends.join(", ")
        )?;
        writeln!(out, "{} programs run", self.programs)?;
        let Acts { cancels, canceled, job_pauses, automation_pauses, schedule_pauses, schedule_changes } = &self.acts;
        writeln!(
            out,
            "{cancels} cancellations requested, {canceled} jobs canceled; {job_pauses} jobs and {automation_pauses} automations paused for a while\n"
        )?;
        if let Watched { watchers: 1.., ends, resets } = self.watched {
            writeln!(out, "{} watchers of live events saw {ends} ends of jobs and {resets} resets\n", self.watched.watchers)?;
        }
        if let Timed { schedules: 1.., slots, skipped } = self.timed {
            writeln!(
                out,
                "{slots} slots of {} schedules have their job, {skipped} were skipped by a pause; schedules were paused {schedule_pauses} and changed \
                 {schedule_changes} times\n",
                self.timed.schedules
            )?;
        }
        if let Alerted { rules: rules @ 1.., alerts, resolved, messages, received } = &self.alerted {
            let alerts: Vec<_> = alerts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            let alerts = alerts.join(", ");
            writeln!(out, "alerts of {rules} rules: {alerts}; {resolved} are over; {messages} messages came, {received} times\n")?;
        }
        writeln!(out, "| fault | times | measured | p50 s | p99 s | max s | target s |")?;
        writeln!(out, "|---|---:|---:|---:|---:|---:|---:|")?;
        for kind in Kind::all() {
            let Some(count) = self.faults.get(kind.name()) else { continue };
            let times = clear(&self.recoveries, kind);
            let figure = |percent| if times.is_empty() { "–".to_owned() } else { format!("{:.2}", percentile(&times, percent)) };
            let target = target(kind).map(|limit| limit.as_secs().to_string()).unwrap_or_default();
            let (p50, p99, max) = (figure(50), figure(99), figure(100));
            writeln!(out, "| {kind} | {count} | {} | {p50} | {p99} | {max} | {target} |", times.len())?;
        }
        if let Some(rest) = self.rest_s {
            writeln!(out, "\nidle {rest:.1} s after the last fault")?;
        }
        if !self.peaks_mib.is_empty() {
            let peaks: Vec<_> = self.peaks_mib.iter().map(|(name, mib)| format!("{name} {mib}")).collect();
            writeln!(out, "most memory in MiB: {}", peaks.join(", "))?;
        }
        for failure in &self.failures {
            writeln!(out, "FAILURE {failure}")?;
        }
        for breach in self.breaches.iter().take(50) {
            writeln!(out, "BREACH {breach}")?;
        }
        let verdict = if self.is_fine() { "nothing lost, nothing duplicated, nothing stuck" } else { "GUARANTEES WERE VIOLATED" };
        writeln!(out, "\n{verdict}")
    }
}

/// Times of a kind without overlapping faults.
fn clear(measured: &[Measured], kind: Kind) -> Vec<f64> {
    measured.iter().filter(|one| one.kind == kind && !one.overlapped).map(|one| one.seconds).collect()
}

/// Recoveries that exceeded their limit.
pub(crate) fn too_slow(measured: &[Measured]) -> Vec<String> {
    let late = |one: &&Measured| !one.overlapped && target(one.kind).is_some_and(|limit| Duration::from_secs_f64(one.seconds) > limit);
    let text = |one: &Measured| format!("{}: work resumed only after {:.1} s", one.kind, one.seconds);
    measured.iter().filter(late).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_recoveries_are_judged() {
        let one = |seconds, overlapped| Measured { kind: Kind::KillHub, seconds, overlapped };
        let measured = [one(1.0, false), one(11.0, false), one(12.0, true)];
        assert_eq!(too_slow(&measured).len(), 1);
        assert_eq!(clear(&measured, Kind::KillHub), [1.0, 11.0]);
    }
}
