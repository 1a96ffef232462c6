//! What must not be lost when a plane is killed without warning: no audio, no call, no record, no
//! unit of money.
//!
//! Each test starts the real product, fills it with calls of a [`Fleet`], kills processes with
//! SIGKILL, and compares what the phones saw with what the records say. 100 calls at a time, or 500
//! with `STROWGER_TEST_LONG` set. Before it: `cargo build` of the programs; it needs `sqlite3`.

#![cfg(test)]

#[path = "product/demo.rs"]
#[expect(dead_code, reason = "the tests of the product use the rest")]
mod demo;
#[path = "product/rest.rs"]
#[expect(dead_code, reason = "the tests of the product use the rest")]
mod rest;

#[path = "kill/books.rs"]
mod books;
#[path = "kill/control.rs"]
mod control;
#[path = "kill/data.rs"]
mod data;
#[path = "kill/site.rs"]
mod site;
