//! One module per table. `pub` because sea-orm's derives require it.
#![expect(unreachable_pub, reason = "the derives of sea-orm want public types")]

#[macro_use]
mod columns;

pub(crate) mod alert;
pub(crate) mod alert_event;
pub(crate) mod api_key;
pub(crate) mod audit_chain;
pub(crate) mod audit_entry;
pub(crate) mod audit_unsealed;
pub(crate) mod automation;
pub(crate) mod calendar;
pub(crate) mod chain;
pub(crate) mod chain_input;
pub(crate) mod chain_mark;
pub(crate) mod chain_run;
pub(crate) mod change_counter;
pub(crate) mod channel;
pub(crate) mod dead_letter;
pub(crate) mod domain;
pub(crate) mod grant;
pub(crate) mod hook;
pub(crate) mod hook_delivery;
pub(crate) mod instance_setting;
pub(crate) mod job;
pub(crate) mod job_event;
pub(crate) mod job_log_chunk;
pub(crate) mod notice;
pub(crate) mod notification;
pub(crate) mod notification_attempt;
pub(crate) mod notification_item;
pub(crate) mod notification_lane;
pub(crate) mod pending_sign_in;
pub(crate) mod queue_pause;
pub(crate) mod reconciler;
pub(crate) mod replica;
pub(crate) mod report_plan;
pub(crate) mod schedule;
pub(crate) mod schedule_fire;
pub(crate) mod schedule_pause;
pub(crate) mod scheduler_state;
pub(crate) mod secret;
pub(crate) mod session;
pub(crate) mod signing_key;
pub(crate) mod sla;
pub(crate) mod sla_end;
pub(crate) mod sla_monitor_state;
pub(crate) mod sla_state;
pub(crate) mod user;
pub(crate) mod user_identity;
pub(crate) mod worker;
pub(crate) mod worker_token;
