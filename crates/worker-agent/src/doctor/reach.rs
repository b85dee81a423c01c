//! Checks of what the worker must reach: hub, key, clock and broker.

use broker::Broker;
use domain::health;

use super::Finding;
use crate::{HubClient, HubError, Settings, hub::HubHealth};

/// Difference from the hub's clock that people would notice, in seconds.
const CLOCK_WARN_S: f64 = 10.0;
/// Difference that breaks TLS and tokens, in seconds.
const CLOCK_FAIL_S: f64 = 300.0;

pub(super) async fn hub(settings: &Settings) -> Vec<Finding> {
    let hub = match HubClient::new(&settings.server, &settings.auth, settings.request_timeout.min(std::time::Duration::from_secs(10))) {
        Ok(hub) => hub,
        Err(error) => return vec![Finding::fail("hub", error, "correct --server, or the key"), unknown_key(), unknown_clock()],
    };
    match hub.health().await {
        Ok(found) => vec![health(settings, &found), key(&hub).await, clock(&found)],
        Err(error) => {
            let remedy = "check --server, the network, proxies and firewalls, and that the hub runs (`regente up`)";
            vec![Finding::fail("hub", format!("{}: {error}", settings.server), remedy), unknown_key(), unknown_clock()]
        }
    }
}

fn health(settings: &Settings, found: &HubHealth) -> Finding {
    const CHECK: &str = "hub";
    let (health, own) = (&found.health, env!("CARGO_PKG_VERSION"));
    let message = format!("{} answers: {}, version {}", settings.server, health.status, health.version);
    if health.database != health::Database::Ok {
        return Finding::fail(CHECK, message, "the hub cannot reach its database: see the hub's log");
    }
    if health.status != health::Status::Ok {
        return Finding::warn(CHECK, message, "the hub cannot reach its broker, and jobs wait: see the hub's log");
    }
    if health.version != own {
        return Finding::warn(CHECK, format!("{message}, this worker has {own}"), "install the same version on both");
    }
    Finding::ok(CHECK, message)
}

async fn key(hub: &HubClient) -> Finding {
    const CHECK: &str = "key";
    match hub.check_key().await {
        Ok(()) => Finding::ok(CHECK, "the hub accepts this worker"),
        Err(error @ HubError::Refused { status: 401 | 403, .. }) => {
            Finding::fail(CHECK, error, "set --key-file or REGENTE_WORKER_KEY: the shared key, or a token that an administrator created")
        }
        Err(error) => Finding::warn(CHECK, error, "try again"),
    }
}

fn clock(found: &HubHealth) -> Finding {
    const CHECK: &str = "clock";
    let remedy = "synchronise the clock (systemctl enable --now systemd-timesyncd, or chrony)";
    let ahead = found.clock_ahead_s;
    let side = if ahead < 0.0 { "behind" } else { "ahead of" };
    let message = format!("{:.0} s {side} the hub's clock", ahead.abs());
    match ahead.abs() {
        CLOCK_FAIL_S.. => Finding::fail(CHECK, message, remedy),
        CLOCK_WARN_S.. => Finding::warn(CHECK, message, remedy),
        _ => Finding::ok(CHECK, message),
    }
}

fn unknown_key() -> Finding {
    Finding::warn("key", "not tried without the hub", "make the hub reachable first")
}

fn unknown_clock() -> Finding {
    Finding::warn("clock", "not compared without the hub", "make the hub reachable first")
}

pub(super) async fn broker(settings: &Settings) -> Finding {
    const CHECK: &str = "broker";
    let Some(url) = &settings.amqp else {
        return Finding::ok(CHECK, "not used: jobs are claimed over HTTP");
    };
    match Broker::probe(url).await {
        Ok(()) => Finding::ok(CHECK, "reachable, login accepted"),
        Err(error @ broker::Error::InvalidUrl) => Finding::fail(CHECK, error, "correct --amqp: amqp://user:password@host:5672/%2f"),
        Err(error @ broker::Error::Refused { .. }) => {
            Finding::fail(CHECK, error, "check user, password and virtual host of --amqp, and the user's permissions in RabbitMQ")
        }
        Err(error) => {
            Finding::fail(CHECK, error, "check host and port of --amqp and the network; without --amqp jobs are claimed over HTTP")
        }
    }
}

#[cfg(test)]
mod tests {
    use api_types::Health;

    use super::*;
    use crate::doctor::Verdict;

    fn found(clock_ahead_s: f64) -> HubHealth {
        let (version, now) = (env!("CARGO_PKG_VERSION").to_owned(), chrono::Utc::now());
        let health = Health {
            status: health::Status::Ok,
            version,
            database: health::Database::Ok,
            broker: health::Broker::None,
            uptime_s: 1,
            now,
            time_zones: None,
        };
        HubHealth { health, clock_ahead_s }
    }

    #[test]
    fn a_wrong_clock_is_told_from_a_right_one() {
        let verdict = |ahead| clock(&found(ahead)).verdict;
        assert_eq!([0.4, -9.0, 11.0, -301.0].map(verdict), {
            use Verdict::{Fail, Ok, Warn};
            [Ok, Ok, Warn, Fail]
        });
        assert_eq!(clock(&found(-20.0)).message, "20 s behind the hub's clock");
    }

    #[test]
    fn an_ill_or_other_hub_is_told() {
        let settings = Settings::new("http://x", vec![]);
        let with = |change: fn(&mut Health)| {
            let mut found = found(0.0);
            change(&mut found.health);
            health(&settings, &found).verdict
        };
        assert_eq!(with(|_| {}), Verdict::Ok);
        assert_eq!(with(|health| health.version = "9".into()), Verdict::Warn);
        assert_eq!(with(|health| health.status = health::Status::Degraded), Verdict::Warn);
        assert_eq!(with(|health| health.database = health::Database::Unreachable), Verdict::Fail);
    }
}
