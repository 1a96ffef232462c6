//! strowger-routing.

mod deck;
pub mod digest;
pub mod limits;
mod location;
mod nonce;
mod page;
mod prefix;
#[cfg(test)]
mod testing;
mod uri;

pub use deck::Deck;
pub use location::{Locations, Output, Reach, RegisterError, reach};
pub use nonce::{NonceCounts, NonceUse};
pub use page::PageMap;
pub use prefix::{Chain, Dictionary, DictionaryFull, PrefixId};
pub use uri::SipUri;
