//! Hooks as people manage them. Token and secret are in the answer that made them, and nowhere else.

use api_types::{HookCreate, HookRotate, HookShown, HookUpdate};
use auth::{Permitted, TokenDigest, api_key_shown, hook_secret, hook_secret_fault, hook_token};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Fault, Scope,
    hook::{Rotated, Rules, Signature},
    ids::{AutomationId, HookId},
    permission::Permission,
    user::{DISPLAY_NAME_RULE, is_display_name},
};
use runtime::{Editor, Failure, reach};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Transaction,
    automations::{Automation, automation_get},
    hooks::{Filter, Hook, Token, hook_delete_in_txn, hook_get, hook_insert_in_txn, hook_list, hook_lock_in_txn, hook_update_in_txn},
    secrets::secret_delete_in_txn,
};
use uuid::Uuid;

use super::{Hooks, convert, missing, place, unsealed};

/// Seconds for which what a rotation replaced still counts, unless the request says otherwise; and at most.
const KEEP_S: u32 = 86_400;
const MOST_KEEP_S: u32 = 604_800;

/// A new secret, and where it is to be sealed.
struct NewSecret {
    id: Uuid,
    secret: SecretString,
}

impl Hooks {
    pub(crate) async fn create(&self, by: &Editor, request: HookCreate) -> Result<HookShown, Failure> {
        let HookCreate { automation_id, name, signature, secret, parameters, mapping, filter, dedup } = request;
        let rules = Rules {
            parameters: parameters.unwrap_or_default(),
            mapping: mapping.unwrap_or_default(),
            filter: filter.unwrap_or_default(),
            dedup: dedup.unwrap_or_default(),
        };
        let (signature, given) = (signature.unwrap_or_default(), secret.map(SecretString::from));
        check(&name, &signature, &rules, secret_fault(&signature, given.as_ref()))?;
        self.check_automation(by, automation_id).await?;
        let (now, (token, shown)) = ((self.clock)(), new_token());
        let new = signature.has_secret().then(|| NewSecret::of(&signature, given));
        let hook = Hook {
            id: Uuid::now_v7().into(),
            automation_id,
            name,
            token,
            old_token: None,
            signature,
            secret_id: new.as_ref().map(|new| new.id),
            old_secret: None,
            rules,
            paused: None,
            created_at: now,
            created_by: by.name(),
            updated_at: now,
            updated_by: by.name(),
        };
        let txn = self.database.begin().await?;
        self.seal(&txn, new.as_ref()).await?;
        hook_insert_in_txn(&txn, by.change(), &hook).await?;
        txn.commit().await?;
        tracing::info!(hook.id = %hook.id, automation.id = %automation_id, "hook created");
        Ok(shown_with(&hook, Some(shown), new))
    }

    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<api_types::Hook>, Failure> {
        Ok(hook_list(&self.database, by.scope(), filter).await?.iter().map(convert::hook).collect())
    }

    pub(crate) async fn get(&self, by: &Permitted, id: HookId) -> Result<api_types::Hook, Failure> {
        Ok(convert::hook(&self.find(by, id).await?))
    }

    pub(crate) async fn update(&self, by: &Editor, id: HookId, request: HookUpdate) -> Result<HookShown, Failure> {
        let change = |hook: &mut Hook| {
            let HookUpdate { name, signature, secret, parameters, mapping, filter, dedup } = request;
            let (scheme, given) = (hook.signature.scheme, secret.map(SecretString::from));
            set(&mut hook.name, name);
            set(&mut hook.signature, signature);
            set(&mut hook.rules.parameters, parameters);
            set(&mut hook.rules.mapping, mapping);
            set(&mut hook.rules.filter, filter);
            set(&mut hook.rules.dedup, dedup);
            let fault = match (&given, hook.signature.scheme == scheme) {
                (Some(_), true) => Some(Fault::new("secret", "is for another scheme; rotate the secret of this one: POST …/rotate")),
                _ => secret_fault(&hook.signature, given.as_ref()),
            };
            check(&hook.name, &hook.signature, &hook.rules, fault)?;
            if hook.signature.scheme == scheme {
                return Ok(Made::default());
            }
            let new = hook.signature.has_secret().then(|| NewSecret::of(&hook.signature, given));
            let gone = [hook.secret_id.take(), hook.old_secret.take().map(|(id, _)| id)].into_iter().flatten().collect();
            hook.secret_id = new.as_ref().map(|new| new.id);
            Ok(Made { token: None, secret: new, gone })
        };
        let (hook, made) = self.change(by, "hook.update", id, change).await?;
        Ok(shown_with(&hook, None, made.secret))
    }

