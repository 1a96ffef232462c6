//! PostgreSQL under the product: where `STROWGER_TEST_POSTGRES` names a server, each home has a
//! database of its own there. Tests that look into the file of SQLite are for that alone.

use std::process::{Command, Stdio};

/// The lock that each of the product's write transactions holds, so that changes have one order.
const WRITE_LOCK: i64 = i64::from_be_bytes(*b"strowger");

/// A database of the server's, gone when it is dropped.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Makes one, where the environment names a server; none = SQLite.
    pub(crate) fn new(number: u32) -> Option<Database> {
        let server = std::env::var("STROWGER_TEST_POSTGRES").ok()?;
        let name = format!("product_{}_{number}", std::process::id());
        ask(&server, &format!("CREATE DATABASE {name}"));
        Some(Database { server, name })
    }

    /// Where it is, as the key `database.url` says it.
    pub(crate) fn url(&self) -> String {
        let mark = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{mark}dbname={}", self.server, self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that failed may have left somebody in it; the cluster goes with all it has.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let _gone = shell(&self.server, &sql).stderr(Stdio::null()).status();
    }
}

fn shell(url: &str, sql: &str) -> Command {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    command.args(["--set", "ON_ERROR_STOP=1", "--command", sql]).arg(url);
    command
}

/// What a query says, as text.
pub(crate) fn ask(url: &str, sql: &str) -> String {
    let output = shell(url, sql).output().expect("psql is needed: scripts/postgres.sh installs it");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Changes rows in one transaction, in the order of all that write.
pub(crate) fn change(url: &str, sql: &str) {
    // All that one command holds is one transaction.
    ask(url, &format!("SELECT pg_advisory_xact_lock({WRITE_LOCK}); {sql}"));
}
