use chrono::{NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::{
    Phrases, clock, join, numbers,
    shape::{Dates, Kind, OfMonth, OfWeek, Times},
};
use crate::calendar::DayRule;

pub(super) struct Portuguese;

const WEEKDAYS: [&str; 7] = ["domingo", "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado"];
const MONTHS: [&str; 12] =
    ["janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro", "dezembro"];
/// Masculine forms; the feminine ones end with `a`.
const NTH: [&str; 6] = ["último", "primeiro", "segundo", "terceiro", "quarto", "quinto"];

fn weekday(weekday: u32) -> &'static str {
    WEEKDAYS.get(weekday as usize).copied().unwrap_or_default()
}

const fn is_feminine(weekday: u32) -> bool {
    matches!(weekday, 1..=5)
}

fn month(month: u32) -> &'static str {
    MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or_default()
}

/// `primeira segunda-feira do mês`.
fn nth_weekday(&(day, nth): &(u32, u32)) -> String {
    let masculine = NTH.get(nth as usize).copied().unwrap_or_default();
    let ordinal = if is_feminine(day) { format!("{}a", masculine.trim_end_matches('o')) } else { masculine.to_owned() };
    format!("{ordinal} {} do mês", weekday(day))
}

fn in_nth_weekday(nth: &(u32, u32)) -> String {
    format!("{} {}", if is_feminine(nth.0) { "na" } else { "no" }, nth_weekday(nth))
}

/// `às 07:30`, `à 01:15`.
fn at(second: u32) -> String {
    format!("{} {}", if second / 3600 == 1 { "à" } else { "às" }, clock(second))
}

/// `das 08:00`, `da 01:00`.
fn from(second: u32) -> String {
    format!("{} {}", if second / 3600 == 1 { "da" } else { "das" }, clock(second))
}

fn every(count: u32, unit: &str) -> String {
    if count == 1 { format!("a cada {unit}") } else { format!("a cada {count} {unit}s") }
}

/// `no minuto 5`, `nas horas 3 e 4`, `em cada segundo`.
fn field(values: Option<&Vec<u32>>, unit: &str, feminine: bool) -> String {
    let article = if feminine { "a" } else { "o" };
    match values.map(Vec::as_slice) {
        None => format!("em cada {unit}"),
        Some([one]) => format!("n{article} {unit} {one}"),
        Some(values) => format!("n{article}s {unit}s {}", numbers(values, "a", "e")),
    }
}

fn of_month(days: &OfMonth) -> String {
    let mut items = Vec::new();
    match days.days.as_slice() {
        [] => {}
        [one] => items.push(format!("no dia {one} do mês")),
        days => items.push(format!("nos dias {} do mês", numbers(days, "a", "e"))),
    }
    items.extend(days.nearest.iter().map(|day| format!("no dia de segunda a sexta-feira mais próximo do dia {day} do mês")));
    items.extend(days.last_weekday.then(|| "no último dia de segunda a sexta-feira do mês".to_owned()));
    items.extend(days.last.then(|| "no último dia do mês".to_owned()));
    join(&items, "e")
}

fn of_week(days: &OfWeek) -> String {
    if days.is_monday_to_friday() {
        return "de segunda a sexta-feira".to_owned();
    }
    if days.is_weekend() {
        return "todo sábado e domingo".to_owned();
    }
    let every = |day: &u32| format!("{} {}", if is_feminine(*day) { "toda" } else { "todo" }, weekday(*day));
    let items = days.days.iter().map(every).chain(days.nth.iter().map(in_nth_weekday));
    join(&items.collect::<Vec<_>>(), "e")
}

fn which(days: &OfWeek) -> String {
    let names = days.days.iter().map(|day| weekday(*day).to_owned());
    join(&names.chain(days.nth.iter().map(nth_weekday)).collect::<Vec<_>>(), "ou")
}