    /// Replaces the token, the secret or both. What they replace counts for a while, what an earlier rotation left does not.
    pub(crate) async fn rotate(&self, by: &Editor, id: HookId, request: HookRotate) -> Result<HookShown, Failure> {
        let HookRotate { what, secret, keep_old_s } = request;
        let keep_s = keep_old_s.unwrap_or(KEEP_S);
        if keep_s > MOST_KEEP_S {
            return Err(Failure::field("keep_old_s", format!("must be at most {MOST_KEEP_S} seconds")));
        }
        let until = Some((self.clock)() + TimeDelta::seconds(keep_s.into())).filter(|_| keep_s > 0);
        let change = |hook: &mut Hook| {
            let (is_token, is_secret) = (what != Rotated::Secret, what != Rotated::Token);
            let given = secret.map(SecretString::from);
            if is_secret && !hook.signature.has_secret() {
                return Err(Failure::field("what", format!("the hook's scheme, {}, has no secret", hook.signature.scheme)));
            }
            if let (Some(_), false) = (&given, is_secret) {
                return Err(Failure::field("secret", "is given, but what is to be rotated is the token"));
            }
            if let Some(fault) = secret_fault(&hook.signature, given.as_ref()) {
                return Err(Failure::Invalid(vec![fault]));
            }
            let mut made = Made::default();
            if is_token {
                let (token, shown) = new_token();
                let old = std::mem::replace(&mut hook.token, token);
                hook.old_token = until.map(|until| (old.digest, until));
                made.token = Some(shown);
            }
            if is_secret {
                let new = NewSecret::of(&hook.signature, given);
                let (old, older) = (hook.secret_id.replace(new.id), hook.old_secret.take().map(|(id, _)| id));
                hook.old_secret = old.zip(until);
                made.gone = older.into_iter().chain(old.filter(|_| until.is_none())).collect();
                made.secret = Some(new);
            }
            Ok(made)
        };
        let (hook, made) = self.change(by, "hook.rotate", id, change).await?;
        tracing::info!(hook.id = %id, "hook rotated");
        Ok(shown_with(&hook, made.token, made.secret))
    }

    pub(crate) async fn pause(&self, by: &Editor, id: HookId, is_paused: bool) -> Result<api_types::Hook, Failure> {
        let pause = Some(((self.clock)(), by.name())).filter(|_| is_paused);
        let action = if is_paused { "hook.pause" } else { "hook.resume" };
        let change = |hook: &mut Hook| {
            hook.paused = if is_paused { hook.paused.take().or(pause) } else { None };
            Ok(Made::default())
        };
        Ok(convert::hook(&self.change(by, action, id, change).await?.0))
    }

    pub(crate) async fn delete(&self, by: &Editor, id: HookId) -> Result<(), Failure> {
        self.find(by, id).await?;
        let txn = self.database.begin().await?;
        let hook = hook_lock_in_txn(&txn, by.scope(), id).await?.ok_or_else(|| missing(id))?;
        hook_delete_in_txn(&txn, by.change(), &hook, (self.clock)()).await?;
        for secret in hook.secret_id.into_iter().chain(hook.old_secret.map(|(id, _)| id)) {
            secret_delete_in_txn(&txn, place("").purpose, &secret.to_string()).await?;
        }
        txn.commit().await?;
        tracing::info!(hook.id = %id, "hook deleted");
        Ok(())
    }

