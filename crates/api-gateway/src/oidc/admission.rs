use std::collections::BTreeSet;

use domain::{
    Scope,
    audit::ActorKind,
    permission::{Grant, Right, Role, Where},
    single_sign_on::{GroupsFault, Place, groups, roles_of},
    user::{is_display_name, is_email, username_from},
};
use runtime::{Failure, MissingGroups, NewUsers, Source};
use serde_json::Value;
use store::{
    domains::{Filter, domain_list},
    identity::User,
    pending_sign_ins::Outcome,
    user_identities::{Found, NewUser, SignIn, user_sign_in},
};

use super::{Oidc, Refusal, id_token::Claims};

/// How a sign-in ended: as its row has it, and the refusal with the user whom it concerns.
type Ended = (Outcome, Option<(Refusal, Option<User>)>);

impl Oidc {
    /// Finds or makes the user of whom the provider says this, with the roles that their groups give them.
    pub(super) async fn admit(&self, claims: &Claims, source: &Source) -> Result<Ended, Failure> {
        let roles = match self.roles(claims) {
            Ok(roles) => roles,
            Err(refusal) => return Ok(refused(refusal, None)),
        };
        let grants = self.grants(roles).await?;
        let makes_user = match self.settings.new_users {
            NewUsers::Granted => !grants.is_empty(),
            NewUsers::Anyone => true,
            NewUsers::Nobody => false,
        };
        let email = claims.text(&self.settings.email_claim).filter(|email| claims.has_verified_email() && is_email(email));
        let sign_in = SignIn {
            issuer: self.settings.issuer.clone(),
            subject: claims.subject.clone(),
            link_email: email.clone().filter(|_| self.settings.link_verified_email),
            new_user: makes_user.then(|| self.new_user(claims, email)),
            grants,
        };
        let by = |name: &str| source.clone().change(name.to_owned(), ActorKind::User, Some("oidc".to_owned()));
        match user_sign_in(&self.database, &sign_in, by, self.now()).await? {
            Found::User(user) => {
                self.sessions.identities.refresh().await?;
                tracing::info!(user.id = %user.id, user.name = user.username, "the identity provider signed somebody in");
                Ok((Outcome::User(user.id), None))
            }
            Found::Deactivated(user) => Ok(refused(Refusal::Deactivated, Some(user))),
            Found::Nobody => Ok(refused(Refusal::NoUser, None)),
        }
    }

    fn roles(&self, claims: &Claims) -> Result<BTreeSet<(Place, Role)>, Refusal> {
        let settings = &self.settings;
        // Where no group has a role, it does not matter what the provider tells of them.
        let groups = if settings.group_roles.is_empty() { Ok(Vec::new()) } else { groups(&claims.all, &settings.groups_claim) };
        let groups = match groups {
            Ok(groups) => groups,
            Err(GroupsFault::Missing) if settings.missing_groups == MissingGroups::Empty => Vec::new(),
            Err(GroupsFault::Missing) => return Err(Refusal::GroupsMissing),
            Err(GroupsFault::Overage) => return Err(Refusal::GroupsOverage),
            Err(GroupsFault::Unreadable) => return Err(Refusal::GroupsUnreadable),
        };
        Ok(roles_of(&groups, &settings.group_roles, settings.default_role))
    }

    async fn grants(&self, roles: BTreeSet<(Place, Role)>) -> Result<Vec<Grant>, Failure> {
        let mut grants = Vec::new();
        for (place, role) in roles {
            let place = match place {
                Place::Everywhere => Where::Everywhere,
                Place::Label(label) => Where::Label(label),
                Place::Domain(slug) => {
                    let filter = Filter { slug: Some(slug.clone()), limit: 1, ..Filter::default() };
                    match domain_list(&self.database, &Scope::All, &filter).await?.pop() {
                        Some(domain) => Where::Domain(domain.id),
                        None => {
                            tracing::warn!(domain.slug = slug, "oidc.group_roles names a domain that does not exist");
                            continue;
                        }
                    }
                }
            };
            grants.push(Grant { right: Right::Role(role), place });
        }
        Ok(grants)
    }

    fn new_user(&self, claims: &Claims, email: Option<String>) -> NewUser {
        let named = [self.settings.username_claim.as_str(), &self.settings.email_claim, "name"];
        let called = named.iter().find_map(|claim| claims.text(claim)).unwrap_or_else(|| claims.subject.clone());
        NewUser { username: username_from(&called), email, display_name: claims.text("name").filter(|name| is_display_name(name)) }
    }
}

impl Claims {
    fn text(&self, claim: &str) -> Option<String> {
        self.all.get(claim).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Some providers say it as a text.
    fn has_verified_email(&self) -> bool {
        self.all.get("email_verified").is_some_and(|verified| *verified == Value::Bool(true) || *verified == "true")
    }
}

fn refused(refusal: Refusal, user: Option<User>) -> Ended {
    (Outcome::Refused(refusal.as_str().to_owned()), Some((refusal, user)))
}
