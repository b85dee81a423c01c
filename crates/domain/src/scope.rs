//! Which automations a caller may access, with everything that belongs to them: jobs, queues, workers, dead letters and tokens.
//!
//! A scope names domains, automations and labels; it lists no automations. So an automation that is registered, moved or labelled is in or
//! out of every caller's scope at once, on every replica, and a scope is as small as the grants that it is made of.

use std::collections::BTreeSet;

use crate::ids::{AutomationId, DomainId};

/// The automations that a caller may access.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every automation, including future ones.
    All,
    /// Only those in one of these places.
    Only(Places),
}

/// Places of automations: what is in one of them is in all of them together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Places {
    /// Automations of these domains.
    pub domains: BTreeSet<DomainId>,
    /// These automations.
    pub automations: BTreeSet<AutomationId>,
    /// Automations with one of these labels.
    pub labels: BTreeSet<String>,
    /// Only what is in one of these places too.
    pub within: Option<Box<Self>>,
}

/// What decides whether an automation is in a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The automation; `None`: it is not registered yet.
    pub automation: Option<AutomationId>,
    /// Its domain.
    pub domain: Option<DomainId>,
    /// Its labels.
    pub labels: &'a [String],
}

impl Scope {
    /// No automation.
    pub const NOTHING: Self =
        Self::Only(Places { domains: BTreeSet::new(), automations: BTreeSet::new(), labels: BTreeSet::new(), within: None });

    /// Only these automations.
    #[must_use]
    pub fn automations(ids: impl IntoIterator<Item = AutomationId>) -> Self {
        Self::Only(Places { automations: ids.into_iter().collect(), ..Places::default() })
    }

    /// Whether it includes every automation of this domain: whoever has this scope may add one to it.
    #[must_use]
    pub fn has_domain(&self, domain: Option<DomainId>) -> bool {
        match self {
            Self::All => true,
            Self::Only(places) => domain.is_some_and(|id| places.have_domain(id)),
        }
    }

    /// Whether it includes the automation at this place.
    #[must_use]
    pub fn has(&self, place: &Place<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Only(places) => places.have(place),
        }
    }

    /// What is in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, scope) | (scope, Self::All) => scope.clone(),
            (Self::Only(one), Self::Only(two)) => Self::Only(one.and(two)),
        }
    }
}

impl Places {
    fn have_domain(&self, id: DomainId) -> bool {
        self.domains.contains(&id) && self.within.as_ref().is_none_or(|within| within.have_domain(id))
    }

    fn have(&self, place: &Place<'_>) -> bool {
        let has = place.automation.is_some_and(|id| self.automations.contains(&id))
            || place.domain.is_some_and(|id| self.domains.contains(&id))
            || place.labels.iter().any(|label| self.labels.contains(label));
        has && self.within.as_ref().is_none_or(|within| within.have(place))
    }

    fn and(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        let within = match &self.within {
            Some(within) => within.and(other),
            None => other.clone(),
        };
        Self { within: Some(Box::new(within)), ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn domain(nth: u128) -> DomainId {
        Uuid::from_u128(nth).into()
    }

    #[test]
    fn a_scope_includes_what_is_in_one_of_its_places() {
        let labels = ["nfe".to_owned(), "sp".to_owned()];
        let mine = Place { automation: Some(7.into()), domain: Some(domain(1)), labels: &labels };
        let bare = Place { automation: Some(8.into()), domain: None, labels: &[] };
        let only = |places| Scope::Only(places);
        for (scope, expected) in [
            (Scope::All, [true, true]),
            (Scope::NOTHING, [false, false]),
            (Scope::automations([7.into(), 9.into()]), [true, false]),
            (only(Places { domains: [domain(1)].into(), ..Places::default() }), [true, false]),
            (only(Places { domains: [domain(2)].into(), ..Places::default() }), [false, false]),
            (only(Places { labels: ["sp".to_owned()].into(), ..Places::default() }), [true, false]),
            (only(Places { labels: ["s".to_owned()].into(), automations: [8.into()].into(), ..Places::default() }), [false, true]),
        ] {
            assert_eq!([scope.has(&mine), scope.has(&bare)], expected, "{scope:?}");
        }
        for (one, two, expected) in [
            (Scope::All, Scope::automations([8.into()]), [false, true]),
            (Scope::automations([8.into()]), Scope::All, [false, true]),
            (Scope::automations([7.into(), 8.into()]), Scope::automations([7.into(), 9.into()]), [true, false]),
            (only(Places { domains: [domain(1)].into(), ..Places::default() }), Scope::automations([7.into(), 8.into()]), [true, false]),
            (only(Places { labels: ["sp".to_owned()].into(), ..Places::default() }), Scope::NOTHING, [false, false]),
        ] {
            let both = one.and(&two);
            assert_eq!([both.has(&mine), both.has(&bare)], expected, "{one:?} {two:?}");
            assert!([&one, &two].iter().all(|scope| both.and(scope).has(&mine) == both.has(&mine)), "{one:?} {two:?}");
        }
        let in_domain = only(Places { domains: [domain(1)].into(), automations: [7.into()].into(), ..Places::default() });
        let whole = [Some(domain(1)), Some(domain(2)), None].map(|id| [Scope::All.has_domain(id), in_domain.has_domain(id)]);
        assert_eq!(whole, [[true, true], [true, false], [true, false]]);
        assert!(!in_domain.and(&Scope::automations([7.into()])).has_domain(Some(domain(1))), "not every automation of it");
        let unregistered = Place { automation: None, ..bare };
        assert_eq!([Scope::All.has(&unregistered), Scope::automations([0.into()]).has(&unregistered)], [true, false]);
    }
}
