//! Lists that are read and sent in parts, so that none is in memory as a whole.

use actix_web::{HttpResponse, HttpResponseBuilder, web::Bytes};
use futures_util::Stream;
use runtime::Failure;
use serde::Serialize;

/// Maximum size of a part in bytes, unless a single item has more.
const PART: u64 = 256 * 1024;

/// Splits items into parts by their sizes in bytes.
pub(crate) fn parts<T>(items: Vec<T>, bytes: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let (mut parts, mut size) = (Vec::<Vec<T>>::new(), 0);
    for item in items {
        let more = bytes(&item);
        match parts.last_mut() {
            Some(part) if size + more <= PART => {
                size += more;
                part.push(item);
            }
            _ => {
                size = more;
                parts.push(vec![item]);
            }
        }
    }
    parts
}

/// An answer with a JSON array whose items are read in parts. A single part is sent with its length.
pub(crate) async fn array<P, I>(
    mut response: HttpResponseBuilder,
    mut parts: Vec<P>,
    read: impl AsyncFn(P) -> Result<Vec<I>, Failure> + 'static,
) -> Result<HttpResponse, Failure>
where
    P: 'static,
    I: Serialize + 'static,
{
    if parts.len() <= 1 {
        let items = match parts.pop() {
            Some(part) => read(part).await?,
            None => Vec::new(),
        };
        return Ok(response.json(items));
    }
    Ok(response.content_type("application/json").streaming(stream(parts, read)))
}

fn stream<P, I: Serialize>(parts: Vec<P>, read: impl AsyncFn(P) -> Result<Vec<I>, Failure>) -> impl Stream<Item = Result<Bytes, Failure>> {
    async_stream::try_stream! {
        let mut text = vec![b'['];
        let mut is_first = true;
        for part in parts {
            for item in read(part).await? {
                if !std::mem::take(&mut is_first) {
                    text.push(b',');
                }
                serde_json::to_writer(&mut text, &item).map_err(|error| Failure::Internal(error.to_string()))?;
            }
            yield Bytes::from(std::mem::take(&mut text));
        }
        yield Bytes::from_static(b"]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_by_bytes() {
        let sizes = vec![PART, 1, PART - 1, 2, PART * 3, 0];
        let found = parts(sizes, |size| *size);
        assert_eq!(found, [vec![PART], vec![1, PART - 1], vec![2], vec![PART * 3], vec![0]]);
        assert!(parts(Vec::<u64>::new(), |size| *size).is_empty());
    }
}
