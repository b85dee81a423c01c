//! Processes of the program, each in a folder of its own.

use std::{
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use tempfile::TempDir;
use test_support::{eventually, eventually_within};

/// A folder to run in, and what the programs that run there find in their environment.
pub(crate) struct Place {
    folder: Arc<TempDir>,
    environment: Vec<(String, String)>,
}

/// A program that runs; it is killed when dropped.
pub(crate) struct Running {
    child: Child,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: Arc::new(tempfile::tempdir().unwrap()), environment: Vec::new() }
            .with("REGENTE__HTTP__BIND", "127.0.0.1:0")
            // The worker of a test has its queues to itself.
            .with("REGENTE__WORKER__LOCAL", "off")
    }

    /// With this in the environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same folder with nothing in the environment.
    pub(crate) fn again(&self) -> Self {
        Self { folder: self.folder.clone(), environment: Vec::new() }
    }

    /// What is in the environment under this name.
    pub(crate) fn variable(&self, name: &str) -> &str {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.spawn(env!("CARGO_BIN_EXE_regente"), arguments, Stdio::null())
    }

    /// Another program, which can be typed to.
    pub(crate) fn start_program(&self, program: &str, arguments: &[&str]) -> Running {
        self.spawn(program, arguments, Stdio::piped())
    }

    fn spawn(&self, program: &str, arguments: &[&str], input: Stdio) -> Running {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().cloned())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![collect(child.stdout.take().unwrap(), &out), collect(child.stderr.take().unwrap(), &err)];
        Running { child, out, err, readers }
    }

    /// Runs it with this as its standard input.
    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let mut running = self.spawn(env!("CARGO_BIN_EXE_regente"), arguments, Stdio::piped());
        running.child.stdin.take().unwrap().write_all(input).unwrap();
        running.ended(Duration::from_secs(60)).await
    }

    /// Runs it to its end with one more variable in the environment.
    pub(crate) async fn run_with(&self, name: &str, value: &str, arguments: &[&str]) -> Ended {
        let place = Self { folder: self.folder.clone(), environment: self.environment.clone() };
        place.with(name, value).run(arguments).await
    }

    /// Runs it to its end, at most a minute.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).ended(Duration::from_secs(60)).await
    }
}

fn collect(mut pipe: impl Read + Send + 'static, into: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let into = into.clone();
    std::thread::spawn(move || {
        let mut part = [0; 4096];
        // A terminal that is gone is an error.
        while let Ok(read @ 1..) = pipe.read(&mut part) {
            into.lock().unwrap().extend_from_slice(&part[..read]);
        }
    })
}

impl Running {
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.out.lock().unwrap()).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.err.lock().unwrap()).into_owned()
    }

    /// Waits until it has printed `words`.
    pub(crate) async fn printed(&mut self, words: &str) {
        let seen = async || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || self.out().contains(words), "it ended with {ended:?}: {}{}", self.out(), self.err());
            self.out().contains(words).then_some(())
        };
        eventually_within(Duration::from_secs(60), &format!("it prints \"{words}\""), seen).await;
    }

    /// Waits until it serves, and returns its address.
    pub(crate) async fn address(&mut self) -> String {
        self.printed("Stop with Ctrl-C.").await;
        let out = self.out();
        let address = out.split("Regente serves on ").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.unwrap_or_else(|| panic!("no address in {out}")).to_owned()
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Types this.
    pub(crate) fn type_in(&mut self, keys: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(keys.as_bytes()).and_then(|()| input.flush()).unwrap();
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub(crate) async fn ended(mut self, limit: Duration) -> Ended {
        let child = &mut self.child;
        let status = eventually_within(limit, "the program ends", async || child.try_wait().unwrap()).await;
        // A robot that outlives its worker may hold the pipes open.
        let readers = std::mem::take(&mut self.readers);
        eventually("the output ends", async || readers.iter().all(JoinHandle::is_finished).then_some(())).await;
        Ended { status, out: self.out(), err: self.err() }
    }

    /// SIGTERM, and an end with exit code 0 within a few seconds.
    pub(crate) async fn stop(self) -> Ended {
        self.terminate();
        let ended = self.ended(Duration::from_secs(8)).await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The one line that says what is wrong, the last; before it nothing but lines of the log.
    pub(crate) fn one_line(&self) -> &str {
        assert!(self.status.code().is_some_and(|code| code != 0), "{self:?}");
        let lines: Vec<&str> = self.err.lines().collect();
        let (line, log) = lines.split_last().unwrap_or_else(|| panic!("not a word: {self:?}"));
        assert!(line.starts_with("regente: ") && log.iter().all(|line| line.contains(" INFO")), "one line: {self:?}");
        assert_plain(line);
        line
    }
}

/// For people: no dump of values or of the stack.
pub(crate) fn assert_plain(text: &str) {
    for dump in ["panicked", "backtrace", "Os {", "Some(", "Error(", "Err(", "\\n", "src/"] {
        assert!(!text.contains(dump), "{text}");
    }
}
