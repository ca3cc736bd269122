//! Several processes that look keys up at the same time.
//!
//! Each writes its figures to standard output, a line of JSON per phase.

use crate::{
    contenders::{Answer, Contender, Reader, Result},
    data::{Data, Sample},
};
use std::{
    io::Write,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Keys per reading of the clock, and per batch.
const CHUNK: usize = 1000;
/// Seconds of lookups of other keys before the first phase.
const WARMING: f64 = 1.0;

/// What to look up, and how much of it.
pub struct Plan {
    /// The TSV file.
    pub source: PathBuf,
    /// Where the contender's files are.
    pub dir: PathBuf,
    /// Which pairs.
    pub data: Data,
    /// How many pairs.
    pub pairs: u64,
    /// Other keys for another seed.
    pub seed: u64,
    /// Lookups of each worker in a phase.
    pub lookups: u64,
    /// A phase ends after this many seconds, even if keys are left.
    pub seconds: f64,
    /// How many workers, one group after the other.
    pub processes: Vec<u32>,
}

/// Runs the groups.
pub fn run(contender: &dyn Contender, plan: &Plan) -> Result<()> {
    let shared =
        if contender.about().before_fork { Some(contender.open(&plan.source, &plan.dir)?) } else { None };
    for &processes in &plan.processes {
        let barrier = Barrier::new(processes)?;
        let mut children = Vec::new();
        for worker in 0..processes {
            // SAFETY: this process has one thread that matters; the child only reads what it inherits, and exits.
            match unsafe { libc::fork() } {
                0 => {
                    let work = || -> Result<()> {
                        let lines = Worker { contender, plan, processes, worker, barrier: &barrier }
                            .run(shared.as_deref())?;
                        Ok(std::io::stdout().write_all(lines.as_bytes())?)
                    };
                    let status = work().map_or_else(
                        |error| {
                            eprintln!("{error}");
                            1
                        },
                        |()| 0,
                    );
                    // SAFETY: always sound; destructors of what was inherited must not run twice.
                    unsafe { libc::_exit(status) }
                }
                -1 => return Err(std::io::Error::last_os_error().into()),
                child => children.push(child),
            }
        }
        for _ in 0..processes {
            let mut status = 0;
            // SAFETY: `status` is an int to write to.
            unsafe { libc::wait(&mut status) };
            if status != 0 {
                // The others would wait for it forever.
                for child in children {
                    // SAFETY: at worst such a child has ended, and is waited for by nobody else.
                    unsafe { libc::kill(child, libc::SIGKILL) };
                }
                return Err(format!("a worker ended with status {status}").into());
            }
        }
    }
    Ok(())
}

/// Where all workers wait for each other.
struct Barrier {
    arrived: &'static AtomicU32,
    processes: u32,
}

impl Barrier {
    fn new(processes: u32) -> Result<Self> {
        // SAFETY: a new anonymous mapping, shared with children, zeroed and never unmapped.
        let page = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error().into());
        }
        // SAFETY: the page is aligned, zeroed and lives on.
        Ok(Barrier { arrived: unsafe { &*page.cast::<AtomicU32>() }, processes })
    }

    /// Returns when all workers have called this for the `round`-th time.
    fn wait(&self, round: u32) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        while self.arrived.load(Ordering::SeqCst) < self.processes * round {
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

struct Worker<'a> {
    contender: &'a dyn Contender,
    plan: &'a Plan,
    processes: u32,
    worker: u32,
    barrier: &'a Barrier,
}

