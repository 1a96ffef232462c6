//! Addresses of one device: GRUUs (RFC 5627).
//!
//! A public one is the address of record with the device's instance. A temporary one hides both: it
//! is a keyed permutation of who, which registration and a count, so that nothing has to be
//! remembered for it. It is good as long as the device is registered under the same Call-ID.

use crate::uri::SipUri;
use strowger_link::Key;
use strowger_link::siphash::siphash24;
use strowger_model::{Binding, SubscriberId};

/// What the user part of a temporary GRUU begins with.
const TEMPORARY: &str = "tgruu.";
/// Rounds of the permutation: four of a keyed function make it one that nobody tells from chance
/// (Luby, Rackoff 1988).
const ROUNDS: u8 = 4;
/// Hexadecimal digits of a token: two halves and their check.
const TOKEN_DIGITS: usize = 48;

/// A device that a request is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    /// The one with this instance.
    Instance(String),
    /// The one that registers with this instance and Call-ID.
    Registration(u32),
}

impl Device {
    pub(crate) fn is(&self, binding: &Binding, key: &Key) -> bool {
        match self {
            _ if binding.instance.is_empty() => false,
            Device::Instance(instance) => folded(&binding.instance) == *instance,
            Device::Registration(mark) => registration(key, binding) == *mark,
        }
    }
}

/// What a Request-URI with `gr` means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Gruu {
    /// Its user part is an address of record, this its device.
    Public(Device),
    /// Its user part says both.
    Temporary(SubscriberId, Device),
    /// It is a temporary one, and not ours.
    Unknown,
}

/// What a Request-URI means; `None` when it is no GRUU.
pub(crate) fn read(request_uri: &str, key: &Key) -> Option<Gruu> {
    // Few have parameters, and fewer this one: the others are not taken apart.
    let (_, behind) = request_uri.split_once(';')?;
    let is_named = |two: &[u8]| two.eq_ignore_ascii_case(b"gr");
    if !behind.as_bytes().windows(2).any(is_named) && !behind.contains('%') {
        return None;
    }
    let uri = SipUri::parse(request_uri)?;
    let device = uri.param("gr")?;
    let Some(token) = uri.user().and_then(|user| user.strip_prefix(TEMPORARY)) else {
        return (!device.is_empty()).then(|| Gruu::Public(Device::Instance(device.to_owned())));
    };
    Some(
        reveal(token, key)
            .map_or(Gruu::Unknown, |(id, mark)| Gruu::Temporary(id, Device::Registration(mark))),
    )
}

/// The public GRUU of an instance; `aor` is `user@host`.
pub(crate) fn public(aor: &str, instance: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$".contains(&b);
    let escape = |b: u8| {
        if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }
    };
    let value: String = urn(instance).bytes().map(escape).collect();
    format!("sip:{aor};gr={value}")
}

/// A temporary GRUU: another one for each REGISTER of the device.
pub(crate) fn temporary(key: &Key, aor: &str, id: SubscriberId, binding: &Binding) -> String {
    let host = aor.rsplit_once('@').map_or(aor, |(_, host)| host);
    let right = u64::from(registration(key, binding)) << 32 | u64::from(binding.cseq);
    let mut halves = (id.0.cast_unsigned(), right);
    for round in 0..ROUNDS {
        halves = (halves.1, halves.0 ^ mixed(key, round, halves.1));
    }
    let check = check_of(key, halves);
    format!("sip:{TEMPORARY}{:016x}{:016x}{check:016x}@{host};gr", halves.0, halves.1)
}

fn reveal(token: &str, key: &Key) -> Option<(SubscriberId, u32)> {
    if token.len() != TOKEN_DIGITS {
        return None;
    }
    let word = |at: usize| u64::from_str_radix(token.get(at..at + 16)?, 16).ok();
    let mut halves = (word(0)?, word(16)?);
    if check_of(key, halves) != word(32)? {
        return None;
    }
    for round in (0..ROUNDS).rev() {
        halves = (halves.1 ^ mixed(key, round, halves.0), halves.0);
    }
    let mark = u32::try_from(halves.1 >> 32).ok()?;
    Some((SubscriberId(halves.0.cast_signed()), mark))
}

