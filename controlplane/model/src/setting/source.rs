//! Where each setting of the source went: `source.tsv`, one line a name and category.
//!
//! `mapped` lines name what a value goes to now; the others say why there is nothing.

const LIST: &str = include_str!("source.tsv");

/// One name of the source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceName {
    /// Its category there; `prose` when it is named without one.
    pub category: &'static str,
    /// Name, as the source spells it; its case means nothing.
    pub name: &'static str,
    /// What became of it.
    pub disposition: Disposition,
    /// Where its value goes now.
    pub target: SourceTarget,
    /// Why, or what differs; may be empty for a mapped one.
    pub reason: &'static str,
}

/// What became of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Disposition {
    /// It has a place now.
    Mapped,
    /// Another way of doing it makes it needless.
    Superseded,
    /// It will not be built.
    Refused,
    /// It comes with what it belongs to.
    Pending,
    /// There is nothing here that it could be about.
    Meaningless,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Disposition; 5] = [
        Disposition::Mapped,
        Disposition::Superseded,
        Disposition::Refused,
        Disposition::Pending,
        Disposition::Meaningless,
    ];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Disposition::Mapped => "mapped",
            Disposition::Superseded => "superseded",
            Disposition::Refused => "refused",
            Disposition::Pending => "pending",
            Disposition::Meaningless => "meaningless",
        }
    }

    /// The disposition of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Disposition> {
        Disposition::ALL.into_iter().find(|one| one.name() == word)
    }
}

/// Where a value goes now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceTarget {
    /// Nowhere.
    None,
    /// A setting, by category and name with a point between.
    Setting(&'static str),
    /// A field of a resource of REST, with a point between.
    Field(&'static str),
    /// A key of the configuration file.
    Key(&'static str),
}

impl SourceTarget {
    fn parse(text: &'static str) -> Option<SourceTarget> {
        if text == "-" {
            return Some(SourceTarget::None);
        }
        let (kind, path) = text.split_once(':')?;
        match kind {
            "setting" => Some(SourceTarget::Setting(path)),
            "field" => Some(SourceTarget::Field(path)),
            "key" => Some(SourceTarget::Key(path)),
            _ => None,
        }
    }

    /// Its kind, and the name there.
    #[must_use]
    pub const fn parts(self) -> Option<(&'static str, &'static str)> {
        match self {
            SourceTarget::None => None,
            SourceTarget::Setting(path) => Some(("setting", path)),
            SourceTarget::Field(path) => Some(("field", path)),
            SourceTarget::Key(path) => Some(("key", path)),
        }
    }
}

fn read(line: &'static str) -> Option<SourceName> {
    let mut parts = line.split('\t');
    let mut next = || parts.next().map(str::trim);
    Some(SourceName {
        category: next()?,
        name: next()?,
        disposition: Disposition::parse(next()?)?,
        target: SourceTarget::parse(next()?)?,
        reason: next().unwrap_or_default(),
    })
}

fn lines() -> impl Iterator<Item = &'static str> {
    LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Every name of the source, in its order.
pub fn source_names() -> impl Iterator<Item = SourceName> {
    lines().filter_map(read)
}

/// Lines that cannot be read, for the test of the list.
#[cfg(test)]
pub(super) fn unreadable() -> Vec<&'static str> {
    lines().filter(|line| read(line).is_none()).collect()
}
