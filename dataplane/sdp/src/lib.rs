//! Session descriptions: RFC 4566 and RFC 8866, offer and answer by RFC 3264.
//!
//! *What it is:* a [`Description`] keeps every line of a body byte for byte, known or not, and
//! gives typed access to what a switch needs: origin, connection, media lines, attributes.
//! [`LocalSession`] is our own side of one leg: it rewrites the other party's description so that
//! its media comes to us ([`LocalSession::relay`]), or offers and answers by itself for prompts
//! and originated legs ([`LocalSession::offer`], [`LocalSession::answer`]). [`Terms`] is what one
//! party wants of one media line, [`agree`] what two parties made of it.
//!
//! *What it never does:* resolve names, open ports, choose a codec for others. Lines that it does
//! not understand pass unchanged. It does not judge whether an address may be sent to.
//!
//! *How to drive it:* `Description::parse(body)?`, then `media().map(|m| m.terms())`; give each
//! media line a [`Place`] of ours and call `LocalSession::relay`; after the answer, `agree`.
//!
//! *Where to start:* [`Description`]. RFC sections: 4566 5 and 9, 8866 5.14, 3264 5 to 8,
//! 3605, 3551 6, 4733 2.4, 4568 6 and 9, 5763 5, 8122 5, 8839 5.

pub mod attribute;
mod codec;
mod description;
mod direction;
mod error;
mod keyed;
mod line;
mod negotiation;
mod own;
mod payload;
mod reach;
mod relay;
mod session;
mod terms;
mod text;
mod voice;

pub mod limits;

pub use attribute::Setup;
pub use codec::Codec;
pub use description::{Connection, Description, Host, Media, Origin};
pub use direction::Direction;
pub use error::{Error, Reason};
pub use keyed::{DtlsForm, Keyed};
pub use line::Line;
pub use negotiation::{Agreed, Mismatch, Party, agree, check_reoffer, transports_fit};
pub use own::{AnswerError, Answered, OwnMedia};
pub use payload::PayloadTypes;
pub use relay::{Place, Policy, RelayError, RelayPlan};
pub use session::LocalSession;
pub use terms::{MediaKind, Target, Terms, Transport};
pub use voice::{NoVoice, Plain, VoiceRule};
