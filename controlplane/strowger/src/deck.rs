//! `strowger deck`: suppliers' files of prices, from the file to the prices in force.

use crate::client::{Asked, Client, Place, Reply, encoded};
use crate::document::ROOT;
use crate::{Failure, complain, say, table};
use hyper::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is asked whether a file is in force.
const LOOK: Duration = Duration::from_millis(200);
/// Times that it is asked: half an hour.
const LOOKS_MAX: usize = 9_000;
/// Longest file, bytes; the server says how long one may be.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Rows that a preview shows of each kind.
const SHOWN: usize = 20;

/// The command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deck {
    place: Place,
    what: What,
    is_json: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Import { file: PathBuf, tariff: String, mapping: Option<PathBuf>, key: Option<String> },
    Preview { id: String, at: Option<String> },
    Publish { id: String, at: Option<String> },
    Undo { id: String },
    Compare { reference: String, prefix: Option<String>, at: Option<String> },
}

/// Options that have a value, beside those of every command: which commands take them.
const OPTIONS: [(&str, &[&str]); 6] = [
    ("--tariff", &["import"]),
    ("--mapping", &["import"]),
    ("--key", &["import"]),
    ("--at", &["preview", "publish", "compare"]),
    ("--reference", &["compare"]),
    ("--prefix", &["compare"]),
];

impl Deck {
    /// Parses the words behind `deck`.
    pub(crate) fn parse(words: &[&str]) -> Result<Deck, String> {
        let Some((command, rest)) = words.split_first() else {
            return Err("deck needs import, preview, publish, undo or compare".to_owned());
        };
        let (mut place, mut is_json) = (Place::default(), false);
        let (mut told, mut bare) = (Vec::new(), Vec::new());
        let mut rest = rest.iter().copied();
        while let Some(word) = rest.next() {
            let mut value = || {
                let value = rest.next().filter(|value| !value.is_empty());
                value.map(str::to_owned).ok_or_else(|| format!("{word} needs a value"))
            };
            let known = OPTIONS.iter().find(|(name, of)| *name == word && of.contains(command));
            match (word, known) {
                ("--server", _) => place.server = Some(value()?),
                ("--token-file", _) => place.token_file = Some(value()?.into()),
                ("--data", _) => place.data = value()?.into(),
                ("--json", _) => is_json = true,
                (_, Some((name, _))) => told.push((*name, value()?)),
                (_, None) if word.starts_with("--") => {
                    return Err(format!("deck {command} knows no `{word}`; see `strowger help`"));
                }
                (_, None) => bare.push(word.to_owned()),
            }
        }
        let what = what(command, told, bare)?;
        Ok(Deck { place, what, is_json })
    }

