//! The words of the command line that all programs share, and the file they name.

use crate::Config;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Longest configuration file, bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// `[--data DIR] [--config FILE] [--demo]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    /// Over `node.data`.
    pub data: Option<PathBuf>,
    /// The configuration file; without one, the default is in force.
    pub config: Option<PathBuf>,
    /// The demo is wanted.
    pub demo: bool,
}

/// Whether a program takes `--demo`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Demo {
    /// It does.
    Taken,
    /// It knows no such word.
    Unknown,
}

/// A word that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum WrongWord {
    /// The program does not know it.
    Unknown(String),
    /// Its value is missing.
    NoValue(String),
}

impl Display for WrongWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WrongWord::Unknown(word) => write!(f, "no option `{word}`"),
            WrongWord::NoValue(word) => write!(f, "{word} needs a value"),
        }
    }
}

impl std::error::Error for WrongWord {}

impl Words {
    /// Parses the words after the program's name, or after its command.
    ///
    /// # Errors
    /// The first [`WrongWord`].
    pub fn parse<'a>(
        words: impl IntoIterator<Item = &'a str>,
        demo: Demo,
    ) -> Result<Words, WrongWord> {
        let mut options = Words::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value =
                || words.next().map(PathBuf::from).ok_or(WrongWord::NoValue(word.to_owned()));
            match (word, demo) {
                ("--data", _) => options.data = Some(value()?),
                ("--config", _) => options.config = Some(value()?),
                ("--demo", Demo::Taken) => options.demo = true,
                (other, Demo::Taken | Demo::Unknown) => {
                    return Err(WrongWord::Unknown(other.to_owned()));
                }
            }
        }
        Ok(options)
    }

    /// The configuration that the words ask for: the file's or the default, `--data` above it.
    ///
    /// # Errors
    /// One line that names the file, and the key if one is wrong.
    pub fn load(&self) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(file) => read(file)?,
            None => Config::default(),
        };
        if let Some(data) = &self.data {
            config.node.data.clone_from(data);
        }
        Ok(config)
    }
}

/// Reads and checks a configuration file.
///
/// # Errors
/// One line that names the file, and the key if one is wrong.
pub fn read(file: &Path) -> Result<Config, String> {
    let wrong = |what: &dyn Display| format!("{}: {what}", file.display());
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

    fn check(line: &str, demo: Demo) -> Result<Words, String> {
        Words::parse(line.split_whitespace(), demo).map_err(|e| e.to_string())
    }

    #[test]
    fn words() {
        let all = Words { data: Some("d".into()), config: Some("c".into()), demo: true };
        assert_eq!(check("--data d --config c --demo", Demo::Taken), Ok(all));
        assert_eq!(check("", Demo::Unknown), Ok(Words::default()));
        for (line, says) in [
            ("--dtaa d", "no option `--dtaa`"),
            ("--data", "--data needs a value"),
            ("--demo --config", "--config needs a value"),
        ] {
            assert_eq!(check(line, Demo::Taken), Err(says.to_owned()));
        }
        assert_eq!(check("--demo", Demo::Unknown), Err("no option `--demo`".to_owned()));
    }

    #[test]
    fn the_file_is_read_and_data_stands_above_it() {
        let file = std::env::temp_dir().join(format!("strowger-words-{}", std::process::id()));
        let load = |line: &str| check(line, Demo::Unknown).unwrap().load();
        let named = format!("--config {}", file.display());
        std::fs::write(&file, "node.data = \"of-the-file\"\nsip.t1_ms = 250\n").unwrap();
        let config = load(&named).unwrap();
        assert_eq!((config.node.data, config.sip.t1_ms), ("of-the-file".into(), 250));
        assert_eq!(load(&format!("{named} --data d")).unwrap().node.data, Path::new("d"));
        assert_eq!(load("--data d").unwrap().sip, Config::default().sip);
        std::fs::write(&file, "sip.t1_ms = 0\n").unwrap();
        let said = load(&named).unwrap_err();
        assert!(said.starts_with(&format!("{}: sip.t1_ms: must be", file.display())), "{said}");
        std::fs::write(&file, "#".repeat(CONFIG_BYTES_MAX as usize + 1)).unwrap();
        let said = load(&named).unwrap_err();
        assert!(said.ends_with(": longer than 1048576 bytes"), "{said}");
        std::fs::remove_file(&file).unwrap();
        let said = load(&named).unwrap_err();
        assert!(said.contains("No such file"), "{said}");
    }
}
