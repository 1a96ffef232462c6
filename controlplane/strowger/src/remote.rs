//! The words of the commands that ask a running server.

use crate::Failure;
use crate::client::Place;
use crate::replay::{self, Replay};
use crate::resource::{self, Verb, Work};
use crate::why::{self, RouteTest};

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// Whom it asks.
    pub(crate) place: Place,
    /// What.
    pub(crate) what: What,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Something of a resource.
    Work(Work),
    /// Why a call went as it went; its id, and whether the answer is shown as it comes.
    Trace(String, bool),
    /// The SIP messages of a call, in the same way.
    Ladder(String, bool),
    /// How a call would go.
    RouteTest(RouteTest),
    /// How calls of a time would go after a change.
    Replay(Replay),
}

impl Remote {
    /// Asks and prints.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.what {
            What::Work(work) => resource::run(&self.place, work),
            What::Trace(id, is_json) => why::trace(&self.place, id, *is_json),
            What::Ladder(id, is_json) => why::ladder(&self.place, id, *is_json),
            What::RouteTest(test) => why::test(&self.place, test),
            What::Replay(order) => replay::run(&self.place, order),
        }
    }
}

/// Options that have a value, beside those of every command.
const ROUTE_OPTIONS: [(&str, &str); 4] =
    [("--at", "at"), ("--caller", "caller"), ("--source", "source"), ("--tenant", "tenant")];

const REPLAY_OPTIONS: [(&str, &str); 5] = [
    ("--day", "day"),
    ("--from", "from"),
    ("--until", "until"),
    ("--with", "with"),
    ("--tenant", "tenant"),
];

