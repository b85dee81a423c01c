//! Whether an upstream gets requests, judged by how the last ones went: a pure state machine.
//!
//! What it must hold: after an ejection one request at a time probes, never all; a probe that nobody waits for any more gives its place to the
//! next; what was sent before the ejection changes nothing after it.

use chrono::{DateTime, TimeDelta, Utc};

/// When to eject, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) failures: u32,
    pub(super) rest: TimeDelta,
}

/// How an upstream stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It gets requests; so many failed in a row.
    Closed { failures: u32 },
    /// It gets none until then.
    Open { until: DateTime<Utc> },
    /// One request finds out.
    HalfOpen,
}

/// What a request may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is sent.
    Free,
    /// It is sent to find out.
    Probe,
    /// It is not sent before then; `None`: a probe is under way.
    Refused(Option<DateTime<Utc>>),
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The upstream answered.
    Good,
    /// It did not.
    Bad,
    /// The request ended before its outcome was clear.
    Unknown,
}

/// The state machine of one upstream.
#[derive(Debug)]
pub(super) struct Breaker {
    terms: Terms,
    state: State,
}

impl Breaker {
    pub(super) const fn new(terms: Terms) -> Self {
        Self { terms, state: State::Closed { failures: 0 } }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// What a request may do now. Changes nothing: a probe begins with [`Breaker::begin_probe`].
    pub(super) fn admission(&self, now: DateTime<Utc>) -> Admission {
        match self.state {
            State::Closed { .. } => Admission::Free,
            State::Open { until } if until <= now => Admission::Probe,
            State::Open { until } => Admission::Refused(Some(until)),
            State::HalfOpen => Admission::Refused(None),
        }
    }

    pub(super) const fn begin_probe(&mut self) {
        self.state = State::HalfOpen;
    }

    /// A request has ended.
    pub(super) fn ended(&mut self, was_probe: bool, outcome: Outcome, now: DateTime<Utc>) {
        self.state = match (self.state, outcome) {
            (State::HalfOpen, Outcome::Good) if was_probe => State::Closed { failures: 0 },
            (State::HalfOpen, Outcome::Bad) if was_probe => self.open(now),
            (State::HalfOpen, Outcome::Unknown) if was_probe => State::Open { until: now },
            (State::Closed { .. }, Outcome::Good) => State::Closed { failures: 0 },
            (State::Closed { failures }, Outcome::Bad) if failures + 1 >= self.terms.failures => self.open(now),
            (State::Closed { failures }, Outcome::Bad) => State::Closed { failures: failures + 1 },
            (state, _) => state,
        };
    }

    /// Checks found that it works.
    pub(super) const fn reset(&mut self) {
        self.state = State::Closed { failures: 0 };
    }

    fn open(&self, now: DateTime<Utc>) -> State {
        State::Open { until: now.checked_add_signed(self.terms.rest).unwrap_or(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn at(seconds: i64) -> DateTime<Utc> {
        START + TimeDelta::seconds(seconds)
    }

    /// One that five failures have opened at second 0.
    fn open() -> Breaker {
        let mut breaker = Breaker::new(Terms { failures: 5, rest: TimeDelta::seconds(30) });
        for _ in 0..5 {
            assert_eq!(breaker.admission(START), Admission::Free);
            breaker.ended(false, Outcome::Bad, START);
        }
        assert_eq!(breaker.admission(at(29)), Admission::Refused(Some(at(30))));
        breaker
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut breaker = Breaker::new(Terms { failures: 2, rest: TimeDelta::seconds(30) });
        for outcome in [Outcome::Bad, Outcome::Good, Outcome::Bad, Outcome::Unknown] {
            breaker.ended(false, outcome, START);
        }
        assert_eq!(breaker.state(), State::Closed { failures: 1 });
    }

    #[test]
    fn one_request_probes_and_its_success_opens_the_way() {
        let mut breaker = open();
        assert_eq!(breaker.admission(at(30)), Admission::Probe);
        breaker.begin_probe();
        assert_eq!(breaker.admission(at(3000)), Admission::Refused(None), "no second one, however long it takes");
        breaker.ended(true, Outcome::Good, at(31));
        assert_eq!(breaker.admission(at(31)), Admission::Free);
    }

    #[test]
    fn a_failed_probe_costs_another_rest() {
        let mut breaker = open();
        breaker.begin_probe();
        breaker.ended(true, Outcome::Bad, at(31));
        assert_eq!(breaker.admission(at(60)), Admission::Refused(Some(at(61))));
        assert_eq!(breaker.admission(at(61)), Admission::Probe);
    }

    #[test]
    fn a_probe_that_was_given_up_makes_room_for_the_next() {
        let mut breaker = open();
        breaker.begin_probe();
        breaker.ended(true, Outcome::Unknown, at(31));
        assert_eq!(breaker.admission(at(31)), Admission::Probe);
    }

    #[test]
    fn what_was_sent_before_the_ejection_says_nothing_after_it() {
        let mut breaker = open();
        for outcome in [Outcome::Good, Outcome::Bad, Outcome::Unknown] {
            breaker.ended(false, outcome, at(20));
            assert_eq!(breaker.state(), State::Open { until: at(30) });
        }
        breaker.begin_probe();
        breaker.ended(false, Outcome::Good, at(31));
        assert_eq!(breaker.state(), State::HalfOpen);
    }

    #[test]
    fn checks_end_an_ejection() {
        let mut breaker = open();
        breaker.reset();
        assert_eq!(breaker.admission(START), Admission::Free);
    }
}
