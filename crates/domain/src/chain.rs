//! Chains: an automation that runs after others have ended.
//!
//! A chain looks at ended jobs of its inputs. Each end that an input [accepts](Input::accepts) counts once under a [key](Chain::key); when every
//! input that the [`Join`] asks for has counted under the same key, one run is due, however often that is found out and by whom. The graph of
//! automations and chains has no [`cycle`].
//!
//! The *root* of a job is the job that began its work: itself, or, when a chain or a retry made it, the root of the job before it. So that one run of
//! A gives one run of C where A starts B1 and B2, and C waits for both, C joins by the root.

mod faults;
mod graph;
mod standing;
#[cfg(test)]
mod tests;

use chrono::{DateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    faults::{MAX_INPUTS, MAX_TAKEN, not_before},
    graph::cycle,
    standing::{ChainState, ChainStateReason, standing},
};
use crate::{
    Fault,
    condition::Operator,
    ids::{AutomationId, ChainId, JobId},
    job::{IdempotencyKey, Status},
    schedule::Zone,
    wire::wire_names,
};

wire_names! {
    /// Which ends of a job count.
    pub enum Ending as "ChainEnding" {
        /// It succeeded, with or without data.
        Completed = "completed",
        /// It failed, and the retry policy does not try it again.
        Failed = "failed",
        /// Any, also a canceled job; not a failure that is tried again.
        Any = "any",
    }
    default Completed;
}

wire_names! {
    /// How many inputs must have ended.
    pub enum Join as "ChainJoin" {
        /// One: each end starts a job.
        Any = "any",
        /// All, in work that began with the same job.
        All = "all",
        /// All, on the same day of the chain's time zone.
        AllToday = "all_today",
    }
    default Any;
}

wire_names! {
    /// What became of a run.
    pub enum RunState as "ChainRunState" {
        /// Its job has not been requested: it is not due yet, or the orchestrator did not answer.
        Waiting = "waiting",
        /// It has a job.
        Created = "created",
        /// It has no job: the overlap rule of the automation skipped it, or the chain was switched off meanwhile.
        Skipped = "skipped",
        /// It has no job: its parameters are too large, or the orchestrator refused it.
        Refused = "refused",
    }
}

/// Maximum size of the parameters of a run, as JSON in bytes.
pub const MAX_PARAMETERS: usize = 1 << 20;

/// A chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Its id.
    pub id: ChainId,
    /// Name for people; unique among the chains of its automation.
    pub name: String,
    /// The automation that it runs.
    pub automation_id: AutomationId,
    /// What it waits for; each automation once.
    pub inputs: Vec<Input>,
    /// How many of them must have ended.
    pub join: Join,
    /// Its jobs wait for this time of the day.
    pub not_before: Option<NaiveTime>,
    /// Whose clock and whose days are meant.
    pub zone: Zone,
    /// Parameters of its jobs.
    pub parameters: Map<String, Value>,
    /// Parameters that are taken from results; they replace those of `parameters`.
    pub parameters_from: Vec<Taken>,
}

/// An automation whose ends count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The automation.
    pub automation_id: AutomationId,
    /// Which ends count.
    pub on: Ending,
    /// What the job's result must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// What a result must say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// JSON pointer to the value, such as `/invoices/count`; empty: the whole result.
    pub pointer: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// A parameter that is taken from a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its name.
    pub parameter: String,
    /// JSON pointer into the result; empty: the whole result.
    pub pointer: String,
    /// The input whose result is meant; `None`: the job that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automation_id: Option<AutomationId>,
}

/// A job that has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The job.
    pub job_id: JobId,
    /// Its automation.
    pub automation_id: AutomationId,
    /// How it ended.
    pub status: Status,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Whether the retry policy tries it again.
    pub is_retried: bool,
    /// The job that began the work.
    pub root: JobId,
    /// Its result.
    pub result: Option<Value>,
}

impl Condition {
    /// Whether the result says it.
    #[must_use]
    pub fn holds(&self, result: Option<&Value>) -> bool {
        self.operator.holds(result.and_then(|result| result.pointer(&self.pointer)), self.value.as_ref())
    }
}

