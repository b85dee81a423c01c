//! Refused sign-ins in the audit trail: recorded, but a stranger cannot fill the trail with them.
//!
//! What must hold: every refusal is counted; the entries of one process are at most [`MOST_OWN`] in [`WINDOW`], one for each account and
//! address, and a summary of all others each [`SUMMARY_EVERY`]; memory is bounded.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::{ActorKind, Change, Target};
use runtime::{Failure, Origin, Shutdown, Source, TaskError};
use serde_json::json;
use store::{Database, audit::audit_insert, identity::User};

/// Time for which an account and an address have at most one entry.
const WINDOW: TimeDelta = TimeDelta::minutes(10);
/// Entries in a window.
const MOST_OWN: usize = 100;
/// How often those without an entry of their own are summed up.
const SUMMARY_EVERY: Duration = Duration::from_secs(60);
/// Accounts and addresses that a summary names.
const MOST_NAMED: usize = 20;

/// Records refused sign-ins.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Beginning of the window.
    since: DateTime<Utc>,
    /// Accounts and addresses that have an entry in this window. A name that nobody has is no account: people type passwords there.
    recorded: HashSet<(Option<String>, Origin)>,
    rest: Rest,
}

/// Refusals without an entry of their own.
#[derive(Debug, Default)]
struct Rest {
    refusals: u64,
    accounts: BTreeSet<String>,
    addresses: BTreeSet<String>,
}

impl Failures {
    /// Records that a sign-in was refused; `user` is whose account was tried, if there is one.
    pub(crate) async fn record(
        &self,
        database: &Database,
        (source, origin): (Source, Origin),
        user: Option<&User>,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        if !self.inner().admit(user.map(|user| user.username.as_str()), origin, now) {
            return Ok(());
        }
        let change = source.change("anybody".to_owned(), ActorKind::Anybody, None);
        let target = user.map_or_else(|| Target::new("user", "unknown"), |user| Target::new("user", user.id));
        let tried = user.map(|user| json!({"username": user.username, "is_active": user.is_active}));
        Ok(audit_insert(database, &change.entry("session.login_failed", target, None, tried), now).await?)
    }

    /// Records what [`Failures::record`] only counted.
    pub(crate) async fn sum_up(&self, database: &Database, now: DateTime<Utc>) -> Result<(), store::Error> {
        let rest = mem::take(&mut self.inner().rest);
        if rest.refusals == 0 {
            return Ok(());
        }
        let Rest { refusals, accounts, addresses } = &rest;
        let summary = json!({"refusals": refusals, "accounts": accounts, "addresses": addresses});
        let entry = Change::by_hub().entry("session.login_failed", Target::new("user", "several"), None, Some(summary));
        let recorded = audit_insert(database, &entry, now).await;
        if recorded.is_err() {
            self.inner().rest.add(rest);
        }
        recorded
    }

    /// Sums up until `shutdown`, and then a last time.
    pub(crate) async fn keep_summing_up(&self, database: &Database, clock: runtime::Clock, shutdown: Shutdown) -> Result<(), TaskError> {
        loop {
            let is_last = tokio::select! {
                () = shutdown.wait() => true,
                () = tokio::time::sleep(SUMMARY_EVERY) => false,
            };
            self.sum_up(database, clock()).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Whether a refusal gets an entry of its own.
    fn admit(&mut self, account: Option<&str>, origin: Origin, now: DateTime<Utc>) -> bool {
        if now - self.since >= WINDOW || now < self.since {
            self.since = now;
            self.recorded.clear();
        }
        if self.recorded.len() < MOST_OWN && self.recorded.insert((account.map(str::to_owned), origin)) {
            return true;
        }
        self.rest.add(Rest {
            refusals: 1,
            accounts: account.map(str::to_owned).into_iter().collect(),
            addresses: [origin.to_string()].into(),
        });
        false
    }
}

impl Rest {
    fn add(&mut self, more: Self) {
        self.refusals += more.refusals;
        for (own, more) in [(&mut self.accounts, more.accounts), (&mut self.addresses, more.addresses)] {
            let room = MOST_NAMED.saturating_sub(own.len());
            own.extend(more.into_iter().take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn from(nth: u32) -> Origin {
        Origin::of(IpAddr::from((0x0a00_0000 + nth).to_be_bytes()))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn an_account_and_an_address_have_one_entry_in_a_window() {
        let mut inner = Inner::default();
        assert!(inner.admit(Some("ana"), from(1), at(0)));
        assert!(!inner.admit(Some("ana"), from(1), at(1)));
        assert!(inner.admit(Some("ana"), from(2), at(1)) && inner.admit(None, from(1), at(1)));
        assert!(!inner.admit(None, from(1), at(599)), "whatever name nobody has");
        assert!(inner.admit(Some("ana"), from(1), at(600)));
        assert_eq!((inner.rest.refusals, inner.rest.accounts.len(), inner.rest.addresses.len()), (2, 1, 1));
    }

    #[test]
    fn many_addresses_get_few_entries_and_are_counted() {
        let mut inner = Inner::default();
        let own = (0..100_000).filter(|nth| inner.admit(None, from(*nth), at(0))).count();
        assert_eq!((own, inner.recorded.len(), inner.rest.refusals), (MOST_OWN, MOST_OWN, 100_000 - MOST_OWN as u64));
        assert_eq!(inner.rest.addresses.len(), MOST_NAMED);
    }
}
