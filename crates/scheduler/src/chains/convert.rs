//! Between the API's, the store's and the domain's chains.

use std::collections::HashMap;

use api_types::{ChainCondition, ChainCreate, ChainInput, ChainParameter, ChainRun, ChainUpdate};
use domain::{
    Fault,
    chain::{Chain as Rules, Condition, Input, Taken, not_before, standing},
    ids::{AutomationId, ChainId},
    schedule::{AutomationState, Zones, input},
};
use store::{
    chains::{Chain, Draft, Run},
    schedules::Standing,
};

pub(super) fn draft_of(request: ChainCreate, timezone: &str) -> Result<Draft, Fault> {
    let ChainCreate { automation_id, name, enabled, inputs, join, not_before: time, timezone: zone, parameters, parameters_from } = request;
    Ok(Draft {
        automation_id,
        name: name.trim().to_owned(),
        enabled: enabled.unwrap_or(true),
        inputs: inputs.into_iter().map(to_input).collect(),
        join,
        not_before: time.as_deref().map(not_before).transpose()?,
        timezone: zone.unwrap_or_else(|| timezone.to_owned()),
        parameters,
        parameters_from: parameters_from.into_iter().map(to_taken).collect(),
    })
}

pub(super) fn changed(draft: Draft, request: ChainUpdate) -> Result<Draft, Fault> {
    let ChainUpdate { name, enabled, inputs, join, not_before: time, timezone, parameters, parameters_from, .. } = request;
    Ok(Draft {
        automation_id: draft.automation_id,
        name: name.map_or(draft.name, |name| name.trim().to_owned()),
        enabled: enabled.unwrap_or(draft.enabled),
        inputs: inputs.map_or(draft.inputs, |inputs| inputs.into_iter().map(to_input).collect()),
        join: join.unwrap_or(draft.join),
        not_before: match time {
            None => draft.not_before,
            Some(time) => time.as_deref().map(not_before).transpose()?,
        },
        timezone: timezone.unwrap_or(draft.timezone),
        parameters: parameters.unwrap_or(draft.parameters),
        parameters_from: parameters_from.map_or(draft.parameters_from, |taken| taken.into_iter().map(to_taken).collect()),
    })
}

/// The rules of a chain; the fault of a zone that is not known.
pub(super) fn rules(id: ChainId, draft: Draft, zones: &Zones) -> Result<Rules, Fault> {
    let zone = input::zone(&draft.timezone, zones)?;
    let Draft { automation_id, name, enabled: _, inputs, join, not_before, timezone: _, parameters, parameters_from } = draft;
    Ok(Rules { id, name, automation_id, inputs, join, not_before, zone, parameters, parameters_from })
}

fn to_input(input: ChainInput) -> Input {
    let ChainInput { automation_id, automation_name: _, on, condition } = input;
    let condition = condition.map(|ChainCondition { pointer, operator, value }| Condition { pointer, operator, value });
    Input { automation_id, on, condition }
}

fn to_taken(taken: ChainParameter) -> Taken {
    let ChainParameter { parameter, pointer, automation_id } = taken;
    Taken { parameter, pointer, automation_id }
}

/// What a chain is shown with.
pub(super) struct Facts<'a> {
    pub(super) zones: &'a Zones,
    /// Names of the automations that the caller can see.
    pub(super) names: HashMap<AutomationId, String>,
    pub(super) standings: HashMap<AutomationId, Standing>,
}

impl Facts<'_> {
    fn state(&self, id: AutomationId) -> AutomationState {
        self.standings.get(&id).map(|standing| standing.state).unwrap_or_default()
    }

    pub(super) fn shown(&self, chain: Chain) -> api_types::Chain {
        let Chain { id, draft, since_at, revision, created_at, updated_at, updated_by } = chain;
        let archived: Vec<bool> = draft.inputs.iter().map(|input| self.state(input.automation_id) == AutomationState::Archived).collect();
        let is_usable = self.zones.get(&draft.timezone).is_ok();
        let (state, state_reason) = standing((draft.enabled, is_usable), self.state(draft.automation_id), (draft.join, &archived));
        let Draft { automation_id, name, enabled, inputs, join, not_before, timezone, parameters, parameters_from } = draft;
        let condition = |Condition { pointer, operator, value }| ChainCondition { pointer, operator, value };
        let named = |id: &AutomationId| self.names.get(id).cloned();
        let to_input = |Input { automation_id, on, condition: given }| ChainInput {
            automation_id,
            automation_name: named(&automation_id),
            on,
            condition: given.map(condition),
        };
        let taken = |Taken { parameter, pointer, automation_id }| ChainParameter { parameter, pointer, automation_id };
        api_types::Chain {
            id,
            automation_id,
            automation_name: named(&automation_id).unwrap_or_default(),
            name,
            enabled,
            inputs: inputs.into_iter().map(to_input).collect(),
            join,
            not_before: not_before.map(input::time_of_day_text),
            timezone,
            parameters,
            parameters_from: parameters_from.into_iter().map(taken).collect(),
            state,
            state_reason,
            since_at,
            revision,
            created_at,
            updated_at,
            updated_by,
        }
    }
}

pub(super) fn run_to_api(run: Run) -> ChainRun {
    let Run { key, root_id, after_job_id, due_at, state, reason, detail, job_id, created_at, .. } = run;
    ChainRun { key, root_job_id: root_id, after_job_id, due_at, state, reason, detail, job_id, created_at }
}
