use super::Join;
use crate::{schedule::AutomationState, wire::wire_names};

wire_names! {
    /// Whether a chain is going to run.
    pub enum ChainState as "ChainState" {
        /// It runs when its inputs have ended.
        Active = "active",
        /// It is switched off.
        Disabled = "disabled",
        /// It cannot run.
        Blocked = "blocked",
    }
}

wire_names! {
    /// Why a chain is in its state.
    pub enum ChainStateReason as "ChainStateReason" {
        /// Somebody switched it off.
        SwitchedOff = "switched_off",
        /// The automation that it runs is archived.
        AutomationArchived = "automation_archived",
        /// An input that it needs is archived.
        InputArchived = "input_archived",
        /// Its time zone is not known any more.
        Unusable = "unusable",
        /// The automation that it runs is paused: its jobs are created and stay pending.
        AutomationPaused = "automation_paused",
    }
}

/// Whether a chain is going to run, and why not. `archived`: of each input, whether it is archived.
#[must_use]
pub fn standing(
    (enabled, is_usable): (bool, bool),
    target: AutomationState,
    (join, archived): (Join, &[bool]),
) -> (ChainState, Option<ChainStateReason>) {
    use ChainState as State;
    use ChainStateReason as Reason;
    let misses_inputs = match join {
        Join::Any => archived.iter().all(|is_archived| *is_archived),
        Join::All | Join::AllToday => archived.iter().any(|is_archived| *is_archived),
    };
    match target {
        _ if !enabled => (State::Disabled, Some(Reason::SwitchedOff)),
        AutomationState::Archived => (State::Blocked, Some(Reason::AutomationArchived)),
        _ if misses_inputs => (State::Blocked, Some(Reason::InputArchived)),
        _ if !is_usable => (State::Blocked, Some(Reason::Unusable)),
        AutomationState::Paused => (State::Active, Some(Reason::AutomationPaused)),
        AutomationState::Ready => (State::Active, None),
    }
}
