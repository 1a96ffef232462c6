//! The only SQL of the product.
//!
//! [`Store`] opens the database, SQLite or PostgreSQL, and brings its schema up to date. Reads go
//! through [`Reader`], a pool; every write goes through the one [`Writer`], a transaction of the
//! one writing connection (behind one lock of the database, so that writers of other processes
//! queue as well): writers never deadlock, and changes and transfers have one order. A write is
//! durable when [`Writer::commit`] returns, because the journal is released on it.
//!
//! One text of SQL serves both databases; what differs stands in `open` and in `migrations/`.
//!
//! It decides nothing: rows in, rows out. Start at [`Store::open`], [`ConfigRows`] and the batch of
//! `ingest`.

mod allowance;
mod archive;
mod backup;
mod ban;
mod binding;
mod block;
mod books;
mod bulk;
mod cdr;
mod change;
mod column;
mod config;
mod error;
mod import;
mod ingest;
mod json;
mod ledger;
mod list;
mod memory;
mod money;
mod number_list;
mod open;
mod place;
mod radius;
mod request;
mod rollup;
mod scope;
mod seal;
mod session;
mod tariff;
mod token;
mod trace;
mod tree;
mod usage;
mod user;

pub use allowance::{GivenAllowance, NewAllowance};
pub use archive::{ARCHIVE_MAX, Archive, OldRecords};
pub use books::{BooksReport, FINDINGS_MAX, Finding};
pub use cdr::{
    COMMISSIONS_FROM, CdrFilter, CdrKey, CdrOnly, NewRerate, RERATE_CHUNK, Rated, Rerate,
    RerateCounts, RerateLine, RerateState, RerateSum, RerateSumKey, Unpublished,
};
pub use change::{Actor, Change, ChangeFilter, ChangeRow};
pub use column::Columns;
pub use config::{Cell, ConfigRow, ConfigRows, How, NewerRows, Numbered, Parts, Referrer, Wanted};
pub use error::StoreError;
pub use ingest::{Ingested, Life, Position, Taken};
pub use ledger::Posted;
pub use list::LIST_MAX;
pub use memory::MemoryStore;
pub use money::{LedgerEntry, MoneyKind, MoneyRequest, NewMoney};
pub use number_list::ListChange;
pub use open::{Reader, Store, Writer};
pub use place::{Place, Server};
pub use radius::{RADIUS_EVENTS_READ_MAX, RadiusEvent};
pub use request::AnsweredRequest;
pub use rollup::{
    ASRB_S, DirectionCounts, LastCall, LastLeg, Measures, Money, QUARTER_CELLS_DAYS, Statistic,
    StatisticBy, StatisticQuestion, StatisticSubject, Statistics, TimeUnit, TrunkCounts, TrunkTalk,
    UnfitQuestion,
};
pub use scope::{Owned, Scope};
pub use seal::{SealError, Sealed, Sealer, Secret};
pub use session::{NewSession, SESSIONS_MAX, Session};
pub use strowger_billing::{RevisedRate, TransferKind};
pub use tariff::PricesAt;
pub use token::{Grant, NewToken, Token};
pub use trace::{CallTrace, day_of};
pub use tree::ORGANIZATION_DEPTH_MAX;
pub use usage::{AddressUse, QUARTER_US, Usage};
pub use user::{Credentials, NewUser, TotpState, User, UserPatch};

pub(crate) use error::Tried;