impl Worker<'_> {
    fn run(&self, shared: Option<&dyn Reader>) -> Result<String> {
        let plan = self.plan;
        let seed = plan.seed * 1000 + u64::from(self.processes * 16 + self.worker);
        let sample = |seed, present| plan.data.sample(plan.pairs, seed, plan.lookups, present);
        let (present, absent) = (sample(seed, true), sample(seed, false));
        let (keys, missing) = (present.keys.list(), absent.keys.list());
        let before = trimmed()?;

        let own = if shared.is_none() { Some(self.contender.open(&plan.source, &plan.dir)?) } else { None };
        let reader = own.as_deref().or(shared).ok_or("nothing is open")?;
        // Other keys first: they bring the pages into the page tables.
        for present in [true, false] {
            timed(&sample(seed + 500, present).keys.list(), WARMING, &|keys| reader.count(keys));
        }
        let (mut lines, mut round) = (String::new(), 0);
        let mut phase = |name: &str, keys: &[&[u8]], count: &dyn Fn(&[&[u8]]) -> usize| -> Result<()> {
            round += 1;
            self.barrier.wait(round);
            let (done, found, began, ended) = timed(keys, plan.seconds, count);
            lines += &format!(
                "{{\"phase\": \"{name}\", \"processes\": {}, \"worker\": {}, \"count\": {done}, \"found\": {found}, \
                 \"began\": {began:.9}, \"ended\": {ended:.9}}}\n",
                self.processes, self.worker
            );
            if found == if name == "misses" { 0 } else { done } {
                Ok(())
            } else {
                Err(format!("{name}: {found} found of {done}").into())
            }
        };
        phase("hits", &keys, &|keys| reader.count(keys))?;
        let knows = reader.value(keys[0]) != Answer::Unknowable;
        if knows {
            phase("misses", &missing, &|keys| reader.count(keys))?;
        }
        if reader.count_many(&keys[..1]).is_some() {
            phase("batch", &keys, &|keys| reader.count_many(keys).unwrap_or(0))?;
        }
        // The kernel divides shared memory among the processes that run: none ends before all have measured.
        self.barrier.wait(round + 1);
        let after = trimmed()?;
        lines += &format!(
            "{{\"phase\": \"memory\", \"processes\": {}, \"worker\": {}, \"private\": {}, \"pss\": {}}}\n",
            self.processes,
            self.worker,
            after.private.saturating_sub(before.private),
            after.pss
        );
        if self.worker == 0 && shared.is_some() {
            let parent = memory(&std::os::unix::process::parent_id().to_string())?;
            lines += &format!(
                "{{\"phase\": \"server\", \"processes\": {}, \"worker\": 0, \"pss\": {}}}\n",
                self.processes, parent.pss
            );
        }
        self.barrier.wait(round + 2);
        if knows {
            check(reader, &present, &missing)?;
        }
        Ok(lines)
    }
}

/// The numbers of keys looked up and found, and the times of begin and end.
fn timed(keys: &[&[u8]], seconds: f64, count: &dyn Fn(&[&[u8]]) -> usize) -> (usize, usize, f64, f64) {
    let began = now();
    let (mut done, mut found, mut ended) = (0, 0, began);
    for chunk in keys.chunks(CHUNK) {
        found += count(chunk);
        done += chunk.len();
        ended = now();
        if ended - began > seconds {
            break;
        }
    }
    (done, found, began, ended)
}

/// Compares a thousand answers with the right ones.
fn check(reader: &dyn Reader, present: &Sample, absent: &[&[u8]]) -> Result<()> {
    for (key, value) in present.keys.list().into_iter().zip(present.values.list()).take(CHUNK) {
        if reader.value(key) != Answer::Value(value.to_vec()) {
            return Err(format!("wrong value for {}", String::from_utf8_lossy(key)).into());
        }
    }
    for key in absent.iter().take(CHUNK) {
        if reader.value(key) != Answer::Absent {
            return Err(format!("{} is absent, but was found", String::from_utf8_lossy(key)).into());
        }
    }
    Ok(())
}

/// Seconds of the clock that all processes share.
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

struct Memory {
    private: u64,
    pss: u64,
}

/// This process's memory, after the C library has returned what it kept.
fn trimmed() -> Result<Memory> {
    // SAFETY: always sound.
    unsafe { libc::malloc_trim(0) };
    memory("self")
}

/// A process's memory in bytes, as the kernel counts it.
fn memory(process: &str) -> Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let field = |name: &str| -> u64 {
        text.lines()
            .filter_map(|line| line.strip_prefix(name)?.trim_end_matches("kB").trim().parse::<u64>().ok())
            .sum::<u64>()
            * 1024
    };
    Ok(Memory { private: field("Private_Clean:") + field("Private_Dirty:"), pss: field("Pss:") })
}
