//! Creates, changes, lists and deletes channels.

use std::collections::BTreeMap;

use api_types::{ChannelCreate, ChannelShown, ChannelUpdate};
use auth::{Permitted, hook_secret};
use domain::{
    Fault, Scope,
    hook::Scheme,
    ids::{ChannelId, DomainId},
    notification::{
        ChannelKind,
        channel::{Channel, Draft, Sealed},
    },
};
use runtime::{Editor, Failure};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    channels::{
        Filter, channel_delete_in_txn, channel_get, channel_insert_in_txn, channel_list, channel_list_rules_in_txn, channel_lock_in_txn,
        channel_update_in_txn,
    },
    domains::domain_get,
    report_plans::report_plan_list_of_channel_in_txn,
};
use uuid::Uuid;

use super::{Channels, convert, faults, missing};
use crate::{
    notifications::templates,
    senders::{OLD_SIGNING_SECRET, Opened},
};

/// What a change makes of a channel: its secrets, if they are other ones, and the one that is shown.
#[derive(Default)]
pub(super) struct Made {
    pub(super) secrets: Option<Opened>,
    pub(super) shown: Option<SecretString>,
}

impl Channels {
    pub(crate) async fn create(&self, by: &Editor, request: ChannelCreate) -> Result<ChannelShown, Failure> {
        by.require_everywhere()?;
        let ChannelCreate { name, kind, settings, secrets, language, routing, quiet_hours, group_wait_s, templates, enabled } = request;
        let settings = faults::settings(kind, settings)?;
        let draft = Draft { name, settings, language, routing, quiet_hours, group_wait_s, templates };
        let mut secrets = Opened::new(secrets.into_iter().map(|(name, secret)| (name, SecretString::from(secret))).collect());
        let shown =
            (kind == ChannelKind::Webhook && secrets.get("signing_secret").is_none()).then(|| hook_secret(Scheme::StandardWebhooks));
        if let Some(made) = &shown {
            secrets.set("signing_secret", made.clone());
        }
        self.check(&draft, &secrets).await?;
        let now = (self.clock)();
        let txn = self.database.begin().await?;
        let sealed = Sealed { id: self.seal(&txn, None, &secrets).await?, names: secrets.names(), old_until: None };
        let channel = Channel {
            id: Uuid::now_v7().into(),
            draft,
            enabled,
            disabled_reason: None,
            sealed,
            revision: 1,
            created_at: now,
            created_by: by.name(),
            updated_at: now,
            updated_by: by.name(),
        };
        let inserted = channel_insert_in_txn(&txn, by.change(), &channel).await;
        inserted.map_err(|error| name_taken(error, &channel.draft.name))?;
        txn.commit().await?;
        tracing::info!(channel.id = %channel.id, channel.kind = %kind, "channel created");
        Ok(shown_with(&channel, shown))
    }

    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<api_types::Channel>, Failure> {
        by.require_everywhere()?;
        Ok(channel_list(&self.database, filter).await?.iter().map(convert::channel).collect())
    }

    pub(crate) async fn get(&self, by: &Permitted, id: ChannelId) -> Result<api_types::Channel, Failure> {
        Ok(convert::channel(&self.find(by, id).await?))
    }

    pub(super) async fn find(&self, by: &Permitted, id: ChannelId) -> Result<Channel, Failure> {
        by.require_everywhere()?;
        channel_get(&self.database, id).await?.ok_or_else(|| missing(id))
    }

    pub(crate) async fn update(&self, by: &Editor, id: ChannelId, request: ChannelUpdate) -> Result<api_types::Channel, Failure> {
        let revision = request.revision;
        let change = |channel: &mut Channel, secrets: Opened| self.changed(channel, secrets, request);
        let (channel, _) = self.change(by, ("channel.update", revision), id, change).await?;
        Ok(convert::channel(&channel))
    }

    /// Applies a request to a channel; says what its secrets become, if they change.
    fn changed(&self, channel: &mut Channel, mut secrets: Opened, request: ChannelUpdate) -> Result<Made, Failure> {
        let ChannelUpdate { name, settings, secrets: given, language, routing, quiet_hours, group_wait_s, templates, enabled, .. } =
            request;
        let draft = &mut channel.draft;
        let before = faults::destination(draft, &self.outbound);
        set(&mut draft.name, name);
        set(&mut draft.language, language);
        set(&mut draft.routing, routing);
        set(&mut draft.quiet_hours, quiet_hours);
        set(&mut draft.group_wait_s, group_wait_s);
        set(&mut draft.templates, templates);
        if let Some(settings) = settings {
            draft.settings = faults::settings(draft.settings.kind(), settings)?;
        }
        let given = given.unwrap_or_default();
        if faults::destination(draft, &self.outbound) != before {
            not_elsewhere(&secrets, &given)?;
            secrets.remove(OLD_SIGNING_SECRET);
            channel.sealed.old_until = None;
        }
        if let Some(enabled) = enabled {
            channel.enabled = enabled;
            channel.disabled_reason = channel.disabled_reason.take().filter(|_| !enabled);
        }
        let is_same = given.is_empty();
        for (name, secret) in given {
            match secret {
                Some(secret) => secrets.set(&name, secret.into()),
                None => drop(secrets.remove(&name)),
            }
        }
        // Checked as they are, and sealed anew only where they changed.
        Ok(Made { secrets: Some(secrets).filter(|_| !is_same), shown: None })
    }

