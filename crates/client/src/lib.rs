//! A typed async client of Regente's HTTP API: for the command line, the demonstration, tests, and calls between services.
//!
//! Every management route has a method on [`Client`]. A method returns a [`Call`] or a [`List`], which describes the request and sends
//! nothing: await a call for its typed answer or read [`Call::text`] for the exact body; read a list item by item, across all its pages.
//!
//! Invariants: a request is repeated only where that is safe (see [`Settings::patience`]); a refusal keeps everything that the hub returned
//! ([`Refusal`]); an interrupted log stream resumes after the last line that was read; an access token that the hub refuses is renewed once per request
//! ([`Renew`]); nothing panics. It depends only on the API's types,
//! never on the store or the broker. The worker routes belong to `worker-agent`, whose client batches reports and counts bytes.
//!
//! ```no_run
//! # async fn example() -> Result<(), client::Error> {
//! use client::{Client, Settings};
//!
//! let hub = Client::new(Settings::new("http://127.0.0.1:8080"))?;
//! let signed_in = hub.login("admin", "the password").await?;
//! let hub = hub.with_sign_in(signed_in)?;
//! let job = hub.job_create(&api_types::JobCreate { automation_id: 1.into(), ..Default::default() }).await?;
//! println!("{}", job.status);
//! # Ok(()) }
//! ```

mod alerts;
mod api_keys;
mod audit;
mod automations;
mod calendars;
mod call;
mod chains;
mod channels;
mod dead_letters;
mod domains;
mod endpoints;
mod error;
mod events;
mod follow;
mod hooks;
mod hub;
mod jobs;
mod link;
mod list;
mod notifications;
mod queues;
mod renew;
mod report_plans;
mod reports;
mod schedules;
mod slas;
mod users;
mod workers;

pub use self::{
    call::Call,
    endpoints::check_address,
    error::{Error, Refusal},
    events::LiveEvent,
    follow::LogEvent,
    jobs::Requested,
    link::{Client, Settings},
    list::List,
    renew::Renew,
};
