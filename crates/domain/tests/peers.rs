//! Schedules and holidays against programs of other people: `cronsim`, which means to be Debian's cron, and the package `holidays`.
//!
//! Both are Python; their virtual environment is made under the target folder once. `SCHEDULE_SEED` chooses the expressions. And against the
//! table of bank holidays that banks themselves go by.
#![expect(clippy::unwrap_used, reason = "a test's way to fail")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use domain::{
    calendar::HolidaySet,
    schedule::{Cron, CronProblem, Zone, Zones},
};
use serde_json::{Value, json};

const EXPRESSIONS: usize = 2_500;
const FIVE_YEARS_S: i64 = 5 * 365 * 86_400;
/// An expression with at most so many fires in five years, one a day, is compared over all of them.
const WHOLE: usize = 1_830;
/// One with more is compared from a moment of each month of the five years on,
const MONTH_S: i64 = FIVE_YEARS_S / 60;
/// for so many fires.
const PART: usize = 8;
/// Fires that are compared around a clock change.
const AROUND: usize = 120;
const ZONES: [&str; 12] = [
    "UTC",
    "America/Sao_Paulo",
    "America/Noronha",
    "America/New_York",
    "America/St_Johns",
    "Europe/London",
    "Europe/Dublin",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Pacific/Chatham",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// The Python that has the peers.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/python-venv");
        let made = Command::new(script).arg(&venv).arg(folder().join("requirements.txt")).status().unwrap();
        assert!(made.success(), "the virtual environment could not be made");
        venv.join("bin/python")
    })
}

fn run(script: &str, input: Vec<u8>) -> Vec<Value> {
    let mut child = Command::new(python())
        .arg(folder().join(script))
        // The zones of the package tzdata, not those of the system.
        .env("PYTHONTZPATH", "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{script} failed");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn of(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        range.start() + self.next() % (range.end() - range.start() + 1)
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.of(0..=of.len() as u64 - 1) as usize]
    }

    /// A field of an expression.
    fn field(&mut self, low: u64, high: u64, special: &[&str]) -> String {
        // Of two values at least: see the test of steps.
        let range = |random: &mut Self| {
            let first = random.of(low..=high - 1);
            format!("{first}-{}", random.of(first + 1..=high))
        };
        match self.of(0..=9) {
            0..=2 => "*".to_owned(),
            3 | 4 => self.of(low..=high).to_string(),
            5 => range(self),
            6 => format!("{}/{}", range(self), self.of(1..=9)),
            7 => format!("*/{}", self.of(1..=20)),
            8 => (0..self.of(2..=4)).map(|_| self.of(low..=high).to_string()).collect::<Vec<_>>().join(","),
            _ if special.is_empty() => self.of(low..=high).to_string(),
            _ => self.one(special).to_owned(),
        }
    }

    fn expression(&mut self) -> String {
        let seconds = if self.of(0..=9) == 0 { Some(self.field(0, 59, &[])) } else { None };
        let fields = [
            self.field(0, 59, &["0", "30", "0,30"]),
            self.field(0, 23, &["1-3", "0,1,2,3", "2"]),
            self.field(1, 31, &["L", "LW", "1,15,L", "*,13"]),
            self.field(1, 12, &["JAN-MAR", "oct,nov", "*"]),
            self.field(0, 7, &["MON-FRI", "1#1", "5L", "SUN", "5-7", "2#2,4L"]),
        ];
        seconds.into_iter().chain(fields).collect::<Vec<_>>().join(" ")
    }
}

/// An expression in a zone.
#[derive(Clone)]
struct Expression {
    text: String,
    cron: Cron,
    zone: Zone,
}

/// Fires of an expression after an instant, until another or so many.
struct Case {
    expression: Expression,
    after: i64,
    until: i64,
    limit: usize,
    fires: Vec<i64>,
}

impl Case {
    fn new(expression: &Expression, (after, until): (i64, i64), limit: usize) -> Self {
        let mut at = instant(after);
        let next = || {
            at = expression.cron.next(&expression.zone, at)?;
            Some(at.timestamp())
        };
        let fires = std::iter::from_fn(next).take_while(|at| *at <= until).take(limit).collect();
        Self { expression: expression.clone(), after, until, limit, fires }
    }

    /// Whether the limit ends it.
    fn is_cut(&self) -> bool {
        self.fires.len() == self.limit
    }
}

impl Expression {
    fn is_interval(&self) -> bool {
        let fields: Vec<_> = self.text.split(' ').collect();
        let day = fields.len() - 3;
        fields[..day].iter().any(|field| field.starts_with('*'))
    }

