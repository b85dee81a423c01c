use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    ids::ScheduleId,
    job::{ErrorClass, Failure, Job, Status},
    policy::ConcurrencyKey,
};

/// What an automation says, in a form that is easy to change.
struct Automation {
    is_archived: bool,
    default_params: Map<String, Value>,
    retry_policy: RetryPolicy,
    policy: Policy,
}

impl Automation {
    fn new() -> Self {
        let retry_policy = RetryPolicy { max_attempts: 3, base_s: 10.0, jitter: 0.0, ..RetryPolicy::default() };
        Self { is_archived: false, default_params: Map::new(), retry_policy, policy: Policy::default() }
    }

    const fn rules(&self) -> Rules<'_> {
        let Self { is_archived, default_params, retry_policy, policy } = self;
        Rules { is_archived: *is_archived, queue_name: "q", priority: 5, default_params, retry_policy, policy }
    }
}

/// Parameters must have `n`.
struct NeedsN;

impl ParameterSchema for NeedsN {
    fn check(&self, parameters: &Map<String, Value>) -> Result<(), Rejection> {
        if parameters.contains_key("n") { Ok(()) } else { Err(Rejection::Invalid(vec![Fault::new("n", "is missing")])) }
    }
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn request(parameters: Value) -> Request {
    Request {
        parameters: parameters.as_object().cloned().unwrap(),
        overrides: Overrides::default(),
        trigger: Trigger::Api,
        version_id: None,
        environment: None,
        origin: Origin { requested_by: Some("ana".into()), ..Origin::default() },
    }
}

fn over(overrides: Overrides) -> Request {
    Request { overrides, ..request(json!({"n": 1})) }
}

fn fields(outcome: Result<Accepted, Rejection>) -> Vec<String> {
    match outcome {
        Err(Rejection::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_has_its_automations_settings_by_default() {
    let mut automation = Automation::new();
    automation.default_params = json!({"n": 1, "a": "default"}).as_object().cloned().unwrap();
    automation.policy.queue_timeout_s = Some(60);
    automation.policy.requires = vec!["sap".into()];
    automation.policy.concurrency_key = Some(ConcurrencyKey::parse("k:{a}").unwrap());
    let accepted = accept(automation.rules(), request(json!({"a": "given"})), &NeedsN, at(0)).unwrap();
    assert_eq!(json!(accepted.parameters), json!({"n": 1, "a": "given"}));
    assert_eq!((accepted.queue_name.as_str(), accepted.priority, accepted.attempt, accepted.not_before), ("q", 5, 1, None));
    assert_eq!(accepted.origin.requested_by.as_deref(), Some("ana"));
    let terms = Terms {
        queue_deadline_at: Some(at(60)),
        concurrency_key: Some("k:given".into()),
        requires: vec!["sap".into()],
        ..Terms::default()
    };
    assert_eq!(accepted.terms, terms);
}

#[test]
fn settings_of_the_request_override_the_automations() {
    let mut automation = Automation::new();
    automation.policy.queue_timeout_s = Some(60);
    automation.policy.concurrency_key = Some(ConcurrencyKey::parse("k:{missing}").unwrap());
    let overrides = Overrides {
        priority: Some(9),
        timeout_s: Some(7),
        queue_timeout_s: Some(30),
        max_attempts: Some(2),
        cancel_grace_s: Some(0),
        concurrency_key: Some("own".into()),
        not_before: Some(at(100)),
        overlap: Some(Overlap::Replace),
        max_concurrency: None,
        retry_backoff_s: Some(90),
    };
    let accepted = accept(automation.rules(), over(overrides), &NeedsN, at(0)).unwrap();
    assert_eq!((accepted.priority, accepted.not_before, accepted.overlap), (9, Some(at(100)), Overlap::Replace));
    let terms = Terms {
        timeout_s: Some(7),
        queue_deadline_at: Some(at(130)),
        max_attempts: Some(2),
        cancel_grace_s: Some(0),
        concurrency_key: Some("own".into()),
        retry_backoff_s: Some(90),
        ..Terms::default()
    };
    assert_eq!(accepted.terms, terms);
}

#[test]
fn the_jobs_of_a_schedule_have_its_limit_and_only_they() {
    let automation = Automation::new();
    let limited = over(Overrides { max_concurrency: Some(2), ..Overrides::default() });
    assert_eq!(fields(accept(automation.rules(), limited.clone(), &NeedsN, at(0))), ["max_concurrency"]);
    let accepted = accept(automation.rules(), Request { origin: ORIGIN, ..limited }, &NeedsN, at(0)).unwrap();
    assert_eq!((accepted.terms.max_concurrency, accepted.overlap), (Some(2), Overlap::Queue));
}

#[test]
fn a_start_in_the_past_has_no_effect() {
    let overrides = Overrides { not_before: Some(at(-1)), ..Overrides::default() };
    assert_eq!(accept(Automation::new().rules(), over(overrides), &NeedsN, at(0)).unwrap().not_before, None);
}

#[test]
fn faults_name_the_field_of_the_request() {
    let mut automation = Automation::new();
    let check = |automation: &Automation, request: Request| fields(accept(automation.rules(), request, &NeedsN, at(0)));
    assert_eq!(check(&automation, request(json!({}))), ["parameters/n"]);
    let bad = Request { overrides: Overrides { priority: Some(10), ..Overrides::default() }, ..request(json!({"a": "\0"})) };
    assert_eq!(check(&automation, bad), ["priority", "parameters/a"], "before the schema is looked at");
    automation.policy.concurrency_key = Some(ConcurrencyKey::parse("{key}").unwrap());
    assert_eq!(check(&automation, request(json!({"n": 1}))), ["parameters/key"]);
    assert_eq!(check(&automation, request(json!({"n": 1, "key": ""}))), ["concurrency_key"]);
}

#[test]
fn an_archived_automation_accepts_no_job() {
    let automation = Automation { is_archived: true, ..Automation::new() };
    assert_eq!(accept(automation.rules(), request(json!({})), &NeedsN, at(0)), Err(Rejection::Archived));
    let job = failed(ErrorClass::DeadLettered);
    assert_eq!(replay(earlier(&job, &Terms::default()), automation.rules(), "ana".into()), Err(Rejection::Archived));
    assert!(next_attempt(earlier(&failed(ErrorClass::Killed), &Terms::default()), automation.rules(), 0.5, at(0)).is_some());
}

fn failed(class: ErrorClass) -> Job {
    let failure = Some(Failure { class, message: String::new() });
    Job { status: Status::Failed, failure, ..Job::pending(Uuid::from_u128(9).into()) }
}

const ORIGIN: Origin = Origin { requested_by: None, schedule_id: Some(ScheduleId::new(Uuid::from_u128(5))), traceparent: None };

const fn earlier<'a>(job: &'a Job, terms: &'a Terms) -> Earlier<'a> {
    Earlier { job, attempt: 1, queue_name: "old", priority: 2, origin: &ORIGIN, terms }
}

fn accepted_terms() -> Terms {
    Terms {
        queue_deadline_at: Some(at(1)),
        timeout_s: Some(7),
        version_id: Some(VersionId::new(Uuid::from_u128(3))),
        environment: Some("HML".into()),
        concurrency_key: Some("k".into()),
        max_concurrency: Some(2),
        ..Terms::default()
    }
}

#[test]
fn a_retry_is_the_same_job_after_a_delay() {
    let (mut automation, terms) = (Automation::new(), accepted_terms());
    automation.policy.queue_timeout_s = Some(60);
    let next = next_attempt(earlier(&failed(ErrorClass::Killed), &terms), automation.rules(), 0.5, at(0)).unwrap();
    assert_eq!((next.attempt, next.retry_of, next.trigger), (2, Some(Uuid::from_u128(9).into()), Trigger::Retry));
    assert_eq!((next.queue_name.as_str(), next.priority, next.not_before), ("old", 2, Some(at(10))));
    assert_eq!((next.origin, next.terms), (ORIGIN, Terms { queue_deadline_at: Some(at(70)), ..terms.clone() }));
    let patient = Terms { retry_backoff_s: Some(90), ..terms };
    let next = next_attempt(earlier(&failed(ErrorClass::Killed), &patient), automation.rules(), 0.5, at(0)).unwrap();
    assert_eq!((next.not_before, next.terms.retry_backoff_s), (Some(at(90)), Some(90)), "further ones wait, too");
}

#[test]
fn a_completed_or_canceled_job_is_not_retried() {
    let automation = Automation::new();
    let next = |job: &Job, attempt: i32, max_attempts: Option<i32>| {
        let terms = Terms { max_attempts, ..Terms::default() };
        next_attempt(Earlier { attempt, ..earlier(job, &terms) }, automation.rules(), 0.5, at(0)).is_some()
    };
    let killed = failed(ErrorClass::Killed);
    assert!(next(&killed, 2, None) && !next(&killed, 3, None), "three in all");
    assert!(next(&killed, 3, Some(4)) && !next(&killed, 1, Some(1)), "the job's own number goes before");
    assert!(!next(&failed(ErrorClass::CredentialInvalid), 1, None));
    assert!(!next(&Job { cancellation_requested: true, ..failed(ErrorClass::Killed) }, 1, None));
    assert!(!next(&Job::pending(Uuid::from_u128(9).into()), 1, None));
}

#[test]
fn a_replay_is_the_same_job_at_once_requested_by_its_caller() {
    let terms = accepted_terms();
    let replayed = replay(earlier(&failed(ErrorClass::DeadLettered), &terms), Automation::new().rules(), "ana".into()).unwrap();
    assert_eq!((replayed.attempt, replayed.not_before, replayed.queue_name.as_str()), (2, None, "old"));
    assert_eq!(replayed.origin, Origin { requested_by: Some("ana".into()), ..ORIGIN });
    assert_eq!(replayed.terms, Terms { queue_deadline_at: None, ..terms });
    let other = replay(earlier(&failed(ErrorClass::Killed), &Terms::default()), Automation::new().rules(), "ana".into());
    assert_eq!(other, Err(Rejection::NotDeadLettered(Status::Failed)));
}

#[test]
fn a_key_has_1_to_255_bytes() {
    assert_eq!(IdempotencyKey::parse("é".repeat(127)).unwrap().as_str().len(), 254);
    for bad in [String::new(), "é".repeat(128), "a\0".to_owned()] {
        assert_eq!(IdempotencyKey::parse(bad).unwrap_err().field, "idempotency_key");
    }
}

#[test]
fn keys_of_the_hub_itself_are_reserved() {
    let is_reserved = |key: &str| IdempotencyKey::parse(key.to_owned()).unwrap().is_reserved();
    assert!(["schedule/1/2026-11-27T10:30:00Z", "chain/1/2", "hook/1/2"].into_iter().all(is_reserved));
    assert!(!["order-7", "schedules", "2026/schedule/1"].into_iter().any(is_reserved));
}

proptest! {
    /// A job never starts before its time, never gives up before it may start, and keeps what was asked for.
    #[test]
    fn no_request_makes_a_job_that_breaks_its_terms(
        priority in proptest::option::of(-2i32..12),
        not_before in proptest::option::of(-1000i64..1000),
        queue_timeout_s in proptest::option::of(-1i64..2000),
        usual_timeout_s in proptest::option::of(1i64..2000),
        given in proptest::collection::btree_map("[a-c]", 0i64..9, 0..4),
        defaults in proptest::collection::btree_map("[a-cn]", 10i64..19, 0..4),
    ) {
        let mut automation = Automation::new();
        automation.policy.queue_timeout_s = usual_timeout_s;
        automation.default_params = defaults.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let overrides = Overrides { priority, not_before: not_before.map(at), queue_timeout_s, ..Overrides::default() };
        let asked = Request { overrides: overrides.clone(), ..request(json!(given)) };
        match accept(automation.rules(), asked, &NeedsN, at(0)) {
            Ok(job) => {
                prop_assert!(overrides.faults(at(0)).is_empty() && defaults.contains_key("n"));
                prop_assert!((0..=9).contains(&job.priority));
                prop_assert!(job.not_before.is_none_or(|start| start > at(0)));
                let patience = queue_timeout_s.or(usual_timeout_s).map(TimeDelta::seconds);
                prop_assert_eq!(job.terms.queue_deadline_at, patience.map(|patience| job.not_before.unwrap_or(at(0)) + patience));
                for (name, value) in &job.parameters {
                    prop_assert_eq!(value.as_i64(), given.get(name).or(defaults.get(name)).copied());
                }
                prop_assert!(given.keys().chain(defaults.keys()).all(|name| job.parameters.contains_key(name)));
            }
            Err(Rejection::Invalid(faults)) => prop_assert!(!faults.is_empty()),
            Err(other) => prop_assert!(false, "{other:?}"),
        }
    }
}
