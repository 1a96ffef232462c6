//! The words of the command line.

use std::path::{Path, PathBuf};
use strowger_tuning::Config;

/// Longest configuration file, bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What `strowger help` prints.
pub(crate) const HELP: &str = "\
strowger: a softswitch

  strowger up [--data DIR] [--config FILE] [--demo]
      runs both planes in the foreground; prints `ready {\"sip\":..,\"admin\":..}` when calls can be
      placed; SIGTERM or Ctrl-C ends it
      --data DIR     where database, journal and tokens live (over `node.data`)
      --config FILE  process configuration, TOML (without it: loopback, 5060 and 8080)
      --demo         loopback only; creates subscribers 1001 and 1002, a carrier and prices,
                     takes the next free ports
  strowger books check [--data DIR] [--config FILE]
      proves the books: records' charges = transfers = checkpoints, every balance made again from
      nothing; one line for each finding; exit code 0 = sound, 1 = findings, 2 = not checked
  strowger check-config FILE
      says what is wrong with a configuration, by its key
  strowger version | help";

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Run both planes.
    Up(UpOptions),
    /// Audit the books.
    BooksCheck(Where),
    /// Check a file.
    CheckConfig(PathBuf),
    /// Print the version.
    Version,
    /// Print the words.
    Help,
}

/// Options of `up`.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct UpOptions {
    /// Over `node.data`.
    pub(crate) data: Option<PathBuf>,
    /// Configuration file.
    pub(crate) config: Option<PathBuf>,
    /// Demo data on loopback.
    pub(crate) demo: bool,
}

/// Where the data is.
#[derive(Debug, PartialEq, Eq, Default)]
pub(crate) struct Where {
    /// Over `node.data`.
    pub(crate) data: Option<PathBuf>,
    /// Configuration file.
    pub(crate) config: Option<PathBuf>,
}

/// Parses the words after the program's name.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let mut words = words.iter().map(String::as_str);
    match words.next() {
        Some("up") => parse_up(words).map(Command::Up),
        Some("books") => match words.next() {
            Some("check") => parse_where(words).map(Command::BooksCheck),
            Some(other) => Err(format!("books knows no `{other}`; see `strowger help`")),
            None => Err("books needs `check`; see `strowger help`".into()),
        },
        Some("check-config") => match (words.next(), words.next()) {
            (Some(file), None) if !file.starts_with('-') => Ok(Command::CheckConfig(file.into())),
            (Some(_) | None, _) => Err("check-config takes one FILE".into()),
        },
        Some("version" | "--version" | "-V") => Ok(Command::Version),
        Some("help" | "--help" | "-h") => Ok(Command::Help),
        Some(other) => Err(format!("no command `{other}`; see `strowger help`")),
        None => Err("a command is missing; see `strowger help`".into()),
    }
}

fn parse_up<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<UpOptions, String> {
    let mut options = UpOptions::default();
    while let Some(word) = words.next() {
        let mut value =
            || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--data" => options.data = Some(value()?),
            "--config" => options.config = Some(value()?),
            "--demo" => options.demo = true,
            other => return Err(format!("up knows no `{other}`; see `strowger help`")),
        }
    }
    Ok(options)
}

fn parse_where<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<Where, String> {
    let mut place = Where::default();
    while let Some(word) = words.next() {
        let mut value =
            || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--data" => place.data = Some(value()?),
            "--config" => place.config = Some(value()?),
            other => return Err(format!("books check knows no `{other}`; see `strowger help`")),
        }
    }
    Ok(place)
}

/// Reads and checks a configuration file; without one, the default.
pub(crate) fn load_config(file: Option<&Path>) -> Result<Config, String> {
    let Some(file) = file else { return Ok(Config::default()) };
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", file.display());
    let size = std::fs::metadata(file).map_err(|e| wrong(&e))?.len();
    if size > CONFIG_BYTES_MAX {
        return Err(wrong(&format!("longer than {CONFIG_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
    Config::parse(&text).map_err(|e| wrong(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Command, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words() {
        let options = UpOptions { data: Some("d".into()), config: Some("c".into()), demo: true };
        assert_eq!(check("up --data d --config c --demo"), Ok(Command::Up(options)));
        assert_eq!(check("up"), Ok(Command::Up(UpOptions::default())));
        assert_eq!(check("check-config x.toml"), Ok(Command::CheckConfig("x.toml".into())));
        assert_eq!(check("help"), Ok(Command::Help));
        let place = Where { data: Some("d".into()), config: None };
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
            ("check-config", "check-config takes one FILE"),
            ("check-config a b", "check-config takes one FILE"),
        ] {
            let said = check(line).unwrap_err();
            assert!(said.starts_with(names), "{line}: {said}");
        }
    }
}
