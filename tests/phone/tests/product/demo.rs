//! The product as a user starts it: `strowger up --demo` in a directory of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::rest::Rest;
use crate::server::{self, Database};

/// Limit for the `ready` line. Nothing takes so long but a machine that does other things.
const READY_MAX: Duration = Duration::from_secs(30);
/// Limit of an end in order.
const END_MAX: Duration = Duration::from_secs(8);
/// How often something is looked at again.
const LOOK: Duration = Duration::from_millis(10);
/// How long a test waits for another one's carrier.
const CARRIER_WAIT_MAX: Duration = Duration::from_secs(120);

/// Where the demo expects its carrier.
pub(crate) const CARRIER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5090);

/// A directory that goes with its owner, and the database of what runs there if it is a server's.
pub(crate) struct Home {
    path: PathBuf,
    database: Option<Database>,
}

impl Home {
    pub(crate) fn new() -> Home {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, as the path of a socket in it has at most 107 bytes.
        let name = format!("strowger-product-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Home { path, database: Database::new(number) }
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What a failed test left may still be in use; the system clears its directory.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A program of the workspace's build, beside this test's own.
pub(crate) fn program(name: &str) -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let path = me.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is missing: `cargo build --workspace` first", path.display());
    path
}

/// In the environment: the network namespace that the product is in; none = the test's own.
pub(crate) const NETWORK: &str = "STROWGER_TEST_NETWORK";

/// The product's own program, in the network that it is to be in.
fn strowger_on_its_host() -> Command {
    let Some(network) = std::env::var_os(NETWORK) else {
        return Command::new(program("strowger"));
    };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", network.display())).arg(program("strowger"));
    command
}

/// A running product. It is ended when it is dropped, and must then end well.
pub(crate) struct Demo {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    /// Where its database is, if that is a server's.
    database: Option<String>,
    /// Where phones go.
    pub(crate) sip: SocketAddr,
    /// What REST says.
    pub(crate) rest: Rest,
    ended: bool,
}

/// Process ids of the two planes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Planes {
    pub(crate) switchd: u32,
    pub(crate) controld: u32,
}

impl Demo {
    /// Starts the demo with its data in `home` and waits until calls can be placed. Planes that an
    /// orphaned demo left there are taken over.
    pub(crate) fn start(home: &Home) -> Demo {
        Demo::start_with(home, "log.level = \"info\"\n")
    }

    /// As [`Demo::start`], with this configuration.
    pub(crate) fn start_with(home: &Home, config: &str) -> Demo {
        let log = fs::OpenOptions::new().create(true).append(true).open(home.join("log"));
        Demo::spawn(home, config, log.unwrap().into())
    }

    /// As [`Demo::start`], with a standard error that nobody reads: writing to it is an error.
    pub(crate) fn start_unheard(home: &Home) -> Demo {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Demo::spawn(home, "log.level = \"info\"\n", writer.into())
    }

