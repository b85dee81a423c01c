//! What a message says of its alerts: they, and the names of what they are about.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    alert::Alert,
    ids::{AlertId, AutomationId, ChannelId, SlaId},
    notification::NotificationState,
};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::{
    Database, Error,
    alerts::alert_list_unscoped,
    entity::{automation, domain as business_domain, notification, notification_item, sla},
    subjects::subject_names_unscoped,
};

/// An alert with the names of what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// The alert.
    pub alert: Alert,
    /// What it is about: the name of the automation, queue, worker or schedule.
    pub subject: String,
    /// Domain of the automation.
    pub domain: Option<String>,
    /// Labels of the automation.
    pub labels: Vec<String>,
    /// Name of the rule; `None`: another system says so, or the rule was deleted.
    pub rule: Option<String>,
}

/// These alerts with their names, in order of opening.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_named_unscoped(database: &Database, ids: &[AlertId]) -> Result<Vec<Named>, Error> {
    let alerts = alert_list_unscoped(database, ids).await?;
    let automations = automations(database, &alerts).await?;
    let names = subject_names_unscoped(database, &alerts.iter().map(|alert| alert.key.subject.clone()).collect()).await?;
    let rules = rule_names(database, alerts.iter().filter_map(|alert| alert.key.rule_id).map(SlaId::get).collect()).await?;
    let named = alerts.into_iter().map(|alert| {
        let automation = alert.automation_id.and_then(|id| automations.get(&id));
        Named {
            // What was deleted has no name any more.
            subject: names.get(&alert.key.subject).cloned().unwrap_or_else(|| alert.key.subject.parts().1),
            domain: automation.and_then(|automation| automation.domain.clone()),
            labels: automation.map(|automation| automation.labels.clone()).unwrap_or_default(),
            rule: alert.key.rule_id.and_then(|id| rules.get(&id.get()).cloned()),
            alert,
        }
    });
    Ok(named.collect())
}

struct Automation {
    domain: Option<String>,
    labels: Vec<String>,
}

async fn automations(database: &Database, alerts: &[Alert]) -> Result<BTreeMap<AutomationId, Automation>, Error> {
    use automation::Column as A;
    let ids: BTreeSet<i32> = alerts.iter().filter_map(|alert| alert.automation_id).map(AutomationId::get).collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let to_domain = automation::Entity::belongs_to(business_domain::Entity).from(A::DomainId).to(business_domain::Column::Id);
    let query = automation::Entity::find()
        .select_only()
        .columns([A::Id, A::Labels])
        .column_as(business_domain::Column::Name, "domain_name")
        .join(JoinType::LeftJoin, to_domain.into())
        .filter(A::Id.is_in(ids));
    type Row = (i32, Option<serde_json::Value>, Option<String>);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let named = rows.into_iter().map(|(id, labels, domain)| {
        let labels = labels.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
        (id.into(), Automation { domain, labels })
    });
    Ok(named.collect())
}

async fn rule_names(database: &Database, ids: BTreeSet<Uuid>) -> Result<BTreeMap<Uuid, String>, Error> {
    use sla::Column as C;
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = sla::Entity::find().select_only().columns([C::Id, C::Name]).filter(C::Id.is_in(ids));
    let rows: Vec<(Uuid, String)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().collect())
}

/// What a channel answered to an earlier message of this alert: the key of an issue.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_reference_unscoped(database: &Database, channel: ChannelId, alert: AlertId) -> Result<Option<String>, Error> {
    use notification::Column as N;
    use notification_item::Column as I;
    let of_message = notification_item::Entity::belongs_to(notification::Entity).from(I::NotificationId).to(N::Id);
    let query = notification_item::Entity::find()
        .select_only()
        .column(N::Reference)
        .join(JoinType::InnerJoin, of_message.into())
        .filter(I::AlertId.eq(alert.get()))
        .filter(I::ChannelId.eq(channel.get()))
        .filter(N::State.eq(NotificationState::Sent.as_str()))
        .filter(N::Reference.is_not_null())
        .order_by_desc(N::Id)
        .limit(1);
    let found: Option<Option<String>> = query.into_tuple().one(database.connection()).await?;
    Ok(found.flatten())
}
