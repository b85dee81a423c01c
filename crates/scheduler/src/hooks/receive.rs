//! What comes to a hook: who sent it, what it asks for, and the job that it becomes.
//!
//! A request that starts a job claims its key first, with the parameters that it asks for; the job is requested with those of the claim, whoever
//! requests it. So equal requests have one job even if their bodies differ in what does not count, and a process that dies in between leaves a
//! claim that the next equal request takes up.

use std::collections::BTreeMap;

use actix_web::ResponseError as _;
use api_types::HookAnswer;
use auth::{TokenDigest, is_hook_token, verify_hook};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    hook::{Incoming, Outcome, dedup_key, job_key},
    ids::{HookDeliveryId, JobId},
    job::{IdempotencyKey, Origin, Request, Trigger},
    policy::Overrides,
};
use runtime::{Ask, Failure, Intake, RawBody};
use secrecy::SecretSlice;
use serde_json::{Map, Value};
use store::hooks::{Delivery, Finish, Hook, delivery_claim, delivery_finish, delivery_insert, hook_find_unscoped};
use uuid::{NoContext, Timestamp, Uuid};

use super::{Hooks, body, manage::counts, place, unsealed};

/// Most bytes of a body that are kept.
const MOST_KEPT: usize = 256 << 10;

/// A request to a hook. It holds what proves its sender, and is never printed.
pub(crate) struct Sent {
    /// Headers by name in lower case; of several of a name, the first.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Result<RawBody, Failure>,
    pub(crate) address: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) traceparent: Option<String>,
}

/// What a request asks for.
enum Verdict {
    /// Nothing: it does not meet the filter.
    Filtered(String),
    /// A job with these parameters.
    Start(Map<String, Value>),
}

/// For whom a job is requested.
pub(super) struct Requester {
    pub(super) name: String,
    pub(super) traceparent: Option<String>,
}

impl Hooks {
    /// The hook with this token. What is no token costs no query.
    pub(crate) async fn find_by_token(&self, token: &str) -> Result<Option<Hook>, Failure> {
        if !is_hook_token(token) {
            return Ok(None);
        }
        let digest = TokenDigest::of_text(token);
        let Some(hook) = hook_find_unscoped(&self.database, &digest.to_hex()).await? else { return Ok(None) };
        let now = (self.clock)();
        let is_old = hook.old_token.as_ref().is_some_and(|(old, until)| digest.matches_hex(old) && counts(*until, now));
        Ok(Some(hook).filter(|hook| digest.matches_hex(&hook.token.digest) || is_old))
    }

    /// Handles a request to a hook.
    pub(crate) async fn receive(&self, hook: &Hook, sent: Sent) -> Result<(u16, HookAnswer), Failure> {
        let Sent { headers, body, address, request_id, traceparent } = sent;
        let now = (self.clock)();
        let find = |name: &str| headers.get(name).map(String::as_str);
        let mut delivery = Delivery { address, request_id, headers: hook.rules.kept_headers(find), ..blank(hook, now) };
        let judged = async {
            if hook.paused.is_some() {
                return Err(Failure::Paused("the hook is paused; send the request again later"));
            }
            let mut body = body?;
            delivery.body_bytes = i64::try_from(body.bytes().len()).unwrap_or(i64::MAX);
            let secrets = self.hook_secrets(hook, now).await?;
            verify_hook(&hook.signature, &secrets, find, body.bytes(), now).map_err(|fault| Failure::NotProved(fault.to_string()))?;
            delivery.body = Some(body.bytes()).filter(|bytes| bytes.len() <= MOST_KEPT).map(<[u8]>::to_vec);
            interpret(hook, &mut body, &mut delivery)
        }
        .await;
        self.settle(hook, delivery, judged, Requester { name: format!("hook:{}", hook.name), traceparent }).await
    }