impl Phrases for Portuguese {
    fn times(&self, times: &Times) -> String {
        match times {
            Times::At(times) => join(&times.iter().map(|time| at(*time)).collect::<Vec<_>>(), "e"),
            Times::Seconds(count) => every(*count, "segundo"),
            Times::Minutes(count) => every(*count, "minuto"),
            Times::MinutesBetween(count, begin, end) => format!("{}, {} {}", every(*count, "minuto"), from(*begin), at(*end)),
            Times::Hours(count, 0) => every(*count, "hora"),
            Times::Hours(count, minute) => format!("{}, no minuto {minute}", every(*count, "hora")),
            Times::HoursBetween(begin, end) => format!("a cada hora, {} {}", from(*begin), at(*end)),
            Times::Fields { seconds, minutes, hours } => {
                let begin = match seconds.as_deref() {
                    Some([0]) => String::new(),
                    _ => format!("{}, ", field(seconds.as_ref(), "segundo", false)),
                };
                format!("{begin}{}, {}", field(minutes.as_ref(), "minuto", false), field(hours.as_ref(), "hora", true))
            }
        }
    }

    fn dates(&self, dates: &Dates) -> Option<String> {
        Some(match &dates.days {
            Kind::Every => return None,
            Kind::OfMonth(days) => of_month(days),
            Kind::OfWeek(days) => of_week(days),
            Kind::Either(month, week) => format!("{}, e também {}", of_month(month), of_week(week)),
            Kind::Both(month, week) => format!("{} se for {}", of_month(month), which(week)),
        })
    }

    fn months(&self, months: &[u32]) -> String {
        format!("em {}", join(&months.iter().map(|number| month(*number).to_owned()).collect::<Vec<_>>(), "e"))
    }

    fn yearly(&self, number: u32, day: u32) -> String {
        let day = if day == 1 { "1º".to_owned() } else { day.to_string() };
        format!("todo ano em {day} de {}", month(number))
    }

    fn every_day(&self) -> &'static str {
        "todo dia"
    }

    fn interval(&self, length: TimeDelta) -> String {
        let units = [
            ("dia", length.num_days()),
            ("hora", length.num_hours() % 24),
            ("minuto", length.num_minutes() % 60),
            ("segundo", length.num_seconds() % 60),
        ];
        let parts: Vec<_> = units.into_iter().filter(|(_, count)| *count != 0).collect();
        match parts.as_slice() {
            [(unit, 1)] => format!("a cada {unit}"),
            _ => {
                let plural = |count: i64| if count == 1 { "" } else { "s" };
                let items = parts.iter().map(|(unit, count)| format!("{count} {unit}{}", plural(*count)));
                format!("a cada {}", join(&items.collect::<Vec<_>>(), "e"))
            }
        }
    }

    fn once(&self, moment: NaiveDateTime) -> String {
        format!("uma vez, em {} {}", moment.format("%d/%m/%Y"), at(moment.num_seconds_from_midnight()))
    }

    fn window(&self, start: NaiveTime, end: NaiveTime) -> String {
        format!("somente a partir das {} e antes das {}", start.format("%H:%M"), end.format("%H:%M"))
    }

    fn calendar(&self, rule: DayRule, name: &str) -> String {
        match rule {
            DayRule::Only => format!("somente no horário útil do calendário {name}"),
            DayRule::Except => format!("somente nos dias sem expediente do calendário {name}"),
            DayRule::Next => format!("adiado para o próximo dia útil do calendário {name}"),
            DayRule::Previous => format!("antecipado para o dia útil anterior do calendário {name}"),
            DayRule::Nth(-1) => format!("somente no último dia útil do mês do calendário {name}"),
            DayRule::Nth(n) if n < 0 => format!("somente no {}º dia útil a contar do fim do mês do calendário {name}", n.unsigned_abs()),
            DayRule::Nth(n) => format!("somente no {n}º dia útil do mês do calendário {name}"),
        }
    }
}
