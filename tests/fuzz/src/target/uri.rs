//! URIs: comparison is reflexive and symmetric, and what is built from the parts of one is the
//! same.

use strowger_sip::uri::{SipUri, TelUri, Uri, UriBuilder, unescaped};

use super::Target;
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "uri", run, seeds, words: WORDS };

const WORDS: &[&[u8]] = &[
    b"sip:",
    b"sips:",
    b"tel:",
    b"tel:+1-212-555",
    b"@",
    b"%40",
    b"%00",
    b"%",
    b"[::1]",
    b"[2001:db8::1.2.3.4]",
    b"192.0.2.1",
    b":5060",
    b";transport=tcp",
    b";user=phone",
    b";lr",
    b";maddr=",
    b";ext=",
    b";isub=",
    b";phone-context=+1",
    b"?subject=x",
    b"&to=y",
    b"a.",
    b"-",
];

/// Two URIs with a space between them, or one.
fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    let at = input.iter().position(|byte| *byte == b' ').unwrap_or(input.len());
    let (one, rest) = input.split_at(at);
    let other = rest.get(1..).unwrap_or_default();
    laws(one, &mut shape);
    laws(other, &mut shape);
    if let (Some(a), Some(b)) = (Uri::parse(one), Uri::parse(other)) {
        let matches = a.matches(b);
        assert_eq!(matches, b.matches(a), "comparison is not symmetric");
        shape.note("matches", &(matches, one == other));
    }
    shape
}

/// What holds of any bytes as a URI.
pub(super) fn laws(text: &[u8], shape: &mut Shape) {
    let Some(uri) = Uri::parse(text) else {
        shape.note("uri", &None::<u8>);
        return;
    };
    assert!(uri.matches(uri) || repeats(uri), "a URI that is not itself");
    shape.kind("uri", &uri).note("user", &uri.user().is_some());
    match uri {
        Uri::Sip(sip) => {
            shape.kind("host", &sip.host).note("port", &sip.port.is_some());
            shape.note("parts", &(sip.secure, sip.password.is_some(), sip.has_headers()));
            shape.count("params", sip.params().count()).count("headers", sip.headers().count());
            shape.note("loose", &sip.is_loose_router());
            rebuild_sip(sip, shape);
        }
        Uri::Tel(tel) => {
            shape.note("global", &tel.is_global()).count("params", tel.params().count());
            shape.count("digits", tel.digits().count());
            rebuild_tel(tel);
        }
        Uri::Other { scheme, rest } => assert_eq!(scheme.len() + 1 + rest.len(), text.len()),
    }
}

/// Whether a parameter's name stands twice. RFC 3261 section 19.1.1 forbids that, and 19.1.4 does
/// not say how such URIs compare.
pub(super) fn repeats(uri: Uri<'_>) -> bool {
    let names = |uri: SipUri<'_>| uri.params().map(|(name, _)| name.to_ascii_lowercase()).collect();
    let mut names: Vec<_> = uri.sip().map(names).unwrap_or_default();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    names.len() < count
}

/// `parse(build(x))` matches `x`, for what the builder can build: no password, no headers.
fn rebuild_sip(sip: SipUri<'_>, shape: &mut Shape) {
    if sip.password.is_some() || sip.has_headers() {
        return;
    }
    let builder = if sip.secure { UriBuilder::sips() } else { UriBuilder::sip() };
    let user = sip.user_text().unwrap_or_default();
    let mut builder = builder.user(&user).same_host(sip.host);
    if let Some(port) = sip.port {
        builder = builder.port(port);
    }
    for (name, value) in sip.params() {
        let Ok(name) = std::str::from_utf8(name) else { return };
        builder = match value {
            Some(value) => builder.param(name, &unescaped(value)),
            None => builder.flag(name),
        };
    }
    // Escaping may make it too long, which is no more than refused.
    let Some(built) = builder.finish() else {
        shape.note("rebuilt", &false);
        return;
    };
    let Some(Uri::Sip(again)) = Uri::parse(&built) else {
        return assert!(built.is_empty(), "what was built does not parse");
    };
    assert_eq!(again.user_text(), sip.user_text());
    assert_eq!((again.secure, again.port), (sip.secure, sip.port));
    // Resolved escapes of reserved characters are not equivalent (RFC 3261 section 19.1.4).
    let escapes = sip.user.is_some_and(has_escape)
        || sip.params().any(|(_, value)| value.is_some_and(has_escape));
    let same = Uri::Sip(again).matches(Uri::Sip(sip));
    assert!(same || escapes || repeats(Uri::Sip(sip)), "built {}", built.escape_ascii());
}

fn has_escape(text: &[u8]) -> bool {
    text.contains(&b'%')
}

fn rebuild_tel(tel: TelUri<'_>) {
    let built = UriBuilder::tel(tel.number).finish();
    let again = built.as_deref().and_then(Uri::parse).and_then(Uri::user);
    assert_eq!(again.as_deref(), Some(tel.number).filter(|_| again.is_some()));
    assert!(built.is_some() || !tel.is_global(), "a global number does not build");
}

fn seeds(_: &mut Dice) -> Vec<Vec<u8>> {
    let texts: [&[u8]; 12] = [
        b"sip:alice@atlanta.example.com",
        b"sips:bob:secret@biloxi.example.com:5061;transport=tcp;lr",
        b"sip:+1-212-555-1212:1234@gateway.example.com;user=phone",
        b"sip:a%20lice%40@[2001:db8::1]:5070;maddr=239.255.255.1;ttl=15",
        b"sip:atlanta.example.com;method=REGISTER?to=alice%40atlanta.example.com&subject=a%20b",
        b"sip:1.2.3.4 sip:1.2.3.4:5060",
        b"sip:%61lice@atlanta.example.com;transport=TCP \
          sip:alice@AtLanTa.example.CoM;Transport=tcp",
        b"sip:carol@chicago.example.com;newparam=5 sip:carol@chicago.example.com;security=on",
        b"tel:+1-201-555-0123 tel:+12015550123",
        b"tel:7042;phone-context=example.com",
        b"tel:+358-555-1234567;postd=pp22;ext=5;isub=1411",
        b"urn:service:sos",
    ];
    let mut inputs = texts.map(<[u8]>::to_vec).to_vec();
    // Dear to compare, if each parameter of one is looked for in the other.
    let params: String = (0..900).map(|n| format!(";{n:x}")).collect();
    inputs.push(format!("sip:h{params} sip:h{params}").into_bytes());
    inputs
}
