//! Creates, changes, lists, mutes and deletes rules.

use api_types::{SlaFilter, SlaMute, SlaUpdate};
use auth::Permitted;
use domain::{
    Fault, Scope,
    alert::Subject,
    ids::{AutomationId, SlaId},
    permission::Permission,
    schedule::input,
    sla::{Rule, Target},
};
use runtime::{Editor, Failure, events::Event, page_size, reach};
use serde_json::{Map, Value, json};
use store::{
    automations::{automation_get, automation_list_names_unscoped},
    channels::channel_list_known,
    domains::domain_list_slugs_unscoped,
    slas::{Filter, Sla, State, Update, sla_delete, sla_get, sla_insert, sla_list, sla_list_states, sla_update},
    subjects::subject_names_unscoped,
};
use uuid::Uuid;

use super::{Rules, convert};

impl Rules {
    pub(crate) async fn create(&self, by: &Editor, request: SlaUpdate) -> Result<api_types::Sla, Failure> {
        if let Some(id) = &request.id {
            return Err(Failure::field("id", format!("is not {id}: the hub gives it")));
        }
        let is_named = request.name.as_ref().is_some_and(|name| !name.trim().is_empty());
        let (mut rule, faults) = convert::changed(convert::empty(self.zone.name()), request);
        self.check(&rule, faults)?;
        self.check_target(by, &rule.target).await?;
        if !is_named {
            rule.name = self.name_of(&rule).await?;
        }
        self.check_channels(&rule).await?;
        let id = SlaId::new(Uuid::now_v7());
        let inserted = sla_insert(&self.database, by.change(), id, &rule, (self.clock)()).await;
        let sla = inserted.map_err(|error| not_written(error, &rule))?;
        self.announce("sla.created", &sla);
        self.named(sla, Vec::new()).await
    }

    pub(crate) async fn update(&self, by: &Editor, id: SlaId, request: SlaUpdate) -> Result<api_types::Sla, Failure> {
        let current = self.find(by, id).await?;
        check_unchanged(&request, &current)?;
        let is_unnamed = request.name.as_ref().is_some_and(|name| name.trim().is_empty());
        let (mut rule, faults) = convert::changed(current.rule.clone(), request);
        self.check(&rule, faults)?;
        if rule.target != current.rule.target {
            self.check_target(by, &rule.target).await?;
        }
        if is_unnamed {
            rule.name = self.name_of(&rule).await?;
        }
        if rule.terms.channels != current.rule.terms.channels {
            self.check_channels(&rule).await?;
        }
        self.write(by, &current, &rule).await
    }

    pub(crate) async fn mute(&self, by: &Editor, id: SlaId, request: SlaMute) -> Result<api_types::Sla, Failure> {
        let current = self.find(by, id).await?;
        let mut rule = current.rule.clone();
        rule.terms.muted_until = request.until;
        self.write(by, &current, &rule).await
    }

    /// Writes a change of what was read: if that is still there.
    async fn write(&self, by: &Editor, current: &Sla, rule: &Rule) -> Result<api_types::Sla, Failure> {
        if *rule == current.rule {
            return self.get(by, current.id).await;
        }
        let (id, revision) = (current.id, Some(current.revision));
        let updated = sla_update(&self.database, (by.scope(), by.change()), (id, revision), rule, (self.clock)()).await;
        match updated.map_err(|error| not_written(error, rule))? {
            Update::Done(sla) => {
                self.announce("sla.updated", &sla);
                self.shown(by, *sla).await
            }
            Update::Missing => Err(not_found(id)),
            Update::Stale(_) => Err(changed_meanwhile(id)),
        }
    }

    pub(crate) async fn delete(&self, by: &Editor, id: SlaId) -> Result<(), Failure> {
        let sla = self.find(by, id).await?;
        let deleted = sla_delete(&self.database, (by.scope(), by.change()), id, (self.clock)()).await?;
        self.told.tell(&deleted.ok_or_else(|| not_found(id))?);
        self.announce("sla.deleted", &sla);
        Ok(())
    }

    pub(crate) async fn get(&self, by: &Permitted, id: SlaId) -> Result<api_types::Sla, Failure> {
        let sla = self.find(by, id).await?;
        self.shown(by, sla).await
    }

