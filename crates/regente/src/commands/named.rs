//! Finding the thing that somebody names.

use std::str::FromStr;

use client::Error;

use super::{Fault, remote::Hub};

/// What is looked for.
pub(super) struct Named<'a> {
    /// Its kind, which is also the command that lists all of it.
    pub(super) kind: &'static str,
    /// Its name, or its id.
    pub(super) name: &'a str,
}

impl Named<'_> {
    /// The one of `found`, which has at most two of this name; if there is none, that with the name as its id. Of two, `automation` says which.
    pub(super) async fn one<T, Id: FromStr>(
        &self,
        hub: &Hub,
        mut found: Vec<T>,
        automation: impl Fn(&T) -> &str,
        by_id: impl AsyncFnOnce(Id) -> Result<T, Error>,
    ) -> Result<T, Fault> {
        let Self { kind, name } = self;
        if let [one, other] = found.as_slice() {
            let names = format!("\"{}\" and \"{}\"", automation(one), automation(other));
            return Err(Fault::input(format!("automations {names} have a {kind} \"{name}\": name one with --automation, or give the id")));
        }
        if let Some(one) = found.pop() {
            return Ok(one);
        }
        let missing = || Fault::here(format!("there is no {kind} \"{name}\" at {}: `regente {kind} list` lists them", hub.client.url()));
        let Ok(id) = name.parse() else { return Err(missing()) };
        match by_id(id).await {
            Err(error) if error.status() == Some(404) => Err(missing()),
            outcome => outcome.map_err(|error| hub.fault(error)),
        }
    }
}