    /// Why cronsim may differ; `None`: it must not.
    fn class(&self, at: i64) -> Option<&'static str> {
        let changes = (at - 2 * 86_400..=at + 2 * 86_400).step_by(3600).map(|at| self.offset(at));
        let offsets: BTreeSet<i64> = changes.collect();
        if offsets.len() < 2 {
            return None;
        }
        if self.is_interval() {
            return Some("interval job: cronsim goes by local hours, crontab by the clock at each instant");
        }
        (self.text.split(' ').count() == 6).then_some("six fields: cronsim has no fixed-time jobs with seconds, here they are as with five")
    }

    fn offset(&self, at: i64) -> i64 {
        self.zone.local(instant(at)).and_utc().timestamp() - at
    }

    /// Whether an interval job fires by its definition: the expression matches what the zone's clock shows.
    fn is_meant(&self, at: i64) -> bool {
        let local = self.zone.local(instant(at)).and_utc();
        self.cron.next(&Zone::utc(), local - TimeDelta::seconds(1)) == Some(local)
    }
}

fn instant(at: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(at, 0).unwrap()
}

/// Cases with the same seed are the same: each expression over five years from a random instant on, wholly or a part of each month, and from before
/// some of their clock changes.
fn cases(seed: u64) -> Vec<Case> {
    let (mut random, zones) = (Random(seed), Zones::bundled());
    let (mut cases, mut expressions) = (Vec::new(), 0);
    while expressions < EXPRESSIONS {
        let text = random.expression();
        let zone = zones.get(random.one(&ZONES)).unwrap();
        let after = random.of(1_400_000_000..=1_900_000_000) as i64;
        let Ok(cron) = Cron::parse(&text) else { continue };
        expressions += 1;
        let expression = Expression { text, cron, zone };
        let end = after + FIVE_YEARS_S;
        let whole = Case::new(&expression, (after, end), WHOLE);
        if whole.is_cut() {
            cases.extend((after..end).step_by(MONTH_S as usize).map(|from| Case::new(&expression, (from, end), PART)));
        } else {
            cases.push(whole);
        }
        let changes: Vec<_> = (after..end).step_by(86_400).filter(|at| expression.offset(*at) != expression.offset(at + 86_400)).collect();
        if !changes.is_empty() {
            let around = |random: &mut Random| changes[random.of(0..=changes.len() as u64 - 1) as usize] - 3600;
            cases.extend((0..2).map(|_| Case::new(&expression, (around(&mut random), end), AROUND)));
        }
    }
    cases
}

/// What cronsim answers to each of these.
fn cronsim(cases: &[Case]) -> Vec<Vec<i64>> {
    let mut input = Vec::new();
    for Case { expression: Expression { text, zone, .. }, after, until, limit, .. } in cases {
        let case = json!({"cron": text, "zone": zone.name(), "after": after, "until": until, "limit": limit});
        writeln!(input, "{case}").unwrap();
    }
    run("fires.py", input).into_iter().map(|answer| serde_json::from_value(answer).unwrap()).collect()
}

#[test]
fn fires_are_those_of_cronsim_but_for_what_crontab_says() {
    let seed = std::env::var("SCHEDULE_SEED").ok().map_or(2026, |seed| seed.parse().unwrap());
    println!("SCHEDULE_SEED={seed}");
    let cases = cases(seed);
    // It takes longer than what it is compared with: a process for each of two processors.
    let (first, second) = cases.split_at(cases.len() / 2);
    let answers = std::thread::scope(|scope| {
        let first = scope.spawn(|| cronsim(first));
        let second = cronsim(second);
        [first.join().unwrap(), second].concat()
    });
    assert_eq!(answers.len(), cases.len());
    let (mut compared, mut classes) = (0, BTreeMap::<&str, usize>::new());
    for (case, theirs) in cases.iter().zip(answers) {
        let Case { expression, after, until, limit, fires: ours } = case;
        // Two skipped times start at the same instant: crontab has one slot for both, cronsim two. And a search that begins in a repeated hour
        // begins with its first pass.
        let is_cut = theirs.len() == *limit;
        let mut theirs: Vec<_> = theirs.into_iter().filter(|at| at > after).collect();
        theirs.dedup();
        let end = |fires: &[i64], is_cut: bool| if is_cut { fires.last().copied().unwrap_or(*after) } else { *until };
        let end = end(ours, case.is_cut()).min(end(&theirs, is_cut));
        let [ours, theirs] = [ours, &theirs].map(|fires| fires.iter().copied().filter(|at| *at <= end).collect::<BTreeSet<_>>());
        compared += ours.intersection(&theirs).count();
        for at in ours.symmetric_difference(&theirs) {
            let side = if ours.contains(at) { "here alone" } else { "there alone" };
            let shown = || format!("{} in {:?}: {} {side} (SCHEDULE_SEED={seed})", expression.text, expression.zone, instant(*at));
            let class = expression.class(*at).unwrap_or_else(|| panic!("{}", shown()));
            if expression.is_interval() {
                assert_eq!(expression.is_meant(*at), ours.contains(at), "{}", shown());
            }
            *classes.entry(class).or_default() += 1;
        }
    }
    println!("{} searches, {compared} fires; explained differences: {classes:#?}", cases.len());
    assert!(compared > 200_000, "{compared}");
}

