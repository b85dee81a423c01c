//! How much of the house somebody reaches.

use std::collections::BTreeSet;

use crate::ids::AutomationId;

/// The automations that somebody reaches, and with them what belongs to these: their jobs, queues, workers, dead letters and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All there are and will be.
    All,
    /// These alone.
    Automations(BTreeSet<AutomationId>),
}

impl Scope {
    /// Whether this automation is one of them.
    #[must_use]
    pub fn has(&self, id: AutomationId) -> bool {
        match self {
            Self::All => true,
            Self::Automations(ids) => ids.contains(&id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_of_automations_has_these_alone() {
        let some = Scope::Automations([1, 3].map(AutomationId::new).into());
        let has = |scope: &Scope| [1, 2, 3].map(|id| scope.has(AutomationId::new(id)));
        assert_eq!((has(&some), has(&Scope::All), has(&Scope::Automations(BTreeSet::new()))), ([true, false, true], [true; 3], [false; 3]));
    }
}
