//! A fresh database for each test, on both engines.
//!
//! PostgreSQL is the server named by `STROWGER_TEST_POSTGRES` (`scripts/postgres.sh with ..`);
//! without it those tests say loudly that they were skipped.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Connection, Executor};
use std::io::Write;
use std::path::{Path, PathBuf};
use strowger_store::{Place, Store};

/// Runs each of the named `async fn(&Db)` on both engines.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                let name = concat!(module_path!(), stringify!($test));
                let db = crate::engine::Db::sqlite(name).await;
                super::$test(&db).await;
                db.end().await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                let name = concat!(module_path!(), stringify!($test));
                let Some(db) = crate::engine::Db::postgres(name).await else { return };
                super::$test(&db).await;
                db.end().await;
            })*
        }
    };
}
pub(crate) use on_both;

/// One database of one test.
pub(crate) struct Db {
    pub(crate) store: Store,
    pub(crate) place: Place,
    pub(crate) is_postgres: bool,
    // For SQL that the store has no function for.
    url: String,
    dir: Option<PathBuf>,
    server: Option<(String, String)>,
}

fn plain(name: &str) -> String {
    let mut text: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    text.truncate(40);
    text
}

impl Db {
    pub(crate) async fn sqlite(name: &str) -> Db {
        let name = format!("strowger-{}-{}", name.replace("::", "-"), std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let place = Place::File(dir.join("a.db"));
        let store = Store::open_at(&place).await.unwrap();
        let url = format!("sqlite:{}", dir.join("a.db").display());
        Db { store, place, is_postgres: false, url, dir: Some(dir), server: None }
    }

    pub(crate) async fn postgres(name: &str) -> Option<Db> {
        let Ok(server) = std::env::var("STROWGER_TEST_POSTGRES") else {
            // Not by a macro: the harness would keep the line to itself.
            let line = format!("SKIPPED {name}: STROWGER_TEST_POSTGRES names no server\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            return None;
        };
        sqlx::any::install_default_drivers();
        // Names are cut at 63 bytes; those of two tests may agree in the first forty.
        let hash = name.bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(b.into()));
        let name = format!("t{}_{hash:x}_{}", plain(name).to_lowercase(), std::process::id());
        execute(&server, &format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        execute(&server, &format!("CREATE DATABASE {name}")).await.unwrap();
        let mark = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{mark}dbname={name}");
        let place = Place::parse(&url, Path::new(""), Path::new("")).unwrap();
        let store = Store::open_at(&place).await.unwrap();
        Some(Db { store, place, is_postgres: true, url, dir: None, server: Some((server, name)) })
    }

    /// Where it is, for SQL beside the store.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Another process at the same database.
    pub(crate) async fn another(&self) -> Store {
        Store::open_at(&self.place).await.unwrap()
    }

    /// Runs SQL beside the store.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        execute(&self.url, sql).await
    }

    /// Reads by SQL beside the store.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<AnyRow> {
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        let rows = query.fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        rows
    }

    /// Removes the database; after a failed test it stays, to be looked at.
    pub(crate) async fn end(self) {
        self.store.close().await;
        if let Some(dir) = self.dir {
            std::fs::remove_dir_all(dir).unwrap();
        }
        if let Some((server, name)) = self.server {
            let sql = format!("DROP DATABASE {name} WITH (FORCE)");
            execute(&server, &sql).await.unwrap();
        }
    }
}

async fn execute(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = AnyConnection::connect(url).await?;
    connection.execute(AssertSqlSafe(sql.to_owned())).await?;
    connection.close().await
}
