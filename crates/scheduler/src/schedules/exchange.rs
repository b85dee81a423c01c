//! Exports and imports schedules: a plan first, then all of it in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use actix_web::web::Bytes;
use api_types::{ScheduleChange, ScheduleExportFilter, ScheduleFieldChange, ScheduleImport, ScheduleImportQuery, ScheduleNamed};
use auth::Permitted;
use chrono::{DateTime, Utc};
use domain::{
    Fault, Scope,
    calendar::Calendar,
    ids::{AutomationId, CalendarId, ScheduleId},
    permission::Permission,
    schedule::plan::{Document, Effect, Step, plan},
};
use runtime::{Editor, Failure};
use sha2::{Digest, Sha256};
use store::{
    Transaction,
    automations::{automation_find_named, automation_list_names_unscoped},
    schedules::{
        Draft, Filter, Schedule, Spec, Update, schedule_delete_in_txn, schedule_insert_in_txn, schedule_list,
        schedule_list_revisions_in_txn, schedule_lock_in_txn, schedule_update_in_txn,
    },
};
use uuid::Uuid;

use super::{
    Schedules, convert,
    document::{self, Entry, MAX_SCHEDULES},
    draft,
    manage::{beside, calendar_ids, draft_faults},
};

/// What an import has found, by automation and name.
struct Import {
    automations: BTreeMap<String, AutomationId>,
    current: BTreeMap<(String, String), Schedule>,
    wanted: BTreeMap<(String, String), Draft>,
    steps: Vec<Step>,
    basis: String,
}

impl Schedules {
    /// The schedules in scope as YAML.
    pub(crate) async fn export(&self, by: &Permitted, filter: ScheduleExportFilter) -> Result<String, Failure> {
        let ScheduleExportFilter { automation_id, domain } = filter;
        let filter = Filter { automation_id, domain, limit: MAX_SCHEDULES as u64 + 1, ..Filter::default() };
        let found = schedule_list(&self.database, by.scope(), &filter).await?;
        if found.len() > MAX_SCHEDULES {
            let message = format!("must be given, or domain: there are more than {MAX_SCHEDULES} schedules, and a document has no more");
            return Err(Failure::BadQuery(vec![Fault::new("automation_id", message)]));
        }
        let ids: Vec<AutomationId> = found.iter().map(|schedule| schedule.draft.automation_id).collect();
        let names = automation_list_names_unscoped(&self.database, &ids).await?;
        let calendars = self.calendar_names(found.iter().map(|schedule| &schedule.draft)).await?;
        let named = found.into_iter().filter_map(|schedule| Some((names.get(&schedule.draft.automation_id)?.clone(), schedule)));
        document::write(&documented(named, &calendars))
    }

    /// Makes the schedules of the automations in the document what it says, or says what that would change.
    pub(crate) async fn import(&self, by: &Editor, query: ScheduleImportQuery, text: Bytes) -> Result<ScheduleImport, Failure> {
        let entries = beside(move || document::read(&text)).await??;
        let import = self.planned(by, entries).await?;
        if query.basis.is_some_and(|basis| basis != import.basis) {
            return Err(changed_meanwhile());
        }
        if !query.dry_run {
            self.carry_out(by, &import).await?;
        }
        Ok(answer(query.dry_run, import))
    }

    async fn planned(&self, by: &Editor, entries: document::Entries) -> Result<Import, Failure> {
        let automations = self.automations(by, entries.keys().cloned().collect()).await?;
        let mut current = BTreeMap::new();
        for (name, id) in &automations {
            let filter = Filter { automation_id: Some(*id), ..Filter::default() };
            let found = schedule_list(&self.database, by.scope(), &filter).await?;
            current.extend(found.into_iter().map(|schedule| ((name.clone(), schedule.draft.name.clone()), schedule)));
        }
        let revisions = current.values().map(|schedule| (schedule.id, schedule.revision));
        let basis = basis(revisions.collect());
        let wanted = self.wanted(&automations, &current, entries).await?;
        let calendars = self.calendar_names(current.values().map(|schedule| &schedule.draft).chain(wanted.values())).await?;
        let mut before = documented(current.iter().map(|((name, _), schedule)| (name.clone(), schedule.clone())), &calendars);
        let mut after = Document::new();
        for name in automations.keys() {
            before.entry(name.clone()).or_default();
            after.entry(name.clone()).or_default();
        }
        for ((automation, name), draft) in &wanted {
            after.entry(automation.clone()).or_default().insert(name.clone(), convert::document(draft.clone(), &calendars));
        }
        let steps = plan(&before, &after);
        Ok(Import { automations, current, wanted, steps, basis })
    }

