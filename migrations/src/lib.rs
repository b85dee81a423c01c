//! The database schema, as dated, reversible migrations for SQLite and PostgreSQL.
//!
//! One change a file, named `m<date>_<time>_<what>`. Additive: what a running older version needs stays until a later release. Never edited
//! after landing: `tests/landed.txt` has their checksums.

mod m20261121_000001_automations;
mod m20261121_000002_jobs;
mod m20261121_000003_job_logs;
mod m20261121_000004_workers;
mod m20261121_000005_identity;
mod m20261121_000006_dead_letters;
mod m20261121_000007_automation_policies;
mod m20261121_000008_workers_and_reconcilers;
mod m20261121_000009_job_control;
mod m20261126_000010_job_deliveries;
mod m20261126_000020_worker_identity;
mod m20261126_000021_queue_profile_named;
mod m20261126_000030_request_digest;
mod m20261126_000040_change_counters;
mod m20261126_000050_log_limits;
mod m20261126_101500_job_origin;
mod m20261126_103000_reconciler_intervals;
mod m20261126_103100_replica_services;
mod m20261126_104000_who_changed;
mod m20261126_123500_secrets;
mod m20261126_125000_signing_keys;
mod m20261126_125100_replica_keys;
mod m20261126_125200_user_accounts;
mod m20261126_125300_sessions;
mod m20261126_153000_audit;
mod m20261126_153500_domains;
mod m20261126_153600_grants;
mod m20261126_154500_user_state;
mod m20261126_164500_api_keys;
mod m20261126_190000_identity_provider;
mod m20261126_223000_schedules;
mod m20261126_223100_calendars;
mod m20261126_223200_hooks;
mod m20261126_223300_chains;
mod m20261127_020000_job_schedule_terms;
mod m20261127_061000_slas;
mod m20261127_062000_alerts;
mod m20261127_063000_channels;
mod m20261127_064000_notifications;
mod m20261127_065000_manual_minutes;
mod m20261127_153000_reconciler_success;
mod m20261127_170500_report_plans;
mod m20261127_203000_watch_indexes;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// Applies the migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_automations::Migration),
            Box::new(m20261121_000002_jobs::Migration),
            Box::new(m20261121_000003_job_logs::Migration),
            Box::new(m20261121_000004_workers::Migration),
            Box::new(m20261121_000005_identity::Migration),
            Box::new(m20261121_000006_dead_letters::Migration),
            Box::new(m20261121_000007_automation_policies::Migration),
            Box::new(m20261121_000008_workers_and_reconcilers::Migration),
            Box::new(m20261121_000009_job_control::Migration),
            Box::new(m20261126_000010_job_deliveries::Migration),
            Box::new(m20261126_000020_worker_identity::Migration),
            Box::new(m20261126_000021_queue_profile_named::Migration),
            Box::new(m20261126_000030_request_digest::Migration),
            Box::new(m20261126_000040_change_counters::Migration),
            Box::new(m20261126_000050_log_limits::Migration),
            Box::new(m20261126_101500_job_origin::Migration),
            Box::new(m20261126_103000_reconciler_intervals::Migration),
            Box::new(m20261126_103100_replica_services::Migration),
            Box::new(m20261126_104000_who_changed::Migration),
            Box::new(m20261126_123500_secrets::Migration),
            Box::new(m20261126_125000_signing_keys::Migration),
            Box::new(m20261126_125100_replica_keys::Migration),
            Box::new(m20261126_125200_user_accounts::Migration),
            Box::new(m20261126_125300_sessions::Migration),
            Box::new(m20261126_153000_audit::Migration),
            Box::new(m20261126_153500_domains::Migration),
            Box::new(m20261126_153600_grants::Migration),
            Box::new(m20261126_154500_user_state::Migration),
            Box::new(m20261126_164500_api_keys::Migration),
            Box::new(m20261126_190000_identity_provider::Migration),
            Box::new(m20261126_223000_schedules::Migration),
            Box::new(m20261126_223100_calendars::Migration),
            Box::new(m20261126_223200_hooks::Migration),
            Box::new(m20261126_223300_chains::Migration),
            Box::new(m20261127_020000_job_schedule_terms::Migration),
            Box::new(m20261127_061000_slas::Migration),
            Box::new(m20261127_062000_alerts::Migration),
            Box::new(m20261127_063000_channels::Migration),
            Box::new(m20261127_064000_notifications::Migration),
            Box::new(m20261127_065000_manual_minutes::Migration),
            Box::new(m20261127_153000_reconciler_success::Migration),
            Box::new(m20261127_170500_report_plans::Migration),
            Box::new(m20261127_203000_watch_indexes::Migration),
        ]
    }
}
