//! Every management route of the API's description has a method.

use std::collections::BTreeSet;

use api_types::{
    AlertBulkRequest, AlertCommentRequest, AlertFilter, AlertMuteRequest, AlertRequest, AlertmanagerWebhook, ApiKeyCreate, ApiKeyFilter,
    AuditExportFilter, AuditFilter, AutomationCreate, AutomationFilter, AutomationUpdate, BulkRequest, CalendarCreate, CalendarDaysFilter,
    CalendarFilter, CalendarImportOptions, CalendarUpdate, ChainCreate, ChainFilter, ChainRunFilter, ChainUpdate, ChangePasswordRequest,
    ChannelCreate, ChannelFilter, ChannelRotate, ChannelUpdate, ControlRequest, DeadLetterFilter, DomainCreate, DomainFilter, DomainUpdate,
    EventFilter, ExecuteOptions, FireFilter, GrantCreate, HolidayFilter, HookCreate, HookDeliveryFilter, HookFilter, HookRotate,
    HookUpdate, JobCreate, JobEventFilter, JobFilter, LogFilter, NotificationFilter, NotificationPreview, OidcTokenRequest, PasswordReset,
    PauseRequest, QueueFilter, ReplayRequest, ReportFilter, ReportPlanCreate, ReportPlanFilter, ReportPlanUpdate, RetryRequest,
    ScheduleExportFilter, ScheduleFilter, ScheduleImportQuery, SchedulePauseRequest, SchedulePreviewQuery, ScheduleResumeRequest,
    ScheduleUpdate, SessionFilter, SlaFilter, SlaMute, SlaUpdate, UserCreate, UserFilter, UserUpdate, WorkerFilter, WorkerTokenCreate,
    WorkerTokenFilter,
};
use chrono::NaiveDate;
use client::{Client, Error, Settings};
use domain::calendar::HolidaySet;
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::server::{Server, problem};

/// Calls that are there beside a description: to be compared with it.
const METHODS: usize = 149;

/// Routes of browsers.
const OF_BROWSERS: [&str; 3] = ["/api/v1/ws", "/api/v1/auth/oidc/start", "/api/v1/auth/oidc/callback"];

/// What other systems send to a hook.
const DOOR: &str = "POST /api/v1/hooks/{hook}";

fn report_plan() -> ReportPlanCreate {
    serde_json::from_value(serde_json::json!({"name": "p", "at": "07:30", "channels": []})).unwrap()
}

fn channel() -> ChannelCreate {
    serde_json::from_value(serde_json::json!({"name": "x", "kind": "slack"})).unwrap()
}

