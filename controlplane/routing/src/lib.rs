//! strowger-routing.

mod deck;
pub mod limits;
mod page;
mod prefix;

pub use deck::Deck;
pub use page::PageMap;
pub use prefix::{Chain, Dictionary, DictionaryFull, PrefixId};
