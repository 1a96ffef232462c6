//! What the registrar tells the store.

use crate::world::Holder;
use strowger_model::Binding;

/// A change to write behind, keyed by whose it is and the URI as registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Insert or replace.
    Save {
        /// Whose contact: a subscriber's or a trunk's.
        who: Holder,
        /// The contact.
        binding: Box<Binding>,
    },
    /// Delete.
    Remove {
        /// Whose contact.
        who: Holder,
        /// Its URI.
        uri: String,
    },
}

impl Output {
    pub(super) fn removed(who: Holder, binding: &Binding) -> Output {
        Output::Remove { who, uri: binding.uri.clone() }
    }

    /// Whose contact, and its URI.
    #[must_use]
    pub fn key(&self) -> (Holder, &str) {
        match self {
            Output::Save { who, binding } => (*who, &binding.uri),
            Output::Remove { who, uri } => (*who, uri),
        }
    }
}

/// A contact that is not as it was, for whom that concerns beside the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Touched {
    /// Whose contact.
    pub who: Holder,
    /// Its URI.
    pub uri: String,
    /// Nothing of it is another but its end.
    pub only_lasts: bool,
}

impl Touched {
    pub(super) fn new(who: Holder, uri: &str) -> Touched {
        Touched { who, uri: uri.to_owned(), only_lasts: false }
    }
}
