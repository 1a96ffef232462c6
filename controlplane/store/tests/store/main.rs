//! The store on both engines: each test runs on SQLite and, when a server is named, on PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic and be long")]

mod access;
mod archive;
mod books;
mod engine;
mod ingest;
mod migration;
mod money;
mod rerate;
mod rollup;
mod roundtrip;
mod rows;
mod sample;
mod schema;
mod tariff;
mod trace;
mod views;
