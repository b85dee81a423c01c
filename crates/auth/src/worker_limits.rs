use crate::Denied;

/// Limits of a worker token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerLimits {
    /// The only worker that may use it; `None`: any worker.
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from; `None`: every queue.
    pub queues: Option<Vec<String>>,
}

impl WorkerLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.worker_name.is_none() && self.queues.is_none()
    }

    /// Checks the worker of a request.
    ///
    /// # Errors
    /// [`Denied::OutOfReach`] when it is not the token's.
    pub fn check_worker(&self, name: &str) -> Result<(), Denied> {
        match &self.worker_name {
            Some(own) if own != name => Err(Denied::OutOfReach(format!("this token belongs to worker \"{own}\", not to \"{name}\""))),
            _ => Ok(()),
        }
    }

    /// Checks the queues of a worker; every queue (`*`) becomes those of the token, if it has some.
    ///
    /// # Errors
    /// [`Denied::OutOfReach`] when one is not among the token's.
    pub fn resolve_queues(&self, queues: &mut Vec<String>) -> Result<(), Denied> {
        if let Some(own) = self.queues.as_ref().filter(|_| domain::automation::is_every_queue(queues)) {
            queues.clone_from(own);
        }
        self.check_queues(queues.iter())
    }

    /// Checks the queues of a claim.
    ///
    /// # Errors
    /// [`Denied::OutOfReach`] when one is not among the token's.
    pub fn check_queues<'a>(&self, queues: impl IntoIterator<Item = &'a String>) -> Result<(), Denied> {
        let Some(own) = &self.queues else { return Ok(()) };
        match queues.into_iter().find(|queue| !own.contains(queue)) {
            Some(queue) => Err(Denied::OutOfReach(format!("this token does not allow queue \"{queue}\", only {}", own.join(", ")))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_allows_only_its_worker_and_queues() {
        let free = WorkerLimits::default();
        assert!(free.is_none() && free.check_worker("w").is_ok() && free.check_queues([&"q".to_owned()]).is_ok());
        let bound = WorkerLimits { worker_name: Some("w".to_owned()), queues: Some(vec!["q".to_owned()]) };
        assert!(bound.check_worker("w").is_ok() && bound.check_worker("v").is_err());
        assert!(bound.check_queues([&"q".to_owned()]).is_ok() && bound.check_queues([&"q".to_owned(), &"r".to_owned()]).is_err());
    }

    #[test]
    fn every_queue_becomes_those_of_the_token() {
        let bound = WorkerLimits { worker_name: None, queues: Some(vec!["q".to_owned()]) };
        let (mut every, mut other) = (vec!["*".to_owned()], vec!["r".to_owned()]);
        assert!(bound.resolve_queues(&mut every).is_ok() && bound.resolve_queues(&mut other).is_err());
        assert_eq!(every, ["q"]);
        let mut every = vec!["*".to_owned()];
        assert!(WorkerLimits::default().resolve_queues(&mut every).is_ok());
        assert_eq!(every, ["*"]);
    }
}
