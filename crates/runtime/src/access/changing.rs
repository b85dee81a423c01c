//! Extractors of changing routes: with the caller they hand out the [`Change`] that every function which changes something asks for.

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    net::IpAddr,
    ops::Deref,
    sync::Arc,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use auth::{Actor, Need, Permitted, Principal};
use domain::audit::{ActorKind, Author, Change};
use telemetry::current_request;

use super::{caller, identified, person};
use crate::{Caller, Failure, Person, caller_address};

/// A caller with the permission that its request needs, and what their change is recorded with. Use cases that change something take it.
#[derive(Clone, Debug)]
pub struct Editor {
    permitted: Permitted,
    change: Change,
}

impl Editor {
    /// A caller whose changes are recorded with `change`.
    #[must_use]
    pub const fn new(permitted: Permitted, change: Change) -> Self {
        Self { permitted, change }
    }

    /// What the change is recorded with.
    #[must_use]
    pub const fn change(&self) -> &Change {
        &self.change
    }
}

impl Deref for Editor {
    type Target = Permitted;

    fn deref(&self) -> &Permitted {
        &self.permitted
    }
}

/// Like [`crate::Allowed`], on a route that changes something.
pub struct Changing<P> {
    editor: Editor,
    need: PhantomData<P>,
}

impl<P> Deref for Changing<P> {
    type Target = Editor;

    fn deref(&self) -> &Editor {
        &self.editor
    }
}

impl<P: Need> FromRequest for Changing<P> {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let allowed = |caller: Caller| {
            let change = Source::of(request).change_of(&caller);
            let editor = Editor::new(Permitted::new(caller.principal, P::PERMISSION)?, change);
            Ok(Self { editor, need: PhantomData })
        };
        ready(caller(request).and_then(allowed))
    }
}

/// Like [`crate::SignedIn`], on a route that changes one's own account.
pub struct OwnAccount {
    /// Who, and on which device.
    pub person: Person,
    /// What they may do.
    pub principal: Arc<Principal>,
    /// What the change is recorded with.
    pub change: Change,
}

impl FromRequest for OwnAccount {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let own = |caller: Caller| {
            let (change, principal) = (Source::of(request).change_of(&caller), caller.principal.clone());
            Ok(Self { change, principal, person: person(caller)? })
        };
        ready(identified(request).and_then(own))
    }
}

/// Where a request comes from: on a route that finds out by itself who makes a change, as sign-in does.
#[derive(Clone, Debug)]
pub struct Source {
    /// Address of the caller.
    pub address: Option<IpAddr>,
    /// Id of the request.
    pub request_id: Option<String>,
}

impl Source {
    fn of(request: &HttpRequest) -> Self {
        Self { address: caller_address(request), request_id: current_request().map(|ids| ids.request_id.clone()) }
    }

    /// A change from there.
    #[must_use]
    pub fn change(self, actor: String, kind: ActorKind, credential: Option<String>) -> Change {
        let Self { address, request_id } = self;
        Change::by(Author { actor, kind, credential, address, request_id })
    }

    /// A change from there by an identified caller.
    #[must_use]
    pub fn change_of(self, caller: &Caller) -> Change {
        let actor = &caller.principal.actor;
        let session = caller.person.map(|person| format!("session:{}", person.session));
        self.change(actor.to_string(), kind(actor), session.or_else(|| actor.credential()))
    }
}

impl FromRequest for Source {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

const fn kind(actor: &Actor) -> ActorKind {
    match actor {
        Actor::Anybody => ActorKind::Anybody,
        Actor::User(_) => ActorKind::User,
        Actor::ApiKey { .. } => ActorKind::ApiKey,
        Actor::Service(_) => ActorKind::Service,
        Actor::SharedKey | Actor::WorkerToken(_) => ActorKind::Worker,
    }
}
