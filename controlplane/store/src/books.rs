//! The audit of the books: records' charges = transfers of their batch = checkpoints.
//!
//! It believes no sum that is stored: every balance is made again from all its transfers, and what
//! a batch must have booked is asked of the rules of the books again. Batches are read some at a
//! time; they and what they wrote never change, so that needs no long transaction.

use crate::column::{Columns, word_of};
use crate::ledger::{KINDS, TRANSFER_KINDS, balance};
use crate::{Reader, StoreError, Tried};
use core::fmt::{Display, Formatter};
use sqlx::any::AnyRow;
use std::collections::BTreeMap;
use strowger_billing::{LedgerAccount, LedgerKind, Owner, TransferKind, Unit, sides};
use strowger_model::{
    AccountId, Amount, Charge, ChargeKind, Currency, OrganizationId, Price, TenantId,
};

/// Most findings of a report; what comes behind is only known to be there.
pub const FINDINGS_MAX: usize = 1000;
/// Batches compared at a time.
const BATCHES_AT_ONCE: i64 = 256;

/// Something in the books that cannot be true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// The records of a batch charge another sum than its transfers move.
    Batch {
        /// Batch.
        batch: i64,
        /// Whose balance falls.
        debit: LedgerAccount,
        /// Whose balance rises.
        credit: LedgerAccount,
        /// What for.
        kind: TransferKind,
        /// Sum of the records' charges.
        charged: i128,
        /// Sum of the transfers.
        moved: i128,
    },
    /// A balance from its checkpoint on is another one than from nothing.
    Balance {
        /// Ledger account.
        account: i64,
        /// From the checkpoint on.
        said: i64,
        /// From all transfers.
        rebuilt: i64,
    },
    /// A checkpoint stands behind the newest transfer.
    Ahead {
        /// Ledger account.
        account: i64,
        /// Its checkpoint.
        up_to: i64,
        /// Newest transfer.
        newest: i64,
    },
    /// The balances of a unit do not sum to zero.
    Unit {
        /// Tenant.
        tenant: TenantId,
        /// Currency or unit.
        unit: String,
        /// Their sum.
        sum: i128,
    },
    /// A transfer names accounts that are not there or not of its tenant and unit, or no amount.
    Transfer(
        /// Its id.
        i64,
    ),
    /// A record of no batch, or a level or hop of no record.
    Stray {
        /// Table.
        table: &'static str,
        /// The record it names.
        record: i64,
    },
    /// A transfer comes from a batch that is not there.
    NoBatch {
        /// Transfer.
        transfer: i64,
        /// The batch it names.
        batch: i64,
    },
    /// The lines of a re-rating that count differ by another sum than its transfers move.
    Rerate {
        /// The re-rating.
        rerate: i64,
        /// One side.
        debit: LedgerAccount,
        /// The other side.
        credit: LedgerAccount,
        /// What should have moved from the first to the second.
        corrected: i128,
        /// What did.
        moved: i128,
    },
    /// A payment or adjustment that no transfer of its amount stands for, or more than one.
    Request {
        /// The request.
        request: i64,
        /// What it should move.
        amount: i64,
        /// What was moved.
        moved: i128,
    },
    /// What free time cost is not what was moved for it.
    Bought {
        /// Allowance.
        allowance: i64,
        /// Its price.
        price: i64,
        /// What was moved.
        moved: i128,
    },
    /// The count of what calls of an account cost is not what their records say.
    Usage {
        /// Account.
        account: i64,
        /// Quarter of an hour, since 1970 UTC.
        quarter: i64,
        /// Sum of the records' charges.
        charged: i64,
        /// What was counted.
        counted: i64,
    },
    /// The count of what was used of an allowance is not what the records say.
    Free {
        /// Allowance.
        allowance: i64,
        /// Milliseconds by the records.
        used: i64,
        /// What was counted.
        counted: i64,
    },
    /// What was counted of a packet of money is not what records used of it, or more than it has.
    Packet {
        /// Packet.
        allowance: i64,
        /// By the records.
        used: i64,
        /// What was counted.
        counted: i64,
    },
    /// Free time that was given again does not go on where the one before it ended.
    Renewal {
        /// Allowance.
        allowance: i64,
        /// What it renews.
        renews: i64,
    },
    /// A journal was taken twice or with a gap.
    Stretch {
        /// Batch.
        batch: i64,
        /// Journal.
        origin: i64,
        /// First sequence that the batch took.
        first: i64,
        /// Last sequence of the batch before.
        before: i64,
    },
    /// A journal's cursor is not where its last batch ended.
    Cursor {
        /// Journal.
        origin: i64,
        /// The cursor.
        seq: i64,
        /// Last sequence of its last batch.
        last: i64,
    },
}

