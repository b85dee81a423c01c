//! Ctrl-C and SIGTERM while a job is followed.

use std::io::{self, BufRead as _};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use super::output::is_interactive;
use crate::terminal;

/// What a command does when it is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnInterrupt {
    /// Asks whoever sits there; detaches when nobody does.
    Ask,
    /// Cancels the job and follows it to its end.
    Cancel,
    /// Ends; the job goes on.
    Detach,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Detach,
    Cancel,
    GoOn,
}

/// The signals, from now on.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    is_canceling: bool,
}

impl Interrupts {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, is_canceling: false })
    }

    /// Waits for the next; whether somebody at the terminal sent it. Cancel safe.
    pub(super) async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => false,
        }
    }

    /// What to do about it. A second signal detaches.
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
        terminal::prompt("\nDetach and let the job go on [d], cancel the job [c], or follow on [Enter]? ");
        let (sender, answer) = oneshot::channel();
        // A thread of its own, which nobody waits for: the line may never come.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            // Nobody waits for the answer when the program ends meanwhile.
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
