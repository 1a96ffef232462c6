//! Strangers who call without credentials: one policy for each listener.

use serde::Deserialize;

/// What becomes of a call of somebody who is no trunk and shows no credentials. Whoever shows right
/// ones is who he is, at every listener but one that refuses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guests {
    /// Credentials are asked for.
    #[default]
    Challenge,
    /// Only trunks by their addresses are taken; all others are refused, phones too.
    Refuse,
    /// Numbers of `dids` may be called, as a trunk for guests (`auth` `nobody`).
    Dids,
    /// A trunk for guests says what may be called. With one that wants neither a tech prefix nor
    /// certain users this is an open relay: the log, `/readyz` and metrics say so.
    Account,
}