/// Sends each request there is, and gives what was refused.
async fn call_everything(hub: &Client) -> Vec<Option<Error>> {
    let id = Uuid::nil();
    macro_rules! sent {
        ($($call:expr),* $(,)?) => { vec![$($call.await.err()),*] };
    }
    sent![
        hub.login("admin", "x"),
        hub.refresh("x"),
        hub.logout("x"),
        hub.sign_in_ways(),
        hub.oidc_token(&OidcTokenRequest { code: "x".into(), code_verifier: "y".into() }),
        hub.me(),
        hub.change_password(&ChangePasswordRequest { current_password: "x".into(), new_password: "y".into() }),
        hub.sessions(&SessionFilter::default()).page(),
        hub.session_end(id.into()),
        hub.events(&EventFilter::default()).try_next(),
        hub.health(),
        hub.openapi(),
        hub.ops_status(),
        hub.ops_reconcilers(),
        hub.ops_tasks(),
        hub.automation_create(&AutomationCreate::default()),
        hub.automations(&AutomationFilter::default()).page(),
        hub.automation(1.into()),
        hub.automation_update(1.into(), &AutomationUpdate::default()),
        hub.automation_archive(1.into()),
        hub.automation_pause(1.into(), &PauseRequest::default()),
        hub.automation_resume(1.into()),
        hub.automation_execute(1.into(), &Map::new(), &ExecuteOptions::default(), None),
        hub.job_create(&JobCreate::default()),
        hub.jobs(&JobFilter::default()).page(),
        hub.job(id.into()),
        hub.job_logs(id.into(), &LogFilter::default()).page(),
        hub.job_events(id.into(), &JobEventFilter::default()).page(),
        hub.job_follow(id.into(), 0).try_next(),
        hub.job_cancel(id.into(), &ControlRequest::default()),
        hub.job_pause(id.into(), &ControlRequest::default()),
        hub.job_resume(id.into(), &ControlRequest::default()),
        hub.job_retry(id.into(), &RetryRequest::default()),
        hub.jobs_cancel(&BulkRequest::default()),
        hub.jobs_retry(&BulkRequest::default()),
        hub.queues(&QueueFilter::default()).page(),
        hub.queue_pause("q", &PauseRequest::default()),
        hub.queue_resume("q"),
        hub.schedule_create(&ScheduleUpdate::default()),
        hub.schedules(&ScheduleFilter::default()).page(),
        hub.schedule(id.into()),
        hub.schedule_update(id.into(), &ScheduleUpdate::default()),
        hub.schedule_delete(id.into()),
        hub.schedule_preview(&SchedulePreviewQuery::default()),
        hub.schedule_fires(&FireFilter::default()).page(),
        hub.schedule_run(id.into(), None),
        hub.schedule_pause(id.into(), &PauseRequest::default()),
        hub.schedule_resume(id.into()),
        hub.schedules_pause(&SchedulePauseRequest::default()),
        hub.schedules_resume(&ScheduleResumeRequest::default()),
        hub.schedules_export(&ScheduleExportFilter::default()),
        hub.schedules_import("", &ScheduleImportQuery::default()),
        hub.workers(&WorkerFilter::default()).page(),
        hub.worker(id.into()),
        hub.worker_pause(id.into()),
        hub.worker_resume(id.into()),
        hub.worker_delete(id.into()),
        hub.worker_token_create(&WorkerTokenCreate::default()),
        hub.worker_tokens(&WorkerTokenFilter::default()).page(),
        hub.worker_token_revoke(id.into()),
        hub.dead_letters(&DeadLetterFilter::default()).page(),
        hub.dead_letter(id.into()),
        hub.dead_letter_replay(id.into()),
        hub.dead_letters_replay(&ReplayRequest::default()),
        hub.dead_letter_delete(id.into()),
        hub.api_keys(&ApiKeyFilter::default()).page(),
        hub.api_key(id.into()),
        hub.api_key_create(&ApiKeyCreate::default()),
        hub.api_key_revoke(id.into()),
        hub.users(&UserFilter::default()).page(),
        hub.user_create(&UserCreate::default()),
        hub.user(id.into()),
        hub.user_update(id.into(), &UserUpdate::default()),
        hub.user_deactivate(id.into()),
        hub.user_reactivate(id.into()),
        hub.user_reset_password(id.into(), &PasswordReset::default()),
        hub.user_grants(id.into()),
        hub.user_grant(id.into(), &GrantCreate { right: "viewer".into(), domain_id: None, automation_id: None, label: None }),
        hub.user_revoke(id.into(), Uuid::max().into()),
        hub.domains(&DomainFilter::default()).page(),
        hub.domain_create(&DomainCreate { slug: "d".into(), name: "D".into() }),
        hub.domain(id.into()),
        hub.domain_update(id.into(), &DomainUpdate::default()),
        hub.domain_delete(id.into()),
        hub.calendars(&CalendarFilter::default()).page(),
        hub.calendar_create(&CalendarCreate::default()),
        hub.calendar(id.into()),
        hub.calendar_update(id.into(), &CalendarUpdate::default()),
        hub.calendar_delete(id.into()),
        hub.calendar_days(id.into(), &CalendarDaysFilter { from: NaiveDate::MIN, to: NaiveDate::MAX }),
        hub.calendar_import(id.into(), &CalendarImportOptions::default(), "date".into()),
        hub.holidays(&HolidayFilter { set: HolidaySet::Br, year: 2026 }),
        hub.chains(&ChainFilter::default()).page(),
        hub.chain_create(&ChainCreate::default()),
        hub.chain(id.into()),
        hub.chain_update(id.into(), &ChainUpdate::default()),
        hub.chain_delete(id.into()),
        hub.chain_enable(id.into()),
        hub.chain_disable(id.into()),
        hub.chain_runs(id.into(), &ChainRunFilter::default()).page(),
        hub.channels(&ChannelFilter::default()).page(),
        hub.channel_create(&channel()),
        hub.channel(id.into()),
        hub.channel_update(id.into(), &ChannelUpdate::default()),
        hub.channel_delete(id.into()),
        hub.channel_test(id.into()),
        hub.notifications(&NotificationFilter::default()).page(),
        hub.notification(id.into()),
        hub.notification_retry(id.into()),
        hub.notification_preview(&NotificationPreview::default()),
        hub.report(&ReportFilter::default()),
        hub.report_page(&ReportFilter::default()),
        hub.slas(&SlaFilter::default()).page(),
        hub.sla(id.into()),
        hub.sla_create(&SlaUpdate::default()),
        hub.sla_update(id.into(), &SlaUpdate::default()),
        hub.sla_delete(id.into()),
        hub.sla_mute(id.into(), &SlaMute::default()),
        hub.channel_rotate(id.into(), &ChannelRotate::default()),
        hub.report_plans(&ReportPlanFilter::default()).page(),
        hub.report_plan_create(&report_plan()),
        hub.report_plan(id.into()),
        hub.report_plan_update(id.into(), &ReportPlanUpdate::default()),
        hub.report_plan_delete(id.into()),
        hub.report_plan_send(id.into()),
        hub.hooks(&HookFilter::default()).page(),
        hub.hook_create(&HookCreate::default()),
        hub.hook(id.into()),
        hub.hook_update(id.into(), &HookUpdate::default()),
        hub.hook_delete(id.into()),
        hub.hook_rotate(id.into(), &HookRotate::default()),
        hub.hook_pause(id.into()),
        hub.hook_resume(id.into()),
        hub.hook_deliveries(id.into(), &HookDeliveryFilter::default()).page(),
        hub.hook_delivery(id.into(), Uuid::nil().into()),
        hub.hook_redeliver(id.into(), Uuid::nil().into()),
        hub.alerts(&AlertFilter::default()).page(),
        hub.alert(id.into()),
        hub.alert_acknowledge(id.into(), &AlertRequest::default()),
        hub.alert_resolve(id.into(), &AlertRequest::default()),
        hub.alert_mute(id.into(), &AlertMuteRequest::default()),
        hub.alert_unmute(id.into(), &AlertRequest::default()),
        hub.alert_comment(id.into(), &AlertCommentRequest::default()),
        hub.alerts_acknowledge(&AlertBulkRequest::default()),
        hub.alerts_alertmanager(&AlertmanagerWebhook::default()),
        hub.user_sessions(id.into(), &SessionFilter::default()).page(),
        hub.user_session_end(id.into(), Uuid::max().into()),
        hub.audit(&AuditFilter::default()).page(),
        hub.audit_export(&AuditExportFilter::default()),
    ]
}