    pub(crate) async fn delete(&self, by: &Editor, id: ChannelId) -> Result<(), Failure> {
        by.require_everywhere()?;
        let txn = self.database.begin().await?;
        let channel = channel_lock_in_txn(&txn, id).await?.ok_or_else(|| missing(id))?;
        let rules = channel_list_rules_in_txn(&txn, id).await?;
        if !rules.is_empty() {
            let detail = format!("SLA rules notify this channel: {}; take it out of them first", rules.join(", "));
            return Err(Failure::conflict("channel_in_use", detail));
        }
        let plans = report_plan_list_of_channel_in_txn(&txn, id).await?;
        if !plans.is_empty() {
            let detail = format!("report plans are sent over this channel: {}; take it out of them first", plans.join(", "));
            return Err(Failure::conflict("channel_in_use", detail));
        }
        self.seal(&txn, channel.sealed.id, &Opened::default()).await?;
        channel_delete_in_txn(&txn, by.change(), &channel, (self.clock)()).await?;
        txn.commit().await?;
        tracing::info!(channel.id = %id, "channel deleted");
        Ok(())
    }

    /// Changes a channel under its lock. One that stays as it is, is not written.
    pub(super) async fn change(
        &self,
        by: &Editor,
        (action, revision): (&'static str, Option<i64>),
        id: ChannelId,
        change: impl FnOnce(&mut Channel, Opened) -> Result<Made, Failure>,
    ) -> Result<(Channel, Option<SecretString>), Failure> {
        // Before the transaction: it may end with a refusal that takes a while.
        let found = self.find(by, id).await?;
        let opened = self.open(&found.sealed).await?;
        let mut after = found.clone();
        let Made { secrets, shown } = change(&mut after, opened.clone())?;
        self.check(&after.draft, secrets.as_ref().unwrap_or(&opened)).await?;
        let txn = self.database.begin().await?;
        let before = channel_lock_in_txn(&txn, id).await?.ok_or_else(|| missing(id))?;
        if before.revision != found.revision || revision.is_some_and(|revision| revision != found.revision) {
            return Err(Failure::conflict("changed_meanwhile", format!("channel {id} was changed since it was read; read it again")));
        }
        if after == before && secrets.is_none() {
            return Ok((before, shown));
        }
        if let Some(secrets) = &secrets {
            after.sealed = Sealed { id: self.seal(&txn, before.sealed.id, secrets).await?, names: secrets.names(), ..after.sealed };
        }
        (after.updated_at, after.updated_by, after.revision) = ((self.clock)(), by.name(), before.revision + 1);
        let updated = channel_update_in_txn(&txn, (by.change(), action), (&before, &after)).await;
        updated.map_err(|error| name_taken(error, &after.draft.name))?;
        txn.commit().await?;
        Ok((after, shown))
    }

    async fn check(&self, draft: &Draft, secrets: &Opened) -> Result<(), Failure> {
        let mut found = draft.faults(&self.zones);
        found.extend(templates::faults(&draft.templates));
        found.extend(faults::secrets(draft, secrets));
        found.extend(faults::addresses(draft, secrets, &self.outbound));
        found.extend(self.domains(&draft.routing.domains).await?);
        if found.is_empty() { Ok(()) } else { Err(Failure::Invalid(found)) }
    }

    /// Domains that there are not.
    async fn domains(&self, ids: &[DomainId]) -> Result<Vec<Fault>, Failure> {
        let mut faults = Vec::new();
        // As many as the domain's rules allow.
        for (nth, id) in ids.iter().take(100).enumerate() {
            if domain_get(&self.database, &Scope::All, *id).await?.is_none() {
                faults.push(Fault::new(format!("routing/domains/{nth}"), format!("there is no domain {id}")));
            }
        }
        Ok(faults)
    }
}

/// Refuses that secrets which were given for one server are sent to another: whoever may change the address could have them sent to himself.
fn not_elsewhere(secrets: &Opened, given: &BTreeMap<String, Option<String>>) -> Result<(), Failure> {
    let kept = secrets.names().into_iter().filter(|name| !given.contains_key(name));
    let fault =
        |name| Fault::new(format!("secrets/{name}"), "must be given again: the settings lead to another server than it was given for");
    let faults: Vec<Fault> = kept.map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

fn name_taken(error: store::Error, name: &str) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("name_taken", format!("a channel named \"{name}\" exists")),
        other => other.into(),
    }
}

pub(super) fn shown_with(channel: &Channel, secret: Option<SecretString>) -> ChannelShown {
    ChannelShown { signing_secret: secret.map(|secret| secret.expose_secret().to_owned()), channel: convert::channel(channel) }
}
