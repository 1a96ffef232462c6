//! Which transaction a message belongs to: RFC 3261 sections 17.1.3 and 17.2.3.
//!
//! A key is the hash, of 128 bits under a secret, of what two messages of the same transaction have
//! in common, to be used in a map; equal keys mean a match, so nothing is left to compare after a
//! look-up (one exception, at [`ServerKey::of_legacy`]). Parts come as the bytes of the message,
//! without the white space around them.

use std::hash::{Hash, Hasher};

use strowger_link::Key;
use strowger_link::siphash::siphash24_wide;

/// What the branch of an RFC 3261 client begins with (section 8.1.1.7).
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// The most bytes that a key is made of. Real ones have 40 to 300; a peer that sends more wants our
/// time.
pub const KEY_LEN_MAX: usize = 2_048;

/// Bytes of the rule in front of all parts, and of the length in front of each.
const RULE_LEN: usize = 1;
const PART_PREFIX_LEN: usize = 2;
/// Bytes that most keys are made of at most.
const USUAL_LEN: usize = 256;

const _: () = assert!(KEY_LEN_MAX <= u16::MAX as usize);

/// Why no key can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyError {
    /// The top Via has no branch, or one without the magic cookie: an RFC 2543 peer. Make the key
    /// by [`ServerKey::of_legacy`].
    NoCookie,
    /// The parts have more than [`KEY_LEN_MAX`] bytes: refuse the request.
    TooLong,
}

/// What a request and the server transaction it belongs to have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerKey([u64; 2]);

/// Which paragraph of RFC 3261 the key follows; their keys are never equal.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Rule {
    Branch,
    Legacy,
    Response,
}

/// Both words are as good as chance, so one of them is hash enough.
impl Hash for ServerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [word, _] = self.0;
        state.write_u64(word);
    }
}

/// The parts of a request by which RFC 2543 clients are matched.
#[derive(Clone, Copy, Debug)]
pub struct LegacyParts<'a> {
    /// The method of the start line.
    pub method: &'a [u8],
    /// The Request-URI, whole.
    pub request_uri: &'a [u8],
    /// The tag of To, if there is one.
    pub to_tag: Option<&'a [u8]>,
    /// The tag of From, if there is one.
    pub from_tag: Option<&'a [u8]>,
    /// The value of Call-ID.
    pub call_id: &'a [u8],
    /// The number of CSeq.
    pub cseq: u32,
    /// The topmost Via value, whole.
    pub top_via: &'a [u8],
}

impl ServerKey {
    /// The key of a request by branch and sent-by (host and port as written) of its top Via and
    /// its method.
    ///
    /// The transaction that a CANCEL means is found with the CANCEL's Via and the method INVITE
    /// (RFC 3261 section 9.2).
    ///
    /// # Errors
    /// See [`KeyError`].
    //= rfc3261#section-17.2.3
    //# 1. the branch parameter in the request is equal to the one in the
    //# top Via header field of the request that created the
    //# transaction, and
    //#
    //# 2. the sent-by value in the top Via of the request is equal to the
    //# one in the request that created the transaction, and
    //#
    //# 3. the method of the request matches the one that created the
    //# transaction, except for ACK, where the method of the request
    //# that created the transaction is INVITE.
    pub fn of_branch(
        secret: &Key,
        branch: Option<&[u8]>,
        sent_by: &[u8],
        method: &[u8],
    ) -> Result<ServerKey, KeyError> {
        let branch = branch.filter(|b| b.starts_with(MAGIC_COOKIE)).ok_or(KeyError::NoCookie)?;
        // The branch is compared to the letter: clients repeat it so, and some tell their
        // transactions apart by case alone. The host in sent-by has no case.
        let parts = [branch, sent_by, creating_method(method)];
        hash(secret, Rule::Branch, &parts, Some(1)).map(ServerKey)
    }

    /// The key of a request whose top Via has no branch with the magic cookie.
    ///
    /// The To tag is no part of the key of INVITE and ACK: that of the ACK is the one of our
    /// response, which the INVITE had not. The caller compares the ACK's To tag with the tag it
    /// responded with, and takes the ACK for unmatched if they differ. CSeq already tells a
    /// re-INVITE from the first one.
    ///
    /// # Errors
    /// [`KeyError::TooLong`].
    //= rfc3261#section-17.2.3
    //# The INVITE request matches a transaction if the Request-URI, To tag,
    //# From tag, Call-ID, CSeq, and top Via header field match those of the
    //# INVITE request which created the transaction.
    //= rfc3261#section-17.2.3
    //# For all other request methods, a request is matched to a transaction
    //# if the Request-URI, To tag, From tag, Call-ID, CSeq (including the
    //# method), and top Via header field match those of the request that
    //# created the transaction.
    pub fn of_legacy(secret: &Key, parts: &LegacyParts<'_>) -> Result<ServerKey, KeyError> {
        let method = creating_method(parts.method);
        let to_tag = if method == b"INVITE" { None } else { parts.to_tag };
        let parts: [&[u8]; 7] = [
            method,
            parts.request_uri,
            // An absent tag and an empty one are the same here: neither can be legal and differ.
            to_tag.unwrap_or_default(),
            parts.from_tag.unwrap_or_default(),
            parts.call_id,
            &parts.cseq.to_be_bytes(),
            parts.top_via,
        ];
        hash(secret, Rule::Legacy, &parts, None).map(ServerKey)
    }
}