    /// A page of rules, and the last of them if there may be more.
    pub(crate) async fn list(&self, by: &Permitted, query: SlaFilter) -> Result<(Vec<api_types::Sla>, Option<SlaId>), Failure> {
        let limit = page_size(query.limit, 100, 1000)?;
        let SlaFilter { limit: _, automation_id, queue, domain, enabled, name, search, after } = query;
        let filter = Filter { automation_id, queue, domain, enabled, name, search, limit: limit.into(), after };
        let found = sla_list(&self.database, by.scope(), &filter).await?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id);
        let names = subject_names_unscoped(&self.database, &found.iter().filter_map(of_rule).collect()).await?;
        Ok((found.into_iter().map(|sla| convert::shown(sla, Vec::new(), &names)).collect(), next))
    }

    /// The rule, where the caller may do what the request does.
    async fn find(&self, by: &Permitted, id: SlaId) -> Result<Sla, Failure> {
        let find = async |scope: &Scope| sla_get(&self.database, scope, id).await;
        reach(by, Permission::RobotRead, format_args!("SLA rule {id}"), find).await
    }

    async fn shown(&self, by: &Permitted, sla: Sla) -> Result<api_types::Sla, Failure> {
        let states = sla_list_states(&self.database, by.scope(), sla.id).await?;
        self.named(sla, states).await
    }

    /// The rule with these states, and what people call what they are about.
    async fn named(&self, sla: Sla, states: Vec<State>) -> Result<api_types::Sla, Failure> {
        let subjects = states.iter().map(|state| state.key.subject.clone()).chain(of_rule(&sla)).collect();
        let names = subject_names_unscoped(&self.database, &subjects).await?;
        Ok(convert::shown(sla, states, &names))
    }

    /// The name of a rule that has none: two that expect the same of the same have the same.
    async fn name_of(&self, rule: &Rule) -> Result<String, Failure> {
        let called = match &rule.target {
            Target::Automation(id) => automation_list_names_unscoped(&self.database, &[*id]).await?.remove(id),
            Target::Domain(id) => domain_list_slugs_unscoped(&self.database, &[*id].into()).await?.remove(id),
            Target::Queue(_) | Target::Everything => None,
        };
        Ok(convert::name_of(rule, called.as_deref()))
    }

    fn check(&self, rule: &Rule, mut faults: Vec<Fault>) -> Result<(), Failure> {
        // What cannot be read may be all that it expects.
        let is_read = faults.is_empty();
        faults.extend(input::zone(&rule.timezone, &self.zones).err());
        faults.extend(rule.faults().into_iter().filter(|fault| is_read || !fault.field.is_empty()));
        if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
    }

    /// What a rule is about takes rules of the caller.
    async fn check_target(&self, by: &Permitted, target: &Target) -> Result<(), Failure> {
        match target {
            Target::Automation(id) => self.check_automation(by, *id).await,
            Target::Domain(id) if by.scope().has_domain(Some(*id)) => Ok(()),
            Target::Domain(id) => Err(by.denied(format!("the whole domain {id}")).into()),
            Target::Queue(_) | Target::Everything => Ok(by.require_everywhere()?),
        }
    }

    /// Each channel of a rule exists.
    async fn check_channels(&self, rule: &Rule) -> Result<(), Failure> {
        let known = channel_list_known(&self.database, &rule.terms.channels).await?;
        let missing = rule.terms.channels.iter().enumerate().filter(|(_, id)| !known.contains(id));
        let faults: Vec<Fault> =
            missing.map(|(index, id)| Fault::new(format!("notify_channels/{index}"), format!("there is no channel {id}"))).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
    }

    async fn check_automation(&self, by: &Permitted, id: AutomationId) -> Result<(), Failure> {
        let find = async |scope: &Scope| automation_get(&self.database, scope, id).await;
        let found = reach(by, Permission::RobotRead, format_args!("automation {id}"), find).await?;
        match found.archived_at {
            Some(_) => Err(Failure::conflict("automation_archived", format!("automation {id} is archived"))),
            None => Ok(()),
        }
    }

    /// Publishes a change, and has the loop look at once.
    fn announce(&self, kind: &'static str, sla: &Sla) {
        tracing::info!(sla.id = %sla.id, kind, "SLA rule changed");
        self.nudge.notify_one();
        if !self.events.has_receivers() {
            return;
        }
        let (automation_id, queue, domain_id) = convert::of_target(&sla.rule.target);
        let data = json!({"sla_id": sla.id, "name": sla.rule.name, "automation_id": automation_id, "queue": queue, "domain_id": domain_id});
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        self.events.publish(Event::new(kind, format!("slas/{}", sla.id), (self.clock)(), data));
    }
}

/// The automation that a rule is about.
fn of_rule(sla: &Sla) -> Option<Subject> {
    match sla.rule.target {
        Target::Automation(id) => Some(Subject::Automation(id)),
        Target::Queue(_) | Target::Domain(_) | Target::Everything => None,
    }
}

/// Checks that fields which this request cannot change have their current values.
fn check_unchanged(request: &SlaUpdate, current: &Sla) -> Result<(), Failure> {
    if request.revision.is_some_and(|revision| revision != current.revision) {
        return Err(changed_meanwhile(current.id));
    }
    let id = Value::from(current.id.to_string());
    if request.id.as_ref().is_some_and(|given| *given != id) {
        return Err(Failure::field("id", format!("is {id} and not changed by this request")));
    }
    Ok(())
}

fn not_written(error: store::Error, rule: &Rule) -> Failure {
    match error {
        store::Error::Duplicate(_) => {
            Failure::conflict("name_taken", format!("there is an SLA rule named \"{}\": give this one another name", rule.name))
        }
        store::Error::Dangling(field) => Failure::field(field, "does not exist"),
        other => other.into(),
    }
}

fn changed_meanwhile(id: SlaId) -> Failure {
    Failure::conflict("changed_meanwhile", format!("SLA rule {id} was changed since it was read; read it again"))
}

fn not_found(id: SlaId) -> Failure {
    Failure::NotFound(format!("SLA rule {id}"))
}