/// A ledger account as people read it: `tenant 1: account 5 balance EUR`.
struct Shown<'a>(&'a LedgerAccount);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        let LedgerAccount { tenant, owner, kind, unit } = self.0;
        write!(f, "tenant {tenant}: ")?;
        match owner {
            Owner::Tenant => f.write_str("own")?,
            Owner::Organization(id) => write!(f, "organization {id}")?,
            Owner::Account(id) => write!(f, "account {id}")?,
        }
        write!(f, " {} ", word_of(&KINDS, *kind))?;
        match unit {
            Unit::Money(currency) => f.write_str(currency.code()),
            Unit::Seconds => f.write_str("seconds"),
            Unit::Messages => f.write_str("messages"),
        }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        match self {
            Finding::Batch { batch, debit, credit, kind, charged, moved } => {
                let (debit, credit) = (Shown(debit), Shown(credit));
                let kind = word_of(&TRANSFER_KINDS, *kind);
                write!(f, "batch {batch}: from {debit} to {credit} its records say {kind} ")?;
                write!(f, "{charged}, its transfers {moved}")
            }
            Finding::Balance { account, said, rebuilt } => {
                write!(f, "ledger account {account}: its checkpoint leads to {said}, ")?;
                write!(f, "its transfers to {rebuilt}")
            }
            Finding::Ahead { account, up_to, newest } => {
                write!(f, "ledger account {account}: a checkpoint up to transfer {up_to}, ")?;
                write!(f, "the newest is {newest}")
            }
            Finding::Unit { tenant, unit, sum } => {
                write!(f, "tenant {tenant}: all balances in {unit} sum to {sum}, not zero")
            }
            Finding::Transfer(id) => {
                write!(f, "transfer {id}: accounts, tenant, unit or amount cannot be")
            }
            Finding::Stray { table, record } => {
                write!(f, "record {record}: a row of {table} refers to what is not there")
            }
            Finding::NoBatch { transfer, batch } => {
                write!(f, "transfer {transfer}: there is no batch {batch}")
            }
            Finding::Rerate { rerate, debit, credit, corrected, moved } => {
                let (debit, credit) = (Shown(debit), Shown(credit));
                write!(f, "re-rating {rerate}: from {debit} to {credit} its lines say ")?;
                write!(f, "{corrected}, its transfers {moved}")
            }
            Finding::Request { request, amount, moved } => {
                write!(f, "request {request}: should move {amount}, its transfers move {moved}")
            }
            Finding::Usage { account, quarter, charged, counted } => {
                write!(f, "account {account}: calls of quarter {quarter} cost {charged}, ")?;
                write!(f, "counted are {counted}")
            }
            Finding::Free { allowance, used, counted } => {
                write!(f, "allowance {allowance}: records used {used} ms, counted are {counted}")
            }
            Finding::Packet { allowance, used, counted } => {
                write!(f, "packet {allowance}: records used {used}, counted are {counted}")
            }
            Finding::Bought { allowance, price, moved } => {
                write!(
                    f,
                    "allowance {allowance}: its price is {price}, its transfers moved {moved}"
                )
            }
            Finding::Renewal { allowance, renews } => {
                write!(f, "allowance {allowance}: does not go on where {renews} ended")
            }
            Finding::Stretch { batch, origin, first, before } => {
                write!(f, "batch {batch}: took journal {origin} from {first}, ")?;
                write!(f, "the batch before ended at {before}")
            }
            Finding::Cursor { origin, seq, last } => {
                write!(f, "journal {origin}: its cursor is {seq}, its last batch ended at {last}")
            }
        }
    }
}

/// What the audit looked at and found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BooksReport {
    /// Batches compared.
    pub batches: i64,
    /// The last of them.
    pub last_batch: i64,
    /// Transfers there were.
    pub transfers: i64,
    /// Ledger accounts whose balance was made again.
    pub accounts: i64,
    /// What is wrong, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// There is more.
    pub more: bool,
}

impl BooksReport {
    fn add(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more = true;
        }
    }
}

/// What was booked, or should be, between two accounts.
type Sums = BTreeMap<(i64, LedgerAccount, LedgerAccount, TransferKind), i128>;

