//! The installed program, as people and service managers use it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "every failing step fails the test")]

mod alert_commands;
mod alone;
mod browser_sign_in;
mod calendar_commands;
mod chain_commands;
mod channel_commands;
mod client;
mod commands;
mod crashes;
mod events;
mod follow;
mod hook_commands;
mod hook_tokens;
mod hub_commands;
mod keys;
mod pause_commands;
mod process;
mod report_plan_commands;
mod schedule_commands;
mod schedulers;
mod secrets;
mod settings;
mod sla_commands;
mod slow_bodies;
mod start_faults;
mod stop;
mod up;
mod user_commands;
mod worker;
mod worker_doctor;
mod worker_install;
mod worker_token;
