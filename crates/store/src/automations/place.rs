use domain::{
    ids::{AutomationId, DomainId},
    scope::Place,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QuerySelect};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::{automation, domain as domain_entity},
};

/// Ids and queues of one statement: databases bound its parameters.
const MOST: usize = 5_000;

/// What decides who may see an automation, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The automation.
    pub id: AutomationId,
    /// Its queue.
    pub queue_name: String,
    /// Its domain.
    pub domain_id: Option<DomainId>,
    /// The slug of its domain.
    pub domain: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
}

impl Placed {
    /// Its place, for a scope.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { automation: Some(self.id), domain: self.domain_id, labels: &self.labels }
    }
}

/// A row of the query.
type Row = (i32, String, Option<Uuid>, Option<String>, Option<Value>);

/// The places of these automations and of those that name one of these queues, archived or not.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list_places_unscoped(database: &Database, ids: &[AutomationId], queues: &[String]) -> Result<Vec<Placed>, Error> {
    use automation::Column::{DomainId as Domain, Id, Labels, QueueName};
    let by_id = ids.chunks(MOST).map(|ids| Condition::any().add(Id.is_in(ids.iter().map(|id| id.get()))));
    let by_queue = queues.chunks(MOST).map(|queues| Condition::any().add(QueueName.is_in(queues)));
    let mut all = Vec::new();
    for condition in by_id.chain(by_queue) {
        let to_domain = automation::Entity::belongs_to(domain_entity::Entity).from(Domain).to(domain_entity::Column::Id);
        let find = automation::Entity::find().select_only().columns([Id, QueueName, Domain]).column(domain_entity::Column::Slug);
        let find = find.column(Labels).join(JoinType::LeftJoin, to_domain.into()).filter(condition);
        let rows: Vec<Row> = find.into_tuple().all(database.connection()).await?;
        all.extend(rows.into_iter().map(placed));
    }
    Ok(all)
}

fn placed((id, queue_name, domain_id, domain, labels): Row) -> Placed {
    let labels = labels.and_then(|labels| serde_json::from_value(labels).ok()).unwrap_or_default();
    Placed { id: id.into(), queue_name, domain_id: domain_id.map(Into::into), domain, labels }
}