macro_rules! ledger_account {
    ($c:expr, $side:literal) => {{
        let c: &Columns<'_> = $c;
        let owner_id = c.int(concat!($side, "_owner_id"))?;
        let owners = [
            ("tenant", Owner::Tenant),
            ("organization", Owner::Organization(OrganizationId(owner_id))),
            ("account", Owner::Account(AccountId(owner_id))),
        ];
        LedgerAccount {
            tenant: TenantId(c.int(concat!($side, "_tenant_id"))?),
            owner: c.word(concat!($side, "_owner_kind"), &owners)?,
            kind: c.word::<LedgerKind>(concat!($side, "_kind"), &KINDS)?,
            unit: unit(c, concat!($side, "_unit"), concat!($side, "_minor_digits"))?,
        }
    }};
}

fn unit(c: &Columns<'_>, code: &'static str, minor: &'static str) -> Result<Unit, StoreError> {
    let text = c.text(code)?;
    match text.as_str() {
        "seconds" => Ok(Unit::Seconds),
        "messages" => Ok(Unit::Messages),
        currency => Currency::new(currency, c.small(minor)?)
            .map(Unit::Money)
            .ok_or_else(|| c.unfit(code, "unit")),
    }
}

/// The charges of all records: columns of the record, and the levels of resellers and what
/// agents earn (from the place `COMMISSIONS_FROM` on) between; of records that left, their sums.
macro_rules! charges {
    () => {
        concat!(
            charges!("customer"),
            " UNION ALL ",
            charges!("supplier"),
            " UNION ALL SELECT d.batch, d.tenant_id, d.started_us, \
             CASE WHEN l.position < 64 THEN 'reseller' WHEN l.position < 96 THEN 'commission' \
             ELSE 'packet' END, l.account_id, \
             l.organization_id, l.payee_id, l.currency, l.minor_digits, l.net, l.gross, \
             l.free_ms, l.allowance_id FROM cdr_levels l \
             JOIN cdrs d ON d.id = l.cdr_id AND d.part = l.part \
             UNION ALL SELECT batch, tenant_id, started_us, kind, account_id, organization_id, \
             payee_id, currency, minor_digits, net, gross, free_ms, allowance_id \
             FROM archived_charges"
        )
    };
    ($of:literal) => {
        concat!(
            "SELECT batch, tenant_id, started_us, '",
            $of,
            "' AS kind, ",
            $of,
            "_account_id AS account_id, ",
            $of,
            "_organization_id AS organization_id, ",
            $of,
            "_payee_id AS payee_id, ",
            $of,
            "_currency AS currency, ",
            $of,
            "_minor_digits AS minor_digits, ",
            $of,
            "_net AS net, ",
            $of,
            "_gross AS gross, ",
            $of,
            "_free_ms AS free_ms, ",
            $of,
            "_allowance_id AS allowance_id FROM cdrs WHERE ",
            $of,
            "_account_id IS NOT NULL"
        )
    };
}

pub(crate) const CHARGE_KINDS: [(&str, ChargeKind); 5] = [
    ("customer", ChargeKind::Customer),
    ("reseller", ChargeKind::Reseller),
    ("supplier", ChargeKind::Supplier),
    ("commission", ChargeKind::Commission),
    ("packet", ChargeKind::Packet),
];

const CHARGED: &str = concat!(
    "SELECT batch, tenant_id, kind, account_id, organization_id, payee_id, currency, \
     minor_digits, CAST(SUM(net) AS BIGINT) AS net, CAST(SUM(gross) AS BIGINT) AS gross FROM (",
    charges!(),
    ") c WHERE batch >= $1 AND batch < $2 AND tenant_id IS NOT NULL \
     GROUP BY batch, tenant_id, kind, account_id, organization_id, payee_id, currency, \
     minor_digits"
);

const MOVED: &str = "SELECT s.batch AS batch, s.kind AS kind, s.amount AS amount, \
    d.tenant_id AS debit_tenant_id, d.owner_kind AS debit_owner_kind, \
    d.owner_id AS debit_owner_id, d.kind AS debit_kind, d.unit AS debit_unit, \
    d.minor_digits AS debit_minor_digits, \
    c.tenant_id AS credit_tenant_id, c.owner_kind AS credit_owner_kind, \
    c.owner_id AS credit_owner_id, c.kind AS credit_kind, c.unit AS credit_unit, \
    c.minor_digits AS credit_minor_digits FROM \
    (SELECT cause_id AS batch, kind, debit_id, credit_id, CAST(SUM(amount) AS BIGINT) AS amount \
     FROM transfers WHERE cause_kind = 'batch' AND cause_id >= $1 AND cause_id < $2 \
     GROUP BY cause_id, kind, debit_id, credit_id) s \
    JOIN ledger_accounts d ON d.id = s.debit_id JOIN ledger_accounts c ON c.id = s.credit_id";