    /// Does it.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.place)?;
        match &self.what {
            What::Import { file, tariff, mapping, key } => {
                let file = (file.as_path(), mapping.as_deref());
                self.import(&client, file, tariff, key.as_deref())
            }
            What::Preview { id, at } => self.preview(&client, id, at.as_deref()),
            What::Publish { id, at } => self.publish(&client, id, at.as_deref()),
            What::Undo { id } => {
                let reply = post(&client, &format!("{}/undo", path(id)), None)?;
                self.show(&reply)
            }
            What::Compare { reference, prefix, at } => {
                let of = [("reference", Some(reference)), ("prefix", prefix.as_ref())];
                self.compare(&client, &query(of.into_iter().chain([("at", at.as_ref())])))
            }
        }
    }

    fn import(
        &self,
        client: &Client,
        (file, mapping): (&Path, Option<&Path>),
        tariff: &str,
        key: Option<&str>,
    ) -> Result<(), Failure> {
        let bytes = contents(file)?;
        let mapping = mapping.map(contents).transpose()?;
        let name = file.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let name = encoded(&name);
        let path = format!("{ROOT}/tariffs/{}/imports?file={name}", encoded(tariff));
        let headers = key.map(|key| ("Idempotency-Key", key.to_owned())).into_iter().collect();
        let asked = Asked { headers, file: Some(bytes), is_long: true, ..Asked::default() };
        let mut reply = client.ask(Method::POST, &path, asked)??;
        if let Some(mapping) = mapping {
            let text = String::from_utf8(mapping)
                .map_err(|_| Failure::Usage("the mapping is no UTF-8".to_owned()))?;
            let id = text_of(&reply.json()?, "id");
            reply = post(client, &format!("{}/mapping", self::path(&id)), Some(text))?;
        }
        self.show(&reply)?;
        match text_of(&reply.json()?, "state").as_str() {
            "checked" => Ok(()),
            _ => Err(Failure::Findings),
        }
    }

    fn preview(&self, client: &Client, id: &str, at: Option<&str>) -> Result<(), Failure> {
        let at = at.map(str::to_owned);
        let query = query([("at", at.as_ref())]);
        let ask = |of: &str| long(client, &format!("{}/{of}{query}", path(id)));
        let differences = ask("differences")?;
        let (destinations, margins) = (ask("destinations")?, ask("margins")?);
        if self.is_json {
            let all = json!({
                "differences": differences.json()?, "destinations": destinations.json()?,
                "margins": margins.json()?,
            });
            return say(&all.to_string());
        }
        say(&told(&differences.json()?, &destinations.json()?, &margins.json()?))
    }

    fn publish(&self, client: &Client, id: &str, at: Option<&str>) -> Result<(), Failure> {
        let body = at.map(|at| json!({"effective": at}).to_string());
        let mut reply = post(client, &format!("{}/publish", path(id)), body)?;
        for _ in 0..LOOKS_MAX {
            if text_of(&reply.json()?, "state") != "publishing" {
                break;
            }
            std::thread::sleep(LOOK);
            reply = client.get(&path(id))?;
        }
        self.show(&reply)?;
        match text_of(&reply.json()?, "state").as_str() {
            "scheduled" | "in-force" => Ok(()),
            _ => Err(Failure::Findings),
        }
    }

    fn compare(&self, client: &Client, query: &str) -> Result<(), Failure> {
        let reply = long(client, &format!("{ROOT}/comparisons{query}"))?;
        if self.is_json {
            return say(reply.text.trim_end());
        }
        let page = reply.json()?;
        if page.get("next").is_some_and(|next| !next.is_null()) {
            complain("there is more: --prefix, or `strowger list comparisons --all`");
        }
        match items(&page, "items") {
            [] => Ok(()),
            rows => say(&table::table(rows)),
        }
    }

    fn show(&self, reply: &Reply) -> Result<(), Failure> {
        if self.is_json {
            return say(reply.text.trim_end());
        }
        say(&table::lines(&reply.json()?))
    }
}

fn what(command: &str, told: Vec<(&str, String)>, bare: Vec<String>) -> Result<What, String> {
    let find = |name: &str| told.iter().find(|(known, _)| *known == name).map(|(_, v)| v.clone());
    let need = |name: &str| find(name).ok_or_else(|| format!("deck {command} needs {name}"));
    let one = |of: &str| match bare.as_slice() {
        [only] => Ok(only.clone()),
        [] | [_, _, ..] => Err(format!("deck {command} takes one {of}")),
    };
    let at = find("--at");
    Ok(match command {
        "import" => What::Import {
            file: one("FILE")?.into(),
            tariff: need("--tariff")?,
            mapping: find("--mapping").map(PathBuf::from),
            key: find("--key"),
        },
        "preview" => What::Preview { id: one("ID")?, at },
        "publish" => What::Publish { id: one("ID")?, at },
        "undo" => What::Undo { id: one("ID")? },
        "compare" if bare.is_empty() => {
            What::Compare { reference: need("--reference")?, prefix: find("--prefix"), at }
        }
        "compare" => return Err("deck compare takes options only".to_owned()),
        other => return Err(format!("deck knows no `{other}`; see `strowger help`")),
    })
}