/// Words that are told apart.
#[derive(Default)]
struct Words {
    place: Place,
    is_json: bool,
    is_all: bool,
    is_csv: bool,
    key: Option<String>,
    from: Option<String>,
    to: Option<String>,
    more: Vec<(&'static str, String)>,
    bare: Vec<String>,
}

/// Parses the words behind `command`; `None` when it is not one of these.
pub(crate) fn parse(command: &str, rest: &[&str]) -> Option<Result<Remote, String>> {
    let verb = match command {
        "get" => Some(Verb::Get),
        "list" => Some(Verb::List),
        "create" => Some(Verb::Create),
        "change" => Some(Verb::Change),
        "delete" => Some(Verb::Delete),
        "trace" | "ladder" | "route" | "replay" => None,
        _ => return None,
    };
    Some(words(command, rest).and_then(|words| match (verb, command) {
        (Some(verb), _) => work(verb, command, words),
        (None, "trace") => one_call("trace", words, What::Trace),
        (None, "ladder") => one_call("ladder", words, What::Ladder),
        (None, "replay") => replayed(words),
        (None, _) => route(words),
    }))
}

fn words(command: &str, rest: &[&str]) -> Result<Words, String> {
    let mut words = Words::default();
    let mut rest = rest.iter().copied();
    let is_route = command == "route";
    let is_replay = command == "replay";
    while let Some(word) = rest.next() {
        let mut value = || {
            let value = rest.next().filter(|value| !value.is_empty());
            value.map(str::to_owned).ok_or_else(|| format!("{word} needs a value"))
        };
        let options = match (is_route, is_replay) {
            (true, _) => &ROUTE_OPTIONS[..],
            (false, true) => &REPLAY_OPTIONS[..],
            (false, false) => &[],
        };
        let more = options.iter().find(|(option, _)| *option == word);
        match word {
            "--server" => words.place.server = Some(value()?),
            "--token-file" => words.place.token_file = Some(value()?.into()),
            "--data" => words.place.data = value()?.into(),
            "--json" => words.is_json = true,
            "--all" if command == "list" => words.is_all = true,
            "--csv" if command == "list" => words.is_csv = true,
            "--key" if command == "create" => words.key = Some(value()?),
            "--from" if is_route => words.from = Some(value()?),
            "--to" if is_route => words.to = Some(value()?),
            _ => match more {
                Some((_, member)) => words.more.push((member, value()?)),
                None if word.starts_with("--") => {
                    return Err(format!("{command} knows no `{word}`; see `strowger help`"));
                }
                None => words.bare.push(word.to_owned()),
            },
        }
    }
    Ok(words)
}

fn work(verb: Verb, command: &str, words: Words) -> Result<Remote, String> {
    let Words { place, is_json, is_all, is_csv, key, bare, .. } = words;
    if is_csv && is_json {
        return Err("--csv and --json are two answers".to_owned());
    }
    let mut bare = bare.into_iter();
    let resource = bare.next().filter(|word| !word.contains('='));
    let resource = resource.ok_or_else(|| format!("{command} needs a RESOURCE"))?;
    let mut fields: Vec<String> = bare.collect();
    let has_id = fields.first().is_some_and(|word| !word.contains('='));
    let id = has_id.then(|| fields.remove(0));
    match (verb, &id) {
        (Verb::Get, _) | (Verb::Delete, _) if !fields.is_empty() => {
            return Err(format!("{command} takes RESOURCE and ID only"));
        }
        (Verb::Create | Verb::List, Some(id)) => {
            return Err(format!("{command} takes no `{id}`, only field=value"));
        }
        (Verb::Change, _) if fields.is_empty() => {
            return Err("change needs field=value".to_owned());
        }
        (Verb::Get | Verb::List | Verb::Create | Verb::Change | Verb::Delete, _) => {}
    }
    let what = What::Work(Work { verb, resource, id, fields, is_json, is_all, is_csv, key });
    Ok(Remote { place, what })
}

fn one_call(
    command: &str,
    words: Words,
    what: impl FnOnce(String, bool) -> What,
) -> Result<Remote, String> {
    let Words { place, is_json, bare, .. } = words;
    match bare.as_slice() {
        [id] => Ok(Remote { place, what: what(id.clone(), is_json) }),
        [] | [_, _, ..] => Err(format!("{command} takes the id of one record or call")),
    }
}

fn route(words: Words) -> Result<Remote, String> {
    let Words { place, is_json, from, to, more, bare, .. } = words;
    if bare != ["test"] {
        return Err("route knows `test` only; see `strowger help`".to_owned());
    }
    let from = from.ok_or("route test needs --from")?;
    let to = to.ok_or("route test needs --to")?;
    Ok(Remote { place, what: What::RouteTest(RouteTest { from, to, more, is_json }) })
}

fn replayed(words: Words) -> Result<Remote, String> {
    let Words { place, is_json, more, bare, .. } = words;
    if !bare.is_empty() {
        return Err("replay takes options only; see `strowger help`".to_owned());
    }
    let order = Replay::parse(more, is_json)?;
    Ok(Remote { place, what: What::Replay(order) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Remote, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        parse(words[0], &words[1..]).unwrap()
    }

    fn at(what: What) -> Remote {
        Remote { place: Place::default(), what }
    }

    #[test]
    fn words_of_resources() {
        let work = |verb, resource: &str, id: Option<&str>, fields: &[&str]| Work {
            verb,
            resource: resource.into(),
            id: id.map(str::to_owned),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            is_json: false,
            is_all: false,
            is_csv: false,
            key: None,
        };
        let get = work(Verb::Get, "accounts", Some("1"), &[]);
        assert_eq!(check("get accounts 1"), Ok(at(What::Work(get))));
        let list = Work { is_all: true, is_json: true, ..work(Verb::List, "cdrs", None, &["a=1"]) };
        assert_eq!(check("list cdrs a=1 --all --json"), Ok(at(What::Work(list))));
        let csv = Work { is_csv: true, ..work(Verb::List, "cdrs", None, &[]) };
        assert_eq!(check("list cdrs --csv"), Ok(at(What::Work(csv))));
        let key = Some("k".to_owned());
        let pay = Work { key, ..work(Verb::Create, "accounts/1/payments", None, &["amount=1"]) };
        let line = "create accounts/1/payments amount=1 --key k";
        assert_eq!(check(line), Ok(at(What::Work(pay))));
        let change = work(Verb::Change, "trunks", Some("1"), &["name=x", "enabled=no"]);
        assert_eq!(check("change trunks 1 name=x enabled=no"), Ok(at(What::Work(change))));
        let delete = work(Verb::Delete, "trunks", Some("1"), &[]);
        assert_eq!(check("delete trunks 1"), Ok(at(What::Work(delete))));
        assert!(parse("up", &[]).is_none());
    }

    #[test]
    fn words_of_reasons() {
        assert_eq!(check("trace 7"), Ok(at(What::Trace("7".into(), false))));
        assert_eq!(check("ladder --json 7"), Ok(at(What::Ladder("7".into(), true))));
        let place =
            Place { server: Some("h:1".into()), token_file: Some("t".into()), data: "d".into() };
        let what = What::Trace("7".into(), true);
        let line = "trace --json 7 --server h:1 --token-file t --data d";
        assert_eq!(check(line), Ok(Remote { place, what }));
        let test = RouteTest {
            from: "1001".into(),
            to: "44".into(),
            more: vec![("at", "T".into()), ("caller", "33".into())],
            is_json: true,
        };
        let line = "route test --from 1001 --to 44 --at T --caller 33 --json";
        assert_eq!(check(line), Ok(at(What::RouteTest(test))));
        let order = Replay {
            from: "2026-02-28T00:00:00Z".into(),
            until: "2026-03-01T00:00:00Z".into(),
            with: Some("f.json".into()),
            tenant: None,
            is_json: false,
        };
        let line = "replay --day 2026-02-28 --with f.json";
        assert_eq!(check(line), Ok(at(What::Replay(order))));
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, says) in [
            ("get", "get needs a RESOURCE"),
            ("get a=1", "get needs a RESOURCE"),
            ("get accounts 1 a=1", "get takes RESOURCE and ID only"),
            ("get accounts --all", "get knows no `--all`"),
            ("get accounts --csv", "get knows no `--csv`"),
            ("list cdrs --csv --json", "--csv and --json are two answers"),
            ("list accounts 1", "list takes no `1`"),
            ("create accounts 1 a=1", "create takes no `1`"),
            ("create accounts --key", "--key needs a value"),
            ("change trunks 1", "change needs field=value"),
            ("delete trunks 1 a=1", "delete takes RESOURCE and ID only"),
            ("replay", "replay needs --day"),
            ("replay x --day 2026-01-02", "replay takes options only"),
            ("replay --day 2026-13-02", "--day takes a date"),
            ("replay --day 2026-01-02 --from x", "replay takes --day or"),
            ("trace", "trace takes the id of one"),
            ("ladder", "ladder takes the id of one"),
            ("trace 1 2", "trace takes the id of one"),
            ("trace 1 --from x", "trace knows no `--from`"),
            ("route", "route knows `test` only"),
            ("route test --to 44", "route test needs --from"),
            ("route test --from 1001", "route test needs --to"),
            ("route test --from", "--from needs a value"),
        ] {
            let said = check(line).unwrap_err();
            assert!(said.starts_with(says), "{line}: {said}");
        }
    }
}
