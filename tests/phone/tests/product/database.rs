//! The database is late, or locked.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use strowger_phone::flows::{ALICE, BOB};

use crate::assert_tidy;
use crate::demo::{Demo, Home, eventually};
use crate::talk::{Talk, desk};

/// Another process's write transaction on a database of SQLite, until it is dropped.
pub(crate) struct Lock {
    shell: Child,
    words: Option<ChildStdin>,
}

impl Lock {
    pub(crate) fn take(file: &Path) -> Lock {
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
