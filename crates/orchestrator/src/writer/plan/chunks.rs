//! Splits log lines into the rows that store them.

use domain::ids::JobId;
use store::job_logs::{Chunk, Line};

/// Maximum number of log lines in a row.
const LINES_PER_CHUNK: usize = 1000;
/// Maximum size of the log lines in a row, unless a single line has more: a page reads complete rows.
const BYTES_PER_CHUNK: usize = 128 * 1024;

/// The rows for `lines`; the first line has number `first`.
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
