use serde_json::{Value, json};

const CALENDAR: &str = "019ac1d2-7f40-7b95-9a3c-5e1d0c8b7f26";

fn week() -> Value {
    let office = ["08:00-12:00", "13:00-18:00"];
    json!({"sunday": [], "monday": office, "tuesday": office, "wednesday": office, "thursday": office, "friday": office, "saturday": []})
}

fn blackouts() -> Value {
    json!([
        {"name": "Closing of the month", "cron_expression": "0 18 L * *", "minutes": 720},
        {"name": "Move of the data centre", "from": "2026-12-05T03:00:00Z", "to": "2026-12-06T03:00:00Z"}
    ])
}

pub(crate) fn calendar() -> Value {
    json!({
        "id": CALENDAR, "name": "São Paulo office", "week": week(), "holidays": ["br", "br-sp"],
        "days": [
            {"date": "2026-12-24", "name": "Christmas Eve", "works": true, "hours": ["08:00-12:00"]},
            {"date": "2027-01-25", "name": "Aniversário de São Paulo", "works": false, "hours": []}
        ],
        "blackouts": blackouts(), "created_at": "2026-11-20T09:14:03.250Z", "updated_at": "2026-11-26T08:02:11.004Z", "updated_by": "maria"
    })
}

pub(crate) fn calendar_summary() -> Value {
    json!({
        "id": CALENDAR, "name": "São Paulo office", "week": week(), "holidays": ["br", "br-sp"], "day_count": 2, "blackout_count": 2,
        "created_at": "2026-11-20T09:14:03.250Z", "updated_at": "2026-11-26T08:02:11.004Z", "updated_by": "maria"
    })
}

pub(crate) fn calendar_create() -> Value {
    json!({
        "name": "São Paulo office", "week": week(), "holidays": ["br", "br-sp"],
        "days": [{"date": "2027-01-25", "name": "Aniversário de São Paulo"}, {"date": "2026-12-24", "hours": ["08:00-12:00"]}],
        "blackouts": blackouts()
    })
}

pub(crate) fn calendar_update() -> Value {
    json!({"holidays": ["br-bank"], "updated_at": "2026-11-26T08:02:11.004Z"})
}

pub(crate) fn explained_day() -> Value {
    json!({"date": "2026-11-20", "business_day": false, "hours": [], "reason": "holiday", "names": ["Dia Nacional de Zumbi e da Consciência Negra"]})
}

pub(crate) fn holiday() -> Value {
    json!({"date": "2026-02-18", "name": "Quarta-feira de Cinzas", "until": "14:00"})
}

pub(crate) fn calendar_import() -> Value {
    json!({
        "dry_run": true, "format": "ics", "added": 1, "changed": 0, "removed": 0,
        "days": [{"change": "added", "date": "2027-01-25", "name": "Aniversário de São Paulo", "hours": []}]
    })
}
