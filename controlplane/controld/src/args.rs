//! The words of the command line, and the configuration they name.

use std::path::PathBuf;
use strowger_tuning::Config;

/// Longest configuration file, bytes.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// What the words ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Options {
    /// The configuration.
    pub(crate) config: Config,
    /// Create the demo's rows in an empty database.
    pub(crate) demo: bool,
}

/// Parses the words after the program's name.
///
/// # Errors
/// One line that names the word or the key.
pub(crate) fn parse(words: &[String]) -> Result<Options, String> {
    let (mut data, mut file, mut demo) = (None, None, false);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value =
            || words.next().map(PathBuf::from).ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--data" => data = Some(value()?),
            "--config" => file = Some(value()?),
            "--demo" => demo = true,
            other => return Err(format!("no option `{other}`")),
        }
    }
    let mut config = match &file {
        None => Config::default(),
        Some(file) => {
            let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", file.display());
            let size = std::fs::metadata(file).map_err(|e| wrong(&e))?.len();
            if size > CONFIG_BYTES_MAX {
                return Err(wrong(&format!("longer than {CONFIG_BYTES_MAX} bytes")));
            }
            let text = std::fs::read_to_string(file).map_err(|e| wrong(&e))?;
            Config::parse(&text).map_err(|e| wrong(&e))?
        }
    };
    if let Some(data) = data {
        config.node.data = data;
    }
    Ok(Options { config, demo })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Options, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words() {
        let options = check("--data d --demo").unwrap();
        assert_eq!((options.config.node.data, options.demo), (PathBuf::from("d"), true));
        for (line, says) in [
            ("--dtaa d", "no option `--dtaa`"),
            ("--data", "--data needs a value"),
            ("--config nowhere.toml", "nowhere.toml: "),
        ] {
            let said = check(line).unwrap_err();
            assert!(said.starts_with(says), "{line}: {said}");
        }
    }
}
