use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::schedule::Zone;

fn words(cron: &str) -> (String, String) {
    let cron = Cron::parse(cron).unwrap();
    (cron.words(Language::Pt), cron.words(Language::En))
}

#[test]
fn common_shapes_have_the_phrase_that_people_use() {
    for (cron, pt, en) in [
        ("30 7 * * 1-5", "de segunda a sexta-feira às 07:30", "every weekday at 07:30"),
        ("0 9 * * 1", "toda segunda-feira às 09:00", "every Monday at 09:00"),
        ("0 9 * * SAT,SUN", "todo sábado e domingo às 09:00", "every Saturday and Sunday at 09:00"),
        ("0 1 * * 0,1,3", "todo domingo, toda segunda-feira e toda quarta-feira à 01:00", "every Sunday, Monday and Wednesday at 01:00"),
        ("0 0 * * *", "todo dia às 00:00", "every day at 00:00"),
        ("@daily", "todo dia às 00:00", "every day at 00:00"),
        ("0 7,19 * * *", "todo dia às 07:00 e às 19:00", "every day at 07:00 and 19:00"),
        ("0,30 8 * * *", "todo dia às 08:00 e às 08:30", "every day at 08:00 and 08:30"),
        ("* * * * *", "a cada minuto", "every minute"),
        ("*/15 * * * *", "a cada 15 minutos", "every 15 minutes"),
        ("0 * * * *", "a cada hora", "every hour"),
        ("30 * * * *", "a cada hora, no minuto 30", "every hour, at minute 30"),
        ("0 */6 * * *", "a cada 6 horas", "every 6 hours"),
        ("15 */2 * * *", "a cada 2 horas, no minuto 15", "every 2 hours, at minute 15"),
        ("0 0,6,12,18 * * *", "todo dia às 00:00, às 06:00, às 12:00 e às 18:00", "every day at 00:00, 06:00, 12:00 and 18:00"),
        (
            "*/15 8-17 * * 1-5",
            "a cada 15 minutos, das 08:00 às 17:45, de segunda a sexta-feira",
            "every 15 minutes from 08:00 to 17:45, every weekday",
        ),
        ("0 8-18 * * *", "a cada hora, das 08:00 às 18:00", "every hour from 08:00 to 18:00"),
        ("*/10 * * * * *", "a cada 10 segundos", "every 10 seconds"),
        ("30 0 12 * * *", "todo dia às 12:00:30", "every day at 12:00:30"),
        ("0 8 1 * *", "no dia 1 do mês às 08:00", "on day 1 of the month at 08:00"),
        ("0 8 1,15 * *", "nos dias 1 e 15 do mês às 08:00", "on days 1 and 15 of the month at 08:00"),
        ("0 18 L * *", "no último dia do mês às 18:00", "on the last day of the month at 18:00"),
        (
            "0 18 LW * *",
            "no último dia de segunda a sexta-feira do mês às 18:00",
            "on the last day from Monday to Friday of the month at 18:00",
        ),
        (
            "0 12 15W * *",
            "no dia de segunda a sexta-feira mais próximo do dia 15 do mês às 12:00",
            "on the day from Monday to Friday nearest to day 15 of the month at 12:00",
        ),
        ("0 9 * * 1#1", "na primeira segunda-feira do mês às 09:00", "on the first Monday of the month at 09:00"),
        ("0 9 * * 6#3", "no terceiro sábado do mês às 09:00", "on the third Saturday of the month at 09:00"),
        ("0 9 * * 5L", "na última sexta-feira do mês às 09:00", "on the last Friday of the month at 09:00"),
        ("@yearly", "todo ano em 1º de janeiro às 00:00", "every year on January 1 at 00:00"),
        ("0 8 25 12 *", "todo ano em 25 de dezembro às 08:00", "every year on December 25 at 08:00"),
        ("0 8 5 1,7 *", "no dia 5 do mês às 08:00, em janeiro e julho", "on day 5 of the month at 08:00, in January and July"),
    ] {
        assert_eq!(words(cron), (pt.to_owned(), en.to_owned()), "{cron}");
    }
}

#[test]
fn other_shapes_are_told_field_by_field() {
    for (cron, pt, en) in [
        ("0 0 13 * 5", "no dia 13 do mês, e também toda sexta-feira às 00:00", "on day 13 of the month, and also every Friday at 00:00"),
        (
            "0 9 */2 * 1",
            "nos dias 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 e 31 do mês se for segunda-feira às 09:00",
            "on days 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 of the month if it is a Monday at 09:00",
        ),
        ("5-10,50 3,4 * * *", "nos minutos 5 a 10 e 50, nas horas 3 e 4", "at minutes 5 to 10 and 50 of hours 3 and 4"),
        (
            "*/7 * * * *",
            "nos minutos 0, 7, 14, 21, 28, 35, 42, 49 e 56, em cada hora",
            "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
        ),
        ("* * 9 * * *", "em cada segundo, em cada minuto, na hora 9", "at every second of every minute of hour 9"),
        ("0 0 1-31 * 5", "todo dia às 00:00", "every day at 00:00"),
        ("*/90 * * * *", "a cada hora", "every hour"),
    ] {
        assert_eq!(words(cron), (pt.to_owned(), en.to_owned()), "{cron}");
    }
}

