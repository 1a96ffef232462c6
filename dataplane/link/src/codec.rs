//! Little-endian encoding of every frame: one trait, two macros, and no length is ever trusted.
//!
//! The layout is positional; each frame that travels or rests carries a version in its envelope
//! (`frame.rs`, `journal.rs`, `table.rs`), so a field is added by a new version, never silently.

use crate::Tick;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest text or octet string in a frame, bytes.
pub const OCTETS_MAX: usize = 16 * 1024;
/// Most elements of a list in a frame.
pub const LIST_MAX: usize = 1024;

/// The bytes are not a frame of this version: truncated, out of range, or over a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// A value with a fixed place in a frame.
pub trait Wire: Sized {
    /// Appends the encoding of `self`.
    fn put(&self, out: &mut Vec<u8>);
    /// Takes one value off the front of `input`.
    ///
    /// # Errors
    /// [`Malformed`] when `input` is too short or holds a value out of range.
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// A cursor over untrusted bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    /// Takes `n` bytes.
    ///
    /// # Errors
    /// [`Malformed`] when fewer are left.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    /// Bytes not yet taken.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.0.len()
    }
}

/// Encodes one value.
#[must_use]
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    value.put(&mut out);
    out
}

/// Decodes one value that fills `bytes` to the last byte.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut reader = Reader::new(bytes);
    let value = T::take(&mut reader)?;
    if reader.left() == 0 { Ok(value) } else { Err(Malformed) }
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            fn put(&self, out: &mut Vec<u8>) { out.extend_from_slice(&self.to_le_bytes()); }
            fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = input.bytes(size_of::<$t>())?;
                Ok(<$t>::from_le_bytes(bytes.try_into().map_err(|_| Malformed)?))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i64);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::take(input)? {
            0 => Ok(false),
            1 => Ok(true),
            2..=u8::MAX => Err(Malformed),
        }
    }
}

impl Wire for Tick {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Tick(u64::take(input)?))
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        input.bytes(N)?.try_into().map_err(|_| Malformed)
    }
}

/// Opaque bytes of at most [`OCTETS_MAX`]; longer ones are cut by whoever builds the frame.
#[derive(Clone, PartialEq, Eq, Default, Debug, Hash)]
pub struct Octets(pub Vec<u8>);

fn put_octets(bytes: &[u8], out: &mut Vec<u8>) {
    let bytes = bytes.get(..OCTETS_MAX).unwrap_or(bytes);
    // OCTETS_MAX fits u16, so the cast keeps the value.
    (bytes.len() as u16).put(out);
    out.extend_from_slice(bytes);
}

fn take_octets<'a>(input: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let len = usize::from(u16::take(input)?);
    if len > OCTETS_MAX { Err(Malformed) } else { input.bytes(len) }
}

impl Wire for Octets {
    fn put(&self, out: &mut Vec<u8>) {
        put_octets(&self.0, out);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Octets(take_octets(input)?.to_vec()))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        let mut end = self.len().min(OCTETS_MAX);
        while !self.is_char_boundary(end) {
            end -= 1;
        }
        put_octets(self.as_bytes().get(..end).unwrap_or_default(), out);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        String::from_utf8(take_octets(input)?.to_vec()).map_err(|_| Malformed)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if bool::take(input)? { Some(T::take(input)?) } else { None })
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_ref().put(out);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Box::new(T::take(input)?))
    }
}

/// Appends what a list of these values is in a frame.
pub(crate) fn put_list<T: Wire>(list: &[T], out: &mut Vec<u8>) {
    let count = list.len().min(LIST_MAX);
    (count as u16).put(out);
    for value in list.iter().take(count) {
        value.put(out);
    }
}

/// Appends what `write` appends as [`Octets`], behind its length; what is beyond [`OCTETS_MAX`] is
/// cut.
pub fn put_octets_of(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len() + size_of::<u16>();
    out.extend_from_slice(&[0; size_of::<u16>()]);
    write(out);
    out.truncate(out.len().min(begin + OCTETS_MAX));
    let len = out.len() - begin;
    put_count(out, begin, len);
}

