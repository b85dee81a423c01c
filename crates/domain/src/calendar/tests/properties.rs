//! What holds for any calendar.

use proptest::prelude::*;

use super::*;

/// Calendars with a business day a week at least, some sets of holidays, and days of their own from 2020 to 2030, at which business days can be
/// far apart.
fn calendars() -> impl Strategy<Value = Calendar> {
    let week = proptest::array::uniform7(any::<bool>()).prop_filter("a business day a week", |week| week.contains(&true));
    let holidays = proptest::sample::subsequence(HolidaySet::ALL.to_vec(), 0..5);
    let days = proptest::collection::btree_map(0..4_000_u64, any::<bool>(), 0..200);
    // A vacation: days in a row.
    let closed = (0..4_000_u64, 0..200_u64);
    (week, holidays, days, closed).prop_map(|(week, holidays, days, (from, length))| {
        let hours = |works| if works { Hours::all() } else { Hours::none() };
        let day = |days| date("2020-01-01") + chrono::Days::new(days);
        let mut calendar = Calendar::with_holidays("any", holidays);
        calendar.week = week.map(hours);
        let own = |(nth, works)| (day(nth), Day { name: String::new(), hours: hours(works) });
        calendar.days = (from..from + length).map(|nth| (nth, false)).chain(days).map(own).collect();
        calendar
    })
}

fn days() -> impl Strategy<Value = NaiveDate> {
    (0..4_000_u64).prop_map(|days| date("2020-01-01") + chrono::Days::new(days))
}

/// The business days of some years around those of [`days`], by the definition: days with working hours.
fn business_days(calendar: &Calendar) -> Vec<NaiveDate> {
    let all = date("2016-01-01").iter_days().take_while(|day| *day < date("2036-01-01"));
    all.filter(|day| !calendar.hours(*day).is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_nth_business_day_of_a_month_is_counted_from_either_end(calendar in calendars(), day in days()) {
        let (year, month) = (day.year(), day.month());
        let of_month: Vec<_> =
            business_days(&calendar).into_iter().filter(|day| (day.year(), day.month()) == (year, month)).collect();
        for n in 1..=31_i32 {
            let (nth, back) = (of_month.get(n as usize - 1), of_month.iter().rev().nth(n as usize - 1));
            prop_assert_eq!(calendar.business_day_of_month(year, month, n), nth.copied(), "{}", n);
            prop_assert_eq!(calendar.business_day_of_month(year, month, -n), back.copied(), "-{}", n);
        }
        for day in of_month {
            prop_assert!(calendar.is_business_day(day));
        }
    }

    #[test]
    fn the_next_business_day_is_the_nearest_and_so_is_the_previous(calendar in calendars(), day in days()) {
        let all = business_days(&calendar);
        prop_assert_eq!(calendar.is_business_day(day), all.binary_search(&day).is_ok());
        prop_assert_eq!(calendar.business_day_from(day), all.iter().find(|business| **business >= day).copied());
        prop_assert_eq!(calendar.business_day_to(day), all.iter().rev().find(|business| **business <= day).copied());
    }

    #[test]
    fn so_many_business_days_forth_and_back_lead_to_where_they_began(
        calendar in calendars(), day in days(), n in 1..200_i32, m in 0..200_i32,
    ) {
        let add = |day, count| calendar.business_days_from(day, count).unwrap();
        let (before, after) = (calendar.business_day_to(day).unwrap(), calendar.business_day_from(day).unwrap());
        // From a day off one comes back to the business day beside it, because those are counted.
        prop_assert_eq!((add(add(day, n), -n), add(add(day, -n), n)), (before, after));
        prop_assert_eq!(add(day, 0), before);
        for business in [before, after] {
            prop_assert_eq!((add(business, 0), add(add(business, n), -n), add(add(business, -n), n)), (business, business, business));
            prop_assert_eq!(add(add(business, n), m), add(business, n + m));
            prop_assert_eq!(add(add(business, n), -m), add(business, n - m));
        }
    }
}
