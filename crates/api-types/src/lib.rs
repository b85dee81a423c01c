//! HTTP requests and responses of Regente's API, and the schemas of `openapi.json`.
//!
//! The doc comments of the types and fields are the descriptions that users read there. Output is snake_case; input also accepts the
//! camelCase spellings of older clients. The crate does not know how a request is served.
//!
//! ```
//! let create: api_types::AutomationCreate = serde_json::from_str(r#"{"name":"x","scriptPath":"main.py"}"#)?;
//! assert_eq!(create.script_path, "main.py");
//! # Ok::<(), serde_json::Error>(())
//! ```

mod activity;
mod alert;
mod api_key;
mod audit;
mod automation;
mod calendar;
mod chain;
mod channel;
mod control;
mod dead_letter;
mod domain;
mod event;
mod examples;
mod file;
mod grant;
mod hook;
mod identity;
mod job;
mod moment;
mod notification;
mod ops;
pub mod params;
mod problem;
mod queue;
mod report;
mod report_plan;
mod schedule;
mod schema;
mod sign_in;
mod sla;
mod system;
mod user;
mod worker;
mod workers;

pub use activity::{ActivityReport, AutomationActivity, FailureActivity, ReportFilter, RunCounts, SlowAutomation};
pub use alert::{
    Alert, AlertBulkRequest, AlertBulkResponse, AlertCommentRequest, AlertEvent, AlertFacts, AlertFilter, AlertJob, AlertMuteRequest,
    AlertRequest, AlertmanagerAlert, AlertmanagerResponse, AlertmanagerWebhook,
};
pub use api_key::{ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyFilter, KeyGrant};
pub use audit::{AuditEntry, AuditExportFilter, AuditFilter};
pub use automation::{
    Automation, AutomationArchived, AutomationCreate, AutomationFilter, AutomationUpdate, DependentChain, DependentHook, DependentSchedule,
};
pub use calendar::{
    Calendar, CalendarBlackout, CalendarCreate, CalendarDay, CalendarDaysFilter, CalendarFilter, CalendarImport, CalendarImportOptions,
    CalendarSummary, CalendarUpdate, CalendarWeek, ExplainedDay, Holiday, HolidayFilter, ImportedDay,
};
pub use chain::{Chain, ChainCondition, ChainCreate, ChainFilter, ChainInput, ChainParameter, ChainRun, ChainRunFilter, ChainUpdate};
pub use channel::{Channel, ChannelCreate, ChannelFilter, ChannelRotate, ChannelShown, ChannelTest, ChannelUpdate};
pub use control::{BulkCancelRequest, BulkRequest, BulkResponse, BulkRetryRequest, ControlRequest, RetryRequest};
pub use dead_letter::{DeadLetter, DeadLetterDetail, DeadLetterFilter, DeadLetterRefusal, ReplayRequest, ReplayResponse};
pub use domain::{Domain, DomainCreate, DomainFilter, DomainUpdate};
pub use event::{Event, EventFilter};
pub use file::FileContent;
pub use grant::{Grant, GrantCreate};
pub use hook::{Hook, HookAnswer, HookCreate, HookDelivery, HookDeliveryFilter, HookFilter, HookRotate, HookShown, HookUpdate};
pub use identity::{
    ChangePasswordRequest, LoginRequest, LoginResponse, LogoutRequest, Me, MyAccount, Places, Reach, RefreshRequest, Session, TokenForm,
};
pub use job::{ExecuteOptions, Job, JobCreate, JobEvent, JobEventFilter, JobFilter, LogFilter, LogLine, Progress, WaitingReason};
pub use moment::parse as parse_moment;
pub use notification::{Notification, NotificationAttempt, NotificationDetail, NotificationFilter, NotificationPreview, NotificationText};
pub use ops::{BrokerStatus, OpsStatus, QueueStatus, ReconcilerStatus, ReplicaStatus, TaskStatus, WorkerCounts};
pub use problem::{FieldError, Problem};
pub use queue::{PauseRequest, Queue, QueueFilter};
pub use report::{Report, ReportBody, ReportOutcome};
pub use report_plan::{ReportPlan, ReportPlanCreate, ReportPlanFilter, ReportPlanSent, ReportPlanUpdate};
pub use schedule::{
    Fire, FireFilter, NextFire, Schedule, ScheduleBulkResponse, ScheduleChange, ScheduleCreate, ScheduleExportFilter, ScheduleFieldChange,
    ScheduleFilter, ScheduleImport, ScheduleImportQuery, ScheduleNamed, SchedulePauseRequest, SchedulePreview, SchedulePreviewQuery,
    ScheduleResumeRequest, ScheduleSelection, ScheduleUpdate, ScheduleWords,
};
pub use sign_in::{OidcCallback, OidcStart, OidcTokenRequest, OidcWay, SignInWays};
pub use sla::{Sla, SlaDurationAnomaly, SlaEscalation, SlaFailureRate, SlaFilter, SlaMute, SlaState, SlaUpdate};
pub use system::{Health, TimeZones};
pub use user::{PasswordReset, SessionFilter, User, UserCreate, UserCreated, UserFilter, UserUpdate};
pub use worker::{
    CancellationResponse, ClaimRequest, FinishRequest, HeartbeatRequest, HeartbeatResponse, HeldJob, JobAssignment, JobStatusResponse,
    LogEntry, LogRequest, LogResponse, RegisterRequest, RegisterResponse, StartRequest, StartResponse, WorkerJobResponse,
};
pub use workers::{
    GoodbyeRequest, Worker, WorkerDetail, WorkerFilter, WorkerHeldJob, WorkerToken, WorkerTokenCreate, WorkerTokenCreated,
    WorkerTokenFilter,
};

/// Header with the lease token that `start` or `claim` returned to the worker.
pub const LEASE_TOKEN_HEADER: &str = "x-lease-token";
/// Header with an API key.
pub const API_KEY_HEADER: &str = "x-api-key";
/// Header with the shared worker key or a worker token.
pub const WORKER_KEY_HEADER: &str = "x-worker-api-key";
/// Header that makes a repeated `execute` return the same job.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";
/// Header of an answer whose job was there before the request.
pub const IDEMPOTENCY_REPLAYED_HEADER: &str = "idempotency-replayed";