    /// The hook, where the caller may do what the request does.
    pub(super) async fn find(&self, by: &Permitted, id: HookId) -> Result<Hook, Failure> {
        let find = async |scope: &Scope| hook_get(&self.database, scope, id).await;
        reach(by, Permission::RobotRead, format_args!("hook {id}"), find).await
    }

    /// Changes a hook, with what the change makes; a change that leaves it as it was is not written.
    async fn change(
        &self,
        by: &Editor,
        action: &'static str,
        id: HookId,
        change: impl FnOnce(&mut Hook) -> Result<Made, Failure>,
    ) -> Result<(Hook, Made), Failure> {
        self.find(by, id).await?;
        let txn = self.database.begin().await?;
        let before = hook_lock_in_txn(&txn, by.scope(), id).await?.ok_or_else(|| missing(id))?;
        let mut after = before.clone();
        let made = change(&mut after)?;
        if after == before {
            return Ok((before, made));
        }
        (after.updated_at, after.updated_by) = ((self.clock)(), by.name());
        self.seal(&txn, made.secret.as_ref()).await?;
        for gone in &made.gone {
            secret_delete_in_txn(&txn, place("").purpose, &gone.to_string()).await?;
        }
        hook_update_in_txn(&txn, (by.change(), action), (&before, &after)).await?;
        txn.commit().await?;
        Ok((after, made))
    }

    async fn seal(&self, txn: &Transaction, new: Option<&NewSecret>) -> Result<(), Failure> {
        let Some(NewSecret { id, secret }) = new else { return Ok(()) };
        let sealed = self.secrets.insert_in_txn(txn, place(&id.to_string()), secret.expose_secret().as_bytes()).await;
        sealed.map(drop).map_err(unsealed)
    }

    /// Checks that jobs of the automation can be asked for, and that the caller may publish it.
    async fn check_automation(&self, by: &Permitted, id: AutomationId) -> Result<(), Failure> {
        let find = async |scope: &Scope| automation_get(&self.database, scope, id).await;
        let found: Automation = reach(by, Permission::RobotRead, format_args!("automation {id}"), find).await?;
        match found.archived_at {
            Some(_) => Err(Failure::conflict("automation_archived", format!("automation {id} is archived"))),
            None => Ok(()),
        }
    }
}

/// What a change made, and the sealed secrets that it has no more use for.
#[derive(Default)]
struct Made {
    token: Option<SecretString>,
    secret: Option<NewSecret>,
    gone: Vec<Uuid>,
}

impl NewSecret {
    fn of(signature: &Signature, given: Option<SecretString>) -> Self {
        Self { id: Uuid::now_v7(), secret: given.unwrap_or_else(|| hook_secret(signature.scheme)) }
    }
}

fn new_token() -> (Token, SecretString) {
    let token = hook_token();
    (Token { prefix: api_key_shown(token.expose_secret()).to_owned(), digest: TokenDigest::of(&token).to_hex() }, token)
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

fn secret_fault(signature: &Signature, given: Option<&SecretString>) -> Option<Fault> {
    let given = given?;
    if !signature.has_secret() {
        return Some(Fault::new("secret", "must be absent: the scheme none has no secret"));
    }
    hook_secret_fault(signature.scheme, given).map(|message| Fault::new("secret", message))
}

fn check(name: &str, signature: &Signature, rules: &Rules, secret: Option<Fault>) -> Result<(), Failure> {
    let name = (!is_display_name(name)).then(|| Fault::new("name", DISPLAY_NAME_RULE));
    let signed = signature.faults().into_iter().map(|fault| fault.under("signature"));
    let faults: Vec<Fault> = name.into_iter().chain(signed).chain(secret).chain(rules.faults(signature)).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}

fn shown_with(hook: &Hook, token: Option<SecretString>, secret: Option<NewSecret>) -> HookShown {
    let text = |secret: SecretString| secret.expose_secret().to_owned();
    HookShown { token: token.map(text), secret: secret.map(|new| text(new.secret)), hook: convert::hook(hook) }
}

/// Whether something old still counts.
pub(super) fn counts(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now < until
}