/// What lines of re-ratings that moved money differ from what was booked before.
const CORRECTED: &str = "SELECT l.rerate_id AS rerate_id, r.tenant_id AS tenant_id, \
    CASE WHEN l.position = 0 THEN 'customer' WHEN l.position < 0 THEN 'supplier' \
    WHEN l.position < 64 THEN 'reseller' ELSE 'commission' END AS kind, \
    l.account_id AS account_id, \
    l.organization_id AS organization_id, l.payee_id AS payee_id, l.currency AS currency, \
    l.minor_digits AS minor_digits, CAST(SUM(l.net - l.was_net) AS BIGINT) AS net, \
    CAST(SUM(l.gross - l.was_gross) AS BIGINT) AS gross \
    FROM rerate_lines l JOIN rerates r ON r.id = l.rerate_id \
    WHERE r.with_money = 1 AND l.line <= r.posted GROUP BY 1, 2, 3, 4, 5, 6, 7, 8";

/// What transfers of re-ratings moved.
const CORRECTIONS: &str = "SELECT s.rerate AS rerate, s.amount AS amount, \
    d.tenant_id AS debit_tenant_id, d.owner_kind AS debit_owner_kind, \
    d.owner_id AS debit_owner_id, d.kind AS debit_kind, d.unit AS debit_unit, \
    d.minor_digits AS debit_minor_digits, \
    c.tenant_id AS credit_tenant_id, c.owner_kind AS credit_owner_kind, \
    c.owner_id AS credit_owner_id, c.kind AS credit_kind, c.unit AS credit_unit, \
    c.minor_digits AS credit_minor_digits FROM \
    (SELECT cause_id AS rerate, debit_id, credit_id, CAST(SUM(amount) AS BIGINT) AS amount \
     FROM transfers WHERE cause_kind = 'rerate' GROUP BY cause_id, debit_id, credit_id) s \
    JOIN ledger_accounts d ON d.id = s.debit_id JOIN ledger_accounts c ON c.id = s.credit_id";

/// What was or should be moved by re-ratings: of each pair of accounts from the smaller to the
/// larger, below zero for the other way.
type Corrections = BTreeMap<(i64, LedgerAccount, LedgerAccount), i128>;

fn add_correction(
    sums: &mut Corrections,
    rerate: i64,
    (debit, credit): (LedgerAccount, LedgerAccount),
    amount: i128,
) {
    let (pair, amount) =
        if debit <= credit { ((debit, credit), amount) } else { ((credit, debit), -amount) };
    *sums.entry((rerate, pair.0, pair.1)).or_default() += amount;
}

/// What the charges of a row must have booked, added to `sums`.
fn add_charged(row: &AnyRow, sums: &mut Sums) -> Result<(), StoreError> {
    let c = Columns::new("cdrs", row);
    let batch = c.int("batch")?;
    let charge = summed(&c)?;
    let [net, tax] = sides(TenantId(c.int("tenant_id")?), &charge);
    let (net_amount, gross_amount) = (i128::from(charge.net.0), i128::from(charge.gross.0));
    for ((debit, credit, kind), amount) in [(net, net_amount), (tax, gross_amount - net_amount)] {
        *sums.entry((batch, debit, credit, kind)).or_default() += amount;
    }
    Ok(())
}

/// A sum of charges of one account and kind, as one charge.
fn summed(c: &Columns<'_>) -> Result<Charge, StoreError> {
    Ok(Charge {
        account: AccountId(c.int("account_id")?),
        organization: OrganizationId(c.int("organization_id")?),
        payee: c.int_or_null("payee_id")?.map(OrganizationId),
        kind: c.word("kind", &CHARGE_KINDS)?,
        currency: c.currency()?,
        net: Amount(c.int("net")?),
        gross: Amount(c.int("gross")?),
        // Nothing is booked by these.
        prepaid: false,
        vat_ppm: 0,
        charged_ms: 0,
        free_ms: 0,
        allowance: None,
        step_ms: 0,
        unit_price: Price(0),
        price_currency: c.currency()?,
        tariff: None,
        rate: None,
    })
}

fn add_moved(row: &AnyRow, sums: &mut Sums) -> Result<(), StoreError> {
    let c = Columns::new("transfers", row);
    let (debit, credit) = (ledger_account!(&c, "debit"), ledger_account!(&c, "credit"));
    let key = (c.int("batch")?, debit, credit, c.word("kind", &TRANSFER_KINDS)?);
    *sums.entry(key).or_default() += i128::from(c.int("amount")?);
    Ok(())
}

