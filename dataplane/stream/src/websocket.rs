//! WebSocket (RFC 6455) as far as SIP needs it (RFC 7118): one message in one message.

pub(crate) mod frame;
pub(crate) mod upgrade;

mod base64;

#[cfg(test)]
pub(crate) use base64::encode_group;
