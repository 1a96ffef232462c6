//! JSON as people read it: a list as a table, one thing as lines of names and values.

use serde_json::Value;

/// Space between columns.
const GAP: &str = "  ";

/// One value in one cell; `None` when it does not fit into one.
fn cell(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("-".to_owned()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(one_line(text)),
        Value::Array(items) => {
            let cells: Option<Vec<String>> = items.iter().map(cell).collect();
            cells.map(|cells| if cells.is_empty() { "-".to_owned() } else { cells.join(",") })
        }
        Value::Object(members) => match (members.get("amount"), members.get("currency")) {
            (Some(Value::String(amount)), Some(Value::String(currency))) if members.len() == 2 => {
                Some(format!("{amount} {currency}"))
            }
            (_, _) => None,
        },
    }
}

/// A text cannot break the table, or the terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The place of a column: identity and name first, all others by the alphabet.
pub(crate) fn order(name: &str) -> (usize, &str) {
    let first = ["id", "name", "username"];
    (first.iter().position(|known| *known == name).unwrap_or(first.len()), name)
}

/// Items as a table with a line of names; what fits into no cell is left out.
pub(crate) fn table(items: &[Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for members in items.iter().filter_map(Value::as_object) {
        for (name, value) in members {
            if !names.contains(&name.as_str()) && cell(value).is_some() {
                names.push(name);
            }
        }
    }
    names.sort_by_key(|name| order(name));
    let head = names.iter().map(|name| name.to_uppercase()).collect();
    let row = |item: &Value| -> Vec<String> {
        let value = |name: &&str| item.get(*name).and_then(cell).unwrap_or_default();
        names.iter().map(value).collect()
    };
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(items.iter().map(row)).collect();
    aligned(&rows)
}

/// One thing as lines of names and values; what is inside others has their names before it.
pub(crate) fn lines(value: &Value) -> String {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    aligned(&rows)
}

fn flatten(name: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    if let Some(cell) = cell(value) {
        return rows.push(vec![name.to_owned(), cell]);
    }
    let below =
        |inner: &str| if name.is_empty() { inner.into() } else { format!("{name}.{inner}") };
    match value {
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_by_key(|(name, _)| order(name));
            members.iter().for_each(|(inner, value)| flatten(&below(inner), value, rows));
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                flatten(&format!("{name}[{place}]"), item, rows);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_is_a_table() {
        let items = json!([
            {"zone": "UTC", "id": "1", "name": "Ada", "on": true, "deep": {"x": 1}},
            {"zone": null, "id": "22", "name": "Zoë\n", "on": false, "numbers": ["1", "2"],
             "price": {"amount": "0.06", "currency": "EUR"}},
        ]);
        assert_eq!(
            table(items.as_array().unwrap()),
            "ID  NAME  NUMBERS  ON   PRICE     ZONE\n\
             1   Ada            yes            UTC\n\
             22  Zoë\u{fffd}  1,2      no   0.06 EUR  -"
        );
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn one_thing_is_lines() {
        let value = json!({
            "a": [], "id": "7", "egress": {"q": 5, "targets": ["x", "y"]},
            "hops": [{"sip": 503}, {"sip": null}],
        });
        assert_eq!(
            lines(&value),
            "id              7\na               -\negress.q        5\negress.targets  x,y\n\
             hops[0].sip     503\nhops[1].sip     -"
        );
    }
}
