//! Writes the results.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::report::Report;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Writes a line on standard output.
pub(crate) fn say(text: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()?;
    Ok(())
}

/// Writes the report into `bench/results` and, if it is complete, the table into `docs/PERFORMANCE.md`.
pub(crate) fn keep(report: &Report, table: &str) -> Result<()> {
    let root = root()?;
    let results = root.join("bench/results");
    fs::create_dir_all(&results)?;
    let text = serde_json::to_string_pretty(report)?;
    let file = results.join(format!("{}.json", report.started_at.replace(':', "")));
    fs::write(&file, &text)?;
    fs::write(results.join("latest.json"), &text)?;
    say(&format!("\nkept in {}", file.display()))?;
    if report.options.parts.is_empty() {
        let page = root.join("docs/PERFORMANCE.md");
        let before = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
        fs::write(&page, between_markers(&before, table)).with_context(|| page.display().to_string())?;
    }
    Ok(())
}

/// The repository that this was built from.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.ancestors().nth(2).context("the repository")?.to_owned())
}

/// The page with `table` between the markers, or at the end if there are none.
fn between_markers(page: &str, table: &str) -> String {
    let block = format!("{BEGIN}\n\n{}\n\n{END}", table.trim());
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) if begin < end => format!("{}{block}{}", &page[..begin], &page[end + END.len()..]),
        _ => format!("{}\n\n{block}\n", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        assert_eq!(between_markers(&page, "new"), format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(between_markers("page\n", "new"), format!("page\n\n{BEGIN}\n\nnew\n\n{END}\n"));
    }

    #[test]
    fn the_page_has_the_markers() {
        let page = include_str!("../../../docs/PERFORMANCE.md");
        assert!(page.contains(BEGIN) && page.contains(END));
    }
}
