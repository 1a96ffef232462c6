//! What the product costs while nobody calls.

use std::fs;
use std::time::{Duration, Instant};

use crate::demo::{Demo, Home};
use crate::tell;

/// Most wake-ups a second of both planes together, all threads: twice
/// what was measured. A control plane that reads everything again at every look had 247.
const PLANES_WAKE_MAX: f64 = 200.0;
/// Most wake-ups a second of the supervisor, which sleeps until something happens.
const SUPERVISOR_WAKE_MAX: f64 = 2.0;
/// Most of one core that both planes together may use, of 1.
const CORE_MAX: f64 = 0.02;
/// How long it is watched; with `--long`, where CPU time is judged too.
const WATCH: Duration = Duration::from_secs(3);
const WATCH_LONG: Duration = Duration::from_secs(20);
/// After the start there is still something to do.
const SETTLE: Duration = Duration::from_secs(2);

/// Wake-ups and nanoseconds of CPU of all threads of a process so far.
fn spent(pid: u32) -> (f64, f64) {
    let (mut wakes, mut ns) = (0.0, 0.0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        // A thread may end meanwhile.
        let read = |name: &str| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0.0);
        let status = read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        wakes += number(line.map(str::trim));
        ns += number(read("schedstat").split(' ').next());
    }
    (wakes, ns)
}

#[test]
fn an_idle_product_sleeps() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let planes = demo.planes();
    let all = [planes.switchd, planes.controld, demo.supervisor()];
    std::thread::sleep(SETTLE);
    let long = std::env::var_os("STROWGER_TEST_LONG").is_some();
    let (before, began) = (all.map(spent), Instant::now());
    std::thread::sleep(if long { WATCH_LONG } else { WATCH });
    let seconds = began.elapsed().as_secs_f64();
    let mut rates = all.map(spent);
    for (rate, before) in rates.iter_mut().zip(before) {
        *rate = ((rate.0 - before.0) / seconds, (rate.1 - before.1) / seconds / 1e9);
    }
    let [switchd, controld, supervisor] = rates;
    let said = format!("wake-ups a second and part of a core: {rates:.4?}");
    assert!(switchd.0 + controld.0 < PLANES_WAKE_MAX, "{said}");
    assert!(switchd.0 > 1.0 && controld.0 > 1.0, "nothing was measured: {said}");
    assert!(supervisor.0 < SUPERVISOR_WAKE_MAX, "{said}");
    if long {
        tell(&said);
        let both = switchd.1 + controld.1;
        assert!(both > 0.0 && both < CORE_MAX, "{said}");
    }
    demo.stop();
}