fn contents(file: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |e: &dyn std::fmt::Display| Failure::Usage(format!("{}: {e}", file.display()));
    let len = std::fs::metadata(file).map_err(|e| wrong(&e))?.len();
    if len > FILE_BYTES_MAX {
        return Err(wrong(&format!("more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read(file).map_err(|e| wrong(&e))
}

fn path(id: &str) -> String {
    format!("{ROOT}/imports/{}", encoded(id))
}

fn query<'a>(parameters: impl IntoIterator<Item = (&'a str, Option<&'a String>)>) -> String {
    let said = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let pairs: Vec<String> =
        said.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

fn post(client: &Client, path: &str, body: Option<String>) -> Result<Reply, Failure> {
    let body = body.map(|text| ("application/json".to_owned(), text));
    let asked = Asked { body, is_long: true, ..Asked::default() };
    Ok(client.ask(Method::POST, path, asked)??)
}

fn long(client: &Client, path: &str) -> Result<Reply, Failure> {
    let asked = Asked { is_long: true, ..Asked::default() };
    Ok(client.ask(Method::GET, path, asked)??)
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A preview as people read it: counts, then the beginning of each list.
fn told(differences: &Value, destinations: &Value, margins: &Value) -> String {
    let count = |name: &str| differences.get(name).and_then(Value::as_u64).unwrap_or_default();
    let names = ["new", "dearer", "cheaper", "terms", "unchanged", "ended"];
    let counts = names.map(|name| format!("{} {name}", count(name))).join(", ");
    let mut parts = vec![counts];
    let none = Value::Null;
    let losses = margins.get("losses").unwrap_or(&none);
    let rows = differences.get("rows").unwrap_or(&none);
    for (head, list) in [
        ("by destination", items(destinations, "items")),
        ("by prefix", items(rows, "items")),
        ("sold by way of it", items(margins, "tariffs")),
        ("sold below what it costs then", items(losses, "items")),
    ] {
        let Some(shown) = list.get(..list.len().min(SHOWN)).filter(|shown| !shown.is_empty())
        else {
            continue;
        };
        let more = list.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("\n... and {more} more") } else { String::new() };
        parts.push(format!("{head}:\n{}{more}", table::table(shown)));
    }
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Deck, String> {
        Deck::parse(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn words() {
        let deck = |what, is_json| Ok(Deck { place: Place::default(), what, is_json });
        let import = What::Import {
            file: "a.csv".into(),
            tariff: "7".into(),
            mapping: Some("m.json".into()),
            key: None,
        };
        assert_eq!(check("import a.csv --tariff 7 --mapping m.json"), deck(import, false));
        let publish = What::Publish { id: "3".into(), at: Some("T".into()) };
        assert_eq!(check("publish 3 --at T --json"), deck(publish, true));
        let compare = What::Compare { reference: "1".into(), prefix: Some("44".into()), at: None };
        assert_eq!(check("compare --reference 1 --prefix 44"), deck(compare, false));
        for (line, says) in [
            ("", "deck needs import"),
            ("improt x", "deck knows no `improt`"),
            ("import --tariff 7", "deck import takes one FILE"),
            ("import a.csv", "deck import needs --tariff"),
            ("import a.csv --at x", "deck import knows no `--at`"),
            ("publish", "deck publish takes one ID"),
            ("publish 1 2", "deck publish takes one ID"),
            ("compare 1", "deck compare takes options only"),
            ("compare --prefix", "--prefix needs a value"),
        ] {
            let said = check(line).unwrap_err();
            assert!(said.starts_with(says), "{line}: {said}");
        }
    }

    #[test]
    fn a_preview_is_told_in_lines() {
        let row = json!({"prefix": "44", "change": "dearer"});
        let differences = json!({"new": 0, "dearer": 1, "rows": {"items": [row], "next": null}});
        let many: Vec<_> = (0..25).map(|n| json!({"destination": format!("D{n}")})).collect();
        let destinations = json!({"items": many});
        let margins = json!({"tariffs": [], "losses": {"items": []}});
        let text = told(&differences, &destinations, &margins);
        assert!(text.starts_with("0 new, 1 dearer, 0 cheaper"), "{text}");
        assert!(text.contains("... and 5 more") && text.contains("by prefix:"), "{text}");
        assert!(!text.contains("sold"), "{text}");
    }

    #[test]
    fn a_query_has_what_was_said() {
        let at = "2026-01-01T00:00:00+01:00".to_owned();
        let none: Option<&String> = None;
        assert_eq!(
            query([("at", Some(&at)), ("prefix", none)]),
            "?at=2026-01-01T00%3A00%3A00%2B01%3A00"
        );
        assert_eq!(query([("at", none)]), "");
    }
}
