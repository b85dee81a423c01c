//! Reads alerts, and what people do to them. Who may cancel runs of an automation may take and resolve its alerts.

use api_types::{AlertBulkRequest, AlertBulkResponse, AlertFilter};
use auth::Permitted;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Fault, Scope,
    alert::{Alert, AlertStatus, Entry, IsResolved, comment},
    business_domain::{SLUG_RULE, is_slug},
    ids::{AlertId, AutomationId},
    permission::Permission,
};
use runtime::{Editor, Failure, page_size, reach};
use store::{
    alerts::{Filter, alert_count, alert_get, alert_list, alert_list_ids, alert_list_story_unscoped, alert_lock_in_txn, alert_save_in_txn},
    automations::automation_list_names_unscoped,
};

use super::{Alerts, convert::to_api};

/// Characters of a comment.
const MAX_COMMENT: usize = 2000;
/// Lines of a story that are shown.
const MAX_STORY: u64 = 500;
/// Ids of a request.
const MAX_IDS: usize = 1000;
/// Alerts that one request acknowledges.
const MOST_IN_BULK: u64 = 10_000;
/// Alerts of a transaction.
const BATCH: u64 = 200;
/// The longest mute.
const LONGEST_MUTE: TimeDelta = TimeDelta::days(366);

/// What a person does to an alert.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Acknowledge(Option<String>),
    Resolve(Option<String>),
    Mute(DateTime<Utc>, Option<String>),
    Unmute(Option<String>),
    Comment(String),
}

impl Deed {
    const fn action(&self) -> &'static str {
        match self {
            Self::Acknowledge(_) => "alert.acknowledge",
            Self::Resolve(_) => "alert.resolve",
            Self::Mute(..) => "alert.mute",
            Self::Unmute(_) => "alert.unmute",
            Self::Comment(_) => "alert.comment",
        }
    }

    fn apply(&self, alert: &mut Alert, by: &str, now: DateTime<Utc>) -> Result<Vec<Entry>, IsResolved> {
        match self.clone() {
            Self::Acknowledge(text) => alert.acknowledge(by, text, now),
            Self::Resolve(text) => Ok(alert.resolve(by, text, now)),
            Self::Mute(until, text) => alert.mute(by, Some(until), text),
            Self::Unmute(text) => alert.mute(by, None, text),
            Self::Comment(text) => Ok(vec![comment(by, text)]),
        }
    }
}

impl Alerts {
    pub(super) async fn get(&self, by: &Permitted, id: AlertId) -> Result<api_types::Alert, Failure> {
        let alert = reach(by, Permission::RunRead, format!("alert {id}"), async |scope| alert_get(&self.database, scope, id).await).await?;
        self.whole(alert).await
    }

    /// A page of alerts, and the last of them if there may be more.
    pub(super) async fn list(&self, by: &Permitted, query: AlertFilter) -> Result<(Vec<api_types::Alert>, Option<AlertId>), Failure> {
        let limit = page_size(query.limit, 100, 1000)?;
        check_domain(query.domain.as_deref()).map_err(|fault| Failure::BadQuery(vec![fault]))?;
        let AlertFilter { status: statuses, types, severity: severities, automation, domain, source, rule, limit: _, after } = query;
        let (automation_id, rule_id, limit) = (automation, rule, u64::from(limit));
        let filter = Filter { ids: Vec::new(), statuses, types, severities, automation_id, domain, source, rule_id, after, limit };
        let found = alert_list(&self.database, by.scope(), &filter).await?;
        let next = found.last().filter(|_| found.len() as u64 == limit).map(|last| last.id);
        let ids: Vec<AutomationId> = found.iter().filter_map(|alert| alert.automation_id).collect();
        let names = automation_list_names_unscoped(&self.database, &ids).await?;
        let shown = |alert: Alert| {
            let name = alert.automation_id.and_then(|id| names.get(&id).cloned());
            to_api(alert, name, Vec::new())
        };
        Ok((found.into_iter().map(shown).collect(), next))
    }

    /// Does it to one alert. Repeating it has no effect.
    pub(super) async fn change(&self, by: &Editor, id: AlertId, deed: Deed) -> Result<api_types::Alert, Failure> {
        let what = format!("alert {id}");
        reach(by, Permission::RunRead, &what, async |scope| alert_get(&self.database, scope, id).await).await?;
        let alert = self.change_all(by, by.scope(), &[id], &deed).await?.pop().ok_or(Failure::NotFound(what))?;
        self.whole(alert.map_err(|IsResolved| Failure::conflict("wrong_state", format!("alert {id} is resolved")))?).await
    }

