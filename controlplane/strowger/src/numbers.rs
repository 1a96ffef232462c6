//! `strowger numbers`: what stands on a list of numbers, from a file or one by one.

use crate::client::{Asked, Client, Place};
use crate::document::ROOT;
use crate::{Failure, client::encoded, say, table};
use hyper::Method;
use std::path::PathBuf;

/// Longest file, bytes; the server says how long one may be.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// The command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    place: Place,
    list: String,
    what: What,
    is_json: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Look { number: Option<String> },
    Send { deed: &'static str, lines: Lines },
}

/// Where lines come from.
#[derive(Debug, PartialEq, Eq)]
enum Lines {
    File(PathBuf),
    Number(String),
}

impl Numbers {
    /// Parses the words behind `numbers`.
    pub(crate) fn parse(words: &[&str]) -> Result<Numbers, String> {
        let Some((command, rest)) = words.split_first() else {
            return Err("numbers needs look, replace, add or remove".to_owned());
        };
        let (mut place, mut is_json) = (Place::default(), false);
        let (mut number, mut bare) = (None, Vec::new());
        let mut rest = rest.iter().copied();
        while let Some(word) = rest.next() {
            let mut value = || {
                let value = rest.next().filter(|value| !value.is_empty());
                value.map(str::to_owned).ok_or_else(|| format!("{word} needs a value"))
            };
            match word {
                "--server" => place.server = Some(value()?),
                "--token-file" => place.token_file = Some(value()?.into()),
                "--data" => place.data = value()?.into(),
                "--json" => is_json = true,
                "--number" if *command != "replace" => number = Some(value()?),
                _ if word.starts_with("--") => {
                    let known = "see `strowger help`";
                    return Err(format!("numbers {command} knows no `{word}`; {known}"));
                }
                _ => bare.push(word.to_owned()),
            }
        }
        let (list, what) = what(command, number, bare)?;
        Ok(Numbers { place, list, what, is_json })
    }

    /// Does it.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.place)?;
        let path = format!("{ROOT}/number-lists/{}", encoded(&self.list));
        let reply = match &self.what {
            What::Look { number } => {
                let number = number.as_ref().map(|number| format!("?number={}", encoded(number)));
                client.get(&format!("{path}/entries{}", number.unwrap_or_default()))?
            }
            What::Send { deed, lines } => {
                let file = Some(contents(lines)?);
                let asked = Asked { file, is_long: true, ..Asked::default() };
                client.ask(Method::POST, &format!("{path}/{deed}"), asked)??
            }
        };
        if self.is_json {
            return say(reply.text.trim_end());
        }
        say(&table::lines(&reply.json()?))
    }
}

fn what(
    command: &str,
    number: Option<String>,
    bare: Vec<String>,
) -> Result<(String, What), String> {
    let deed = match command {
        "look" => None,
        "replace" => Some("replace"),
        "add" => Some("add"),
        "remove" => Some("remove"),
        other => return Err(format!("numbers knows no `{other}`; see `strowger help`")),
    };
    let mut bare = bare.into_iter();
    let list = bare.next().ok_or_else(|| format!("numbers {command} needs a list's ID"))?;
    let (file, more) = (bare.next(), bare.next());
    let what = match (deed, number, file, more) {
        (None, number, None, None) => What::Look { number },
        (Some(deed), Some(number), None, None) => What::Send { deed, lines: Lines::Number(number) },
        (Some(deed), None, Some(file), None) => {
            What::Send { deed, lines: Lines::File(file.into()) }
        }
        (None, ..) => return Err("numbers look takes one ID".to_owned()),
        (Some("replace"), ..) => return Err("numbers replace takes one ID and one FILE".to_owned()),
        (Some(deed), ..) => {
            return Err(format!("numbers {deed} takes one ID and one FILE or --number"));
        }
    };
    Ok((list, what))
}

fn contents(lines: &Lines) -> Result<Vec<u8>, Failure> {
    let file = match lines {
        Lines::Number(number) => return Ok(format!("{number}\n").into_bytes()),
        Lines::File(file) => file,
    };
    let wrong = |e: &dyn std::fmt::Display| Failure::Usage(format!("{}: {e}", file.display()));
    let len = std::fs::metadata(file).map_err(|e| wrong(&e))?.len();
    if len > FILE_BYTES_MAX {
        return Err(wrong(&format!("more than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read(file).map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Numbers, String> {
        Numbers::parse(&line.split_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn words() {
        let numbers = |what, is_json| {
            Ok(Numbers { place: Place::default(), list: "3".to_owned(), what, is_json })
        };
        assert_eq!(check("look 3"), numbers(What::Look { number: None }, false));
        let look = What::Look { number: Some("4420".to_owned()) };
        assert_eq!(check("look 3 --number 4420 --json"), numbers(look, true));
        let add = What::Send { deed: "add", lines: Lines::Number("4420".to_owned()) };
        assert_eq!(check("add 3 --number 4420"), numbers(add, false));
        let replace = What::Send { deed: "replace", lines: Lines::File("a.csv".into()) };
        assert_eq!(check("replace 3 a.csv"), numbers(replace, false));
        for (line, says) in [
            ("", "numbers needs look"),
            ("lok 3", "numbers knows no `lok`"),
            ("look", "numbers look needs a list's ID"),
            ("look 3 4", "numbers look takes one ID"),
            ("replace 3", "numbers replace takes one ID and one FILE"),
            ("replace 3 --number 4", "numbers replace knows no `--number`"),
            ("add 3 a.csv --number 4", "numbers add takes one ID and one FILE or --number"),
            ("remove 3", "numbers remove takes one ID and one FILE or --number"),
            ("remove 3 --number", "--number needs a value"),
        ] {
            let said = check(line).unwrap_err();
            assert!(said.starts_with(says), "{line}: {said}");
        }
    }
}