#[test]
fn intervals_single_times_windows_and_calendars_have_words() {
    let utc = Zone::utc;
    let id = crate::ids::ScheduleId::default();
    let interval = |seconds: i64| Schedule::new(id, Spec::Interval { seconds, anchor: chrono::DateTime::UNIX_EPOCH }, utc());
    assert_eq!(interval(900).words(Language::En), "every 15 minutes");
    assert_eq!(interval(3600).words(Language::Pt), "a cada hora");
    assert_eq!(interval(90_061).words(Language::Pt), "a cada 1 dia, 1 hora, 1 minuto e 1 segundo");
    let once = Schedule::new(id, Spec::Once("2026-11-30T09:00:00Z".parse().unwrap()), utc());
    assert_eq!(once.words(Language::Pt), "uma vez, em 30/11/2026 às 09:00");
    assert_eq!(once.words(Language::En), "once, on 2026-11-30 at 09:00");
    let mut daily = Schedule::new(id, Spec::Cron(Cron::parse("0 * * * *").unwrap()), utc());
    daily.window = Some(Window { start: "22:00:00".parse().unwrap(), end: "06:00:00".parse().unwrap() });
    let calendar = std::sync::Arc::new(crate::calendar::Calendar::weekdays("Bancos"));
    daily.calendar = Some(CalendarUse { calendar, rule: DayRule::Nth(-1), on_blackout: Default::default() });
    assert_eq!(
        daily.words(Language::Pt),
        "a cada hora, somente a partir das 22:00 e antes das 06:00, somente no último dia útil do mês do calendário Bancos"
    );
    assert_eq!(
        daily.words(Language::En),
        "every hour, only from 22:00 until before 06:00, only on the last business day of the month of the calendar Bancos"
    );
}

/// A field of an expression, from values that often meet.
fn field(low: u32, high: u32, special: &'static [&'static str]) -> impl Strategy<Value = String> {
    let number = low..=high;
    let range = (low..=high, low..=high, 1..8_u32).prop_map(|(one, other, step)| format!("{}-{}/{step}", one.min(other), one.max(other)));
    let list = proptest::collection::vec(low..=high, 1..4).prop_map(|list| list.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
    let step = (1..20_u32).prop_map(|step| format!("*/{step}"));
    let special = proptest::sample::select(special).prop_map(str::to_owned);
    prop_oneof![3 => Just("*".to_owned()), 2 => number.prop_map(|n| n.to_string()), 1 => range, 1 => list, 1 => step, 1 => special]
}

#[test]
fn different_expressions_have_different_words() {
    let expression = (
        field(0, 59, &["0", "0,30"]),
        field(0, 59, &["0", "*/15", "0,30"]),
        field(0, 23, &["0-23", "8-18", "*/6"]),
        field(1, 31, &["L", "LW", "1W", "15W,L", "1-31"]),
        field(1, 12, &["1", "1,7"]),
        field(0, 7, &["1-5", "0,6", "1#1", "5L", "1,5L", "0-6"]),
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 6_000, ..ProptestConfig::default() });
    let seen = std::cell::RefCell::new(HashMap::<String, (Cron, String)>::new());
    let result = runner.run(&expression, |(second, minute, hour, day, month, weekday)| {
        let text = format!("{second} {minute} {hour} {day} {month} {weekday}");
        let Ok(cron) = Cron::parse(&text) else { return Ok(()) };
        // Whether both fields of days must match has no meaning where one of them has every day.
        let mut meaning = Cron { text: String::new(), interval: false, ..cron.clone() };
        let every = meaning.days.of_month.count_ones() == 31 || meaning.days.of_week.count_ones() == 7;
        if every && !cron.days.both {
            meaning.days = Cron::parse("* * * * *").unwrap().days;
            meaning.days.months = cron.days.months;
        }
        if meaning.days.of_month.count_ones() == 31 {
            (meaning.days.last, meaning.days.last_weekday, meaning.days.nearest) = (false, false, 0);
        }
        if meaning.days.of_week.count_ones() == 7 {
            meaning.days.nth = 0;
        }
        for language in Language::ALL {
            let words = cron.words(language);
            let (other, its_text) = seen.borrow_mut().entry(words.clone()).or_insert((meaning.clone(), text.clone())).clone();
            prop_assert_eq!(&other, &meaning, "{}: {} and {}", words, its_text, text);
        }
        Ok(())
    });
    result.unwrap();
    assert!(seen.borrow().len() > 3_000);
}
