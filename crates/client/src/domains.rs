use api_types::{Domain, DomainCreate, DomainFilter, DomainUpdate};
use domain::ids::DomainId;

use crate::{Call, Client, Error, List};

impl Client {
    /// Domains by slug.
    pub fn domains(&self, filter: &DomainFilter) -> List<Domain> {
        self.list(&["domains"], filter)
    }

    /// The domain with this slug.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn domain_named(&self, slug: &str) -> Result<Option<Domain>, Error> {
        let filter = DomainFilter { slug: Some(slug.to_owned()), ..DomainFilter::default() };
        Ok(self.domains(&filter).page().await?.into_iter().next())
    }

    /// Adds a domain.
    pub fn domain_create(&self, request: &DomainCreate) -> Call<Domain> {
        self.post(&["domains"]).json(request)
    }

    /// One domain.
    pub fn domain(&self, id: DomainId) -> Call<Domain> {
        self.get(&["domains", &id.to_string()])
    }

    /// Changes a domain.
    pub fn domain_update(&self, id: DomainId, request: &DomainUpdate) -> Call<Domain> {
        self.put(&["domains", &id.to_string()]).json(request)
    }

    /// Deletes a domain that owns no automations.
    pub fn domain_delete(&self, id: DomainId) -> Call<()> {
        self.delete(&["domains", &id.to_string()])
    }
}