    /// Handles a request that was kept, as `delivery` repeats it.
    pub(super) async fn repeat(&self, hook: &Hook, mut delivery: Delivery, by: Requester) -> Result<(u16, HookAnswer), Failure> {
        let mut body = RawBody::kept(delivery.body.clone().unwrap_or_default());
        let judged = interpret(hook, &mut body, &mut delivery);
        self.settle(hook, delivery, judged, by).await
    }

    /// The secrets that count.
    async fn hook_secrets(&self, hook: &Hook, now: DateTime<Utc>) -> Result<Vec<SecretSlice<u8>>, Failure> {
        let old = hook.old_secret.filter(|(_, until)| counts(*until, now)).map(|(id, _)| id);
        let mut secrets = Vec::with_capacity(2);
        for id in hook.secret_id.into_iter().chain(old) {
            secrets.extend(self.secrets.find(place(&id.to_string())).await.map_err(unsealed_here)?);
        }
        Ok(secrets)
    }

    async fn settle(
        &self,
        hook: &Hook,
        mut delivery: Delivery,
        judged: Result<Verdict, Failure>,
        by: Requester,
    ) -> Result<(u16, HookAnswer), Failure> {
        match judged {
            Ok(Verdict::Start(parameters)) => {
                delivery.parameters = Some(parameters);
                self.start(hook, delivery, by).await
            }
            Ok(Verdict::Filtered(reason)) => {
                (delivery.outcome, delivery.status, delivery.reason) = (Outcome::Filtered, 200, Some(reason));
                delivery_insert(&self.database, &delivery).await?;
                self.announce("hook.delivered", hook, &delivery);
                Ok(answer(&delivery))
            }
            Err(failure) => {
                if is_refusal(&failure) {
                    self.refuse(hook, delivery, &failure).await;
                }
                Err(failure)
            }
        }
    }

    /// Records a refusal. The sender gets it even if that fails.
    async fn refuse(&self, hook: &Hook, mut delivery: Delivery, failure: &Failure) {
        (delivery.outcome, delivery.status) = (Outcome::Refused, failure.status_code().as_u16());
        delivery.reason = Some(failure.to_string());
        if let Err(error) = delivery_insert(&self.database, &delivery).await {
            tracing::warn!(hook.id = %hook.id, %error, "a refused delivery could not be recorded");
        }
        self.announce("hook.refused", hook, &delivery);
    }

    async fn start(&self, hook: &Hook, mut delivery: Delivery, by: Requester) -> Result<(u16, HookAnswer), Failure> {
        let claimed = delivery_claim(&self.database, &delivery).await?;
        if let Some(Delivery { job_id: Some(job_id), .. }) = &claimed {
            return self.duplicate(hook, delivery, *job_id).await;
        }
        let owner = claimed.as_ref().unwrap_or(&delivery);
        let asked = self.ask(hook, owner, by).await;
        let outcome = match &asked {
            Ok(Intake::Accepted(job) | Intake::Existing(job)) => {
                Finish { outcome: Outcome::Accepted, status: 202, reason: None, job_id: Some(job.id), keeps_claim: true }
            }
            Ok(Intake::Skipped(other)) => Finish {
                outcome: Outcome::Skipped,
                status: 200,
                reason: Some(format!("job {other} is pending or running, and the automation's overlap rule is skip")),
                job_id: None,
                keeps_claim: false,
            },
            Err(failure) => {
                let is_final = is_refusal(failure);
                Finish {
                    outcome: if is_final { Outcome::Refused } else { Outcome::Pending },
                    status: failure.status_code().as_u16(),
                    reason: Some(failure.to_string()),
                    job_id: None,
                    keeps_claim: !is_final,
                }
            }
        };
        delivery_finish(&self.database, owner.id, &outcome).await?;
        if let (Some(_), Some(job_id)) = (&claimed, outcome.job_id) {
            return self.duplicate(hook, delivery, job_id).await;
        }
        (delivery.outcome, delivery.status, delivery.job_id) = (outcome.outcome, outcome.status, outcome.job_id);
        let kind = if asked.is_ok() { "hook.delivered" } else { "hook.refused" };
        self.announce(kind, hook, &delivery);
        asked.map(|_| answer(&delivery))
    }

