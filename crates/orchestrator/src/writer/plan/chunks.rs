//! Log lines are stored many in a row.

use domain::ids::JobId;
use store::job_logs::{Chunk, Line};

/// Log lines a row holds at most.
const LINES_PER_CHUNK: usize = 1000;
/// Bytes of log lines a row holds at most, unless one line alone has more: a page of lines reads whole rows.
const BYTES_PER_CHUNK: usize = 128 * 1024;

/// The rows for `lines`, whose first has the number `first`.
pub(super) fn chunks(job_id: JobId, first: i64, lines: &[Line]) -> impl Iterator<Item = Chunk<'_>> {
    let (mut first_line, mut rest) = (first, lines);
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(LINES_PER_CHUNK).take_while(|line| {
            bytes += line.message.len();
            bytes <= BYTES_PER_CHUNK
        });
        let count = fits.count().max(1).min(rest.len());
        let (lines, others) = rest.split_at(count);
        let chunk = Chunk { job_id, first_line, lines };
        (first_line, rest) = (first_line + i64::try_from(count).unwrap_or(0), others);
        (count > 0).then_some(chunk)
    })
}
