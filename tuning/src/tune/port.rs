//! Ports: whether others may take them, and whether we may.

use super::network::setting;
use super::{Check, PORTS_PER_CALL};
use crate::host::{Capability, Host, PortRange};

impl Check<'_> {
    pub(super) fn ports(&mut self) {
        self.ports_for_slots();
        self.ephemeral();
        self.low_ports();
    }

    fn ports_for_slots(&mut self) {
        let (slots, calls) = (self.needs.slots, self.needs.ports_for);
        if slots <= calls {
            return self.report.fine("port.count");
        }
        self.report.cost(
            "port.count",
            format!("media ports for {calls} calls, slots for {slots}"),
            "Calls beyond the ports get 503; the slots beyond them are memory for nothing.",
            vec![
                format!("[cores] slots = {}", calls / u64::from(self.config.shards()).max(1)),
                format!(
                    "[media] addresses = a further address, or {} ports",
                    slots * PORTS_PER_CALL
                ),
            ],
        );
    }

    /// Ports of ours that the kernel gives to whoever asks for any port.
    fn ephemeral(&mut self) {
        let (id, host) = ("port.ephemeral", self.host);
        let Some(given) = host.ephemeral else {
            return self.report.unseen("net.ipv4.ip_local_port_range");
        };
        let reserved = host.reserved.clone().unwrap_or_default();
        let media = (self.config.media.port_min, self.config.media.port_max);
        let listeners = self.config.listen_addresses();
        let mut own: Vec<PortRange> = listeners.map(|at| (at.port(), at.port())).collect();
        own.push(media);
        let open: Vec<PortRange> =
            own.into_iter().filter(|own| own.0 > 0 && is_open(*own, given, &reserved)).collect();
        if open.is_empty() {
            return self.report.fine(id);
        }
        let mut all = reserved;
        all.extend(&open);
        all.sort_unstable();
        all.dedup();
        self.report.cost(
            id,
            format!(
                "{} lie in {}-{}, which is given to whoever asks for any port",
                text(&open),
                given.0,
                given.1
            ),
            "A resolver or a database client may sit on a port when a call or a restart needs it.",
            setting("net.ipv4.ip_local_reserved_ports", text(&all)),
        );
    }

    fn low_ports(&mut self) {
        let first = self.host.setting("net.ipv4.ip_unprivileged_port_start").unwrap_or(1_024);
        let listeners = self.config.listen_addresses();
        let low = listeners.map(|at| at.port()).find(|port| *port > 0 && u64::from(*port) < first);
        let known = self.host.process.capabilities.is_some();
        let Some(port) =
            low.filter(|_| known && !self.host.process.may(Capability::NetBindService))
        else {
            return self.report.fine("port.low");
        };
        self.report.stop(
            "port.low",
            format!("port {port} is below {first}"),
            "It needs CAP_NET_BIND_SERVICE, which this process has not.",
            vec![
                "AmbientCapabilities= and CapabilityBoundingSet=CAP_NET_BIND_SERVICE, in the unit"
                    .to_owned(),
            ],
        );
    }
}

/// Whether the kernel gives a port of `own` to whoever asks for any; `None` = nobody knows.
pub(crate) fn is_given_to_others(host: &Host, own: PortRange) -> Option<bool> {
    let reserved = host.reserved.as_deref().unwrap_or_default();
    Some(is_open(own, host.ephemeral?, reserved))
}

/// Whether a port of `own` lies in `given` and not in `reserved`.
fn is_open(own: PortRange, given: PortRange, reserved: &[PortRange]) -> bool {
    let mut at = own.0.max(given.0);
    let last = own.1.min(given.1);
    // Each round passes a range that covers `at`, so there are no more than ranges.
    while at <= last {
        match reserved.iter().find(|range| (range.0..=range.1).contains(&at)) {
            Some(range) if range.1 >= last => return false,
            Some(range) => at = range.1 + 1,
            None => return true,
        }
    }
    false
}

/// `5060,16384-32767`.
fn text(ranges: &[PortRange]) -> String {
    let one = |(first, last): &PortRange| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::is_open;

    #[test]
    fn open_ports() {
        for (own, given, reserved, open) in [
            ((16_384, 32_767), (32_768, 60_999), &[][..], false),
            ((16_384, 32_767), (32_767, 60_999), &[][..], true),
            ((16_384, 32_767), (1_024, 65_535), &[(16_384, 32_767)][..], false),
            ((16_384, 32_767), (1_024, 65_535), &[(16_384, 20_000), (20_001, 40_000)][..], false),
            ((16_384, 32_767), (1_024, 65_535), &[(16_384, 20_000), (20_002, 40_000)][..], true),
            ((16_384, 32_767), (1_024, 65_535), &[(16_384, 32_766)][..], true),
            ((65_534, 65_535), (1_024, 65_535), &[(65_000, 65_535)][..], false),
        ] {
            assert_eq!(is_open(own, given, reserved), open, "{own:?} {reserved:?}");
        }
    }
}
