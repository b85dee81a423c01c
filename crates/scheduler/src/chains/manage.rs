//! Creates, changes, lists and deletes chains. Who may publish an automation gives it chains; what they wait for must be visible to them, because
//! its results become parameters.

use std::collections::{BTreeSet, HashMap};

use api_types::{ChainCreate, ChainFilter, ChainRunFilter, ChainUpdate};
use auth::Permitted;
use chrono::{DateTime, Utc};
use domain::{
    Fault, Scope,
    ids::{AutomationId, ChainId},
    permission::Permission,
    schedule::{AutomationState, input::MAX_NAME},
};
use runtime::{Editor, Failure, page_size, reach};
use serde_json::Value;
use store::{
    automations::{Automation, automation_get},
    chains::{
        Chain, Draft, Filter, Run, RunFilter, Save, chain_delete, chain_get, chain_insert, chain_list, chain_list_names, chain_list_runs,
        chain_update,
    },
    schedules::automation_list_standing_unscoped,
};
use uuid::Uuid;

use super::{
    Chains,
    convert::{self, Facts},
    event,
};

impl Chains {
    pub(crate) async fn create(&self, by: &Editor, request: ChainCreate) -> Result<api_types::Chain, Failure> {
        let id = ChainId::new(Uuid::now_v7());
        self.check_automation(by, request.automation_id).await?;
        let draft = convert::draft_of(request, self.zone.name()).map_err(|fault| Failure::Invalid(vec![fault]))?;
        self.check(by, (id, &draft), &[]).await?;
        let saved = chain_insert(&self.database, by.change(), id, &draft, (self.clock)()).await;
        let chain = self.saved(by, (id, &draft), saved).await?;
        self.announce("chain.created", &chain);
        self.shown(by, chain).await
    }

    pub(crate) async fn update(&self, by: &Editor, id: ChainId, request: ChainUpdate) -> Result<api_types::Chain, Failure> {
        let current = self.find(by, id).await?;
        check_unchanged(&request, &current)?;
        let draft = convert::changed(current.draft.clone(), request).map_err(|fault| Failure::Invalid(vec![fault]))?;
        let known: Vec<AutomationId> = current.draft.inputs.iter().map(|input| input.automation_id).collect();
        self.check(by, (id, &draft), &known).await?;
        self.change(by, &current, draft).await
    }

    /// Switches it on or off. Repeating it has no effect.
    pub(crate) async fn switch(&self, by: &Editor, id: ChainId, enabled: bool) -> Result<api_types::Chain, Failure> {
        let current = self.find(by, id).await?;
        if current.draft.enabled == enabled {
            return self.shown(by, current).await;
        }
        let draft = Draft { enabled, ..current.draft.clone() };
        self.change(by, &current, draft).await
    }

    /// Writes a change of what was read: if that is still there.
    async fn change(&self, by: &Editor, current: &Chain, draft: Draft) -> Result<api_types::Chain, Failure> {
        let (id, expected) = (current.id, Some(current.revision));
        let saved = chain_update(&self.database, (by.scope(), by.change()), (id, expected), &draft, (self.clock)()).await;
        let chain = self.saved(by, (id, &draft), saved).await?;
        self.announce("chain.updated", &chain);
        self.shown(by, chain).await
    }

