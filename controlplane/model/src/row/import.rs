//! Files with prices as suppliers send them.

use crate::{ImportId, TariffId, TenantId};

/// A file with prices that was sent in for a price list, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// Identity; the file is kept under it.
    pub id: ImportId,
    /// Tenant, that of the tariff.
    pub tenant: TenantId,
    /// The list it is for.
    pub tariff: TariffId,
    /// What the file is called where it came from.
    pub file: String,
    /// Its length, octets.
    pub bytes: i64,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
    /// How far it is.
    pub state: ImportState,
    /// How it is read: columns and the like, as JSON.
    pub reading: String,
    /// What was found in it, as JSON.
    pub report: String,
    /// The revision of the list that its rows are in.
    pub revision: Option<u32>,
    /// From when on its prices count, microseconds since 1970 UTC.
    pub effective_us: Option<i64>,
    /// Rows of that revision.
    pub rows: u32,
    /// Who sent it.
    pub created_by: String,
    /// When, microseconds since 1970 UTC.
    pub created_us: i64,
    /// Who did something to it last.
    pub changed_by: String,
    /// When, microseconds since 1970 UTC.
    pub changed_us: i64,
}

/// How far a file with prices is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ImportState {
    /// It is there; which column is what is not known.
    Uploaded,
    /// The columns are known; it has faults.
    Mapped,
    /// It has no fault and may be published.
    Checked,
    /// Its rows are being written.
    Writing,
    /// Its rows count, now or from a later time on.
    Published,
    /// Its rows counted, or would have, and do so no more.
    Undone,
    /// Its rows could not be put in force.
    Failed,
}
