//! Chance, from the kernel: keys and seeds. Cores get it as an argument.

use std::io;

use crate::sys::{check_len, retry};

/// Fills `bytes` from getrandom(2).
///
/// # Errors
/// The system call's error; none is expected on a Linux of this century.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let got = retry(|| {
            // SAFETY: pointer and length are of `rest`, a slice we may write.
            // JUSTIFICATION: std offers no random bytes.
            check_len(unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) })
        })?;
        rest = rest.get_mut(got..).unwrap_or_default();
    }
    Ok(())
}

/// A random number, as [`fill`].
///
/// # Errors
/// As [`fill`].
pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// A random 128-bit key, as [`fill`].
///
/// # Errors
/// As [`fill`].
pub fn random_u128() -> io::Result<u128> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    #[test]
    fn fills_all_of_it() {
        let mut bytes = [0u8; 4096];
        super::fill(&mut bytes).unwrap();
        let (first, second) = bytes.split_at(2048);
        assert_ne!(first, second);
        assert!(bytes.chunks(64).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }
}