impl Reader {
    /// Proves the books: records' charges = transfers of each batch, each balance as its checkpoint
    /// says = made again from nothing, balances of each unit sum to zero, every journal taken
    /// without gap. It may take minutes; writers are not held up.
    ///
    /// # Errors
    /// [`StoreError`] when the books cannot be read; what is wrong in them stands in the report.
    pub async fn books_check(&self) -> Result<BooksReport, StoreError> {
        let what = "check the books";
        let sql = "SELECT CAST(COALESCE((SELECT MAX(id) FROM batches), 0) AS BIGINT) AS batch, \
             CAST(COALESCE((SELECT MIN(id) FROM batches), 0) AS BIGINT) AS batch_first, \
             CAST(COALESCE((SELECT MAX(id) FROM transfers), 0) AS BIGINT) AS transfer, \
             CAST((SELECT COUNT(*) FROM batches) AS BIGINT) AS batches, \
             CAST((SELECT COUNT(*) FROM transfers) AS BIGINT) AS transfers";
        let row = sqlx::query(sql).fetch_one(&self.pool).await.tried(what)?;
        let c = Columns::new("batches", &row);
        let (first, last, newest) = (c.int("batch_first")?, c.int("batch")?, c.int("transfer")?);
        let mut report = BooksReport {
            batches: c.int("batches")?,
            last_batch: last,
            transfers: c.int("transfers")?,
            ..BooksReport::default()
        };
        let mut batch = first;
        while batch <= last && batch > 0 {
            let end = batch.saturating_add(BATCHES_AT_ONCE).min(last.saturating_add(1));
            self.check_batches(batch, end, &mut report).await?;
            batch = end;
        }
        self.check_transfers(newest, &mut report).await?;
        self.check_references(&mut report).await?;
        self.check_requests(&mut report).await?;
        self.check_bought(&mut report).await?;
        self.check_rerates(&mut report).await?;
        self.check_stretches(last, &mut report).await?;
        self.check_balances(&mut report).await?;
        self.check_usage(&mut report).await?;
        self.check_free(&mut report).await?;
        self.check_packets(&mut report).await?;
        self.check_renewals(&mut report).await?;
        Ok(report)
    }

    async fn check_batches(
        &self,
        from: i64,
        until: i64,
        report: &mut BooksReport,
    ) -> Result<(), StoreError> {
        let what = "compare batches";
        let (mut charged, mut moved) = (Sums::new(), Sums::new());
        let rows = sqlx::query(CHARGED).bind(from).bind(until).fetch_all(&self.pool).await;
        rows.tried(what)?.iter().try_for_each(|row| add_charged(row, &mut charged))?;
        let rows = sqlx::query(MOVED).bind(from).bind(until).fetch_all(&self.pool).await;
        rows.tried(what)?.iter().try_for_each(|row| add_moved(row, &mut moved))?;
        // A pair that only one side has stands against nothing.
        for key in moved.keys() {
            charged.entry(*key).or_default();
        }
        for (key, charged) in charged {
            let moved = moved.get(&key).copied().unwrap_or_default();
            if charged != moved {
                let (batch, debit, credit, kind) = key;
                report.add(Finding::Batch { batch, debit, credit, kind, charged, moved });
            }
        }
        Ok(())
    }

    /// Transfers that cannot be, up to `newest`; what no batch has stays outside the comparison.
    async fn check_transfers(
        &self,
        newest: i64,
        report: &mut BooksReport,
    ) -> Result<(), StoreError> {
        let sql = "SELECT t.id AS id, t.cause_id AS batch, CAST(CASE WHEN t.amount > 0 \
             AND t.debit_id <> t.credit_id AND d.tenant_id = t.tenant_id AND d.unit = t.unit \
             AND c.tenant_id = t.tenant_id AND c.unit = t.unit \
             THEN 1 ELSE 0 END AS BIGINT) AS sound, \
             CAST(CASE WHEN t.cause_kind = 'batch' AND b.id IS NULL \
             THEN 1 ELSE 0 END AS BIGINT) AS stray \
             FROM transfers t LEFT JOIN ledger_accounts d ON d.id = t.debit_id \
             LEFT JOIN ledger_accounts c ON c.id = t.credit_id \
             LEFT JOIN batches b ON b.id = t.cause_id WHERE t.id <= $1 AND (t.amount <= 0 \
             OR t.debit_id = t.credit_id OR d.id IS NULL OR c.id IS NULL \
             OR d.tenant_id <> t.tenant_id OR c.tenant_id <> t.tenant_id \
             OR d.unit <> t.unit OR c.unit <> t.unit \
             OR (t.cause_kind = 'batch' AND b.id IS NULL)) ORDER BY t.id LIMIT $2";
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(newest).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("look through the transfers")? {
            let c = Columns::new("transfers", row);
            let transfer = c.int("id")?;
            if !c.flag("sound")? {
                report.add(Finding::Transfer(transfer));
            }
            if c.flag("stray")? {
                report.add(Finding::NoBatch { transfer, batch: c.int("batch")? });
            }
        }
        Ok(())
    }