    /// The automations of these names that the caller may publish.
    async fn automations(&self, by: &Editor, names: BTreeSet<String>) -> Result<BTreeMap<String, AutomationId>, Failure> {
        let find = async |scope: &Scope| automation_find_named(&self.database, scope, &names).await;
        let found = find(by.scope()).await?;
        let missing: Vec<&String> = names.iter().filter(|name| !found.contains_key(*name)).collect();
        if let (Some(seen), false) = (by.sees_more(Permission::RobotRead), missing.is_empty()) {
            let seen = find(seen).await?;
            if let Some(name) = missing.iter().find(|name| seen.contains_key(**name)) {
                return Err(by.denied(format!("automation \"{name}\"")).into());
            }
        }
        let faults: Vec<_> = missing.iter().map(|name| Fault::new(format!("automations/{name}"), "is no automation")).collect();
        if faults.is_empty() { Ok(found) } else { Err(Failure::Invalid(faults)) }
    }

    /// The drafts of the document, each without a fault.
    async fn wanted(
        &self,
        automations: &BTreeMap<String, AutomationId>,
        current: &BTreeMap<(String, String), Schedule>,
        entries: document::Entries,
    ) -> Result<BTreeMap<(String, String), Draft>, Failure> {
        let now = (self.clock)();
        let calendars = self.calendars_by_name(&entries).await?;
        let (mut wanted, mut faults) = (BTreeMap::new(), Vec::new());
        for (automation, schedules) in entries {
            let Some(id) = automations.get(&automation) else { continue };
            for (name, entry) in schedules {
                let before = current.get(&(automation.clone(), name.clone())).map(|schedule| &schedule.draft);
                let empty = draft::empty(*id, name.clone(), self.zone.name().to_owned());
                let (draft, found) = drafted(empty, entry, &calendars, (before, now));
                let at = format!("automations/{automation}/{name}");
                faults.extend(found.into_iter().map(|fault| fault.under(&at)));
                wanted.insert((automation.clone(), name), draft);
            }
        }
        if faults.is_empty() {
            faults = self.faults_of(&wanted, current, now).await?;
        }
        if faults.is_empty() { Ok(wanted) } else { Err(Failure::Invalid(faults)) }
    }

    async fn faults_of(
        &self,
        wanted: &BTreeMap<(String, String), Draft>,
        current: &BTreeMap<(String, String), Schedule>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Fault>, Failure> {
        let drafts = wanted.values().chain(current.values().map(|schedule| &schedule.draft));
        let (calendars, zones) = (self.calendars.get(&calendar_ids(drafts)).await?, self.zones.clone());
        let (wanted, current) = (wanted.clone(), current.clone());
        beside(move || {
            let mut faults = Vec::new();
            for ((automation, name), draft) in &wanted {
                let before = current.get(&(automation.clone(), name.clone()));
                let id = before.map_or_else(|| Uuid::nil().into(), |schedule| schedule.id);
                if before.is_some_and(|schedule| schedule.draft == *draft) {
                    continue;
                }
                let found = draft_faults(id, draft, (&zones, &calendars), now);
                let at = format!("automations/{automation}/{name}");
                faults.extend(found.into_iter().map(|fault| fault.under(&at)));
            }
            faults
        })
        .await
    }

    async fn carry_out(&self, by: &Editor, import: &Import) -> Result<(), Failure> {
        let now = (self.clock)();
        let txn = self.database.begin().await?;
        // What another one adds meanwhile would be neither in the basis nor in the document.
        schedule_lock_in_txn(&txn).await?;
        let ids: Vec<AutomationId> = import.automations.values().copied().collect();
        if basis(schedule_list_revisions_in_txn(&txn, &ids).await?) != import.basis {
            return Err(changed_meanwhile());
        }
        let mut changed = Vec::new();
        for step in &import.steps {
            changed.extend(import.take(&txn, by, step, now).await?);
        }
        txn.commit().await?;
        changed.iter().for_each(|(kind, schedule)| self.announce(kind, schedule));
        Ok(())
    }

    async fn calendar_names<'a>(&self, drafts: impl IntoIterator<Item = &'a Draft>) -> Result<HashMap<CalendarId, String>, Failure> {
        let found: HashMap<CalendarId, std::sync::Arc<Calendar>> = self.calendars.get(&calendar_ids(drafts)).await?;
        Ok(found.into_iter().map(|(id, calendar)| (id, calendar.name.clone())).collect())
    }

