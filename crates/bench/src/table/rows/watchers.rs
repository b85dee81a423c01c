use super::{Row, single, target};
use crate::measure::watchers::{Beside, Watchers};

/// Maximum memory over that of an idle hub, in MiB.
const MOST_MIB: f64 = 60.0;

pub(crate) fn rows(found: &Watchers) -> Vec<Row> {
    let count = found.count;
    let both = |what: &str, found: &Beside| {
        let (mib, cpu) = (found.added_mib(), found.with.cpu_percent);
        [
            single(
                format!("{count} idle {what}, MiB over the idle hub"),
                format!("{mib:.1}"),
                target(format!("< {MOST_MIB}"), mib < MOST_MIB),
            ),
            single(format!("– CPU, % of a core (idle hub: {:.2})", found.without.cpu_percent), format!("{cpu:.2}"), None),
        ]
    };
    let (server_sent, websockets) = (both("watchers of live events", &found.server_sent), both("WebSockets", &found.websockets));
    server_sent.into_iter().chain(websockets).collect()
}
