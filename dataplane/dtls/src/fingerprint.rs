//! By what a certificate is known in descriptions (RFC 8122 section 5).

use core::fmt;
use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use subtle::ConstantTimeEq;

/// Octets of the longest sum.
const SUM_LEN_MAX: usize = 64;

/// The functions that are taken, by their names. What is weaker proves nothing.
const FUNCTIONS: [(&str, &Algorithm); 3] =
    [("sha-256", &SHA256), ("sha-384", &SHA384), ("sha-512", &SHA512)];

/// The sum of a certificate.
#[derive(Clone, Copy)]
pub struct Fingerprint {
    name: &'static str,
    algorithm: &'static Algorithm,
    sum: [u8; SUM_LEN_MAX],
}

impl Fingerprint {
    /// SHA-256 of a certificate in DER.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Fingerprint {
        let (name, algorithm) = FUNCTIONS[0];
        let mut sum = [0; SUM_LEN_MAX];
        let made = digest(algorithm, certificate);
        sum.iter_mut().zip(made.as_ref()).for_each(|(to, octet)| *to = *octet);
        Fingerprint { name, algorithm, sum }
    }

    /// Reads `sha-256 AB:CD:...`; `None` for another function or a sum of another length.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Fingerprint> {
        let space = value.iter().position(|octet| *octet == b' ')?;
        let (name, rest) = value.split_at_checked(space)?;
        let known = FUNCTIONS.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        let (name, algorithm) = known?;
        let mut sum = [0; SUM_LEN_MAX];
        let mut octets = rest.trim_ascii().split(|octet| *octet == b':');
        let places = sum.get_mut(..algorithm.output_len())?;
        for place in places {
            *place = hex(octets.next()?)?;
        }
        octets.next().is_none().then_some(Fingerprint { name, algorithm, sum })
    }

    /// Whether it is this certificate's, in DER.
    #[must_use]
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        let made = digest(self.algorithm, certificate);
        bool::from(self.sum().ct_eq(made.as_ref()))
    }

    fn sum(&self) -> &[u8] {
        self.sum.get(..self.algorithm.output_len()).unwrap_or_default()
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Fingerprint) -> bool {
        self.name == other.name && self.sum() == other.sum()
    }
}

impl Eq for Fingerprint {}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        for (place, octet) in self.sum().iter().enumerate() {
            let before = if place == 0 { ' ' } else { ':' };
            write!(f, "{before}{octet:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Two digits.
fn hex(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |letter: u8| char::from(letter).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written() {
        let own = Fingerprint::of(b"abc");
        let text = own.to_string();
        // FIPS 180-2 B.1.
        assert!(text.starts_with("sha-256 BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:"));
        assert_eq!(Fingerprint::parse(text.as_bytes()), Some(own));
        assert_eq!(Fingerprint::parse(text.to_lowercase().as_bytes()), Some(own));
        assert!(own.is_of(b"abc") && !own.is_of(b"abd"));
        let longer = format!("SHA-512 {}", ["0a"; 64].join(":"));
        let longer = Fingerprint::parse(longer.as_bytes()).unwrap();
        assert!(longer != own && !longer.is_of(b"abc"));
        for bad in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 BA:78",
            &format!("{text}:00"),
            &text.replace("BA", "BG"),
            &text.replace("BA:", "BA0:"),
            &text.replace("sha-256", "sha-1"),
            &text.replace("sha-256", "md5"),
        ] {
            assert_eq!(Fingerprint::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
