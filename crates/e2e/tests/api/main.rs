//! The HTTP API, route by route.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "every failing step fails the test")]

mod access;
mod alerts;
mod api_keys;
mod automation_faults;
mod automations;
mod bounds;
mod calendars;
mod chains;
mod claim;
mod control;
mod dead_letters;
mod doors;
mod enforcement;
mod execute;
mod finish;
mod grants;
mod hooks;
mod identity;
mod jobs;
mod live;
mod logs;
mod maestro;
mod oidc;
mod openapi;
mod ops;
mod outage;
mod pauses;
mod people;
mod policies;
mod problems;
mod reports;
mod roles;
mod schedules;
mod sessions;
mod sign_in;
mod stream;
mod support;
mod tokens;
mod waiting;
mod who;
mod worker_jobs;
mod worker_states;
mod worker_tokens;
mod workers;
