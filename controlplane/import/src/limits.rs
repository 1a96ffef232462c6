//! Bounds of what is read.

/// Longest file, bytes.
pub const FILE_LEN_MAX: usize = 64 << 20;
/// Longest part of a workbook when it is unpacked, bytes: 300,000 rows of ten columns and more.
pub const PART_LEN_MAX: usize = 192 << 20;
/// Most parts of a workbook.
pub const PARTS_MAX: usize = 4_096;
/// Most sheets of a workbook that are looked at.
pub const SHEETS_MAX: usize = 64;
/// Most rows of a table that have something in them.
pub const ROWS_MAX: usize = 1_000_000;
/// Most columns of a table.
pub const COLUMNS_MAX: usize = 256;
/// Longest cell, bytes: Excel's 32,767 characters of four bytes.
pub const CELL_LEN_MAX: usize = 4 * 32_767;
/// Most text of all cells, bytes.
pub const TABLE_LEN_MAX: usize = 256 << 20;
/// Most rows in which the names of the columns are looked for.
pub const HEADER_ROWS_MAX: usize = 64;
/// Most codes of one deck, behind the expansion of its ranges.
pub const CODES_MAX: usize = 1_000_000;
/// Most codes of one cell, behind the expansion of its ranges.
pub const CELL_CODES_MAX: usize = 10_000;
/// Longest code: a number of E.164 has at most 15 digits, and so has a cell with a number.
pub const CODE_LEN_MAX: usize = 15;
/// Most faults that are told one by one.
pub const FAULTS_MAX: usize = 1_000;
/// Longest billing step or minimum, seconds.
pub const INTERVAL_S_MAX: u32 = 3_600;
/// Longest piece of a cell that a fault repeats, characters.
pub const SAID_LEN_MAX: usize = 64;
/// Most value added tax that prices contain, millionths.
pub const VAT_PPM_MAX: u32 = 10_000_000;

const _: () = assert!(TABLE_LEN_MAX < u32::MAX as usize);
const _: () = assert!(ROWS_MAX * COLUMNS_MAX < u32::MAX as usize);
