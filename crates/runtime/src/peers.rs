//! The other services, wherever they run. A service asks its context for what another one does and gets it as a trait: the use case itself when
//! that service is mounted in this process, else a client of the replicas that the settings name. The caller is the same in both: it is known by
//! its own name, and neither its credential nor an address is its business.

mod failure;

use std::sync::{Arc, OnceLock};

use auth::Actor;
use client::Client;
use futures_util::{FutureExt as _, future::BoxFuture};

pub(crate) use self::failure::failure;
use crate::{Ask, Failure, Intake, JobIntake, Replica, Services, StartError, intake::remote::RemoteIntake};

/// Whose use case it is to accept jobs.
pub(crate) const ORCHESTRATOR: &str = "orchestrator";

/// What services offer each other. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Peers {
    /// Those of this process, started or not.
    mounted: Arc<[String]>,
    addresses: Services,
    replica: Replica,
    job_intake: Arc<OnceLock<Arc<dyn JobIntake>>>,
}

impl Peers {
    pub(crate) fn new(mounted: &[String], addresses: Services, replica: Replica) -> Self {
        Self { mounted: mounted.into(), addresses, replica, job_intake: Arc::default() }
    }

    /// Hands out what a service that has started offers. The first one stays.
    pub(crate) fn offer(&self, job_intake: Arc<dyn JobIntake>) {
        let _earlier = self.job_intake.set(job_intake);
    }

    /// The intake of jobs for the service `caller`.
    ///
    /// # Errors
    /// When no orchestrator is mounted and the settings name none, or no address of one.
    pub(crate) fn job_intake(&self, caller: &'static str) -> Result<Arc<dyn JobIntake>, StartError> {
        if self.mounted.iter().any(|name| name == ORCHESTRATOR) {
            return Ok(Arc::new(Mounted { intake: self.job_intake.clone(), caller }));
        }
        let peer = self.peer(ORCHESTRATOR, &self.addresses.orchestrator, caller)?;
        Ok(Arc::new(RemoteIntake::new(peer)))
    }

    fn peer(&self, name: &'static str, addresses: &[String], caller: &'static str) -> Result<Peer, StartError> {
        let Some((first, others)) = addresses.split_first() else {
            let missing = format!(
                "{caller} needs the {name}, which this process does not run: set services.{name} to the addresses of those that do, such as \
                 [\"http://10.0.0.1:8080\"]"
            );
            return Err(missing.into());
        };
        let settings = client::Settings { others: others.to_vec(), patience: PATIENCE, ..client::Settings::new(first) };
        Ok(Peer { name, client: Client::new(settings)?, replica: self.replica.clone(), caller })
    }
}

/// How long a request is repeated while a peer is busy. Services are loops that come back.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A service that runs elsewhere.
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: &'static str,
    client: Client,
    replica: Replica,
    caller: &'static str,
}

impl Peer {
    /// A client of it that shows who this service is.
    ///
    /// # Errors
    /// [`Failure::Internal`] when no token can be signed.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let token = self.replica.service_token(self.caller).map_err(|error| Failure::Internal(error.to_string()))?;
        self.client.clone().with_token(&token.into()).map_err(|error| Failure::Internal(error.to_string()))
    }
}

/// The intake of an orchestrator in this process.
struct Mounted {
    intake: Arc<OnceLock<Arc<dyn JobIntake>>>,
    caller: &'static str,
}

impl JobIntake for Mounted {
    fn accept(&self, mut ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>> {
        let name = || Actor::Service(self.caller.to_owned()).to_string();
        ask.request.origin.requested_by.get_or_insert_with(name);
        async move {
            let starting = || failure::away(ORCHESTRATOR, "it is still starting");
            self.intake.get().ok_or_else(starting)?.accept(ask).await
        }
        .boxed()
    }
}
