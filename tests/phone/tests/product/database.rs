//! The database is late, locked, or away for so long that the journal passes its bound.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use strowger_phone::flows::{ALICE, BOB};
use strowger_phone::{EndedBy, Phone};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::talk::{Talk, desk, phone};

/// Another process's write transaction on a database of SQLite, until it is dropped.
struct Lock {
    shell: Child,
    words: Option<ChildStdin>,
}

impl Lock {
    fn take(file: &Path) -> Lock {
        let mut shell = Command::new("sqlite3")
            .args(["-cmd", ".timeout 10000"])
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shell of sqlite3 is installed");
        let mut words = shell.stdin.take().unwrap();
        words.write_all(b"BEGIN IMMEDIATE;\n.print locked\n").unwrap();
        let mut said = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said.trim_end(), "locked");
        Lock { shell, words: Some(words) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The end of its input is the end of its transaction.
        drop(self.words.take());
        let _ended = self.shell.wait();
    }
}

/// What the product says to an attempt that has a record: there is nobody of this number.
const NOBODY: u16 = 404;
/// What it says when no record would find room.
const BUSY: u16 = 503;
/// Limit of an attempt among many.
const PATIENCE: Duration = Duration::from_secs(30);

/// Calls nobody; what the product says to it.
fn attempt(phone: &Phone) -> u16 {
    match phone.invite("0").unwrap().wait_end(PATIENCE).unwrap() {
        EndedBy::Refused(code) => code,
        end => panic!("a call to nobody ended by {end:?}"),
    }
}

#[test]
fn the_control_plane_waits_for_its_database_and_then_serves() {
    let home = Home::new();
    // Its disk is not there yet.
    let (disk, log) = (home.join("disk"), home.join("log"));
    let file = disk.join("strowger.db");
    let config = format!("database.url = \"sqlite:{}\"\n", file.display());
    let late = std::thread::spawn(move || {
        eventually("it says what it waits for", || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            said.contains("waiting for the database").then_some(())
        });
        // It neither gives up nor says so again and again.
        std::thread::sleep(Duration::from_secs(2));
        let said = fs::read_to_string(&log).unwrap();
        assert_eq!(said.matches("waiting for the database").count(), 1, "{said}");
        assert!(!said.contains("the control plane runs"), "{said}");
        fs::create_dir(&disk).unwrap();
    });
    let demo = Demo::start_with(&home, &config);
    late.join().unwrap();
    assert!(file.exists());
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.rest.cdrs(1);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn a_new_life_of_the_dataplane_takes_calls_while_the_database_is_locked() {
    let home = Home::new();
    let demo = Demo::start(&home);
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    demo.rest.cdrs(1);
    let lock = Lock::take(&demo.file("strowger.db"));
    // Each life has an origin of its own for its records; those of the next ones are known.
    for _ in 0..2 {
        demo.replace(demo.planes().switchd);
        Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    }
    assert_eq!(demo.rest.list("/api/v1/cdrs").len(), 1, "the database was not locked");
    drop(lock);
    let origin = |cdr: &Value| cdr["id"].as_str().unwrap().parse::<i64>().unwrap() >> 40;
    let origins: Vec<i64> = demo.rest.cdrs(3).iter().map(origin).collect();
    assert_eq!(origins, [1, 2, 3]);
    assert_tidy(&demo);
    demo.stop();
}

#[test]
fn new_calls_wait_for_a_journal_that_has_passed_its_bound() {
    const CALLERS: [(&str, &str); 4] = [ALICE, BOB, ALICE, BOB];
    const ATTEMPTS_MAX: usize = 20_000;
    let home = Home::new();
    let demo = Demo::start_with(&home, "journal.segment_mib = 1\njournal.waiting_mib_max = 2\n");
    let (ada, bob) = (desk(&demo, ALICE), desk(&demo, BOB));
    let talk = Talk::new(&ada, "1002", &bob);
    let lock = Lock::take(&demo.file("strowger.db"));
    let recorded = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for who in CALLERS {
            let (demo, recorded) = (&demo, &recorded);
            scope.spawn(move || {
                let phone = phone(demo, who);
                while recorded.load(Ordering::Relaxed) < ATTEMPTS_MAX {
                    match attempt(&phone) {
                        BUSY if demo.rest.shard("journal_full") > 0 => return,
                        // The counters come once a second; a slow machine says so as well.
                        BUSY => std::thread::sleep(Duration::from_millis(50)),
                        NOBODY => _ = recorded.fetch_add(1, Ordering::Relaxed),
                        // Two phones of one user may have been given the same nonce.
                        401 => {}
                        other => panic!("refused with {other}"),
                    }
                }
                panic!("{ATTEMPTS_MAX} attempts did not fill two MiB");
            });
        }
    });
    // What runs goes on and is recorded; what is new is told to come again.
    talk.heard(25);
    assert_eq!(attempt(&ada), BUSY);
    talk.end_after(Duration::from_millis(300));
    assert_eq!(demo.rest.list("/api/v1/cdrs").len(), 0, "the database was not locked");
    drop(lock);
    eventually("calls are taken again", || (attempt(&ada) == NOBODY).then_some(()));
    Talk::new(&ada, "1002", &bob).end_after(Duration::from_millis(300));
    // Every attempt that was taken has its record, and both calls.
    let records = recorded.into_inner() + 1;
    let of = |cdrs: &[Value], status: u16| {
        cdrs.iter().filter(|cdr| cdr["outcome"]["sip"] == status).count()
    };
    let cdrs = eventually("all records are in the database", || {
        std::thread::sleep(Duration::from_millis(500));
        Some(demo.rest.list("/api/v1/cdrs")).filter(|cdrs| of(cdrs, NOBODY) >= records)
    });
    assert_eq!(of(&cdrs, NOBODY), records);
    assert_eq!(cdrs.iter().filter(|cdr| cdr["answered"].is_string()).count(), 2);
    demo.stop();
}