/// What a response and the client transaction it belongs to have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientKey([u64; 2]);

impl Hash for ClientKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [word, _] = self.0;
        state.write_u64(word);
    }
}

impl ClientKey {
    /// The key by our branch, as sent and as it stands in the response's top Via, and the method of
    /// CSeq.
    ///
    /// # Errors
    /// [`KeyError::TooLong`].
    //= rfc3261#section-17.1.3
    //# 1.  If the response has the same value of the branch parameter in
    //# the top Via header field as the branch parameter in the top
    //# Via header field of the request that created the transaction.
    //#
    //# 2.  If the method parameter in the CSeq header field matches the
    //# method of the request that created the transaction.  The
    //# method is needed since a CANCEL request constitutes a
    //# different transaction, but shares the same value of the branch
    //# parameter.
    pub fn new(secret: &Key, branch: &[u8], method: &[u8]) -> Result<ClientKey, KeyError> {
        hash(secret, Rule::Response, &[branch, method], None).map(ClientKey)
    }
}

/// The method of the request that creates the transaction this one belongs to.
fn creating_method(method: &[u8]) -> &[u8] {
    if method == b"ACK" { b"INVITE" } else { method }
}

/// The hash of the parts, each behind its length, so that no two lists of parts are one text. The
/// part at `folded` has no case.
fn hash(
    secret: &Key,
    rule: Rule,
    parts: &[&[u8]],
    folded: Option<usize>,
) -> Result<[u64; 2], KeyError> {
    let lens = parts.iter().map(|part| part.len().saturating_add(PART_PREFIX_LEN));
    let len = lens.fold(RULE_LEN, usize::saturating_add);
    if len > KEY_LEN_MAX {
        return Err(KeyError::TooLong);
    }
    let (mut usual, mut long) = ([0; USUAL_LEN], Vec::new());
    let text = match usual.get_mut(..len) {
        Some(text) => text,
        None => {
            long.resize(len, 0);
            long.as_mut_slice()
        }
    };
    let mut rest = text.split_first_mut().map(|(first, rest)| {
        *first = rule as u8;
        rest
    });
    for (at, part) in parts.iter().enumerate() {
        let part_len = u16::try_from(part.len()).map_err(|_| KeyError::TooLong)?;
        let room = rest.take().ok_or(KeyError::TooLong)?;
        let split = room.split_at_mut_checked(PART_PREFIX_LEN);
        let (prefix, room) = split.ok_or(KeyError::TooLong)?;
        let (place, room) = room.split_at_mut_checked(part.len()).ok_or(KeyError::TooLong)?;
        prefix.copy_from_slice(&part_len.to_be_bytes());
        place.copy_from_slice(part);
        if folded == Some(at) {
            place.make_ascii_lowercase();
        }
        rest = Some(room);
    }
    Ok(siphash24_wide(secret, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRANCH: &[u8] = b"z9hG4bKnashds8";
    const SECRET: Key = Key([7; 16]);

    fn branch(branch: &[u8], sent_by: &[u8], method: &[u8]) -> ServerKey {
        ServerKey::of_branch(&SECRET, Some(branch), sent_by, method).unwrap()
    }

    fn client(branch: &[u8], method: &[u8]) -> Result<ClientKey, KeyError> {
        ClientKey::new(&SECRET, branch, method)
    }

    /// The INVITE of an RFC 2543 client.
    fn legacy() -> LegacyParts<'static> {
        LegacyParts {
            method: b"INVITE",
            request_uri: b"sip:bob@biloxi.com",
            to_tag: None,
            from_tag: Some(b"88sja8x"),
            call_id: b"987asjd97y7atg",
            cseq: 986_759,
            top_via: b"SIP/2.0/UDP pc33.atlanta.com",
        }
    }

    fn of(parts: LegacyParts<'_>) -> ServerKey {
        ServerKey::of_legacy(&SECRET, &parts).unwrap()
    }

    #[test]
    fn an_ack_finds_its_invite_and_a_cancel_is_its_own_transaction() {
        let invite = branch(BRANCH, b"pc33.atlanta.com", b"INVITE");
        assert_eq!(branch(BRANCH, b"pc33.atlanta.com", b"ACK"), invite);
        assert_eq!(branch(BRANCH, b"PC33.Atlanta.com", b"ACK"), invite);
        assert_ne!(branch(BRANCH, b"pc33.atlanta.com", b"CANCEL"), invite);
        assert_ne!(branch(BRANCH, b"pc33.atlanta.com:5061", b"INVITE"), invite);
        assert_ne!(branch(b"z9hG4bKNASHDS8", b"pc33.atlanta.com", b"INVITE"), invite);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(branch(b"z9hG4bKab", b"c", b"BYE"), branch(b"z9hG4bKa", b"bc", b"BYE"));
        assert_ne!(client(b"z9hG4bKB", b"YE"), client(b"z9hG4bK", b"BYE"));
    }

    #[test]
    fn a_branch_without_the_cookie_is_sent_to_the_old_rule() {
        let key = |b: Option<&[u8]>| ServerKey::of_branch(&SECRET, b, b"h", b"INVITE");
        assert_eq!(key(None), Err(KeyError::NoCookie));
        assert_eq!(key(Some(b"1")), Err(KeyError::NoCookie));
        assert_eq!(key(Some(b"z9hG4b")), Err(KeyError::NoCookie));
        assert!(key(Some(MAGIC_COOKIE)).is_ok());
    }

    #[test]
    fn old_clients_match_by_every_part() {
        let invite = of(legacy());
        assert_eq!(of(legacy()), invite);
        let others = [
            LegacyParts { method: b"CANCEL", ..legacy() },
            LegacyParts { request_uri: b"sip:bob@biloxi.org", ..legacy() },
            LegacyParts { from_tag: Some(b"88sja8y"), ..legacy() },
            LegacyParts { call_id: b"987asjd97y7ath", ..legacy() },
            LegacyParts { cseq: 986_760, ..legacy() },
            LegacyParts { top_via: b"SIP/2.0/UDP pc34.atlanta.com", ..legacy() },
        ];
        for other in others {
            assert_ne!(of(other), invite, "{other:?}");
        }
    }

    #[test]
    fn the_to_tag_counts_for_all_but_invite_and_ack() {
        let ack = LegacyParts { method: b"ACK", to_tag: Some(b"99sa0xk"), ..legacy() };
        assert_eq!(of(ack), of(legacy()));
        let bye = LegacyParts { method: b"BYE", to_tag: Some(b"99sa0xk"), ..legacy() };
        assert_ne!(of(bye), of(LegacyParts { to_tag: Some(b"99sa0xl"), ..bye }));
    }

    /// Others cannot tell which requests share a bucket.
    #[test]
    fn a_key_depends_on_the_secret() {
        let other = ServerKey::of_branch(&Key([8; 16]), Some(BRANCH), b"h", b"BYE").unwrap();
        assert_ne!(other, branch(BRANCH, b"h", b"BYE"));
    }

    #[test]
    fn what_is_longer_than_usual_counts_to_its_last_byte() {
        let mut long = [MAGIC_COOKIE, &[b'x'; 2 * USUAL_LEN]].concat();
        let one = branch(&long, b"h", b"BYE");
        assert_eq!(branch(&long, b"h", b"BYE"), one);
        *long.last_mut().unwrap() = b'y';
        assert_ne!(branch(&long, b"h", b"BYE"), one);
    }

    #[test]
    fn a_key_has_a_greatest_length() {
        let fits = KEY_LEN_MAX - RULE_LEN - 3 * PART_PREFIX_LEN - MAGIC_COOKIE.len() - b"BYE".len();
        let host = vec![b'h'; fits + 1];
        assert!(ServerKey::of_branch(&SECRET, Some(MAGIC_COOKIE), &host[..fits], b"BYE").is_ok());
        let long = ServerKey::of_branch(&SECRET, Some(MAGIC_COOKIE), &host, b"BYE");
        assert_eq!(long, Err(KeyError::TooLong));
        let huge = vec![b'c'; 100_000];
        let parts = LegacyParts { call_id: &huge, ..legacy() };
        assert_eq!(ServerKey::of_legacy(&SECRET, &parts), Err(KeyError::TooLong));
        assert_eq!(client(&huge, b"BYE"), Err(KeyError::TooLong));
    }

    #[test]
    fn a_response_is_matched_by_branch_and_method() {
        let invite = client(BRANCH, b"INVITE");
        assert_eq!(client(BRANCH, b"INVITE"), invite);
        assert_ne!(client(BRANCH, b"CANCEL"), invite);
        assert_ne!(client(b"z9hG4bKother", b"INVITE"), invite);
    }
}
