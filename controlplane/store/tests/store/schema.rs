//! Both schemas say the same: one golden list of tables, columns, references and indexes.

use crate::engine::{Db, on_both};
use sqlx::Row;
use std::fmt::Write as _;

on_both! { the_schema_is_the_golden_one }

const GOLDEN: &str = include_str!("schema.txt");

/// One query per engine: table, column, `integer`, `text` or `bytes`, whether NULL may stand in it.
const SQLITE_COLUMNS: &str = "SELECT m.name AS t, c.name AS c, CASE c.type \
    WHEN 'INTEGER' THEN 'integer' WHEN 'TEXT' THEN 'text' WHEN 'BLOB' THEN 'bytes' \
    ELSE c.type END AS kind, \
    CASE WHEN c.\"notnull\" = 0 AND c.pk = 0 THEN ' or null' ELSE '' END AS n \
    FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
    AND m.name NOT LIKE 'sqlite@_%' ESCAPE '@' AND m.name NOT LIKE '@_sqlx%' ESCAPE '@' \
    ORDER BY m.name, c.cid";
const POSTGRES_COLUMNS: &str = "SELECT CAST(table_name AS TEXT) AS t, \
    CAST(column_name AS TEXT) AS c, CASE WHEN data_type IN ('bigint', 'smallint') \
    THEN 'integer' WHEN data_type = 'bytea' THEN 'bytes' ELSE CAST(data_type AS TEXT) END AS kind, \
    CASE is_nullable WHEN 'YES' THEN ' or null' ELSE '' END AS n \
    FROM information_schema.columns WHERE table_schema = 'public' \
    AND table_name NOT LIKE '@_sqlx%' ESCAPE '@' AND table_name NOT LIKE 'v@_%' ESCAPE '@' \
    ORDER BY table_name COLLATE \"C\", ordinal_position";

/// References: table, table referred to, columns of the reference.
const SQLITE_REFERENCES: &str = "SELECT m.name || ' -> ' || f.\"table\" || ' (' || \
    group_concat(f.\"from\", ', ') || ')' || CASE f.on_delete WHEN 'CASCADE' THEN ' cascade' \
    ELSE '' END AS line FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f \
    WHERE m.type = 'table' GROUP BY m.name, f.id";
const POSTGRES_REFERENCES: &str = "SELECT CAST(conrelid::regclass AS TEXT) || ' -> ' || \
    CAST(confrelid::regclass AS TEXT) || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
    FROM unnest(conkey) WITH ORDINALITY AS k (number, n) JOIN pg_attribute a \
    ON a.attrelid = conrelid AND a.attnum = k.number) || ')' || \
    CASE confdeltype WHEN 'c' THEN ' cascade' ELSE '' END AS line FROM pg_constraint \
    WHERE contype = 'f'";

/// Keys and indexes: their table and columns, in order. One by ranges (BRIN) serves each of its
/// columns by itself.
const SQLITE_INDEXES: &str = "SELECT m.name || CASE i.\"unique\" WHEN 1 THEN ' unique (' ELSE ' (' \
    END || (SELECT group_concat(c.name, ', ') FROM pragma_index_info(i.name) c) || ')' AS line \
    FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' \
    AND m.name NOT LIKE '@_sqlx%' ESCAPE '@' \
    UNION ALL SELECT m.name || ' unique (' || c.name || ')' FROM sqlite_master m \
    JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.pk = 1 AND c.type = 'INTEGER' \
    AND m.name NOT LIKE 'sqlite@_%' ESCAPE '@' AND NOT EXISTS (SELECT 1 FROM \
    pragma_index_list(m.name) i WHERE i.origin = 'pk')";
const POSTGRES_INDEXES: &str = "SELECT CAST(indrelid::regclass AS TEXT) || CASE WHEN indisunique \
    THEN ' unique (' ELSE ' (' END || (SELECT string_agg(a.attname, ', ' ORDER BY k.n) \
    FROM unnest(indkey) WITH ORDINALITY AS k (number, n) JOIN pg_attribute a \
    ON a.attrelid = indrelid AND a.attnum = k.number) || ')' AS line FROM pg_index \
    JOIN pg_class ON pg_class.oid = indrelid JOIN pg_class i ON i.oid = indexrelid \
    JOIN pg_am ON pg_am.oid = i.relam WHERE pg_class.relnamespace = 'public'::regnamespace \
    AND pg_class.relname NOT LIKE '@_sqlx%' ESCAPE '@' AND amname <> 'brin' \
    UNION ALL SELECT CAST(indrelid::regclass AS TEXT) || ' (' || a.attname || ')' \
    FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN pg_am ON pg_am.oid = i.relam \
    JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = ANY (indkey) \
    WHERE amname = 'brin'";

/// Views: their names and columns. Kinds differ: times and decimals are texts in SQLite.
const SQLITE_VIEWS: &str = "SELECT m.name || ' (' || (SELECT group_concat(c.name, ', ') \
    FROM pragma_table_info(m.name) c) || ')' AS line FROM sqlite_master m WHERE m.type = 'view'";
const POSTGRES_VIEWS: &str = "SELECT CAST(table_name || ' (' || string_agg(column_name, ', ' \
    ORDER BY ordinal_position) || ')' AS TEXT) AS line FROM information_schema.columns \
    WHERE table_schema = 'public' AND table_name LIKE 'v@_%' ESCAPE '@' GROUP BY table_name";

async fn lines(db: &Db, sqlite: &str, postgres: &str) -> String {
    let rows = db.rows(if db.is_postgres { postgres } else { sqlite }).await;
    let mut lines: Vec<String> = rows.iter().map(|row| row.get("line")).collect();
    lines.sort();
    lines.join("\n")
}

async fn the_schema_is_the_golden_one(db: &Db) {
    let mut text = String::new();
    let mut last = String::new();
    for row in db.rows(if db.is_postgres { POSTGRES_COLUMNS } else { SQLITE_COLUMNS }).await {
        let column = |name| row.get::<String, _>(name);
        if column("t") != last {
            last = column("t");
            writeln!(text, "{last}").unwrap();
        }
        writeln!(text, "    {} {}{}", column("c"), column("kind"), column("n")).unwrap();
    }
    let references = lines(db, SQLITE_REFERENCES, POSTGRES_REFERENCES).await;
    let indexes = lines(db, SQLITE_INDEXES, POSTGRES_INDEXES).await;
    writeln!(text, "\nREFERENCES\n{references}\n\nKEYS AND INDEXES\n{indexes}").unwrap();
    let views = lines(db, SQLITE_VIEWS, POSTGRES_VIEWS).await.replace(" (", "\n    ");
    writeln!(text, "\nVIEWS\n{}", views.replace(", ", "\n    ").replace(')', "")).unwrap();
    for (n, (is, golden)) in text.lines().zip(GOLDEN.lines()).enumerate() {
        assert_eq!(is, golden, "line {} of schema.txt; the schema is:\n{text}", n + 1);
    }
    assert_eq!(text.lines().count(), GOLDEN.lines().count(), "the schema is:\n{text}");
}