#[test]
fn steps_belong_to_ranges_as_in_crontab() {
    // cronsim reads 5/15 and 5-5/15 as 5-59/15. crontab(5) has steps after a range or an asterisk, and a range ends with its last value.
    let error = Cron::parse("5/15 * * * *").unwrap_err();
    assert!(matches!(error.problem, CronProblem::StepWithoutRange { instead, .. } if instead == "5-59/15"));
    let [one, range] = ["5 * * * *", "5-5/15 * * * *"].map(|text| Cron::parse(text).unwrap());
    assert_eq!(one.next(&Zone::utc(), instant(0)), range.next(&Zone::utc(), instant(0)));
    assert_eq!(range.next(&Zone::utc(), instant(300)), Some(instant(3900)));
}

fn ours(sets: &[HolidaySet], without: &[HolidaySet]) -> BTreeSet<NaiveDate> {
    let days = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap().iter_days().take_while(|day| day.year() <= 2040);
    let is_in = |sets: &[HolidaySet], day: NaiveDate| sets.iter().any(|set| set.on(day).next().is_some());
    days.filter(|day| is_in(sets, *day) && !is_in(without, *day)).collect()
}

#[test]
fn holidays_from_1990_to_2040_are_the_published_ones() {
    let published = run("holidays_of_brazil.py", Vec::new()).remove(0);
    let days = |name: &str| -> BTreeSet<NaiveDate> { serde_json::from_value(published[name].clone()).unwrap() };
    assert_eq!(ours(&[HolidaySet::Br], &[]), days("BR"));
    let states = HolidaySet::ALL.into_iter().filter(|set| !matches!(set, HolidaySet::Br | HolidaySet::BrBank | HolidaySet::BrOptional));
    let mut compared = 0;
    for set in states {
        let name = set.as_str().trim_start_matches("br-").to_uppercase();
        assert_eq!(ours(&[set], &[HolidaySet::Br]), days(&name), "{set}");
        compared += 1;
    }
    assert_eq!(compared, 27);
    // The government's days off that no law makes regular: the civil servants' day, which is moved each year, and the last days of the year.
    let is_kept = |day: &NaiveDate| !matches!((day.month(), day.day()), (10, 28) | (12, 24 | 31));
    let optional: BTreeSet<_> = days("optional").into_iter().filter(is_kept).collect();
    let here = ours(&[HolidaySet::BrOptional], &[]);
    let here: BTreeSet<_> = here.into_iter().filter(is_kept).collect();
    assert_eq!(here, optional);
    let on = |set: HolidaySet| ours(&[set], &[HolidaySet::Br]);
    let ash = |day: &NaiveDate| HolidaySet::BrOptional.on(*day).all(|holiday| holiday.until_s == 86_400);
    assert_eq!(on(HolidaySet::BrBank), on(HolidaySet::BrOptional).into_iter().filter(ash).collect(), "banks close on whole optional days");
}

#[test]
fn banks_close_when_their_association_says() {
    let table = include_str!("peers/anbima.txt").lines().filter(|line| !line.starts_with('#'));
    let of_year = |line: &'static str| {
        let (year, days) = line.split_once(": ").unwrap();
        days.split(' ').map(move |day| format!("{year}-{day}").parse::<NaiveDate>().unwrap())
    };
    // The table has a Sunday that is none of the law's, Easter of 2000.
    let weekdays = |day: &NaiveDate| day.weekday().num_days_from_monday() < 5;
    let published: BTreeSet<_> = table.flat_map(of_year).filter(weekdays).collect();
    assert!(published.len() > 41 * 8 && published.iter().map(Datelike::year).collect::<BTreeSet<_>>() == (2000..=2040).collect());
    let here = ours(&[HolidaySet::BrBank], &[]).into_iter().filter(|day| day.year() >= 2000 && weekdays(day));
    assert_eq!(here.collect::<BTreeSet<_>>(), published);
}