    async fn calendars_by_name(&self, entries: &document::Entries) -> Result<HashMap<String, CalendarId>, Failure> {
        let names: BTreeSet<&String> = entries.values().flat_map(BTreeMap::values).filter_map(|entry| entry.calendar.as_ref()).collect();
        let mut found = HashMap::new();
        for name in names {
            if let Some(id) = self.calendar_named(name).await? {
                found.insert(name.clone(), id);
            }
        }
        Ok(found)
    }
}

impl Import {
    /// Carries out one step, and says what it changed.
    async fn take(
        &self,
        txn: &Transaction,
        by: &Editor,
        step: &Step,
        now: DateTime<Utc>,
    ) -> Result<Option<(&'static str, Schedule)>, Failure> {
        let key = (step.automation.clone(), step.name.clone());
        match (&step.effect, self.current.get(&key), self.wanted.get(&key)) {
            (Effect::Create, _, Some(draft)) => {
                let id = ScheduleId::new(Uuid::now_v7());
                let created = schedule_insert_in_txn(txn, by.change(), id, draft, now).await;
                Ok(Some(("schedule.created", created.map_err(|error| not_written(error, draft))?)))
            }
            (Effect::Change(_), Some(current), Some(draft)) => {
                let at = (current.id, Some(current.revision));
                let updated = schedule_update_in_txn(txn, (by.scope(), by.change()), at, draft, now).await;
                match updated.map_err(|error| not_written(error, draft))? {
                    Update::Done(schedule) => Ok(Some(("schedule.updated", *schedule))),
                    Update::Missing | Update::Stale(_) => Err(changed_meanwhile()),
                }
            }
            (Effect::Remove, Some(current), _) => {
                let is_removed = schedule_delete_in_txn(txn, (by.scope(), by.change()), current.id, now).await?;
                if is_removed { Ok(Some(("schedule.deleted", current.clone()))) } else { Err(changed_meanwhile()) }
            }
            _ => Ok(None),
        }
    }
}

/// The draft of an entry; `before` is the stored one.
fn drafted(
    empty: Draft,
    entry: Entry,
    calendars: &HashMap<String, CalendarId>,
    (before, now): (Option<&Draft>, DateTime<Utc>),
) -> (Draft, Vec<Fault>) {
    let Entry { mut request, calendar } = entry;
    if let Some(name) = calendar {
        match calendars.get(&name) {
            Some(id) => request.calendar_id = Some(Some(*id)),
            None => return (empty, vec![Fault::new("calendar", format!("\"{name}\" is no calendar"))]),
        }
    }
    // An interval goes on from where it is.
    let anchor = match before.map(|draft| &draft.spec) {
        Some(Spec::Interval { anchor, .. }) => *anchor,
        _ => now,
    };
    draft::created(empty, request, anchor)
}

fn not_written(error: store::Error, draft: &Draft) -> Failure {
    match error {
        // The plan knows every name: somebody else took it meanwhile.
        store::Error::Duplicate(_) => changed_meanwhile(),
        other => super::manage::not_written(other, draft),
    }
}

fn documented(found: impl IntoIterator<Item = (String, Schedule)>, calendars: &HashMap<CalendarId, String>) -> Document {
    let mut document = Document::new();
    for (automation, schedule) in found {
        let name = schedule.draft.name.clone();
        document.entry(automation).or_default().insert(name, convert::document(schedule.draft, calendars));
    }
    document
}

/// Stands for these schedules in these revisions.
fn basis(mut revisions: Vec<(ScheduleId, i64)>) -> String {
    revisions.sort_unstable();
    let mut digest = Sha256::new();
    for (id, revision) in revisions {
        digest.update(id.get().as_bytes());
        digest.update(revision.to_be_bytes());
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn answer(dry_run: bool, import: Import) -> ScheduleImport {
    let mut answer = ScheduleImport { dry_run, basis: import.basis, ..ScheduleImport::default() };
    for Step { automation, name, effect } in import.steps {
        match effect {
            Effect::Create => answer.created.push(ScheduleNamed { automation, name }),
            Effect::Remove => answer.removed.push(ScheduleNamed { automation, name }),
            Effect::Keep => answer.unchanged += 1,
            Effect::Change(changes) => {
                let fields = changes.into_iter().map(|change| ScheduleFieldChange {
                    field: change.field,
                    before: change.before,
                    after: change.after,
                });
                answer.changed.push(ScheduleChange { automation, name, fields: fields.collect() });
            }
        }
    }
    answer
}

fn changed_meanwhile() -> Failure {
    Failure::conflict("changed_meanwhile", "schedules of these automations were changed since they were read; plan again")
}
