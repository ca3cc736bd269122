//! A folder to work in and a program to run in it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The result of a run of the program.
#[derive(Debug)]
pub struct Run {
    /// Exit code; negative for a signal.
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Run {
    fn new(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| -signal)).unwrap();
        Run { code, out: output.stdout, err: String::from_utf8(output.stderr).unwrap() }
    }

    /// Standard output as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.out).unwrap()
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Checks that it failed with this code, and that its message, which begins with the program's name, has these words.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        let prefix = if self.err.starts_with("error: ") { "error: " } else { "hashlith: " };
        assert!(self.err.lines().any(|line| line.starts_with(prefix)), "{}", self.err);
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in: {}", self.err);
        }
        self
    }
}

/// A folder for a test, with a folder for temporary files next to it.
pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("here")).unwrap();
        fs::create_dir(root.path().join("tmp")).unwrap();
        Place { root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("here").join(name)
    }

    pub fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// All names in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        names_in(&self.path("."))
    }

    /// Checks that the folder holds exactly these files, and that no temporary file is left.
    #[track_caller]
    pub fn holds(&self, names: &[&str]) {
        assert_eq!(self.names(), names);
        assert_eq!(names_in(&self.tmp()), [""; 0]);
    }

    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hashlith"));
        command.args(args).current_dir(self.path(".")).env("TMPDIR", self.tmp()).stdin(Stdio::null());
        command
    }

    /// Runs `hashlith` with the words of a line as arguments.
    pub fn run(&self, line: &str) -> Run {
        self.run_args(line.split_whitespace())
    }

    pub fn run_args<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        Run::new(self.command(args).output().unwrap())
    }

    /// Runs `hashlith` with something on standard input.
    pub fn run_with_input(&self, line: &str, input: &[u8]) -> Run {
        let mut command = self.command(line.split_whitespace());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // The program may end before it has read everything; the caller checks its exit code.
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run::new(output)
    }

    /// Runs a copy of `hashlith`, in the root of this place, as a user with few permissions.
    pub fn as_nobody(&self, line: &str) -> Run {
        use std::os::unix::process::CommandExt;
        // Another process copies it: a child of this one, forked meanwhile, would keep it open, and so busy.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_hashlith")).arg(self.root.path()).status();
        assert!(copied.unwrap().success());
        let mut command = Command::new(self.root.path().join("hashlith"));
        command.args(line.split_whitespace()).current_dir(self.path(".")).stdin(Stdio::null());
        command.env("TMPDIR", self.tmp()).uid(65534).gid(65534);
        Run::new(command.output().unwrap())
    }

    /// Runs a shell script with `$HASHLITH` as the program.
    pub fn shell(&self, script: &str) -> Run {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.path(".")).env("TMPDIR", self.tmp());
        command.env("HASHLITH", env!("CARGO_BIN_EXE_hashlith")).stdin(Stdio::null());
        Run::new(command.output().unwrap())
    }

    /// Runs a Python script. These tests need Python.
    #[track_caller]
    pub fn python(&self, script: &str) -> Vec<u8> {
        let mut command = Command::new("python3");
        command.args(["-c", script]).current_dir(self.path("."));
        let output = command.output().expect("these tests need CPython: install python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// An index `x.hlith` of some lines of `key TAB value`, built from `x.tsv`.
    #[track_caller]
    pub fn with_index(lines: &str) -> Self {
        let place = Place::new();
        place.write("x.tsv", lines);
        place.run("build x.tsv -o x.hlith --quiet").ok();
        place
    }
}

pub fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Lines `key-N TAB value-N`.
pub fn many_lines(count: usize) -> String {
    (0..count).map(|n| format!("key-{n}\tvalue-{n}\n")).collect()
}

/// The sorted lines of an output whose order does not matter.
pub fn sorted(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort();
    lines
}

/// The peak of a process's anonymous memory, in bytes.
pub fn peak_anonymous(mut child: std::process::Child) -> (u64, std::process::Child) {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(&path).unwrap_or_default();
        let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = anonymous.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) << 10);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    (peak, child)
}
