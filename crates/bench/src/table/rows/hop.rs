use super::{Row, single, target, versus};
use crate::measure::hop::Hop;

pub(in crate::table) fn rows(found: &Hop) -> Vec<Row> {
    let (added, cpu, speed) = (&found.added_p50_ms, &found.cpu_ms, &found.requests_per_s);
    let check_us = found.token_check_us;
    vec![
        single("request at light load without a proxy, p50, ms", format!("{:.3}", found.direct_p50_ms), None),
        versus("– added by the gateway, p50, ms (floor column: nginx)", added, 3, target("< 0.3", added.regente < 0.3)),
        versus("– CPU of the gateway per request, ms (floor column: nginx)", cpu, 3, target("< 0.1", cpu.regente < 0.1)),
        versus("requests/s through one core (floor column: nginx)", speed, 0, target("≥ 0.5 ×", speed.ratio >= 0.5)),
        versus("– per second of the proxy's processor time (floor column: nginx)", &found.requests_per_cpu_s, 0, None),
        single("check of an access token that was seen before, µs", format!("{check_us:.2}"), target("< 5", check_us < 5.0)),
    ]
}