    async fn duplicate(&self, hook: &Hook, delivery: Delivery, job_id: JobId) -> Result<(u16, HookAnswer), Failure> {
        let delivery = Delivery { outcome: Outcome::Duplicate, status: 202, job_id: Some(job_id), ..delivery };
        delivery_insert(&self.database, &delivery).await?;
        self.announce("hook.delivered", hook, &delivery);
        Ok(answer(&delivery))
    }

    /// Requests the job of the delivery that has the claim.
    async fn ask(&self, hook: &Hook, owner: &Delivery, by: Requester) -> Result<Intake, Failure> {
        let key = owner.dedup_key.as_ref().map_or_else(|| job_key(hook.id, owner.id), |key| job_key(hook.id, key));
        let key = IdempotencyKey::parse(key).map_err(|fault| Failure::Internal(fault.message))?;
        let request = Request {
            parameters: owner.parameters.clone().unwrap_or_default(),
            overrides: Overrides::default(),
            trigger: Trigger::Api,
            version_id: None,
            environment: None,
            origin: Origin { requested_by: Some(by.name), traceparent: by.traceparent, ..Origin::default() },
        };
        self.intake.accept(Ask { automation_id: hook.automation_id, request, key: Some(key) }).await
    }
}

/// Makes of a request whose sender is proved what it asks for.
fn interpret(hook: &Hook, body: &mut RawBody, delivery: &mut Delivery) -> Result<Verdict, Failure> {
    let content_type = delivery.headers.get("content-type").cloned();
    let incoming = Incoming { body: body::read(body, content_type.as_deref())?, headers: delivery.headers.clone() };
    if let Err(reason) = hook.rules.admit(&incoming) {
        return Ok(Verdict::Filtered(reason));
    }
    let (dedup, parameters) = (hook.rules.dedup(&incoming), hook.rules.parameters(&incoming));
    let hash = |text: &str| TokenDigest::of_text(text).to_hex();
    match (dedup, parameters) {
        (Ok(dedup), Ok(parameters)) => {
            delivery.dedup_key = dedup.map(|text| dedup_key(&text, hash));
            Ok(Verdict::Start(parameters))
        }
        (dedup, parameters) => {
            let faults: Vec<Fault> = dedup.err().into_iter().chain(parameters.err().into_iter().flatten()).collect();
            Err(Failure::Invalid(faults))
        }
    }
}

/// Whether the same request would be refused again: the hub is in order, and its sender or the hook's owner has to change something.
fn is_refusal(failure: &Failure) -> bool {
    failure.status_code().is_client_error() || matches!(failure, Failure::Paused(_))
}

/// A secret that cannot be opened is nothing that a sender could change.
fn unsealed_here(error: runtime::SecretsError) -> Failure {
    match unsealed(error) {
        Failure::Conflict { detail, .. } => Failure::Internal(detail),
        failure => failure,
    }
}

/// A delivery of which nothing is known yet.
pub(super) fn blank(hook: &Hook, now: DateTime<Utc>) -> Delivery {
    Delivery {
        id: id_of(now),
        hook_id: hook.id,
        received_at: now,
        outcome: Outcome::Pending,
        status: 0,
        reason: None,
        dedup_key: None,
        parameters: None,
        job_id: None,
        address: None,
        request_id: None,
        headers: BTreeMap::new(),
        body: None,
        body_bytes: 0,
        redelivery_of: None,
    }
}

/// A new id of this moment: deliveries are listed and deleted by their ids.
fn id_of(at: DateTime<Utc>) -> HookDeliveryId {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos())).into()
}

fn answer(delivery: &Delivery) -> (u16, HookAnswer) {
    (delivery.status, HookAnswer { outcome: delivery.outcome, job_id: delivery.job_id })
}
