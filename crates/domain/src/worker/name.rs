//! Ownership of worker names. A name belongs to one process at a time: two live workers with one name would share leases and lose jobs.

use uuid::Uuid;

use super::State;

/// Identity that a registering process sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process<'a> {
    /// Instance id from its work folder; `None`: a worker without our agent.
    pub instance: Option<Uuid>,
    /// Host name: a work folder that was copied to another host is another worker.
    pub hostname: &'a str,
}

/// Verdict on a registration under a name that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameVerdict {
    /// It is the same worker; it keeps its id.
    Keep,
    /// The new worker gets the name under a new id; the id of the previous holder becomes invalid.
    TakeOver,
    /// Another worker with this name is alive.
    Taken,
    /// The credential must not use the name.
    Forbidden,
}

/// How the credential of a registration relates to the credential of the name's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The same credential.
    Same,
    /// Another credential that allows the holder's name and queues.
    Entitled,
    /// Another credential that does not.
    Stranger,
}

/// Decides on a registration of `asker` under the name of `holder`, which is in `state`.
#[must_use]
pub fn judge_name(holder: Process<'_>, state: State, asker: Process<'_>, standing: Standing) -> NameVerdict {
    let same_process = match (holder.instance, asker.instance) {
        (Some(one), Some(other)) => one == other && holder.hostname == asker.hostname,
        // Only their credentials can tell them apart.
        (None, None) => standing == Standing::Same,
        _ => false,
    };
    match (standing, same_process) {
        (Standing::Stranger, _) => NameVerdict::Forbidden,
        (Standing::Same, true) => NameVerdict::Keep,
        (Standing::Entitled, true) => NameVerdict::TakeOver,
        (_, false) if state.is_alive() => NameVerdict::Taken,
        (_, false) => NameVerdict::TakeOver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_process_and_a_stranger_never_gets_it() {
        use NameVerdict::{Forbidden, Keep, TakeOver, Taken};
        use Standing::{Entitled, Same, Stranger};
        let process = |instance: u128, hostname| Process { instance: (instance > 0).then_some(Uuid::from_u128(instance)), hostname };
        let (one, copied, two, plain) = (process(1, "a"), process(1, "b"), process(2, "a"), process(0, "a"));
        let table = [
            // holder, asker, standing, while it is alive, when it is gone
            (one, one, Same, Keep, Keep),
            (one, one, Entitled, TakeOver, TakeOver),
            (one, copied, Same, Taken, TakeOver),
            (one, two, Same, Taken, TakeOver),
            (one, two, Entitled, Taken, TakeOver),
            (one, plain, Same, Taken, TakeOver),
            (plain, one, Same, Taken, TakeOver),
            (plain, plain, Same, Keep, Keep),
            (plain, plain, Entitled, Taken, TakeOver),
        ];
        for (holder, asker, standing, alive, gone) in table {
            for (state, expected) in [(State::Running, alive), (State::Paused, alive), (State::Stopped, gone), (State::Lost, gone)] {
                assert_eq!(judge_name(holder, state, asker, standing), expected, "{holder:?} {state} {asker:?} {standing:?}");
                assert_eq!(judge_name(holder, state, asker, Stranger), Forbidden);
            }
        }
    }
}
