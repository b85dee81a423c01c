use std::sync::Arc;

use actix_web::{HttpRequest, web::Data};
use auth::{Permitted, Principal};
use domain::{ids::JobId, permission::Permission};
use runtime::{Access, Credential, Failure};

use crate::jobs::Jobs;

/// Who reads a job's log for as long as a connection lasts.
pub(super) struct Reader {
    access: Access,
    credential: Credential,
    jobs: Data<Jobs>,
    job: JobId,
    /// Who it was when the job was last looked up for them.
    known: Option<Arc<Principal>>,
}

impl Reader {
    /// The caller of this request, if they may read the job.
    pub(super) async fn open(
        request: &HttpRequest,
        access: &Access,
        jobs: Data<Jobs>,
        caller: &Permitted,
        job: JobId,
    ) -> Result<Self, Failure> {
        let credential = access.credential(request)?;
        jobs.check_exists(caller, job).await?;
        Ok(Self { access: access.clone(), credential, jobs, job, known: None })
    }

    /// Why the caller may not read any more, if so. The job is looked up only when something changed about the caller.
    ///
    /// # Errors
    /// When the database does not say.
    pub(super) async fn check(&mut self) -> Result<Option<String>, Failure> {
        match self.find().await {
            Ok(()) => Ok(None),
            Err(failure @ (Failure::Unauthorized(_) | Failure::Forbidden(_) | Failure::NotFound(_))) => Ok(Some(failure.to_string())),
            Err(failure) => Err(failure),
        }
    }

    async fn find(&mut self) -> Result<(), Failure> {
        let principal = self.access.check(&self.credential).await?.principal;
        if self.known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, &principal)) {
            self.jobs.check_exists(&Permitted::new(principal.clone(), Permission::RunRead)?, self.job).await?;
            self.known = Some(principal);
        }
        Ok(())
    }
}
