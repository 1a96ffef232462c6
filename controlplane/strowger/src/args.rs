//! The words of the command line.

use crate::deck::Deck;
use crate::numbers::Numbers;
use crate::remote::{self, Remote};
use crate::tune::Tune;
use std::path::PathBuf;
use strowger_tuning::{Demo, Words, WrongWord};

/// What `strowger help` prints.
pub(crate) const HELP: &str = "\
strowger: a softswitch

  strowger up [--data DIR] [--config FILE] [--demo]
      runs both planes in the foreground; prints `ready {\"sip\":..,\"admin\":..}` when calls can be
      placed; SIGTERM or Ctrl-C ends it; planes that a killed one left running are taken over
      --data DIR     where database, journal and tokens live (over `node.data`)
      --config FILE  process configuration, TOML (without it: loopback, 5060 and 8080)
      --demo         loopback only; creates subscribers 1001 and 1002, a carrier and prices,
                     takes the next free ports
  strowger books check [--data DIR] [--config FILE]
      proves the books: records' charges = transfers = checkpoints, every balance made again from
      nothing; one line for each finding; exit code 0 = sound, 1 = findings, 2 = not checked
  strowger backup FILE [--data DIR] [--config FILE]
      copies a SQLite database while it runs into the new FILE and audits the copy; FILE.files gets
      what belongs to it: lists of numbers, ported numbers, suppliers' files, records that left the
      database, the key of sealed secrets. To put it back: stop, move the database's files away,
      copy FILE in their place and what is in FILE.files into the data directory, keep the journal,
      start; what is missing comes from the journal. PostgreSQL: pg_dump, or pg_basebackup, and
      these files of the data directory
  strowger tune check [--root DIR] [--data DIR] [--config FILE] [--json]
      what this host lacks for the configuration, why it matters, and the command or the line that
      mends it; which packet path is in use and why; DIR is the root of another host's files
      exit code 0 = fine, 1 = it costs, 2 = it cannot run here (or wrong words)
  strowger check-config FILE
      says what is wrong with a configuration, by its key; until when certificates are valid
  strowger trace ID [--json]
      why a call went as it went, in words; ID of its record (cdrs) or number of the call (calls)
  strowger ladder ID [--json]
      its SIP messages, as long as they are kept in memory (trace.messages_mib), without secrets;
      as a capture for Wireshark: GET /api/v1/cdrs/ID/capture
  strowger route test --from WHO --to NUMBER [--at TIME] [--caller NUMBER] [--source ADDRESS:PORT]
                      [--tenant ID] [--json]
      what would become of a call: nothing rings, nobody pays; WHO is a user name, `subscriber:ID`,
      or `trunk:NAME`; exit code 0 = it would be tried, 3 = it would not
  strowger deck import FILE --tariff ID [--mapping FILE] [--key KEY] [--json]
      sends a supplier's CSV or XLSX in, as it came; nothing counts yet; the mapping is JSON,
      and is remembered for those to come; exit code 1 = it cannot be read, or has faults
  strowger deck preview ID [--at TIME] [--json]
      what it changes, by destination and prefix, and what is then sold below what it costs
  strowger deck publish ID [--at TIME] [--json]
      puts it in force, now or at a time (RFC 3339), and waits until its rows are written
  strowger deck undo ID [--json]
      puts the prices in force again that were before; files are undone newest first
  strowger deck compare --reference ID [--prefix DIGITS] [--at TIME] [--json]
      what each supplier asks for what a price list sells: cheapest, second, gaps
  strowger numbers look ID [--number NUMBER] [--json]
      what stands on a list of numbers (number-lists), and which entry a number begins with
  strowger numbers replace ID FILE | add ID FILE | remove ID FILE [--json]
  strowger numbers add ID --number NUMBER | remove ID --number NUMBER [--json]
      changes it by a file of a line for each number or beginning of numbers, all or none, or by one
  strowger replay --day DATE | --from TIME --until TIME [--with FILE] [--tenant ID] [--json]
      decides the calls that ended on a day (of UTC) again, as things are and after a change: how
      many would go another way, and what they would earn; FILE is JSON, `rows` (resource, id and
      what of it to set) and `tariffs` (tariff and revision of a draft); nothing is changed
  strowger list RESOURCE [parameter=value ...] [--all] [--json | --csv]
  strowger get RESOURCE [ID] [--json]
  strowger create RESOURCE [field=value ...] [--key KEY] [--json]
  strowger change RESOURCE ID field=value ... [--json]
  strowger delete RESOURCE ID
      everything that REST has: `cdrs`, `accounts`, `accounts/1/entries`; --csv prints all pages
      for a spreadsheet, with the columns of the server's document; fields by the types of the
      server's document, `a.b=1` sets a field inside of another, `a:=JSON` takes JSON as it stands
      these ask a running server, by REST, and take
      --server ADDRESS:PORT  of this host (else STROWGER_SERVER, what DIR says, 127.0.0.1:8080)
      --token-file FILE      its first line is the token (else DIR/admin.token)
      --data DIR             directory of the data (else `data`)
      exit code 0 = done, 1 = refused or nobody there, 2 = wrong words
  strowger version | help";

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run both planes.
    Up(Words),
    /// Audit the books.
    BooksCheck(Words),
    /// Copy the database into the file.
    Backup(PathBuf, Words),
    /// Ask a running server.
    Remote(Remote),
    /// Something about files of prices.
    Deck(Deck),
    /// Something about lists of numbers.
    Numbers(Numbers),
    /// Judge the host.
    Tune(Tune),
    /// Check a file.
    CheckConfig(PathBuf),
    /// Print the version.
    Version,
    /// Print the words.
    Help,
}