    /// What the database does not check at each insert: records have a batch, the rest a record.
    async fn check_references(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let records = "SELECT d.id AS record FROM cdrs d WHERE NOT EXISTS \
             (SELECT 1 FROM batches b WHERE b.id = d.batch) ORDER BY d.id LIMIT $1";
        let levels = "SELECT l.cdr_id AS record FROM cdr_levels l WHERE NOT EXISTS \
             (SELECT 1 FROM cdrs d WHERE d.id = l.cdr_id AND d.part = l.part) \
             ORDER BY l.cdr_id LIMIT $1";
        let hops = "SELECT h.cdr_id AS record FROM cdr_hops h WHERE NOT EXISTS \
             (SELECT 1 FROM cdrs d WHERE d.id = h.cdr_id AND d.part = h.part) \
             ORDER BY h.cdr_id LIMIT $1";
        for (table, sql) in [("cdrs", records), ("cdr_levels", levels), ("cdr_hops", hops)] {
            let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
            for row in &rows.tried("look for rows that belong to nothing")? {
                let record = Columns::new(table, row).int("record")?;
                report.add(Finding::Stray { table, record });
            }
        }
        Ok(())
    }

    /// What was paid or adjusted moved exactly its account's balance, once, and that of the account
    /// which it was taken from.
    async fn check_requests(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        // One statement sees a request and its transfer, or neither.
        let sql = "SELECT id, amount, moved FROM (SELECT m.id AS id, m.amount AS amount, \
             CAST((SELECT COALESCE(SUM(CASE WHEN l.id = t.credit_id THEN t.amount \
             ELSE -t.amount END), 0) FROM transfers t JOIN ledger_accounts l \
             ON l.id IN (t.debit_id, t.credit_id) AND l.owner_kind = 'account' \
             AND l.owner_id = m.account_id AND l.kind = 'balance' \
             WHERE t.cause_kind = 'request' AND t.cause_id = m.id) AS BIGINT) AS moved \
             FROM money_requests m UNION ALL \
             SELECT m.id, -m.amount, \
             CAST((SELECT COALESCE(SUM(CASE WHEN l.id = t.credit_id THEN t.amount \
             ELSE -t.amount END), 0) FROM transfers t JOIN ledger_accounts l \
             ON l.id IN (t.debit_id, t.credit_id) AND l.owner_kind = 'account' \
             AND l.owner_id = m.from_account_id AND l.kind = 'balance' \
             WHERE t.cause_kind = 'request' AND t.cause_id = m.id) AS BIGINT) \
             FROM money_requests m WHERE m.from_account_id IS NOT NULL) s \
             WHERE amount <> moved ORDER BY id LIMIT $1";
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("look through the payments")? {
            let c = Columns::new("money_requests", row);
            let (request, amount, moved) = (c.int("id")?, c.int("amount")?, c.int("moved")?);
            report.add(Finding::Request { request, amount, moved: moved.into() });
        }
        Ok(())
    }

    /// What free time cost went out of its account's balance, once.
    async fn check_bought(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let sql = "SELECT id, price, moved FROM (SELECT a.id AS id, a.price AS price, \
             CAST((SELECT COALESCE(SUM(t.amount), 0) FROM transfers t JOIN ledger_accounts l \
             ON l.id = t.debit_id AND l.owner_kind = 'account' AND l.owner_id = a.account_id \
             AND l.kind = 'balance' WHERE t.cause_kind = 'allowance' AND t.cause_id = a.id) \
             AS BIGINT) AS moved FROM allowances a) s WHERE price <> moved ORDER BY id LIMIT $1";
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("look through what free time cost")? {
            let c = Columns::new("allowances", row);
            let (allowance, price, moved) = (c.int("id")?, c.int("price")?, c.int("moved")?);
            report.add(Finding::Bought { allowance, price, moved: moved.into() });
        }
        Ok(())
    }