    /// Starts the demo, and kills its supervisor without warning after so long.
    pub(crate) fn start_for(home: &Home, time: Duration) {
        let (data, log) = (home.join("data"), home.join("log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(program("strowger"));
        command.args(["up", "--demo", "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().unwrap();
        std::thread::sleep(time);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn spawn(home: &Home, config: &str, errors: Stdio) -> Demo {
        let (data, config_file, log) =
            (home.join("data"), home.join("strowger.toml"), home.join("log"));
        // Any test can be run on several shards.
        let shards = std::env::var("STROWGER_TEST_SHARDS").ok();
        let shards = shards.filter(|_| !config.contains("cores.count"));
        let shards = shards.map_or_else(String::new, |count| format!("cores.count = {count}\n"));
        let database = home.database.as_ref().map(Database::url);
        let database = database.filter(|_| !config.contains("database.url"));
        let kept = database.as_ref().map(|url| format!("database.url = \"{url}\"\n"));
        fs::write(&config_file, shards + &kept.unwrap_or_default() + config).unwrap();
        let mut child = strowger_on_its_host()
            .args(["up", "--demo", "--data"])
            .arg(&data)
            .arg("--config")
            .arg(&config_file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let said = first_line(&mut child);
        let mut demo = Demo {
            child,
            data,
            log,
            database,
            sip: SocketAddr::from(([0, 0, 0, 0], 0)),
            rest: Rest::nowhere(),
            ended: false,
        };
        let said = said.unwrap_or_else(|| panic!("no `ready` in {READY_MAX:?}\n{}", demo.log()));
        let json = said.strip_prefix("ready ").unwrap_or_else(|| panic!("said {said:?}"));
        let ready: serde_json::Value = serde_json::from_str(json).unwrap();
        let admin = ready["admin"].as_str().and_then(|url| url.strip_prefix("http://")).unwrap();
        demo.sip = ready["sip"].as_str().unwrap().parse().unwrap();
        let token = fs::read_to_string(demo.data.join("admin.token")).unwrap();
        demo.rest = Rest::new(admin.parse().unwrap(), token.trim());
        demo
    }

    /// A file of its data.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// The file of its configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.log.with_file_name("strowger.toml")
    }

    /// Everything the product wrote to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where its listeners are, in the order of the configuration.
    pub(crate) fn listeners(&self) -> Vec<SocketAddr> {
        let text = fs::read_to_string(self.file("run/addresses")).unwrap();
        let mut all: Vec<SocketAddr> = text.lines().map(|line| line.parse().unwrap()).collect();
        // The last one is REST's.
        all.pop();
        all
    }

    /// Changes rows as an operator does who knows SQL; it is in force within a second.
    pub(crate) fn change(&self, sql: &str) {
        let logged = "INSERT INTO changes (actor, resource, what, at_us) \
                      VALUES ('test', 'rows', 'update', 0)";
        if let Some(url) = &self.database {
            return server::change(url, &format!("{sql}; {logged}"));
        }
        let script = format!(".timeout 5000\nBEGIN IMMEDIATE;\n{sql};\n{logged};\nCOMMIT;\n");
        let mut command = Command::new("sqlite3");
        command.arg("-bail").arg(self.file("strowger.db")).stdin(Stdio::piped());
        let mut child = command.spawn().expect("sqlite3 is needed: scripts/test installs it");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{sql}");
    }

    /// What a query of the database says, as text.
    pub(crate) fn rows(&self, sql: &str) -> String {
        if let Some(url) = &self.database {
            return server::ask(url, sql);
        }
        let mut command = Command::new("sqlite3");
        // Who opens it behind a kill has it locked for a moment.
        command.args(["-readonly", "-cmd", ".timeout 5000"]).arg(self.file("strowger.db")).arg(sql);
        let output = command.output().expect("sqlite3 is needed: scripts/test installs it");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A time as RFC 3339 writes it, so many milliseconds after 1970 began in UTC; the database
    /// knows the calendar.
    pub(crate) fn time(&self, ms: i64) -> String {
        let day = ms.div_euclid(86_400_000);
        let of_day = ms.rem_euclid(86_400_000);
        let date = match &self.database {
            Some(url) => server::ask(url, &format!("SELECT DATE '1970-01-01' + {day}")),
            None => self.rows(&format!("SELECT date({day} * 86400, 'unixepoch')")),
        };
        let (second, rest) = (of_day / 1_000, of_day % 1_000);
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}") };
        format!("{date}T{hour:02}:{minute:02}:{:02}{fraction}Z", second % 60)
    }

    /// The two planes, whoever started them; waits for one that is being started.
    pub(crate) fn planes(&self) -> Planes {
        let find = |name: &str| {
            let mut all = processes_of(&self.data).into_iter();
            all.find(|(_, command)| command.starts_with(name)).map(|(pid, _)| pid)
        };
        eventually("both planes run", || {
            // The kernel keeps 15 bytes of a name.
            Some(Planes { switchd: find("strowger-switch")?, controld: find("strowger-contro")? })
        })
    }

    /// How many processes the product has.
    pub(crate) fn count(&self) -> usize {
        processes_of(&self.data).len()
    }

    /// The supervisor.
    pub(crate) fn supervisor(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to a process of this product.
    pub(crate) fn signal(&self, name: &str, pid: u32) {
        let ours = processes_of(&self.data).iter().any(|process| process.0 == pid);
        assert!(ours, "{pid} is not of this product");
        assert!(kill(name, &[pid]), "no process {pid}");
    }

    /// Kills the supervisor without warning; the planes are nobody's until the next
    /// [`Demo::start`].
    pub(crate) fn orphan(mut self) {
        self.ended = true;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills all that lives of the three at once, as a crash of the host does.
    pub(crate) fn crash(mut self) {
        self.ended = true;
        let all: Vec<u32> = processes_of(&self.data).iter().map(|process| process.0).collect();
        assert!(kill("KILL", &all), "{all:?} are gone");
        self.child.wait().unwrap();
        eventually("all three are dead", || processes_of(&self.data).is_empty().then_some(()));
    }

    /// Kills a plane without warning and waits until another one runs in its place and calls can be
    /// placed again.
    pub(crate) fn replace(&self, pid: u32) {
        self.signal("KILL", pid);
        self.await_replaced(pid);
    }

    /// Waits until the planes run without `pid` and calls can be placed.
    pub(crate) fn await_replaced(&self, pid: u32) {
        eventually("the supervisor starts the plane again", || {
            let Planes { switchd, controld } = self.planes();
            (switchd != pid && controld != pid).then_some(())
        });
        eventually("calls can be placed again", || {
            (self.rest.try_get("/readyz")?.0 == 200).then_some(())
        });
    }

    /// SIGTERM: it ends with 0, soon, and nothing of it is left.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    /// Sends SIGTERM and returns at once; [`Demo::stop`] waits for the end.
    pub(crate) fn begin_to_stop(&self) {
        assert!(kill("TERM", &[self.child.id()]), "the product is gone already\n{}", self.log());
    }

    fn end(&mut self) {
        self.ended = true;
        if let Ok(Some(status)) = self.child.try_wait() {
            assert!(status.success(), "the product ended by itself: {status}\n{}", self.log());
        }
        kill("TERM", &[self.child.id()]);
        let deadline = Instant::now() + END_MAX;
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => std::thread::sleep(LOOK),
            }
        };
        let me = self.child.id();
        let left = processes_of(&self.data).into_iter().map(|process| process.0);
        let left: Vec<u32> = left.filter(|pid| *pid != me).collect();
        kill("KILL", &left);
        if status.is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        let log = self.log();
        let status = status.unwrap_or_else(|| panic!("no end in {END_MAX:?}\n{log}"));
        assert!(status.success(), "ended with {status}\n{log}");
        assert!(left.is_empty(), "processes {left:?} outlived the supervisor\n{log}");
        assert!(!log.contains("panicked"), "{log}");
        assert!(!log.contains("closed pool"), "{log}");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if !std::thread::panicking() {
            return self.end();
        }
        // The test has failed and says why; whatever goes wrong here is no news.
        kill("TERM", &[self.child.id()]);
        let deadline = Instant::now() + END_MAX;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let left: Vec<u32> = processes_of(&self.data).into_iter().map(|left| left.0).collect();
        kill("KILL", &left);
        let log = self.log();
        let tail = log.lines().rev().take(30).collect::<Vec<_>>();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{tail}\n").as_bytes());
    }
}

/// The first line of a process's standard output, unless it takes too long or there is none.
fn first_line(child: &mut Child) -> Option<String> {
    let output = child.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            // The test may be over; the pipe is read on so that nobody blocks.
            let _ = sender.send(line);
        }
    });
    receiver.recv_timeout(READY_MAX).ok()
}

/// Numbers and names of the living processes whose command line names `data`.
fn processes_of(data: &Path) -> Vec<(u32, String)> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while its entry is read; one that has ended has no command line.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if line.split(|byte| *byte == 0).any(|word| word == data.as_os_str().as_encoded_bytes()) {
            processes.push((pid, name.trim_end().to_owned()));
        }
    }
    processes
}

/// Sends a signal by the shell's own `kill`; false when one of the processes is gone, or none is
/// named.
pub(crate) fn kill(name: &str, pids: &[u32]) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "kill -\"$@\"", "kill", name]);
    command.args(pids.iter().map(u32::to_string));
    command.stderr(Stdio::null()).status().unwrap().success()
}

/// Waits until `look` gives something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + READY_MAX;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {READY_MAX:?} until {what}");
        std::thread::sleep(LOOK);
    }
}

/// The right to be the demo's carrier: its port is fixed, so tests take turns, those of other
/// processes too.
pub(crate) fn carrier_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let deadline = Instant::now() + CARRIER_WAIT_MAX;
    while let Err(error) = UdpSocket::bind(CARRIER) {
        assert!(Instant::now() < deadline, "the carrier's port {CARRIER:?}: {error}");
        std::thread::sleep(LOOK);
    }
    turn
}
