//! One suite for SQLite and PostgreSQL: `scripts/with-servers cargo test -p store`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "every failing step fails the test")]

/// Makes of each test function one test per database: `sqlite::name` and `postgres::name`.
macro_rules! both {
    ($($name:ident),+ $(,)?) => {
        suite!(sqlite, Sqlite, $($name),+);
        suite!(postgres, Postgres, $($name),+);
    };
}

macro_rules! suite {
    ($module:ident, $backend:ident, $($name:ident),+ $(,)?) => {
        mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::case::run(test_support::Backend::$backend, super::$name).await;
            })+
        }
    };
}

mod alerts;
mod audit;
mod automations;
mod calendars;
mod candidates;
mod case;
mod chains;
mod channels;
mod concurrency;
mod connections;
mod dead_letters;
mod dispatch;
mod domains;
mod endings;
mod errors;
mod fixtures;
mod grants;
mod held;
mod hooks;
mod identity;
mod job_events;
mod job_insert;
mod job_list;
mod job_logs;
mod job_update;
mod migrations;
mod notifications;
mod ops;
mod pending_sign_ins;
mod plans;
mod queues;
mod reconcilers;
mod report_plans;
mod reports;
mod retention;
mod schedules;
mod scopes;
mod secrets;
mod slas;
mod statistics;
mod transactions;
mod unstarted;
mod user_identities;
mod versions;
mod worker_tokens;
mod workers;
