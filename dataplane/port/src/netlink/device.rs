//! What an interface's driver can do with frames before the kernel makes packets of them (generic
//! netlink, family `netdev`, Linux 6.3).

use std::io;

use super::{Netlink, find, half, put_attribute};

/// The family that tells the numbers of all others.
const CONTROL: u16 = 16;
const CONTROL_GET_FAMILY: u8 = 3;
const CONTROL_ID: u16 = 1;
const CONTROL_NAME: u16 = 2;
const FAMILY: &[u8] = b"netdev\0";
const DEVICE_GET: u8 = 1;
const DEVICE_INTERFACE: u16 = 1;
const DEVICE_FEATURES: u16 = 3;

/// Runs a program, lets it have frames leave by another interface, and takes such frames of others.
const RELAYS: u64 = 1 | 2 | 4;

/// In front of a question's attributes.
const GENERIC_BYTES: usize = 4;

/// Whether the driver of an interface can run a program that has frames leave, and takes those that
/// come by others. Some can only while the program is there.
///
/// # Errors
/// `NotFound`: the kernel is too old to tell. Else the system's.
pub fn relays_frames(interface: u32) -> io::Result<bool> {
    let mut netlink = Netlink::of(libc::NETLINK_GENERIC)?;
    let mut body = generic(CONTROL_GET_FAMILY);
    put_attribute(&mut body, CONTROL_NAME, FAMILY);
    let (_, told) = netlink.ask(CONTROL, &body)?;
    let family = value(told, CONTROL_ID).and_then(|value| half(value, 0));
    let family = family.ok_or(io::ErrorKind::NotFound)?;
    let mut body = generic(DEVICE_GET);
    put_attribute(&mut body, DEVICE_INTERFACE, &interface.to_ne_bytes());
    let (_, told) = netlink.ask(family, &body)?;
    Ok(features(told).is_some_and(|features| features & RELAYS == RELAYS))
}

fn generic(command: u8) -> Vec<u8> {
    vec![command, 1, 0, 0]
}

fn value(body: &[u8], kind: u16) -> Option<&[u8]> {
    find(body.get(GENERIC_BYTES..)?, kind)
}

fn features(body: &[u8]) -> Option<u64> {
    let value = value(body, DEVICE_FEATURES)?;
    value.first_chunk().copied().map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_takes_no_frames() {
        let lo = Netlink::open().unwrap().interface("lo").unwrap();
        // A kernel before Linux 6.3 has no such family.
        let told = relays_frames(lo.index);
        assert!(matches!(&told, Ok(false) | Err(_)), "{told:?}");
    }

    #[test]
    fn features_are_read() {
        let mut body = generic(DEVICE_GET);
        put_attribute(&mut body, DEVICE_INTERFACE, &7u32.to_ne_bytes());
        assert_eq!(features(&body), None);
        put_attribute(&mut body, DEVICE_FEATURES, &0x23u64.to_ne_bytes());
        assert_eq!(features(&body), Some(0x23));
        for len in 0..body.len() {
            assert_eq!(features(&body[..len]), None, "{len}");
        }
    }
}
