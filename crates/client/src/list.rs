use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use reqwest::{
    Url,
    header::{HeaderMap, LINK},
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{Call, Error};

/// A paged list: await its first page with [`List::page`], or read all items.
#[must_use = "nothing is sent until it is read"]
pub struct List<T>(Call<Vec<T>>);

impl<T> List<T> {
    pub(crate) const fn new(first: Call<Vec<T>>) -> Self {
        Self(first)
    }

    /// The same list with the hub's exact JSON as items.
    pub fn raw(self) -> List<Box<RawValue>> {
        List(self.0.typed())
    }
}

impl<T: DeserializeOwned + Send + 'static> List<T> {
    /// The first page.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn page(self) -> Result<Vec<T>, Error> {
        self.0.await
    }

    /// All items; requests the next page when it is needed. The first error is the last item.
    #[must_use]
    pub fn items(self) -> BoxStream<'static, Result<T, Error>> {
        let mut call = self.0;
        let items = async_stream::try_stream! {
            loop {
                let answer = call.answer().await?;
                let page: Vec<T> =
                    serde_json::from_slice(&answer.body).map_err(|error| Error::of_body(call.client().url(), &error))?;
                let next = next(call.url(), &answer.headers);
                for item in page {
                    yield item;
                }
                let Some(next) = next else { return };
                if call.url().query() == Some(&next) {
                    Err(Error::Answer { url: call.url().to_string(), reason: "its next page is the same page".to_owned() })?;
                }
                call.set_query(&next);
            }
        };
        items.boxed()
    }

    /// At most this many items.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn take(self, most: usize) -> Result<Vec<T>, Error> {
        self.items().take(most).try_collect().await
    }
}

/// The query of the next page. The path stays the same, because a proxy may have another prefix than the header.
fn next(url: &Url, headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let target = links.filter_map(|link| link.split_once(';')).find(|(_, relation)| relation.contains("rel=\"next\""))?.0;
    let target = url.join(target.trim().strip_prefix('<')?.strip_suffix('>')?).ok()?;
    target.query().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_comes_from_the_header() {
        let url = Url::parse("http://proxy/regente/api/v1/jobs?limit=2").unwrap();
        for (header, query) in [
            ("</api/v1/jobs?limit=2&after=7>; rel=\"next\"", Some("limit=2&after=7")),
            ("</x>; rel=\"prev\", </api/v1/queues?after=a%2Cb>; rel=\"next\"", Some("after=a%2Cb")),
            ("</api/v1/jobs?after=1>; rel=\"prev\"", None),
            ("nonsense", None),
        ] {
            let headers = HeaderMap::from_iter([(LINK, header.parse().unwrap())]);
            assert_eq!(next(&url, &headers).as_deref(), query, "{header}");
        }
        assert_eq!(next(&url, &HeaderMap::new()), None);
    }
}
