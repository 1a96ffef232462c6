//! Building a compound packet into a caller's buffer.

use super::{
    BYE, CNAME, COUNT_MAX, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION,
    SenderInfo, VERSION,
};
use crate::NoRoom;

/// Appends packets to a buffer. A packet that does not fit is left out whole.
///
/// RFC 3550 section 6.1: begin with a report, then the source description with the CNAME, the
/// goodbye last.
#[derive(Debug)]
pub struct Builder<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Builder<'a> {
    /// Builds from the start of `buffer`.
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Builder<'a> {
        Builder { buffer, len: 0 }
    }

    /// Appends a sender report.
    ///
    /// # Errors
    /// [`NoRoom`], also for more than [`COUNT_MAX`] reports.
    pub fn sender_report(
        &mut self,
        ssrc: u32,
        info: SenderInfo,
        reports: &[ReportBlock],
    ) -> Result<(), NoRoom> {
        self.packet(SENDER_REPORT, reports.len(), |packet| {
            packet.append(&ssrc.to_be_bytes())?;
            packet.append(&info.ntp.to_be_bytes())?;
            packet.append(&info.rtp_timestamp.to_be_bytes())?;
            packet.append(&info.packets.to_be_bytes())?;
            packet.append(&info.octets.to_be_bytes())?;
            reports.iter().try_for_each(|report| packet.append(&report.octets()))
        })
    }

    /// Appends a receiver report; without reports it is the empty one that a compound begins with.
    ///
    /// # Errors
    /// [`NoRoom`], also for more than [`COUNT_MAX`] reports.
    pub fn receiver_report(&mut self, ssrc: u32, reports: &[ReportBlock]) -> Result<(), NoRoom> {
        self.packet(RECEIVER_REPORT, reports.len(), |packet| {
            packet.append(&ssrc.to_be_bytes())?;
            reports.iter().try_for_each(|report| packet.append(&report.octets()))
        })
    }

    /// Appends a source description with one chunk: the CNAME of `ssrc`.
    ///
    /// # Errors
    /// [`NoRoom`], also for a name of more than 255 octets.
    pub fn cname(&mut self, ssrc: u32, name: &[u8]) -> Result<(), NoRoom> {
        let len = u8::try_from(name.len()).map_err(|_| NoRoom)?;
        self.packet(SOURCE_DESCRIPTION, 1, |packet| {
            packet.append(&ssrc.to_be_bytes())?;
            packet.append(&[CNAME, len])?;
            packet.append(name)?;
            packet.append(&[0])?; // the end of the items; the packet is filled up with nulls
            packet.fill_word()
        })
    }

    /// Appends a goodbye of `sources`; an empty reason is left out.
    ///
    /// # Errors
    /// [`NoRoom`], also for more than [`COUNT_MAX`] sources or a reason of more than 255 octets.
    pub fn bye(&mut self, sources: &[u32], reason: &[u8]) -> Result<(), NoRoom> {
        let len = u8::try_from(reason.len()).map_err(|_| NoRoom)?;
        self.packet(BYE, sources.len(), |packet| {
            sources.iter().try_for_each(|source| packet.append(&source.to_be_bytes()))?;
            if reason.is_empty() {
                return Ok(());
            }
            packet.append(&[len])?;
            packet.append(reason)?;
            packet.fill_word()
        })
    }

    /// The compound packet built so far.
    #[must_use]
    pub fn finish(self) -> &'a [u8] {
        self.buffer.get(..self.len).unwrap_or(&[])
    }

    /// Appends one packet or, when it does not fit, nothing.
    fn packet(
        &mut self,
        packet_type: u8,
        count: usize,
        write: impl FnOnce(&mut Builder<'_>) -> Result<(), NoRoom>,
    ) -> Result<(), NoRoom> {
        if count > COUNT_MAX {
            return Err(NoRoom);
        }
        let rest = self.buffer.get_mut(self.len..).ok_or(NoRoom)?;
        let mut packet = Builder { buffer: rest, len: 0 };
        packet.append(&[VERSION << 6 | count as u8, packet_type, 0, 0])?;
        write(&mut packet)?;
        let len = packet.len;
        let words = u16::try_from(len / 4 - 1).map_err(|_| NoRoom)?;
        crate::octet::put(rest, 2, &words.to_be_bytes());
        self.len += len;
        Ok(())
    }

    fn append(&mut self, octets: &[u8]) -> Result<(), NoRoom> {
        let rest = self.buffer.get_mut(self.len..).ok_or(NoRoom)?;
        rest.get_mut(..octets.len()).ok_or(NoRoom)?.copy_from_slice(octets);
        self.len += octets.len();
        Ok(())
    }

    fn fill_word(&mut self) -> Result<(), NoRoom> {
        while !self.len.is_multiple_of(4) {
            self.append(&[0])?;
        }
        Ok(())
    }
}
