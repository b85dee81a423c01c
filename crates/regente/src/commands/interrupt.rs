//! Ctrl-C and SIGTERM while a job is followed: a person decides whether to detach or cancel; a script detaches.

use std::io::{self, BufRead as _};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use super::output::is_interactive;
use crate::terminal;

/// Reaction to an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnInterrupt {
    /// Ask at the terminal; detach without one.
    Ask,
    /// Cancel the job and follow it until it ends.
    Cancel,
    /// Exit; the job continues.
    Detach,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Detach,
    Cancel,
    GoOn,
}

/// Receives the signals.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    is_canceling: bool,
}

impl Interrupts {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, is_canceling: false })
    }

    /// Waits for the next signal; returns whether it came from the terminal. Cancel safe.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => false,
        }
    }

    /// Decides on a signal. A second signal detaches.
    pub(super) async fn decide(&mut self, on_interrupt: OnInterrupt, is_from_terminal: bool) -> Decision {
        let decision = match on_interrupt {
            _ if self.is_canceling => Decision::Detach,
            OnInterrupt::Cancel => Decision::Cancel,
            OnInterrupt::Ask if is_from_terminal && is_interactive() => self.ask().await,
            OnInterrupt::Ask | OnInterrupt::Detach => Decision::Detach,
        };
        self.is_canceling |= decision == Decision::Cancel;
        decision
    }

    async fn ask(&mut self) -> Decision {
        terminal::prompt("\nDetach and let the job continue [d], cancel the job [c], or keep following [Enter]? ");
        let (sender, answer) = oneshot::channel();
        // In a detached thread: the line may never come.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            // The receiver may be gone when the program ends.
            let _ = sender.send(read.is_ok_and(|read| read > 0).then_some(line));
        });
        tokio::select! {
            answer = answer => match answer.ok().flatten().as_deref().map(|line| line.trim().to_lowercase()).as_deref() {
                Some("c" | "cancel") => Decision::Cancel,
                Some("") => Decision::GoOn,
                _ => Decision::Detach,
            },
            _ = self.next() => Decision::Detach,
        }
    }
}