    /// Acknowledges the open alerts that meet the conditions.
    pub(super) async fn acknowledge_all(&self, by: &Editor, request: AlertBulkRequest) -> Result<AlertBulkResponse, Failure> {
        let (dry_run, text) = (request.dry_run, checked_comment(request.comment.clone())?);
        let filter = bulk_filter(request)?;
        let matched = alert_count(&self.database, by.scope(), &filter).await?;
        let mut response = AlertBulkResponse { dry_run, matched, done: 0, more: matched > MOST_IN_BULK };
        let deed = Deed::Acknowledge(text);
        while !dry_run && response.done < MOST_IN_BULK {
            // What is done is not found again.
            let ids = alert_list_ids(&self.database, by.scope(), &Filter { limit: BATCH, ..filter.clone() }).await?;
            let changed = self.change_all(by, by.scope(), &ids, &deed).await?;
            if changed.is_empty() {
                break;
            }
            response.done += changed.iter().filter(|outcome| outcome.is_ok()).count() as u64;
        }
        Ok(response)
    }

    /// Does it to these alerts, and tells others.
    async fn change_all(
        &self,
        by: &Editor,
        scope: &Scope,
        ids: &[AlertId],
        deed: &Deed,
    ) -> Result<Vec<Result<Alert, IsResolved>>, Failure> {
        let (name, now) = (by.name(), (self.clock)());
        let work = self.database.in_transaction(async |txn| {
            let (mut alerts, mut changes) = (Vec::new(), Vec::new());
            for before in alert_lock_in_txn(txn, scope, ids).await? {
                let mut after = before.clone();
                match deed.apply(&mut after, &name, now) {
                    Ok(entries) if entries.is_empty() => alerts.push(Ok(after)),
                    Ok(entries) => {
                        alerts.push(Ok(after.clone()));
                        let saved = alert_save_in_txn(txn, Some((by.change(), deed.action())), (&before, after), entries, now).await?;
                        changes.extend(saved);
                    }
                    Err(refused) => alerts.push(Err(refused)),
                }
            }
            Ok((alerts, changes))
        });
        let (alerts, changes) = work.await?;
        self.told.tell(&changes);
        Ok(alerts)
    }

    /// An alert with its story.
    async fn whole(&self, alert: Alert) -> Result<api_types::Alert, Failure> {
        let ids: Vec<AutomationId> = alert.automation_id.into_iter().collect();
        let name = automation_list_names_unscoped(&self.database, &ids).await?.into_values().next();
        let story = alert_list_story_unscoped(&self.database, alert.id, MAX_STORY).await?;
        Ok(to_api(alert, name, story))
    }

    /// The end of a mute.
    pub(super) fn checked_until(&self, until: DateTime<Utc>) -> Result<DateTime<Utc>, Failure> {
        let now = (self.clock)();
        if until > now && until - now <= LONGEST_MUTE {
            return Ok(until);
        }
        Err(Failure::field("until", "must be in the future, at most a year from now"))
    }
}

/// A comment that says something.
pub(super) fn checked_comment(text: Option<String>) -> Result<Option<String>, Failure> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.chars().count() > MAX_COMMENT) {
        return Err(Failure::field("comment", format!("must have at most {MAX_COMMENT} characters")));
    }
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(Failure::field("comment", "must not contain NUL characters"));
    }
    Ok(text)
}

fn check_domain(slug: Option<&str>) -> Result<(), Fault> {
    if slug.is_none_or(is_slug) { Ok(()) } else { Err(Fault::new("domain", SLUG_RULE)) }
}

fn bulk_filter(request: AlertBulkRequest) -> Result<Filter, Failure> {
    check_domain(request.domain.as_deref()).map_err(|fault| Failure::Invalid(vec![fault]))?;
    let AlertBulkRequest { ids, types, severity: severities, automation_id, domain, source, rule_id, dry_run: _, comment: _ } = request;
    if ids.len() > MAX_IDS {
        return Err(Failure::field("ids", format!("must have at most {MAX_IDS} items")));
    }
    let statuses = vec![AlertStatus::Open];
    let filter = Filter { ids, statuses, types, severities, automation_id, domain, source, rule_id, after: None, limit: 0 };
    if filter == (Filter { statuses: vec![AlertStatus::Open], ..Filter::default() }) {
        return Err(Failure::field("ids", "must be there, or another condition: type, severity, automation_id, domain, source, rule_id"));
    }
    Ok(filter)
}
