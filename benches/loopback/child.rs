//! This program once more, as another process.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{self, ChildStdin, ChildStdout, Command, Stdio},
};

/// A process that answers lines with lines. It ends with its parent, whose pipe it reads, and is
/// killed when dropped.
pub struct Child {
    process: process::Child,
    lines: BufReader<ChildStdout>,
    questions: ChildStdin,
}

impl Child {
    /// Starts this program with these arguments, on this core alone where one is given.
    pub fn start(core: Option<usize>, arguments: &[&str]) -> Self {
        let this = env::current_exe().expect("the program's own path");
        let mut command = match core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.arg("-c").arg(core.to_string()).arg(this);
                command
            }
            None => Command::new(this),
        };
        let mut process = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process (pinned by taskset of util-linux)");
        let lines = BufReader::new(process.stdout.take().expect("a pipe"));
        let questions = process.stdin.take().expect("a pipe");
        Self {
            process,
            lines,
            questions,
        }
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("a line");
        assert!(!line.is_empty(), "a process ended early");
        line.trim_end().to_owned()
    }

    pub fn ask(&mut self, question: &str) -> String {
        writeln!(self.questions, "{question}").expect("a process that listens");
        self.line()
    }

    /// How long it has been on a core.
    #[allow(dead_code, reason = "only one of two programs looks at the cores")]
    pub fn core_seconds(&self) -> f64 {
        /// Of Linux, whatever its configuration.
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))
            .expect("/proc of Linux");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let times = fields.split_whitespace().skip(11).take(2);
        times
            .filter_map(|ticks| ticks.parse::<f64>().ok())
            .sum::<f64>()
            / TICKS_A_SECOND
    }

    /// Resident memory in bytes.
    #[allow(dead_code, reason = "only one of two programs looks at memory")]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("/proc of Linux");
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .and_then(|number| number.trim().parse::<u64>().ok());
        kilobytes.expect("VmRSS") << 10
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Answers the parent's lines until it hangs up.
pub fn answer(mut answer: impl FnMut(&str) -> String) {
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { return };
        println!("{}", answer(&line));
    }
}