#[tokio::test]
async fn every_management_route_has_a_method() {
    let server = Server::start((0..=METHODS).map(|_| problem(418, "x", ""))).await;
    let refused = call_everything(&Client::new(Settings::new(&server.url)).unwrap()).await;
    assert!(refused.iter().all(|error| error.as_ref().and_then(Error::status) == Some(418)), "{refused:?}");
    let route = |request: &String| {
        let path = request.lines().next().unwrap().trim_end_matches(" HTTP/1.1").split('?').next().unwrap().to_owned();
        let path = path.replace(&Uuid::max().to_string(), "{session_id}").replace("/grants/{session_id}", "/grants/{grant_id}");
        let path = path.replace(&Uuid::nil().to_string(), "{id}").replace("/hooks/{id}", "/hooks/{hook}");
        path.replace("/automations/1", "/automations/{id}").replace("/queues/q", "/queues/{name}")
    };
    let asked: BTreeSet<String> = server.requests().iter().map(route).collect();
    assert_eq!(asked.len(), refused.len(), "each its own");
    let doc: Value = serde_json::from_str(include_str!("../../../../docs/openapi.json")).unwrap();
    let described: BTreeSet<String> = doc["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| path.starts_with("/api/v1/") && !OF_BROWSERS.contains(&path.as_str()) && !path.starts_with("/api/v1/worker/"))
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method, path)))
        .filter(|(method, _)| ["get", "post", "put", "delete", "patch"].contains(&method.as_str()))
        .map(|(method, path)| format!("{} {path}", method.to_uppercase()))
        .filter(|route| route != DOOR)
        .collect();
    assert_eq!(asked, described);
}
