//! RTCP compounds: the check, every view, building.

use strowger_wire::rtcp::{Builder, COUNT_MAX, Compound, Lead, Packet, ReportBlock, SenderInfo};

use super::{Choices, Target};
use crate::{Dice, Shape};

pub(super) static TARGET: Target = Target { name: "rtcp", run, seeds, words: &[] };

fn run(input: &[u8]) -> Shape {
    let mut shape = Shape::new();
    shape.print("lead", &Lead::new_checked(input).err());
    match Compound::new_checked(input) {
        Ok(compound) => {
            shape.note("reduced", &compound.is_reduced());
            compound.packets().for_each(|packet| view(&packet, &mut shape));
        }
        Err(error) => {
            shape.print("error", &error);
        }
    }
    build(&mut Choices(input));
    shape
}

fn view(packet: &Packet<'_>, shape: &mut Shape) {
    shape.kind("packet", packet);
    match packet {
        Packet::SenderReport(report) => {
            let reports = report.reports().count();
            assert!(reports <= COUNT_MAX);
            let _ = (report.ssrc(), report.info());
            shape.count("reports", reports);
        }
        Packet::ReceiverReport(report) => {
            let reports = report.reports().count();
            assert!(reports <= COUNT_MAX);
            let _ = report.ssrc();
            shape.count("reports", reports);
        }
        Packet::SourceDescription(description) => {
            let items = description.items().inspect(|item| assert!(item.text.len() <= 255));
            shape.count("items", items.count());
        }
        Packet::Bye(bye) => {
            let reason = bye.reason().map(<[u8]>::len);
            shape.count("left", bye.sources().count()).count("reason", reason.map_or(0, |n| n + 1));
        }
        Packet::Other { .. } => {}
    }
}

/// `parse(build(x)) == x` for a report, a CNAME and a goodbye.
fn build(choices: &mut Choices<'_>) {
    let ssrc = choices.u32();
    let info = SenderInfo {
        ntp: u64::from_be_bytes(choices.array()),
        rtp_timestamp: choices.u32(),
        packets: choices.u32(),
        octets: choices.u32(),
    };
    let count = usize::from(choices.u8()) % (COUNT_MAX + 1);
    let blocks: Vec<_> = (0..count).map(|_| block(choices)).collect();
    let (name_len, reason_len) = (usize::from(choices.u8()), usize::from(choices.u8()));
    let (name, reason) = (choices.bytes(name_len), choices.bytes(reason_len));
    let mut buffer = [0; 4_096];
    let mut builder = Builder::new(&mut buffer);
    assert!(builder.sender_report(ssrc, info, &blocks).is_ok());
    assert!(builder.receiver_report(ssrc, &blocks).is_ok());
    assert!(builder.cname(ssrc, name).is_ok() && builder.bye(&[ssrc, !ssrc], reason).is_ok());
    let Ok(compound) = Compound::new_checked(builder.finish()) else {
        return assert!(blocks.len() > COUNT_MAX, "our own compound was refused");
    };
    let mut packets = compound.packets();
    let Some(Packet::SenderReport(sent)) = packets.next() else { return gone("sender report") };
    assert_eq!((sent.ssrc(), sent.info()), (ssrc, info));
    assert!(sent.reports().eq(blocks.iter().copied()));
    let Some(Packet::ReceiverReport(got)) = packets.next() else { return gone("report") };
    assert!(got.ssrc() == ssrc && got.reports().eq(blocks.iter().copied()));
    let Some(Packet::SourceDescription(source)) = packets.next() else { return gone("cname") };
    assert!(source.items().map(|item| (item.ssrc, item.text)).eq([(ssrc, name)]));
    let Some(Packet::Bye(bye)) = packets.next() else { return gone("goodbye") };
    assert!(bye.sources().eq([ssrc, !ssrc]));
    assert_eq!(bye.reason(), (!reason.is_empty()).then_some(reason));
    assert!(packets.next().is_none());
}

/// The packet that was built is not there.
fn gone(what: &str) {
    assert!(what.is_empty(), "lost the {what}");
}

fn block(choices: &mut Choices<'_>) -> ReportBlock {
    let [high, middle, low] = choices.array();
    ReportBlock {
        ssrc: choices.u32(),
        fraction_lost: choices.u8(),
        // 24 bits with a sign.
        cumulative_lost: i32::from_be_bytes([high, middle, low, 0]) >> 8,
        highest_sequence: choices.u32(),
        jitter: choices.u32(),
        last_sr: choices.u32(),
        delay_since_last_sr: choices.u32(),
    }
}

fn seeds(dice: &mut Dice) -> Vec<Vec<u8>> {
    let noise: Vec<u8> = (0..400).map(|_| dice.byte()).collect();
    let choices = &mut Choices(&noise);
    let (one, two) = ([block(choices)], [block(choices), block(choices)]);
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer);
    let info = SenderInfo { ntp: 1, rtp_timestamp: 2, packets: 3, octets: 4 };
    let built = builder.sender_report(7, info, &one).and_then(|()| builder.cname(7, b"a@b"));
    assert!(built.is_ok());
    let sender = builder.finish().to_vec();
    let mut builder = Builder::new(&mut buffer);
    let built = builder.receiver_report(7, &two).and_then(|()| builder.bye(&[7, 8], b"over"));
    assert!(built.is_ok());
    vec![sender, builder.finish().to_vec()]
}
