use domain::{ids::JobId, log::Level};
use store::{
    Error,
    job_logs::{Chunk, Line, chunk_insert_many_in_txn, line_list, line_page},
};

use crate::{
    case::Case,
    fixtures::{at, commit, id_at, read_lines},
};

both!(
    lines_round_trip_whatever_they_hold,
    lines_are_read_across_chunks_from_any_place,
    jobs_keep_their_lines_apart,
    a_page_ends_by_bytes_and_the_next_continues,
    no_chunks_are_accepted,
    a_taken_number_is_refused,
);

fn line(message: &str) -> Line {
    Line { timestamp: at(1), level: Level::Info, message: message.to_owned(), actionable: false }
}

/// Adds the lines as one chunk after another of these lengths.
async fn add(db: &Case, job_id: JobId, lines: &[Line], lengths: &[usize]) {
    let (mut chunks, mut rest, mut first_line) = (Vec::new(), lines, 1);
    for length in lengths {
        let (head, tail) = rest.split_at(*length);
        chunks.push(Chunk { job_id, first_line, lines: head });
        first_line += i64::try_from(*length).unwrap();
        rest = tail;
    }
    commit(db, async |txn| chunk_insert_many_in_txn(txn, &chunks, at(1)).await).await.unwrap();
}

async fn lines_round_trip_whatever_they_hold(db: Case) {
    let job = id_at(1, 1);
    let mut lines: Vec<Line> = Level::ALL.into_iter().map(|level| Line { level, ..line("") }).collect();
    lines.push(Line { actionable: true, ..line("Verifique o certificado — 日本語 👩‍👩‍👧 e\u{301}") });
    lines.push(line("two\nlines\r\n\ttab \"quoted\" \\ back\\slash \u{7f} \u{1b}[31mred\u{1b}[0m"));
    lines.push(line("NUL \u{0} and line separators \u{2028}\u{2029}\u{85}"));
    lines.push(line(&"ü".repeat(32 * 1024)));
    lines.push(line(&"x".repeat(64 * 1024)));
    lines.push(line("{\"json\": [1, null]}"));
    lines.push(Line { timestamp: at(1) + chrono::TimeDelta::microseconds(123_456), ..line("micros") });
    lines.push(Line { timestamp: "1969-07-20T20:17:40.000001Z".parse().unwrap(), ..line("before the epoch") });
    add(&db, job, &lines, &[lines.len()]).await;
    let read = read_lines(&db, job, 0, 100).await;
    assert_eq!(read, (1..).zip(lines).collect::<Vec<_>>());
}

async fn lines_are_read_across_chunks_from_any_place(db: Case) {
    let job = id_at(1, 1);
    let lengths: Vec<usize> = (0..40).map(|nth| nth % 4 + 1).collect();
    let count: usize = lengths.iter().sum();
    let lines: Vec<Line> = (1..=count).map(|nth| line(&format!("line {nth}"))).collect();
    add(&db, job, &lines, &lengths).await;
    let numbered: Vec<(i64, Line)> = (1..).zip(lines).collect();
    for (after, limit) in [
        (0, 1_000),
        (0, count),
        (0, 1),
        (0, 0),
        (1, 2),
        (2, 3),
        (3, 7),
        (10, 41),
        (40, 60),
        (41, 59),
        (98, 5),
        (99, 5),
        (100, 5),
        (-5, 3),
        (i64::MAX, 5),
    ] {
        let wanted: Vec<_> = numbered.iter().filter(|(number, _)| *number > after).take(limit).cloned().collect();
        assert_eq!(read_lines(&db, job, after, limit).await, wanted, "after {after}, at most {limit}");
    }
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let page = read_lines(&db, job, after, 7).await;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        seen.extend(page);
    }
    assert_eq!(seen, numbered);
}

async fn a_page_ends_by_bytes_and_the_next_continues(db: Case) {
    let job = id_at(1, 1);
    let written: Vec<Line> = (1..=9).map(|nth| line(&nth.to_string().repeat(1_000))).collect();
    add(&db, job, &written, &[2, 2, 1, 2, 2]).await;
    let (mut after, mut pages, mut read) = (0, Vec::new(), Vec::new());
    loop {
        let page = line_page(&db, job, after, 1_000, 4_500).await.unwrap();
        let Some(last) = page.last else { break };
        assert!(page.parts.iter().map(|part| part.bytes).sum::<usize>() <= 4_500, "{page:?}");
        read.extend(line_list(&db, job, &page.parts).await.unwrap());
        pages.push(last);
        assert_eq!(page.more, last < 9);
        after = last;
    }
    assert_eq!((pages, read), (vec![4, 7, 9], (1..).zip(written).collect::<Vec<_>>()));
    let alone = line_page(&db, job, 4, 1_000, 10).await.unwrap();
    assert_eq!((alone.last, alone.more), (Some(5), true), "what has more than the page takes is a page of its own");
    let cut = line_page(&db, job, 0, 3, usize::MAX).await.unwrap();
    assert_eq!((cut.last, cut.more, cut.parts.len()), (Some(3), true, 2), "lines are counted, too");
}

async fn jobs_keep_their_lines_apart(db: Case) {
    add(&db, id_at(1, 1), &[line("a"), line("b")], &[2]).await;
    add(&db, id_at(1, 2), &[line("c")], &[1]).await;
    assert_eq!(read_lines(&db, id_at(1, 2), 0, 10).await, [(1, line("c"))]);
    assert_eq!(read_lines(&db, id_at(1, 3), 0, 10).await, []);
}

async fn no_chunks_are_accepted(db: Case) {
    commit(&db, async |txn| chunk_insert_many_in_txn(txn, &[], at(1)).await).await.unwrap();
    assert_eq!(db.rows("job_log_chunks").await, 0);
}

async fn a_taken_number_is_refused(db: Case) {
    let job_id = id_at(1, 1);
    let lines = [line("a"), line("b"), line("c")];
    add(&db, job_id, &lines, &[3]).await;
    for chunk in [Chunk { job_id, first_line: 1, lines: &lines }, Chunk { job_id, first_line: 3, lines: &lines[..1] }] {
        let again = commit(&db, async |txn| chunk_insert_many_in_txn(txn, &[chunk], at(2)).await).await;
        assert!(matches!(again, Err(Error::Duplicate(_))), "{again:?}");
    }
    assert_eq!(read_lines(&db, job_id, 0, 10).await.len(), 3);
}
