//! Limits and rights of the process.

use super::{Check, DESCRIPTORS_BESIDE_MEDIA, PORTS_PER_CALL};
use crate::host::Capability;

const MIB: u64 = 1 << 20;

impl Check<'_> {
    pub(super) fn process(&mut self) {
        self.descriptors();
        self.locking();
    }

    fn descriptors(&mut self) {
        let (id, wanted) = ("limit.descriptors", self.needs.descriptors);
        let Some((soft, hard)) = self.host.process.descriptors else {
            return self.report.unseen("limits");
        };
        if soft >= wanted {
            return self.report.fine(id);
        }
        let calls = soft.saturating_sub(DESCRIPTORS_BESIDE_MEDIA) / PORTS_PER_CALL;
        let found = format!(
            "{soft} descriptors carry {calls} calls, {} are configured ({wanted} wanted)",
            self.needs.calls
        );
        let mut remedy = vec![format!("LimitNOFILE={wanted} in the unit")];
        remedy.push(match hard >= wanted {
            true => format!("ulimit -Sn {wanted}"),
            false => format!("strowger - nofile {wanted} in /etc/security/limits.conf"),
        });
        if let Some(most) = self.host.setting("fs.nr_open").filter(|most| *most < wanted) {
            remedy.extend(super::network::setting("fs.nr_open", wanted.max(most)));
        }
        let why = "Each media port is a socket; calls beyond them get 503.";
        match calls {
            0 => self.report.stop(id, found, why, remedy),
            _ => self.report.cost(id, found, why, remedy),
        }
    }

    /// A call table that is not locked may be swapped out, if there is where to.
    fn locking(&mut self) {
        let (id, bytes) = ("limit.locked", self.needs.table_bytes);
        let Some(limit) = self.host.process.lockable_bytes else {
            return self.report.unseen("limits");
        };
        if limit >= bytes || self.host.process.may(Capability::IpcLock) {
            return self.report.fine(id);
        }
        let found = format!(
            "{} KiB may be locked in memory, the call table has {} KiB",
            limit >> 10,
            bytes >> 10
        );
        let why = "The table stays unlocked: its pages may be swapped out, and a packet then waits \
                   for a disk.";
        let remedy = vec![
            "LimitMEMLOCK=infinity in the unit".to_owned(),
            format!("ulimit -l {}", bytes.div_ceil(MIB) << 10),
        ];
        if self.host.memory.swaps.is_empty() {
            self.report.note(id, found, why, remedy);
        } else {
            self.report.cost(id, found, why, remedy);
        }
    }
}
