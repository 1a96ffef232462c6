//! The words of the command line: `--name value` pairs, each known, each used.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::str::FromStr;

/// Most addresses in one list.
const ADDRESSES_MAX: usize = 4;

/// Pairs not asked for yet.
pub(crate) struct Words {
    pairs: BTreeMap<String, String>,
}

impl Words {
    /// Takes `--name value` pairs; a name without a value behind it is a switch, value `1`.
    pub(crate) fn parse(words: &[String]) -> Result<Words, String> {
        let mut pairs = BTreeMap::new();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                return Err(format!("{word} is no option"));
            };
            let value = words.next_if(|next| !next.starts_with("--"));
            let value = value.cloned().unwrap_or_else(|| "1".into());
            if pairs.insert(name.to_owned(), value).is_some() {
                return Err(format!("--{name} is there twice"));
            }
        }
        Ok(Words { pairs })
    }

    /// The value of `name`, if it is there.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.pairs.remove(name)
    }

    /// The value of `name`, which must be there.
    pub(crate) fn need(&mut self, name: &str) -> Result<String, String> {
        self.text(name).ok_or_else(|| format!("--{name} is missing"))
    }

    /// Whether the switch is there.
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        self.pairs.remove(name).is_some()
    }

    /// The value of `name` as another type.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("--{name} {text} is no value of its kind"))
    }

    /// As [`Words::value`], or this one.
    pub(crate) fn or<T: FromStr>(&mut self, name: &str, other: T) -> Result<T, String> {
        Ok(self.value(name)?.unwrap_or(other))
    }

    /// Addresses with commas between.
    pub(crate) fn addresses(&mut self, name: &str) -> Result<Vec<SocketAddr>, String> {
        let Some(text) = self.text(name) else { return Ok(Vec::new()) };
        let parsed: Result<Vec<SocketAddr>, _> = text.split(',').map(str::parse).collect();
        let parsed = parsed.map_err(|_| format!("--{name} {text}: IP:PORT[,IP:PORT] is wanted"))?;
        if parsed.len() > ADDRESSES_MAX {
            return Err(format!("--{name}: at most {ADDRESSES_MAX} addresses"));
        }
        Ok(parsed)
    }

    /// Everything must have been asked for.
    pub(crate) fn done(self) -> Result<(), String> {
        match self.pairs.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("--{name} means nothing here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Words, String> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Words::parse(&words)
    }

    #[test]
    fn values_are_typed_and_all_used() {
        let mut all = words("--rate 2.5 --media --near 127.0.0.1:1,127.0.0.2:2").unwrap();
        assert_eq!(all.or("rate", 1.0f64), Ok(2.5));
        assert_eq!(all.or("secs", 7u32), Ok(7));
        assert!(all.switch("media"));
        assert_eq!(all.addresses("near").unwrap().len(), 2);
        assert_eq!(all.done(), Ok(()));
    }

    #[test]
    fn wrong_words_are_named() {
        assert_eq!(words("rate 2").err().unwrap(), "rate is no option");
        assert_eq!(words("--a 1 --a 2").err().unwrap(), "--a is there twice");
        assert_eq!(
            words("--a x").unwrap().or("a", 1u8).unwrap_err(),
            "--a x is no value of its kind"
        );
        assert_eq!(words("--odd 1").unwrap().done().unwrap_err(), "--odd means nothing here");
        assert_eq!(words("").unwrap().need("server").unwrap_err(), "--server is missing");
    }
}