/// Appends a list whose elements `write` appends; it tells how many there are, at most
/// [`LIST_MAX`].
pub fn put_list_of(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> usize) {
    let begin = out.len() + size_of::<u16>();
    out.extend_from_slice(&[0; size_of::<u16>()]);
    let count = write(out);
    debug_assert!(count <= LIST_MAX);
    put_count(out, begin, count);
}

/// Writes a length in front of `begin`; both bounds fit in 16 bits.
fn put_count(out: &mut [u8], begin: usize, count: usize) {
    if let Some(place) = out.get_mut(begin - size_of::<u16>()..begin) {
        place.copy_from_slice(&(count as u16).to_le_bytes());
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_list(self, out);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = usize::from(u16::take(input)?);
        if count > LIST_MAX {
            return Err(Malformed);
        }
        // Every element takes at least one byte, so a lying count cannot reserve memory.
        let mut list = Vec::with_capacity(count.min(input.left()));
        for _ in 0..count {
            list.push(T::take(input)?);
        }
        Ok(list)
    }
}

impl Wire for IpAddr {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            IpAddr::V4(ip) => {
                out.push(4);
                ip.octets().put(out);
            }
            IpAddr::V6(ip) => {
                out.push(6);
                ip.octets().put(out);
            }
        }
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::take(input)? {
            4 => Ok(Ipv4Addr::from(<[u8; 4]>::take(input)?).into()),
            6 => Ok(Ipv6Addr::from(<[u8; 16]>::take(input)?).into()),
            0..=3 | 5 | 7..=u8::MAX => Err(Malformed),
        }
    }
}

impl Wire for SocketAddr {
    fn put(&self, out: &mut Vec<u8>) {
        self.ip().put(out);
        self.port().put(out);
    }
    fn take(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(SocketAddr::new(IpAddr::take(input)?, u16::take(input)?))
    }
}

/// A struct whose fields are encoded in the order they are written. Exported for images of a
/// crate's own state that rest in the call table.
#[macro_export]
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$fmeta:meta])* pub $field:ident: $t:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct $name { $($(#[$fmeta])* pub $field: $t,)* }
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) { $($crate::codec::Wire::put(&self.$field, out);)* }
            fn take(
                input: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::Malformed> {
                Ok($name { $($field: <$t as $crate::codec::Wire>::take(input)?,)* })
            }
        }
    };
}

/// An enum whose variants carry nothing or one value; the number before each is its tag.
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$vmeta:meta])* $tag:literal => $variant:ident $(($t:ty))?,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub enum $name { $($(#[$vmeta])* $variant $(($t))?,)* }
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $($crate::codec::wire_enum!(@pat $name $variant value $($t)?) => {
                        out.push($tag);
                        $crate::codec::wire_enum!(@put out value $($t)?);
                    })*
                }
            }
            fn take(
                input: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::Malformed> {
                match <u8 as $crate::codec::Wire>::take(input)? {
                    $($tag => Ok($crate::codec::wire_enum!(@take input $name $variant $($t)?)),)*
                    _ => Err($crate::codec::Malformed),
                }
            }
        }
    };
    (@pat $name:ident $variant:ident $v:ident) => { $name::$variant };
    (@pat $name:ident $variant:ident $v:ident $t:ty) => { $name::$variant($v) };
    (@put $out:ident $v:ident) => {};
    (@put $out:ident $v:ident $t:ty) => { $crate::codec::Wire::put($v, $out) };
    (@take $in:ident $name:ident $variant:ident) => { $name::$variant };
    (@take $in:ident $name:ident $variant:ident $t:ty) => {
        $name::$variant(<$t as $crate::codec::Wire>::take($in)?)
    };
}

/// A fieldless `Copy` enum of one byte.
macro_rules! wire_code {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$vmeta:meta])* $variant:ident = $code:literal,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $code,)* }
        impl $name {
            /// The value of this code on the wire, if there is one.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some($name::$variant),)* _ => None }
            }
        }
        impl $crate::codec::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) { out.push(*self as u8); }
            fn take(
                input: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::Malformed> {
                let code = <u8 as $crate::codec::Wire>::take(input)?;
                Self::from_code(code).ok_or($crate::codec::Malformed)
            }
        }
    };
}
pub use wire_struct;
pub(crate) use {wire_code, wire_enum};