fn mixed(key: &Key, round: u8, half: u64) -> u64 {
    let [a, b, c, d, e, f, g, h] = half.to_le_bytes();
    siphash24(key, &[round, a, b, c, d, e, f, g, h])
}

fn check_of(key: &Key, (left, right): (u64, u64)) -> u64 {
    let mut text = [b'c'; 17];
    let bytes = left.to_le_bytes().into_iter().chain(right.to_le_bytes());
    text.iter_mut().skip(1).zip(bytes).for_each(|(to, from)| *to = from);
    siphash24(key, &text)
}

/// What tells registrations of devices apart: instance and Call-ID.
fn registration(key: &Key, binding: &Binding) -> u32 {
    let text = format!("r{}\n{}", folded(&binding.instance), binding.sip_call_id);
    let hash = siphash24(key, text.as_bytes());
    u32::try_from(hash >> 32).unwrap_or_default()
}

/// An instance without its brackets.
fn urn(instance: &str) -> &str {
    instance.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(instance)
}

/// An instance in the form that compares.
fn folded(instance: &str) -> String {
    urn(instance).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const KEY: Key = Key([7; 16]);
    const INSTANCE: &str = "<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>";

    fn binding(call_id: &str, cseq: u32) -> Binding {
        Binding {
            instance: INSTANCE.into(),
            sip_call_id: call_id.into(),
            cseq,
            ..testing::binding("sip:1001@10.0.0.1", "10.0.0.1:5060")
        }
    }

    #[test]
    fn a_public_gruu_names_its_device() {
        let gruu = public("1001@demo.example", INSTANCE);
        let expect = "sip:1001@demo.example;gr=urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF";
        assert_eq!(gruu, expect);
        let Some(Gruu::Public(device)) = read(&gruu, &KEY) else { panic!("{gruu}") };
        assert!(device.is(&binding("a", 1), &KEY));
        let other = Binding { instance: "<urn:uuid:1>".into(), ..binding("a", 1) };
        assert!(!device.is(&other, &KEY));
        let none = Binding { instance: String::new(), ..other };
        assert!(!device.is(&none, &KEY));
        let odd = public("a@b", "<urn:x:a b;c>");
        assert_eq!(odd, "sip:a@b;gr=urn:x:a%20b%3Bc");
        for plain in ["sip:1001@demo.example", "sip:1001@demo.example;gr", "tel:+44", ""] {
            assert_eq!(read(plain, &KEY), None, "{plain}");
        }
    }

    #[test]
    fn a_temporary_gruu_hides_who_it_is_and_dies_with_its_call_id() {
        let (id, now) = (SubscriberId(1), binding("a", 1));
        let first = temporary(&KEY, "1001@demo.example", id, &now);
        let second = temporary(&KEY, "1001@demo.example", id, &binding("a", 2));
        assert_ne!(first, second, "each REGISTER gives another one");
        assert!(first.starts_with("sip:tgruu.") && first.ends_with("@demo.example;gr"), "{first}");
        assert!(!first.contains("1001"), "{first}");
        for gruu in [&first, &second] {
            let Some(Gruu::Temporary(who, device)) = read(gruu, &KEY) else { panic!("{gruu}") };
            assert_eq!(who, id);
            assert!(device.is(&binding("a", 9), &KEY), "any of this registration is good");
            assert!(!device.is(&binding("b", 9), &KEY), "another Call-ID ends them");
        }
        assert_eq!(read(&first, &Key([8; 16])), Some(Gruu::Unknown), "of another key");
        let digit = if first.as_bytes()[20] == b'0' { "1" } else { "0" };
        let forged = format!("{}{digit}{}", &first[..20], &first[21..]);
        assert_eq!(read(&forged, &KEY), Some(Gruu::Unknown), "{forged}");
        assert_eq!(read("sip:tgruu.@demo.example;gr", &KEY), Some(Gruu::Unknown));
        assert_eq!(read("sip:tgruu.%c3%a4@demo.example;gr", &KEY), Some(Gruu::Unknown));
    }
}
