//! Whose a worker's name is. A worker is a process, not a name: a name has one process at a time.

use uuid::Uuid;

use super::State;

/// A process that registers, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process<'a> {
    /// What its work folder keeps; `None` for a worker that speaks the API itself.
    pub instance: Option<Uuid>,
    /// Its host: a copied work folder is another worker's.
    pub hostname: &'a str,
}

/// What a registration under a name that somebody has leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameVerdict {
    /// It is the same worker again, and keeps its id.
    Keep,
    /// The name goes to the new one, under a new id: the earlier one's is no longer good.
    TakeOver,
    /// Another worker with this name is alive.
    Taken,
    /// The credential may not have the name.
    Forbidden,
}

/// How the credential of a registration relates to the one that registered the name's holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the same.
    Same,
    /// It is another that allows all that the holder does: its name and its queues.
    Entitled,
    /// It is another that does not.
    Stranger,
}

/// Judges a registration by `asker` under the name of `holder`, which is in `state`.
#[must_use]
pub fn judge_name(holder: Process<'_>, state: State, asker: Process<'_>, standing: Standing) -> NameVerdict {
    let same_process = match (holder.instance, asker.instance) {
        (Some(one), Some(other)) => one == other && holder.hostname == asker.hostname,
        // Nothing tells them apart but what they show.
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