    /// What re-ratings moved is what their lines that count differ from what was booked before.
    async fn check_rerates(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let what = "compare re-ratings";
        // Both statements see one state: some lines may be booked meanwhile.
        let mut tx = self.snapshot().await.tried(what)?;
        let lines = sqlx::query(CORRECTED).fetch_all(&mut *tx).await.tried(what)?;
        let transfers = sqlx::query(CORRECTIONS).fetch_all(&mut *tx).await.tried(what)?;
        let (mut corrected, mut moved) = (Corrections::new(), Corrections::new());
        for row in &lines {
            let c = Columns::new("rerate_lines", row);
            let (rerate, charge) = (c.int("rerate_id")?, summed(&c)?);
            let (net, gross) = (i128::from(charge.net.0), i128::from(charge.gross.0));
            let pairs = sides(TenantId(c.int("tenant_id")?), &charge);
            for ((debit, credit, _), amount) in pairs.into_iter().zip([net, gross - net]) {
                add_correction(&mut corrected, rerate, (debit, credit), amount);
            }
        }
        for row in &transfers {
            let c = Columns::new("transfers", row);
            let pair = (ledger_account!(&c, "debit"), ledger_account!(&c, "credit"));
            add_correction(&mut moved, c.int("rerate")?, pair, c.int("amount")?.into());
        }
        for key in moved.keys() {
            corrected.entry(*key).or_default();
        }
        for (key, corrected) in corrected {
            let moved = moved.get(&key).copied().unwrap_or_default();
            if corrected != moved {
                let (rerate, debit, credit) = key;
                report.add(Finding::Rerate { rerate, debit, credit, corrected, moved });
            }
        }
        Ok(())
    }

    /// Each batch goes on where the one before it of the same journal ended, the cursor behind all.
    async fn check_stretches(&self, last: i64, report: &mut BooksReport) -> Result<(), StoreError> {
        let what = "look through the batches";
        let sql = "SELECT id, origin, seq_first, before FROM (SELECT id, origin, seq_first, \
             LAG(seq_last) OVER (PARTITION BY origin ORDER BY id) AS before FROM batches \
             WHERE id <= $1) s WHERE seq_first <> before + 1 ORDER BY id LIMIT $2";
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(last).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried(what)? {
            let c = Columns::new("batches", row);
            let (batch, origin) = (c.int("id")?, c.int("origin")?);
            let (first, before) = (c.int("seq_first")?, c.int("before")?);
            report.add(Finding::Stretch { batch, origin, first, before });
        }
        let sql = "SELECT origin, seq, last FROM (SELECT i.origin AS origin, i.seq AS seq, \
             COALESCE((SELECT MAX(b.seq_last) FROM batches b WHERE b.origin = i.origin), 0) \
             AS last FROM ingest_cursors i) s WHERE seq <> last ORDER BY origin LIMIT $1";
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried(what)? {
            let c = Columns::new("ingest_cursors", row);
            let (origin, seq, last) = (c.int("origin")?, c.int("seq")?, c.int("last")?);
            report.add(Finding::Cursor { origin, seq, last });
        }
        Ok(())
    }

    /// What days and months count is what the records of their calls say.
    async fn check_usage(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let sql = concat!(
            "SELECT account_id, quarter, CAST(SUM(charged) AS BIGINT) AS charged, \
             CAST(SUM(counted) AS BIGINT) AS counted FROM (\
             SELECT account_id, started_us / 900000000 AS quarter, gross AS charged, \
             0 AS counted FROM (",
            charges!(),
            ") c WHERE tenant_id IS NOT NULL AND kind IN ('customer', 'reseller') AND gross > 0 \
             UNION ALL SELECT account_id, quarter, 0, amount FROM account_usage) s \
             GROUP BY account_id, quarter HAVING SUM(charged) <> SUM(counted) \
             ORDER BY account_id, quarter LIMIT $1"
        );
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("compare what calls cost")? {
            let c = Columns::new("account_usage", row);
            report.add(Finding::Usage {
                account: c.int("account_id")?,
                quarter: c.int("quarter")?,
                charged: c.int("charged")?,
                counted: c.int("counted")?,
            });
        }
        Ok(())
    }

