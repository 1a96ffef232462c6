//! What the registrar tells the store.

use strowger_model::{Binding, SubscriberId};

/// A change to write behind, keyed by subscriber and URI as registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Insert or replace.
    Save(Box<Binding>),
    /// Delete.
    Remove {
        /// Whose contact.
        subscriber: SubscriberId,
        /// Its URI.
        uri: String,
    },
}

impl Output {
    pub(super) fn removed(binding: &Binding) -> Output {
        Output::Remove { subscriber: binding.subscriber, uri: binding.uri.clone() }
    }
}
