use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    check::{self, Alerting, Evidence, Timing},
    cli::Cli,
    foreign,
    form::Form,
    hostile,
    inject::Injector,
    journal::Journal,
    load::{Ledger, Load},
    memory::Peaks,
    operator::Operator,
    plan::Plan,
    recovery::Recoveries,
    report::{Acts, Alerted, Report, Timed, Watched, too_slow},
    rest, robots, sqlite,
    watchers::Watchers,
    world::World,
};

/// How long the last requests of clients and operator may stay unanswered after the faults.
pub(crate) const LAST_REQUESTS: Duration = Duration::from_secs(60);

/// Runs the faults and reports the findings; the exit code is 1 when a guarantee was violated.
pub(crate) async fn run(options: Cli) -> Result<ExitCode> {
    let seed = options.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    let exe = std::env::current_exe()?;
    let regente = options.regente.clone().unwrap_or_else(|| exe.with_file_name("regente"));
    ensure!(regente.exists(), "{} is missing: cargo build -p regente", regente.display());
    let regente = std::path::absolute(regente)?;
    let folder = fresh_folder(options.folder.clone().unwrap_or_else(|| default_folder(&exe, seed)))?;
    let journal = Arc::new(Journal::create(&folder)?);
    journal.say(&format!(
        "seed {seed}, {} s, {} jobs a shape, everything is kept in {}",
        options.seconds,
        options.jobs(),
        folder.display()
    ));
    let reports = tokio::select! {
        reports = play_all(&options, seed, &regente, &folder) => reports,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    let reports = reports.with_context(|| format!("the run itself failed; its logs are in {}", folder.display()))?;
    keep(&reports, &folder, options.keep)?;
    Ok(if reports.iter().all(Report::is_fine) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn play_all(options: &Cli, seed: u64, regente: &Path, folder: &Path) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for form in options.shapes() {
        reports.push(play(options, *form, seed, regente, &folder.join(form.name())).await?);
    }
    let rest_limit = Duration::from_secs(options.rest_limit);
    reports.push(sqlite::play(seed, options.sqlite_seconds(), regente, folder, rest_limit).await?);
    Ok(reports)
}

async fn play(options: &Cli, form: Form, seed: u64, regente: &Path, folder: &Path) -> Result<Report> {
    fs::create_dir_all(folder)?;
    let journal = Arc::new(Journal::create(folder)?);
    let time = Duration::from_secs(options.shape_seconds());
    let world = Arc::new(World::start(form, regente, folder, time, journal.clone()).await?);
    let has = world.has();
    journal.say(&format!("everything runs, {form}; there are {has:?}"));
    let (ledger, recoveries) = (Arc::new(Ledger::default()), Arc::new(Recoveries::default()));
    let shapes = Arc::new(world.shapes.clone());
    let load = Load { api: world.api.clone(), shapes, books: world.books(), ledger: ledger.clone(), journal: journal.clone() };
    let watchers = Watchers::start(&world, &ledger).await?;
    let load = tokio::spawn(load.run(seed, options.jobs(), time));
    let until = Instant::now() + time;
    let injector = Injector {
        world: world.clone(),
        recoveries: recoveries.clone(),
        ledger: ledger.clone(),
        until,
        services: Mutex::default(),
        schedulers: Mutex::default(),
    };
    let operator = Operator::new(world.clone(), ledger.clone());
    let operates = tokio::spawn(operator.clone().run(seed, until));
    let hostile = tokio::spawn(hostile::run(world.clone(), ledger.clone(), until, hostile::loud_bytes(time)));
    let peaks = Peaks::default();
    let (beside, foreign) = (world.parts(), foreign::Robots::new(world.clone(), ledger.clone()).run());
    let whole = async {
        let services = Plan::of_services(form, seed, &has).only(&options.fault);
        let agents = Plan::of_agents(seed, &has).only(&options.fault);
        let schedulers = Plan::of_schedulers(form, seed, &has).only(&options.fault);
        tokio::try_join!(
            injector.break_services(services),
            injector.break_agents(agents),
            injector.break_schedulers(schedulers),
            sleep_until(until).map(Ok)
        )?;
        journal.say("no more faults");
        let tasks = [("requests are still not accepted", load), ("something is still paused", operates), ("hostile jobs wait", hostile)];
        for (what, task) in tasks {
            match timeout(LAST_REQUESTS, task).await {
                Ok(ended) => ended?,
                Err(_) => journal.breach(format!("{what} {LAST_REQUESTS:?} after the last fault")),
            }
        }
        let mut alerting = Alerting::default();
        let rest = tokio::select! {
            rest = rest::await_rest(&world, Duration::from_secs(options.rest_limit), &mut alerting) => rest,
            never = operator.keep_resumed() => match never {},
        };
        anyhow::Ok((rest.inspect_err(|error| journal.breach(format!("{error:#}"))).ok(), alerting))
    };
    let (rest, alerting) = tokio::select! {
        rest = whole => rest?,
        ended = foreign => anyhow::bail!("the robots without an agent ended: {ended:?}"),
        never = peaks.watch(&beside) => match never {},
    };
    let watches = watchers.end(&world).await?;
    world.stop().await?;
    let left = rest::programs_left(&world.books());
    if !left.is_empty() {
        journal.breach(format!("programs still run: {left:?}"));
    }
    let watched = Watched {
        watchers: watches.len(),
        ends: watches.iter().map(|watch| watch.ends.len()).sum(),
        resets: watches.iter().map(|watch| watch.resets.len()).sum(),
    };
    let seen = Evidence { peaks_mib: peaks.mib(), watches, alerting, ..gather(&world, &ledger).await? };
    let report = judge(&seen, folder, (form.name(), seed, options.shape_seconds()), rest, (&ledger, &recoveries, &journal))?;
    let acts = Acts {
        cancels: seen.cancels.len(),
        canceled: seen.jobs.iter().filter(|job| job.status == "canceled").count(),
        job_pauses: operator.job_pauses.load(Ordering::Relaxed),
        automation_pauses: operator.automation_pauses.load(Ordering::Relaxed),
        schedule_pauses: operator.schedule_pauses.load(Ordering::Relaxed),
        schedule_changes: operator.schedule_changes.load(Ordering::Relaxed),
    };
    let of_state = |state: &str| seen.timing.fires.iter().filter(|fire| fire.state == state).map(|fire| fire.slots).sum();
    let timed = Timed { schedules: world.timetables.len(), slots: of_state("created"), skipped: of_state("skipped") };
    let alerted = Alerted::of(&seen.alerting);
    Ok(Report { acts, watched, timed, alerted, ..report })
}

/// Compares the observations with the guarantees.
pub(crate) fn judge(
    seen: &Evidence,
    folder: &Path,
    (shape, seed, seconds): (&'static str, u64, u64),
    rest: Option<Duration>,
    (ledger, recoveries, journal): (&Ledger, &Recoveries, &Journal),
) -> Result<Report> {
    let breaches = check::breaches(seen);
    if !breaches.is_empty() {
        fs::write(folder.join("evidence.txt"), evidence(seen, &breaches))?;
    }
    let measured = recoveries.measured();
    Ok(Report {
        shape,
        seed,
        seconds,
        accepted: seen.accepted.len(),
        repeated_requests: ledger.repeats.load(Ordering::Relaxed),
        jobs: seen.jobs.len(),
        ends: ends(seen),
        programs: seen.runs.values().map(Vec::len).sum(),
        acts: Acts::default(),
        watched: Watched::default(),
        timed: Timed::default(),
        alerted: Alerted::default(),
        faults: recoveries.counts().into_iter().map(|(kind, count)| (kind.name().to_owned(), count)).collect(),
        failures: [journal.breaches(), too_slow(&measured)].concat(),
        recoveries: measured,
        rest_s: rest.map(|time| time.as_secs_f64()),
        peaks_mib: seen.peaks_mib.clone(),
        breaches,
    })
}

async fn gather(world: &World, ledger: &Ledger) -> Result<Evidence> {
    Ok(Evidence {
        accepted: ledger.accepted(),
        cancels: ledger.cancels(),
        shapes: world.shapes.clone(),
        jobs: world.observer.jobs().await?,
        changes: world.observer.changes().await?,
        runs: robots::read_books(&world.books())?,
        dead_letters: world.observer.dead_letters().await?,
        workers: world.observer.workers().await?,
        absences: world.journal.absences(),
        reports: ledger.reports(),
        peaks_mib: BTreeMap::new(),
        watches: Vec::new(),
        timing: Timing {
            timetables: world.timetables.clone(),
            rows: world.observer.schedules().await?,
            fires: world.observer.fires().await?,
            pauses: world.observer.pauses().await?,
        },
        alerting: Alerting::default(),
    })
}

fn ends(seen: &Evidence) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for job in &seen.jobs {
        let end = [Some(job.status.as_str()), job.error_class.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        *ends.entry(end).or_default() += 1;
    }
    ends
}

/// All observations of the jobs that the breaches name.
fn evidence(seen: &Evidence, breaches: &[check::Breach]) -> String {
    let mut text = String::new();
    for breach in breaches {
        text.push_str(&format!("{breach}\n"));
        for id in &breach.jobs {
            let rows = seen.jobs.iter().filter(|job| job.id == *id || job.retry_of == Some(*id)).map(|job| format!("  {job:?}\n"));
            let changes = seen.changes.iter().filter(|change| change.job_id == *id).map(|change| format!("  {change:?}\n"));
            let runs = seen.runs.get(id).into_iter().flatten().map(|run| format!("  {run:?}\n"));
            text.extend(rows.chain(changes).chain(runs));
            let workers = seen.changes.iter().filter(|change| change.job_id == *id).filter_map(|change| seen.workers.get(&change.worker?));
            let workers: BTreeSet<&String> = workers.collect();
            let absences = seen.absences.iter().filter(|absence| workers.contains(&absence.worker));
            text.extend(absences.map(|absence| format!("  {absence:?}\n")));
        }
    }
    text
}

fn default_folder(exe: &Path, seed: u64) -> PathBuf {
    let target = exe.ancestors().nth(2).unwrap_or(Path::new("target"));
    target.join(format!("chaos/seed-{seed}"))
}

fn fresh_folder(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(std::path::absolute(folder)?)
}

/// Prints the reports and stores them with the logs, which are removed when they are not needed.
fn keep(reports: &[Report], folder: &Path, always: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let text: String = reports.iter().map(Report::text).collect();
    writeln!(out, "{text}")?;
    if reports.iter().all(Report::is_fine) && !always {
        return fs::remove_dir_all(folder).with_context(|| folder.display().to_string());
    }
    fs::write(folder.join("report.json"), serde_json::to_string_pretty(reports)?)?;
    fs::write(folder.join("report.md"), text)?;
    for log in ["postgres.log", "rabbitmq.log"] {
        let from = std::env::var("TEST_SERVERS_DIR").map(PathBuf::from).unwrap_or_default().join(log);
        fs::copy(&from, folder.join(log)).with_context(|| from.display().to_string())?;
    }
    writeln!(out, "kept in {}", folder.display())?;
    Ok(())
}
