//! A recorder in a process of its own, which does as it is told and can be killed.
//!
//! It is this test program once more, running the one test below; a line on its input is a command,
//! a line on its output the answer. It ends with its input.

use std::{
    env,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, stdin},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};
use tower_recording::RecordingLayerBuilder;

use super::{
    clock::{DAY, Moved, NOON},
    traffic::{Traffic, eventually, text},
};

/// The variable with the DSN, which makes the test below the recorder.
const RECORD_INTO: &str = "RECORD_INTO";
/// Answers begin like this: the test runner speaks on the same output.
const ANSWER: &str = "answer: ";
/// Exchanges between two flushes of a recorder that talks.
const BURST: usize = 20;
/// More rows than a test says at once, and longer than it waits to flush them.
const ROWS: usize = 2000;
const LONG: Duration = Duration::from_secs(60);
const LONGEST_ANSWER: Duration = Duration::from_secs(60);
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(30);

/// A recorder in a process of its own.
pub(super) struct Process {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
    logging: JoinHandle<()>,
}

impl Process {
    /// Starts the process; it records from [`begin`](Self::begin) on.
    pub(super) async fn start(dsn: &str) -> Self {
        let this = env::current_exe().expect("the program's own path");
        let mut child = Command::new(this)
            .args(["--exact", "--nocapture"])
            .arg("faults::process::records_as_it_is_told")
            .env(RECORD_INTO, dsn)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("this program again");
        let log = Arc::<Mutex<String>>::default();
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let logging = tokio::spawn({
            let log = Arc::clone(&log);
            async move {
                while let Ok(Some(line)) = lines.next_line().await {
                    *log.lock().expect("a log") += &format!("{line}\n");
                }
            }
        });
        let mut process = Self {
            commands: child.stdin.take().expect("a pipe"),
            answers: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
            log,
            logging,
        };
        assert_eq!(process.answer().await, "here");
        process
    }

    /// Builds the layer.
    pub(super) async fn begin(&mut self) {
        self.ask("begin").await;
    }

    /// Builds the layer on a clock that stands at [`NOON`]; it writes when it is told to flush.
    pub(super) async fn begin_at_noon(&mut self) {
        self.ask("begin at noon").await;
    }

    pub(super) async fn ask(&mut self, command: &str) -> String {
        self.tell(command).await;
        self.answer().await
    }

    pub(super) async fn tell(&mut self, command: &str) {
        let line = format!("{command}\n");
        let told = self.commands.write_all(line.as_bytes()).await;
        told.expect("a process that listens");
    }

    pub(super) async fn answer(&mut self) -> String {
        loop {
            let line = timeout(LONGEST_ANSWER, self.answers.next_line()).await;
            let line = line.expect("an answer in time").expect("an output");
            let line = line.unwrap_or_else(|| panic!("it has ended: {}", self.log()));
            if let Some((_, answer)) = line.split_once(ANSWER) {
                return answer.to_owned();
            }
        }
    }

    /// What it has logged so far.
    pub(super) fn log(&self) -> String {
        self.log.lock().expect("a log").clone()
    }

    /// Waits until it has logged all of these words.
    pub(super) async fn until_logged(&self, words: &[&str]) {
        let told = format!("{words:?} are not in the log");
        let is_logged = async || words.iter().all(|word| self.log().contains(word));
        eventually(&told, is_logged).await;
    }

    /// Kills it, and says what it had answered that was not read yet.
    pub(super) async fn kill(mut self) -> Vec<String> {
        self.child.start_kill().expect("a process");
        let _ = self.child.wait().await.expect("a status");
        let mut answers = Vec::new();
        while let Ok(Some(line)) = self.answers.next_line().await {
            answers.extend(line.split_once(ANSWER).map(|(_, answer)| answer.to_owned()));
        }
        answers
    }

    /// Lets it shut down, and says what it has logged.
    pub(super) async fn end(mut self) -> String {
        assert_eq!(self.ask("shut down").await, "0 left");
        drop(self.commands);
        let status = self.child.wait().await.expect("a status");
        self.logging.await.expect("a log");
        let log = self.log.lock().expect("a log").clone();
        assert!(status.success(), "{log}");
        log
    }
}

/// Whether nothing in this log is worth a look.
pub(super) fn is_quiet(log: &str) -> bool {
    !["WARN", "ERROR", "panicked"]
        .iter()
        .any(|word| log.contains(word))
}

#[test]
fn records_as_it_is_told() {
    let Ok(dsn) = env::var(RECORD_INTO) else {
        println!("skipped: runs within the other tests of faults");
        return;
    };
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(obey(&dsn));
}

async fn obey(dsn: &str) {
    answer("here");
    let mut lines = BufReader::new(stdin()).lines();
    let (mut recording, mut clock) = (None, None);
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split(' ').collect();
        let traffic = || recording.as_ref().expect("it has begun");
        match *words {
            ["begin"] => {
                recording = Some(Traffic::into(dsn));
                answer("begun");
            }
            ["begin", "at", "noon"] => {
                let moved = Moved::new(dsn);
                // One batch for all that is said until a flush.
                let settings = |settings: RecordingLayerBuilder| {
                    settings.batch_rows(ROWS).flush_interval(LONG)
                };
                recording = Some(Traffic::with(&moved, settings));
                clock = Some(moved);
                answer("begun");
            }
            ["day", day] => {
                let clock = clock.as_ref().expect("it has begun at noon");
                clock.set(NOON + day.parse::<i64>().expect("a number") * DAY);
            }
            ["say", session, text] => {
                traffic().say(session, text).await;
                answer("said");
            }
            ["say", name, exchanges, conversations] => {
                let [exchanges, conversations] =
                    [exchanges, conversations].map(|number| number.parse().expect("a number"));
                traffic().say_all(name, exchanges, conversations).await;
                answer("said");
            }
            // Until it is killed.
            ["talk", name] => {
                tokio::spawn(talk(traffic().clone(), name.to_owned()));
            }
            ["flush"] => {
                traffic().flush().await;
                answer("flushed");
            }
            ["count"] => {
                let metrics = traffic().metrics();
                answer(&format!(
                    "{} written {} rejected",
                    metrics.written, metrics.rejected
                ));
            }
            ["shut", "down"] => {
                let report = traffic().recorder().shutdown(LONGEST_SHUTDOWN).await;
                if let Some(clock) = &clock {
                    clock.end().await;
                }
                answer(&format!("{} left", report.left));
            }
            _ => panic!("{line}"),
        }
    }
}

/// Talks and flushes, and says each time how much is flushed.
async fn talk(traffic: Traffic, name: String) {
    for number in 0.. {
        let session = format!("{name}-{}", number % 5);
        traffic.say(&session, &text(&name, number)).await;
        if number % BURST == BURST - 1 {
            traffic.flush().await;
            answer(&format!("{} flushed", number + 1));
        }
    }
}

fn answer(text: &str) {
    println!("{ANSWER}{text}");
}