/// Parses the words after the program's name.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let mut words = words.iter().map(String::as_str);
    match words.next() {
        Some("up") => options("up", words, Demo::Taken).map(Command::Up),
        Some("books") => match words.next() {
            Some("check") => options("books check", words, Demo::Unknown).map(Command::BooksCheck),
            Some(other) => Err(format!("books knows no `{other}`; see `strowger help`")),
            None => Err("books needs `check`; see `strowger help`".into()),
        },
        Some("backup") => match words.next() {
            Some(file) if !file.starts_with('-') => {
                let words = options("backup", words, Demo::Unknown)?;
                Ok(Command::Backup(file.into(), words))
            }
            Some(_) | None => Err("backup needs a FILE; see `strowger help`".into()),
        },
        Some("tune") => match words.next() {
            Some("check") => tune(words).map(Command::Tune),
            Some(other) => Err(format!("tune knows no `{other}`; see `strowger help`")),
            None => Err("tune needs `check`; see `strowger help`".into()),
        },
        Some("deck") => Deck::parse(&words.collect::<Vec<_>>()).map(Command::Deck),
        Some("numbers") => Numbers::parse(&words.collect::<Vec<_>>()).map(Command::Numbers),
        Some("check-config") => match (words.next(), words.next()) {
            (Some(file), None) if !file.starts_with('-') => Ok(Command::CheckConfig(file.into())),
            (Some(_) | None, _) => Err("check-config takes one FILE".into()),
        },
        Some("version" | "--version" | "-V") => Ok(Command::Version),
        Some("help" | "--help" | "-h") => Ok(Command::Help),
        Some(other) => {
            let rest: Vec<&str> = words.collect();
            let unknown = || Err(format!("no command `{other}`; see `strowger help`"));
            remote::parse(other, &rest).map_or_else(unknown, |found| found.map(Command::Remote))
        }
        None => Err("a command is missing; see `strowger help`".into()),
    }
}

/// `[--root DIR] [--json]` beside the shared words.
fn tune<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Tune, String> {
    let (mut root, mut json, mut shared) = (PathBuf::from("/"), false, Vec::new());
    while let Some(word) = words.next() {
        match word {
            "--root" => root = words.next().ok_or("--root needs a value")?.into(),
            "--json" => json = true,
            _ => shared.push(word),
        }
    }
    let words = options("tune check", shared.into_iter(), Demo::Unknown)?;
    Ok(Tune { root, json, words })
}

fn options<'a>(
    command: &str,
    words: impl Iterator<Item = &'a str>,
    demo: Demo,
) -> Result<Words, String> {
    Words::parse(words, demo).map_err(|wrong| match wrong {
        WrongWord::Unknown(word) => format!("{command} knows no `{word}`; see `strowger help`"),
        WrongWord::NoValue(_) => wrong.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words() {
        let options = Words { data: Some("d".into()), config: Some("c".into()), demo: true };
        assert_eq!(check("up --data d --config c --demo"), Ok(Command::Up(options)));
        assert_eq!(check("up"), Ok(Command::Up(Words::default())));
        assert_eq!(check("check-config x.toml"), Ok(Command::CheckConfig("x.toml".into())));
        assert_eq!(check("help"), Ok(Command::Help));
        let words = Words { config: Some("c".into()), ..Words::default() };
        let tune = Tune { root: "/r".into(), json: true, words };
        assert_eq!(check("tune check --root /r --config c --json"), Ok(Command::Tune(tune)));
        let bare = Tune { root: "/".into(), json: false, words: Words::default() };
        assert_eq!(check("tune check"), Ok(Command::Tune(bare)));
        let place = Words { data: Some("d".into()), ..Words::default() };
        assert_eq!(check("books check --data d"), Ok(Command::BooksCheck(place)));
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, names) in [
            ("", "a command is missing"),
            ("dwon", "no command `dwon`"),
            ("up --dmeo", "up knows no `--dmeo`"),
            ("up --data", "--data needs a value"),
            ("books", "books needs `check`"),
            ("books chekc", "books knows no `chekc`"),
            ("books check --demo", "books check knows no `--demo`"),
            ("books check --data", "--data needs a value"),
            ("backup", "backup needs a FILE"),
            ("backup --data d", "backup needs a FILE"),
            ("backup f g", "backup knows no `g`"),
            ("tune", "tune needs `check`"),
            ("tune chekc", "tune knows no `chekc`"),
            ("tune check --root", "--root needs a value"),
            ("tune check --demo", "tune check knows no `--demo`"),
            ("check-config", "check-config takes one FILE"),
            ("check-config a b", "check-config takes one FILE"),
        ] {
            let said = check(line).unwrap_err();
            assert!(said.starts_with(names), "{line}: {said}");
        }
    }
}