impl Input {
    /// Whether this end counts.
    #[must_use]
    pub fn accepts(&self, ended: &Ended) -> bool {
        let is_end = match self.on {
            Ending::Completed => matches!(ended.status, Status::Completed | Status::CompletedNoInvoices),
            Ending::Failed => ended.status == Status::Failed && !ended.is_retried,
            Ending::Any => ended.status.is_terminal() && !ended.is_retried,
        };
        let is_meant = self.automation_id == ended.automation_id && is_end;
        is_meant && self.condition.as_ref().is_none_or(|condition| condition.holds(ended.result.as_ref()))
    }
}

impl Chain {
    /// Whether this end counts.
    #[must_use]
    pub fn accepts(&self, ended: &Ended) -> bool {
        self.inputs.iter().any(|input| input.accepts(ended))
    }

    /// Whether the result of an end of this automation decides if it counts.
    #[must_use]
    pub fn asks_result(&self, automation: AutomationId) -> bool {
        self.inputs.iter().any(|input| input.automation_id == automation && input.condition.is_some())
    }

    /// Whether parameters are taken from the result of this input.
    #[must_use]
    pub fn takes_result(&self, automation: AutomationId, ended_last: bool) -> bool {
        self.parameters_from.iter().any(|taken| taken.automation_id.map_or(ended_last, |meant| meant == automation))
    }

    /// Ends that count under the same key belong together.
    #[must_use]
    pub fn key(&self, ended: &Ended) -> String {
        match self.join {
            Join::Any => ended.job_id.to_string(),
            Join::All => ended.root.to_string(),
            Join::AllToday => self.zone.local(ended.at).date().to_string(),
        }
    }

    /// Whether a run is due when ends of these automations have counted under one key.
    #[must_use]
    pub fn is_complete(&self, counted: &[AutomationId]) -> bool {
        match self.join {
            Join::Any => !counted.is_empty(),
            Join::All | Join::AllToday => self.inputs.iter().all(|input| counted.contains(&input.automation_id)),
        }
    }

    /// When its job is asked for, if its last input ended at `at`: then, or at `not_before` of that day.
    #[must_use]
    pub fn due_at(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let earliest = self.not_before.and_then(|time| self.zone.instant(self.zone.local(at).date().and_time(time)));
        earliest.map_or(at, |earliest| earliest.max(at))
    }

    /// Parameters of its job. `results`: of the counted jobs by automation, the one that ended last at the end. What a pointer does not lead to is
    /// left out.
    ///
    /// # Errors
    /// When they are larger than [`MAX_PARAMETERS`].
    pub fn parameters(&self, results: &[(AutomationId, Option<Value>)]) -> Result<Map<String, Value>, Fault> {
        let mut parameters = self.parameters.clone();
        for Taken { parameter, pointer, automation_id } in &self.parameters_from {
            let meant = results.iter().rev().find(|(id, _)| automation_id.is_none_or(|meant| meant == *id));
            if let Some(value) = meant.and_then(|(_, result)| result.as_ref()).and_then(|result| result.pointer(pointer)) {
                parameters.insert(parameter.clone(), value.clone());
            }
        }
        // A map of JSON values has JSON.
        let size = serde_json::to_string(&parameters).map_or(usize::MAX, |text| text.len());
        let too_large =
            || Fault::new("parameters", format!("would have {size} bytes with what is taken from results; {MAX_PARAMETERS} are allowed"));
        if size > MAX_PARAMETERS { Err(too_large()) } else { Ok(parameters) }
    }
}

/// The idempotency key of a run.
///
/// # Errors
/// Never with a key of [`Chain::key`].
pub fn idempotency_key(chain: ChainId, key: &str) -> Result<IdempotencyKey, Fault> {
    IdempotencyKey::parse(format!("chain/{chain}/{key}"))
}

/// The chain and the key of the run that has this idempotency key.
#[must_use]
pub fn run_of(idempotency_key: &str) -> Option<(ChainId, &str)> {
    let (chain, key) = idempotency_key.strip_prefix("chain/")?.split_once('/')?;
    Some((chain.parse().ok()?, key))
}
