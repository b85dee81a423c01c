//! Displays and limits of jobs.

use std::fs;

use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
};
use worker_agent::Scopes;

use crate::support::{Bed, runs, until};

/// Speaks just enough of the X protocol to be accepted or rejected.
const CLIENT: &str = r#"
import os, socket, struct, sys
number = os.environ["DISPLAY"].lstrip(":")
data = open(os.environ["XAUTHORITY"], "rb").read()
def enter(name, cookie):
    pad = lambda text: text + bytes(-len(text) % 4)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("/tmp/.X11-unix/X" + number)
        s.sendall(struct.pack("<BxHHHHxx", 0x6c, 11, 0, len(name), len(cookie)) + pad(name) + pad(cookie))
        answer = b""
        while len(answer) < 8 or len(answer) < 8 + 4 * struct.unpack_from("<H", answer, 6)[0]:
            more = s.recv(65536)
            if not more: break
            answer += more
        return answer
stranger = enter(b"", b"")
friend = enter(b"MIT-MAGIC-COOKIE-1", data[-16:])
vendor, formats = struct.unpack_from("<H", friend, 24)[0], friend[29]
screen = 40 + vendor + (-vendor % 4) + 8 * formats
print("stranger", stranger[0], "friend", friend[0], "screen", *struct.unpack_from("<HH", friend, screen + 20))
def read(process, name):
    try:
        return open("/proc/%s/%s" % (process, name), "rb").read()
    except OSError:
        return b""  # it has ended meanwhile
job = os.environ["REGENTE_JOB_ID"].encode()
print("server", *[p for p in os.listdir("/proc") if p.isdigit() and b"-displayfd" in read(p, "cmdline") and job in read(p, "environ")])
sys.stdout.flush()
if os.path.exists("../../../stay"):
    open("there", "w").write(str(os.getpid()))
    import time; time.sleep(1000)
"#;

fn display_job(bed: &Bed) -> JobId {
    bed.script("client.py", CLIENT);
    bed.shell_as("exec python3 ../../../client.py", |job| job.display = true)
}

async fn server_of(bed: &Bed, job: JobId) -> i32 {
    let line = until(|| bed.log_of(job).into_iter().find(|line| line.message.starts_with("server "))).await;
    line.message["server ".len()..].parse().unwrap()
}

#[tokio::test]
async fn a_job_that_needs_a_display_has_its_own_until_its_end() {
    let bed = Bed::with_agent().await;
    let job = display_job(&bed);
    let end = bed.end_of(job).await;
    assert_eq!(end.status, Status::Completed, "{:?} {:?}", end.error_message, bed.log_of(job));
    assert_eq!(bed.log_of(job)[0].message, "stranger 0 friend 1 screen 1920 1080");
    let server = server_of(&bed, job).await;
    assert!(!runs(server));
}

#[tokio::test]
async fn a_display_dies_with_a_canceled_job_and_with_the_agent() {
    let mut bed = Bed::with_agent().await;
    fs::write(bed.dir.path().join("stay"), "").unwrap();
    let jobs = [display_job(&bed), display_job(&bed)];
    let servers = [server_of(&bed, jobs[0]).await, server_of(&bed, jobs[1]).await];
    assert!(servers[0] != servers[1] && servers.iter().all(|server| runs(*server)));
    bed.hub.state().cancel.insert(jobs[0]);
    assert_eq!(bed.end_of(jobs[0]).await.status, Status::Canceled);
    assert!(!runs(servers[0]));
    bed.crash().await;
    until(|| (!runs(servers[1])).then_some(())).await;
}

#[tokio::test]
async fn a_host_without_displays_names_the_next_step() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.xvfb = "no-such-xvfb".into();
    bed.start(settings, None);
    let job = bed.shell_as("true", |job| job.display = true);
    let end = bed.end_of(job).await;
    assert_eq!(end.error_class, Some(ErrorClass::LaunchFailed));
    assert!(end.error_message.unwrap().contains("apt install xvfb"));
    // Otherwise either may take the next job.
    bed.stop().await.unwrap();
    let mut settings = bed.settings();
    settings.xvfb = "false".into();
    bed.start(settings, None);
    let job = bed.shell_as("true", |job| job.display = true);
    let message = bed.end_of(job).await.error_message.unwrap();
    assert!(message.contains("does not start (no output)"), "{message}");
}

#[tokio::test]
async fn limits_that_cannot_be_enforced_are_noted_in_one_line() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.scopes = Scopes::Off;
    bed.start(settings, None);
    let script = "exec python3 -c 'x = bytearray(500_000_000); print(len(x))'";
    let free = bed.shell(script);
    let limited = bed.shell_as(script, |job| (job.memory_limit_bytes, job.cpu_limit) = (Some(200_000_000), Some(0.5)));
    assert_eq!(bed.end_of(free).await.status, Status::Completed);
    let end = bed.end_of(limited).await;
    assert_eq!(end.error_class, Some(ErrorClass::RobotError));
    assert!(end.error_message.as_deref().unwrap().contains("MemoryError"), "{:?}", end.error_message);
    let log = bed.log_of(limited);
    let notes: Vec<_> = log.iter().filter(|line| line.message.contains("switched off")).collect();
    assert_eq!(notes.len(), 1, "{log:?}");
    assert!(notes[0].message.contains("0.5 processors is not enforced") && notes[0].message.contains("200000000 bytes"), "{notes:?}");
}
