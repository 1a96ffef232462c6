//! The shard's side: asks, takes answers, keeps the times.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use strowger_link::{Down, FRAME_VERSION, Up};
use strowger_port::clock;
use strowger_port::eventfd::EventFd;
use strowger_port::net::{Lane, PlaneLink};
use strowger_port::pin;
use strowger_port::uplink::{RingSizes, Uplink, UplinkConfig, UplinkLane};

use crate::frames::ask;
use crate::{Options, Way};

/// Asks of one way that are not counted: caches, and pages touched for the first time.
const WARM_UP_PART: u32 = 10;
/// Longest sleep, milliseconds.
const SLEEP_MS_MAX: u32 = 50;
/// An answer takes no longer on any machine.
const ANSWER_NS_MAX: u64 = 5_000_000_000;

/// What one run gave.
struct Run {
    /// From before encoding the ask to after decoding the answer, sorted, nanoseconds.
    times: Vec<u64>,
    /// Asks a second.
    per_s: u64,
    /// Writes to the control plane's eventfd, and to the shard's.
    wakes: [u64; 2],
}

/// Measures all ways; the lines of JSON.
pub(crate) fn run(options: &Options) -> Result<String, String> {
    // Alternating, so that a noisy hour hits all of them alike.
    let mut runs: [Vec<Run>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..options.runs {
        for (way, runs) in Way::ALL.into_iter().zip(&mut runs) {
            let run = measure(way, options.asks)?;
            if options.smoke {
                check(way, options.asks, &run)?;
            }
            runs.push(run);
        }
    }
    let lines = Way::ALL.into_iter().zip(&runs).map(|(way, runs)| line(way, options.asks, runs));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

fn measure(way: Way, asks: u32) -> Result<Run, String> {
    let directory =
        std::env::temp_dir().join(format!("strowger-bench-link-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    let path = directory.join("link.sock");
    let run = session(way, asks, &path);
    std::fs::remove_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    run
}

/// One session with one child.
fn session(way: Way, asks: u32, path: &Path) -> Result<Run, String> {
    let waker = EventFd::new().map_err(|e| format!("eventfd: {e}"))?;
    let config = UplinkConfig {
        path: path.to_path_buf(),
        contract: FRAME_VERSION.into(),
        node: 0,
        first_epoch: 1,
        rings: RingSizes::default(),
    };
    let bell = waker.try_clone().map_err(|e| format!("eventfd: {e}"))?;
    let (mut uplink, mut lanes) =
        Uplink::bind(config, vec![bell], Vec::new()).map_err(|e| format!("link: {e}"))?;
    let mut lane = lanes.pop().ok_or("a link without a lane")?;
    let child = start(path, way)?;
    while lane.session().is_none() {
        uplink.wait(SLEEP_MS_MAX).map_err(|e| format!("link: {e}"))?;
    }
    // The session itself has rung.
    waker.drain();
    let over = Arc::new(AtomicBool::new(false));
    let ending = Arc::clone(&over);
    // As in switchd, one thread does nothing but to watch the session.
    let watcher = std::thread::spawn(move || {
        while !ending.load(Ordering::Acquire) {
            let _event = uplink.wait(SLEEP_MS_MAX);
        }
    });
    // A thread of its own, so that its core is not the child's, who inherits ours.
    let asker = std::thread::spawn(move || {
        pin_last()?;
        ask_all(way, asks, &mut lane, &waker)
    });
    let asked = asker.join().unwrap_or_else(|_| Err("the asking thread panicked".to_owned()));
    over.store(true, Ordering::Release);
    let watched = watcher.join().map_err(|_| "the watching thread panicked".to_owned());
    let (mut run, said) = (asked?, end(child));
    watched?;
    let [control, _] = &mut run.wakes;
    *control = said?;
    Ok(run)
}

fn start(path: &Path, way: Way) -> Result<Child, String> {
    let me = std::env::current_exe().map_err(|e| format!("own path: {e}"))?;
    let mut command = Command::new(me);
    command.arg("--control").arg(path).arg(way.name()).stdout(Stdio::piped());
    command.spawn().map_err(|e| format!("the control plane's side: {e}"))
}

fn pin_last() -> Result<(), String> {
    let cpus = pin::allowed_cpus().map_err(|e| format!("cores: {e}"))?;
    match cpus.last() {
        Some(last) if cpus.len() > 1 => {
            pin::pin_current_thread(&[*last]).map_err(|e| format!("core {last}: {e}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The child ends with its session and says how often it was woken.
fn end(child: Child) -> Result<u64, String> {
    let output = child.wait_with_output().map_err(|e| format!("the child: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| format!("the child ended with {}: {said}", output.status))
}

fn ask_all(way: Way, asks: u32, lane: &mut UplinkLane, waker: &EventFd) -> Result<Run, String> {
    let warm_up = asks / WARM_UP_PART;
    let mut times = Vec::with_capacity(asks as usize);
    let (mut frame, mut woken) = (Vec::with_capacity(4_096), 0);
    let mut begun = Vec::with_capacity((asks + warm_up) as usize);
    let (mut first, mut answered) = (clock::monotonic(), 0u32);
    while answered < asks + warm_up {
        while begun.len() < (asks + warm_up) as usize
            && begun.len() as u64 - u64::from(answered) < u64::from(way.window())
        {
            let now = clock::monotonic();
            let up = Up::Ask(Box::new(ask(begun.len() as u64))).to_bytes();
            begun.push(now);
            lane.send(Lane::Calls, &up).map_err(|e| format!("ring: {e:?}"))?;
        }
        lane.ring();
        if lane.recv(&mut frame).map_err(|e| format!("ring: {e:?}"))? {
            let Ok(Down::Answer(answer)) = Down::from_bytes(&frame) else {
                return Err("no answer".into());
            };
            let now = clock::monotonic();
            let asked = begun.get(answered as usize).copied().unwrap_or_default();
            if answer.ask.0 != u64::from(answered) {
                return Err(format!("answer {} came instead of {answered}", answer.ask.0));
            }
            if answered == warm_up {
                first = asked;
            }
            if answered >= warm_up {
                times.push(now.0.saturating_sub(asked.0));
            }
            answered += 1;
            continue;
        }
        if way.sleeps() && lane.prepare_sleep() {
            let rung = waker.wait(Some(SLEEP_MS_MAX)).map_err(|e| format!("poll: {e}"))?;
            woken += u64::from(rung);
        }
        lane.finish_sleep();
        if begun.last().is_some_and(|at| clock::monotonic().0 > at.0 + ANSWER_NS_MAX) {
            return Err(format!("no answer to ask {answered}"));
        }
        std::hint::spin_loop();
    }
    let took = clock::monotonic().0.saturating_sub(first.0).max(1);
    times.sort_unstable();
    let per_s = u64::from(asks) * 1_000_000_000 / took;
    Ok(Run { times, per_s, wakes: [0, woken + u64::from(waker.drain())] })
}

/// Counts that hold on every machine, however busy it is.
fn check(way: Way, asks: u32, run: &Run) -> Result<(), String> {
    let all = u64::from(asks + asks / WARM_UP_PART);
    let answered = run.times.len() as u64 == u64::from(asks);
    let woken = match way {
        Way::Running | Way::Busy => run.wakes == [0, 0],
        // Whoever is asked before it sleeps is not woken.
        Way::Idle => run.wakes.iter().all(|wakes| (1..=all).contains(wakes)),
    };
    let says = || format!("{}: {} answers, {:?} wake-ups", way.name(), run.times.len(), run.wakes);
    if answered && woken { Ok(()) } else { Err(says()) }
}

fn line(way: Way, asks: u32, runs: &[Run]) -> String {
    let of = |value: fn(&Run) -> u64| {
        let mut all: Vec<u64> = runs.iter().map(value).collect();
        all.sort_unstable();
        let at = |at: usize| all.get(at).copied().unwrap_or(0);
        [at(0), at(all.len() / 2), at(all.len().saturating_sub(1))]
    };
    let [p50_min, p50, p50_max] = of(|run| part(&run.times, 500));
    let [p99_min, p99, p99_max] = of(|run| part(&run.times, 990));
    let [rate_min, rate, rate_max] = of(|run| run.per_s);
    let [_, control, _] = of(|run| run.wakes[0]);
    let [_, shard, _] = of(|run| run.wakes[1]);
    format!(
        "{{\"bench\":\"link\",\"way\":\"{}\",\"ours\":{p50},\"min\":{p50_min},\"max\":{p50_max},\
         \"peer\":null,\"ratio\":null,\"unit\":\"ns\",\"p99\":{p99},\"p99_min\":{p99_min},\
         \"p99_max\":{p99_max},\"per_s\":{rate},\"per_s_min\":{rate_min},\"per_s_max\":{rate_max},\
         \"wakes\":{{\"control\":{control},\"shard\":{shard}}},\
         \"work\":\"{asks} asks, {} at a time, {} runs\"}}",
        way.name(),
        way.window(),
        runs.len()
    )
}

/// The value below which so many thousandths lie.
fn part(sorted: &[u64], per_mille: usize) -> u64 {
    let at = (sorted.len() * per_mille).div_ceil(1_000).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let all: Vec<u64> = (1..=1_000).collect();
        assert_eq!((part(&all, 500), part(&all, 990)), (500, 990));
        assert_eq!((part(&[7], 990), part(&[], 500)), (7, 0));
    }
}
