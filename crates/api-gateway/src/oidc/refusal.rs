use runtime::{Failure, Oidc};

/// Seconds after which a provider that was away may be asked again.
pub(super) const RETRY_AFTER: u64 = 5;

macro_rules! refusals {
    ($($(#[$doc:meta])* $Name:ident = $code:literal,)+) => {
        /// Why somebody is not signed in, once their browser has come back.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Refusal {
            $($(#[$doc])* $Name,)+
        }

        impl Refusal {
            const ALL: &[Self] = &[$(Self::$Name),+];

            /// For programs, and as the row has it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Name => $code,)+
                }
            }
        }
    };
}

refusals! {
    /// They, or the provider, declined.
    Denied = "sign_in_declined",
    /// The provider reported an error.
    Provider = "provider_refused",
    /// The provider did not answer.
    Away = "provider_unavailable",
    /// What it sent does not prove who they are.
    Token = "id_token_invalid",
    /// It did not tell their groups, because they are too many.
    GroupsOverage = "groups_overage",
    /// It did not tell their groups.
    GroupsMissing = "groups_missing",
    /// It told them in a form of its own.
    GroupsUnreadable = "groups_unreadable",
    /// They are no user, and none is made of them.
    NoUser = "no_user",
    /// They were deactivated.
    Deactivated = "deactivated",
}

impl Refusal {
    /// What a row has.
    pub(super) fn parse(code: &str) -> Self {
        Self::ALL.iter().copied().find(|refusal| refusal.as_str() == code).unwrap_or(Self::Provider)
    }

    /// What the program that asked for the sign-in is told.
    pub(super) fn failure(self, settings: &Oidc) -> Failure {
        let (name, claim) = (&settings.name, &settings.groups_claim);
        let detail = match self {
            Self::Away => return Failure::ProviderAway { name: name.clone(), retry_after: RETRY_AFTER },
            Self::Denied => format!("{name} did not sign you in: you, or it, declined"),
            Self::Provider => format!("{name} reported an error; the hub's log has it"),
            Self::Token => format!("what {name} sent does not prove who you are; the hub's log has the reason"),
            Self::GroupsOverage => format!(
                "{name} did not tell your groups, because they are too many for a token; your roles stay as they were. Ask an administrator to \
                 limit the groups of the claim \"{claim}\" to those that the hub needs"
            ),
            Self::GroupsMissing => format!(
                "{name} sent no claim \"{claim}\", so that your groups are not known; your roles stay as they were. An administrator has to \
                 add the claim there, or to set oidc.missing_groups"
            ),
            Self::GroupsUnreadable => {
                format!(
                    "the claim \"{claim}\" that {name} sent is no list of names, so that your groups are not known; your roles stay as they were"
                )
            }
            Self::NoUser => format!("{name} knows you, but nothing gives you a role here; ask an administrator"),
            Self::Deactivated => "your user is deactivated; ask an administrator".to_owned(),
        };
        Failure::SignInRefused { code: self.as_str(), detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_survives_its_row() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::parse(refusal.as_str()), *refusal);
        }
    }
}
