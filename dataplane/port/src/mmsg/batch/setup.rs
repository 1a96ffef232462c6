//! Making the arrays: once, outside of the packet path.

use super::{Batch, Control, RawAddress};

impl Batch {
    pub(in crate::mmsg) fn new(count: usize) -> Batch {
        // SAFETY: mmsghdr and iovec are integers and pointers; all bits zero is a value of both
        // (null pointers, no lengths).
        // JUSTIFICATION: libc offers no constructor.
        let (header, iovec) =
            unsafe { (std::mem::zeroed::<libc::mmsghdr>(), std::mem::zeroed::<libc::iovec>()) };
        Batch {
            headers: vec![header; count].into(),
            iovecs: vec![iovec; count].into(),
            names: vec![RawAddress::EMPTY; count].into(),
            controls: vec![Control::EMPTY; count].into(),
        }
    }
}