    /// What is counted of each allowance is what the records used.
    async fn check_free(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let sql = concat!(
            "SELECT allowance_id, CAST(SUM(used) AS BIGINT) AS used, \
             CAST(SUM(counted) AS BIGINT) AS counted FROM (\
             SELECT allowance_id, free_ms AS used, 0 AS counted FROM (",
            charges!(),
            ") c WHERE allowance_id IS NOT NULL \
             UNION ALL SELECT allowance_id, 0, used_ms FROM allowance_usage) s \
             GROUP BY allowance_id HAVING SUM(used) <> SUM(counted) \
             ORDER BY allowance_id LIMIT $1"
        );
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("compare what was used of allowances")? {
            let c = Columns::new("allowance_usage", row);
            let (used, counted) = (c.int("used")?, c.int("counted")?);
            report.add(Finding::Free { allowance: c.int("allowance_id")?, used, counted });
        }
        Ok(())
    }

    /// What is counted of each packet of money is what it paid of records, and no more than it has.
    async fn check_packets(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let sql = concat!(
            "SELECT s.allowance_id AS allowance_id, CAST(SUM(s.paid) AS BIGINT) AS used, \
             CAST(SUM(s.counted) AS BIGINT) AS counted FROM (\
             SELECT allowance_id, gross AS paid, 0 AS counted FROM (",
            charges!(),
            ") c WHERE kind = 'packet' \
             UNION ALL SELECT allowance_id, 0, used FROM allowance_usage) s \
             LEFT JOIN allowances a ON a.id = s.allowance_id GROUP BY s.allowance_id \
             HAVING SUM(s.paid) <> SUM(s.counted) OR SUM(s.counted) > COALESCE(MAX(a.credit), 0) \
             ORDER BY s.allowance_id LIMIT $1"
        );
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("compare what was used of packets")? {
            let c = Columns::new("allowance_usage", row);
            let (used, counted) = (c.int("used")?, c.int("counted")?);
            report.add(Finding::Packet { allowance: c.int("allowance_id")?, used, counted });
        }
        Ok(())
    }

    /// What was given again is as much for the same account, from the end of the one before; what
    /// was bought again costs the same, and begins then or later.
    async fn check_renewals(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        let sql = "SELECT n.id AS id, n.renews_id AS renews_id FROM allowances n \
             LEFT JOIN allowances a ON a.id = n.renews_id AND a.account_id = n.account_id \
             AND a.seconds = n.seconds AND a.credit = n.credit AND a.price = n.price \
             AND (a.until_us = n.from_us OR a.price > 0 AND a.until_us < n.from_us) \
             WHERE n.renews_id IS NOT NULL AND a.id IS NULL ORDER BY n.id LIMIT $1";
        let limit = i64::try_from(FINDINGS_MAX + 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(sql).bind(limit).fetch_all(&self.pool).await;
        for row in &rows.tried("compare free time that was given again")? {
            let c = Columns::new("allowances", row);
            let (allowance, renews) = (c.int("id")?, c.int("renews_id")?);
            report.add(Finding::Renewal { allowance, renews });
        }
        Ok(())
    }

    async fn check_balances(&self, report: &mut BooksReport) -> Result<(), StoreError> {
        // One statement sees one state.
        let sql = concat!(
            "SELECT l.id AS id, l.tenant_id AS tenant_id, l.unit AS unit, \
             COALESCE(c.up_to_transfer, 0) AS up_to, CAST(",
            balance!(),
            " AS BIGINT) AS said, CAST( \
             (SELECT COALESCE(SUM(t.amount), 0) FROM transfers t WHERE t.credit_id = l.id) - \
             (SELECT COALESCE(SUM(t.amount), 0) FROM transfers t WHERE t.debit_id = l.id) \
             AS BIGINT) AS rebuilt, \
             CAST(COALESCE((SELECT MAX(id) FROM transfers), 0) AS BIGINT) AS newest \
             FROM ledger_accounts l \
             LEFT JOIN balance_checkpoints c ON c.ledger_account_id = l.id ORDER BY l.id"
        );
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.tried("make balances again")?;
        let mut units: BTreeMap<(i64, String), i128> = BTreeMap::new();
        for row in &rows {
            let c = Columns::new("balance_checkpoints", row);
            let (account, said, rebuilt) = (c.int("id")?, c.int("said")?, c.int("rebuilt")?);
            let (up_to, newest) = (c.int("up_to")?, c.int("newest")?);
            if up_to > newest {
                report.add(Finding::Ahead { account, up_to, newest });
            }
            if said != rebuilt {
                report.add(Finding::Balance { account, said, rebuilt });
            }
            *units.entry((c.int("tenant_id")?, c.text("unit")?)).or_default() += i128::from(said);
            report.accounts = report.accounts.saturating_add(1);
        }
        for ((tenant, unit), sum) in units {
            if sum != 0 {
                report.add(Finding::Unit { tenant: TenantId(tenant), unit, sum });
            }
        }
        Ok(())
    }
}
