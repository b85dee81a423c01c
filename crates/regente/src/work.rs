//! `regente worker`.

use anyhow::Context;
use runtime::Shutdown;
use secrecy::SecretString;
use worker_agent::{Agent, Auth, Settings};

use crate::cli::WorkerArgs;

/// Works until a signal.
pub(crate) fn run(args: WorkerArgs) -> anyhow::Result<()> {
    telemetry::init(&args.log, args.log_format)?;
    let settings = settings(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let shutdown = Shutdown::default();
        shutdown.on_signals()?;
        let agent = Agent::new(settings, None)?;
        let told = shutdown.clone();
        agent.run(async move { told.wait().await }).await?;
        Ok(())
    })
}

fn settings(args: WorkerArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::new(args.server, args.queues);
    let key = match (args.key, args.key_file) {
        (Some(key), _) => Some(key),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            Some(text.trim().to_owned())
        }
        (None, None) => None,
    };
    settings.auth = key.map_or(Auth::None, |key| Auth::WorkerKey(SecretString::from(key)));
    settings.slots = args.slots;
    settings.amqp = args.amqp;
    settings.drain = args.drain;
    if let Some(name) = args.name {
        settings.name = name;
    }
    if let Some(work_dir) = args.work_dir {
        settings.work_dir = work_dir;
    }
    if let Some(base_dir) = args.base_dir {
        settings.base_dir = base_dir;
    }
    if let Some(python) = args.python {
        settings.python = python;
    }
    Ok(settings)
}
