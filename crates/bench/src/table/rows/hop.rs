use super::{Row, single, target, versus};
use crate::measure::hop::Hop;

pub(in crate::table) fn rows(found: &Hop) -> Vec<Row> {
    let added = found.p50_ms.regente - found.p50_ms.floor;
    let speed = &found.requests_per_s;
    vec![
        versus("request through the gateway, p50, ms (floor column: without it)", &found.p50_ms, 3, None),
        single("– added by the gateway, p50, ms", format!("{added:.3}"), target("< 0.3", added < 0.3)),
        single("– CPU of the gateway per request at light load, ms", format!("{:.3}", found.cpu_ms), target("< 0.1", found.cpu_ms < 0.1)),
        versus("requests/s through one core (floor column: nginx)", speed, 0, target("≥ 0.5 ×", speed.ratio >= 0.5)),
        versus("– per second of the proxy's processor time (floor column: nginx)", &found.requests_per_cpu_s, 0, None),
    ]
}
