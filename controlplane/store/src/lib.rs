//! The only SQL of the product.
//!
//! [`Store`] opens the database and brings its schema up to date. Reads go through [`Reader`], a
//! pool; every write goes through the one [`Writer`], a transaction of the one writing connection,
//! so that writers never deadlock and the change log has one order. A write is durable when
//! [`Writer::commit`] returns (`synchronous=FULL`), because the journal is released on it.
//!
//! It decides nothing: rows in, rows out. Start at [`Store::open`], [`ConfigRows`] and the batch of
//! `ingest`.

mod binding;
mod cdr;
mod column;
mod config;
mod error;
mod ingest;
mod json;
mod ledger;
mod list;
mod memory;
mod open;
mod token;

pub use cdr::{CdrFilter, CdrKey};
pub use config::ConfigRows;
pub use error::StoreError;
pub use ingest::{Ingested, Life, Position, Taken};
pub use ledger::Posted;
pub use list::{LIST_MAX, Scope};
pub use memory::MemoryStore;
pub use open::{Reader, Store, Writer};
pub use token::Token;

pub(crate) use error::Tried;