    pub(crate) async fn delete(&self, by: &Editor, id: ChainId) -> Result<(), Failure> {
        let chain = self.find(by, id).await?;
        if !chain_delete(&self.database, (by.scope(), by.change()), id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        self.announce("chain.deleted", &chain);
        Ok(())
    }

    pub(crate) async fn get(&self, by: &Permitted, id: ChainId) -> Result<api_types::Chain, Failure> {
        let chain = self.find(by, id).await?;
        self.shown(by, chain).await
    }

    /// A page of chains, and the last of them if there may be more.
    pub(crate) async fn list(&self, by: &Permitted, query: ChainFilter) -> Result<(Vec<api_types::Chain>, Option<ChainId>), Failure> {
        let limit = page_size(query.limit, 100, 1000)?;
        let ChainFilter { limit: _, automation_id, input_id, name, after } = query;
        if name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME) {
            return Err(Failure::BadQuery(vec![Fault::new("name", format!("must have at most {MAX_NAME} characters"))]));
        }
        let filter = Filter { ids: Vec::new(), automation_id, input_id, name, limit: limit.into(), after };
        let found = chain_list(&self.database, by.scope(), &filter).await?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id);
        Ok((self.all_shown(by, found).await?, next))
    }

    /// A page of a chain's runs, and where the next one begins if there may be more.
    pub(crate) async fn runs(
        &self,
        by: &Permitted,
        id: ChainId,
        query: ChainRunFilter,
    ) -> Result<(Vec<api_types::ChainRun>, Option<String>), Failure> {
        let limit = page_size(query.limit, 100, 1000)?;
        let unreadable = || Failure::BadQuery(vec![Fault::new("after", "is not the end of a page: follow its Link header")]);
        let before = query.after.as_deref().map(|text| place(text).ok_or_else(unreadable)).transpose()?;
        self.find(by, id).await?;
        let filter = RunFilter { chain_id: id, state: query.state, limit: limit.into(), before };
        let found = chain_list_runs(&self.database, by.scope(), &filter).await?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(place_text);
        Ok((found.into_iter().map(convert::run_to_api).collect(), next))
    }

    /// The chain, where the caller may do what the request does.
    async fn find(&self, by: &Permitted, id: ChainId) -> Result<Chain, Failure> {
        let find = async |scope: &Scope| chain_get(&self.database, scope, id).await;
        reach(by, Permission::RobotRead, format_args!("chain {id}"), find).await
    }

    async fn shown(&self, by: &Permitted, chain: Chain) -> Result<api_types::Chain, Failure> {
        let id = chain.id;
        self.all_shown(by, vec![chain]).await?.pop().ok_or_else(|| not_found(id))
    }

    async fn all_shown(&self, by: &Permitted, found: Vec<Chain>) -> Result<Vec<api_types::Chain>, Failure> {
        let of = |chain: &Chain| -> Vec<AutomationId> {
            chain.draft.inputs.iter().map(|input| input.automation_id).chain([chain.draft.automation_id]).collect()
        };
        let ids: BTreeSet<AutomationId> = found.iter().flat_map(of).collect();
        let names = chain_list_names(&self.database, seen(by), &ids).await?;
        let standings = automation_list_standing_unscoped(&self.database, &Vec::from_iter(ids), (self.clock)()).await?;
        let facts = Facts { zones: &self.zones, names, standings };
        Ok(found.into_iter().map(|chain| facts.shown(chain)).collect())
    }

    /// Every fault of a draft. What the caller does not see is not there. `known`: inputs that the chain has already, which may be archived by now.
    async fn check(&self, by: &Permitted, (id, draft): (ChainId, &Draft), known: &[AutomationId]) -> Result<(), Failure> {
        let mut faults = match convert::rules(id, draft.clone(), &self.zones) {
            Ok(rules) => rules.faults(),
            Err(fault) => vec![fault],
        };
        let inputs: Vec<AutomationId> = draft.inputs.iter().map(|input| input.automation_id).collect();
        let names = chain_list_names(&self.database, seen(by), &inputs.iter().copied().collect()).await?;
        let standings = automation_list_standing_unscoped(&self.database, &inputs, (self.clock)()).await?;
        for (nth, input) in inputs.iter().enumerate() {
            let is_archived = standings.get(input).is_some_and(|standing| standing.state == AutomationState::Archived);
            let message = match names.get(input) {
                None => format!("there is no automation {input}"),
                Some(name) if is_archived && !known.contains(input) => {
                    format!("automation \"{name}\" is archived: its jobs do not end any more")
                }
                Some(_) => continue,
            };
            faults.push(Fault::new(format!("inputs/{nth}/automation_id"), message));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
    }

    /// Checks that jobs of the automation can be requested, and that the caller may publish it.
    async fn check_automation(&self, by: &Permitted, id: AutomationId) -> Result<(), Failure> {
        let find = async |scope: &Scope| automation_get(&self.database, scope, id).await;
        let found: Automation = reach(by, Permission::RobotRead, format_args!("automation {id}"), find).await?;
        match found.archived_at {
            Some(_) => Err(Failure::conflict("automation_archived", format!("automation {id} is archived"))),
            None => Ok(()),
        }
    }

    async fn saved(&self, by: &Permitted, (id, draft): (ChainId, &Draft), saved: Result<Save, store::Error>) -> Result<Chain, Failure> {
        match saved {
            Ok(Save::Done(chain)) => Ok(*chain),
            Ok(Save::Missing) => Err(not_found(id)),
            Ok(Save::Stale(_)) => Err(changed_meanwhile(id)),
            Ok(Save::Cycle(way)) => {
                let names = chain_list_names(&self.database, seen(by), &way.iter().copied().collect()).await?;
                Err(Failure::Invalid(vec![circle(draft, &way, &names)]))
            }
            Err(store::Error::Duplicate(_)) => {
                let Draft { automation_id, name, .. } = draft;
                Err(Failure::conflict("name_taken", format!("automation {automation_id} has a chain named \"{name}\"")))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn announce(&self, kind: &'static str, chain: &Chain) {
        tracing::info!(chain.id = %chain.id, automation.id = %chain.draft.automation_id, kind, "chain changed");
        if self.events.has_receivers() {
            self.events.publish(event(kind, chain, &self.clock, []));
        }
    }
}

/// What the caller may see of automations.
fn seen(by: &Permitted) -> &Scope {
    by.sees_more(Permission::RobotRead).unwrap_or_else(|| by.scope())
}

/// The fault of the input that closes the circle, with the names of those automations that the caller can see.
fn circle(draft: &Draft, way: &[AutomationId], names: &HashMap<AutomationId, String>) -> Fault {
    let closing = way.iter().rev().nth(1);
    let nth = draft.inputs.iter().position(|input| Some(&input.automation_id) == closing).unwrap_or_default();
    let name = |id: &AutomationId| names.get(id).map_or_else(|| format!("automation {id}"), |name| format!("\"{name}\""));
    let way: Vec<String> = way.iter().map(name).collect();
    Fault::new(format!("inputs/{nth}/automation_id"), format!("closes a circle, which would run for ever: {}", way.join(" → ")))
}

/// Checks that fields which this request cannot change have their current values.
fn check_unchanged(request: &ChainUpdate, current: &Chain) -> Result<(), Failure> {
    if request.revision.is_some_and(|revision| revision != current.revision) {
        return Err(changed_meanwhile(current.id));
    }
    let automation = current.draft.automation_id;
    if request.automation_id.is_some_and(|id| id != automation) {
        let message = format!("is {automation} and not changed by this request: create a chain of the other automation");
        return Err(Failure::field("automation_id", message));
    }
    let id = Value::from(current.id.to_string());
    if request.id.as_ref().is_some_and(|given| *given != id) {
        return Err(Failure::field("id", format!("is {id} and not changed by this request")));
    }
    Ok(())
}

/// Microseconds since 1970 of the run, and its key.
fn place_text(run: &Run) -> String {
    format!("{}_{}", run.created_at.timestamp_micros(), run.key)
}

fn place(text: &str) -> Option<(DateTime<Utc>, String)> {
    let (at, key) = text.split_once('_')?;
    let is_key = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    Some((DateTime::from_timestamp_micros(at.parse().ok()?)?, key.to_owned())).filter(|_| is_key)
}

fn changed_meanwhile(id: ChainId) -> Failure {
    Failure::conflict("changed_meanwhile", format!("chain {id} was changed since it was read; read it again"))
}

fn not_found(id: ChainId) -> Failure {
    Failure::NotFound(format!("chain {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_page_is_where_the_next_one_begins() {
        let at: DateTime<Utc> = "2026-11-27T12:00:00.000125Z".parse().unwrap();
        for key in ["2026-11-27", "019ac1f0-7a3e-7c41-9f0a-3b1f5d2c8e01"] {
            assert_eq!(place(&format!("{}_{key}", at.timestamp_micros())), Some((at, key.to_owned())));
        }
        for bad in ["", "x", "1", "x_1", "1_\u{0}", "9223372036854775807_1"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
