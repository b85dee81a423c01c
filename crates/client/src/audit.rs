use api_types::{AuditEntry, AuditExportFilter, AuditFilter};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};

use crate::{Call, Client, Error, List};

impl Client {
    /// The audit trail, newest first.
    pub fn audit(&self, filter: &AuditFilter) -> List<AuditEntry> {
        self.list(&["audit"], filter)
    }

    /// The audit trail as lines of JSON, in the order of its hash chain: chunks as they arrive. The first error is the last item.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn audit_export(&self, filter: &AuditExportFilter) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let call: Call<()> = self.get(&["audit", "export"]).query(filter);
        let response = call.stream().await?;
        let url = self.url().to_owned();
        Ok(response.bytes_stream().map_err(move |error| Error::of_transport(&url, &error)).boxed())
    }
}
