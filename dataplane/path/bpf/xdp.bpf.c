// Relays RTP of flows that a shard has given away (XDP, where an interface's driver receives): see
// flow.h. It sees frames before the kernel does, so what the tc program leaves to the kernel is
// done here: whom a frame is for, UDP's checksum, and the neighbour that it goes to, whose address
// stands in the flow's entry.
//
// One more goes up: a packet whose checksum is only begun, as a sender on this very machine leaves
// it to a card that does not exist (veth). Nothing tells it but its checksum being that of the
// pseudo-header alone; one whole packet in 65,536 looks the same, and goes up as well.

// The kernel, and so the sockets.
#define UP 2
#define DROP 1

#include "flow.h"

// As in linux/bpf.h, as far as it is read.
struct xdp_md {
    u32 data;
    u32 data_end;
    u32 data_meta;
    u32 ingress_ifindex;
};

static long (*bpf_redirect_map)(void *map, u64 key, u64 flags) = (void *)51;
// Without CAP_PERFMON the ends of a packet may not be reckoned with, so the kernel is asked.
static u64 (*bpf_xdp_get_buff_len)(struct xdp_md *xdp) = (void *)188;

#define CABLES_MAX 8

// An interface that the program runs at, with its own address.
struct cable {
    u32 ifindex;
    u16 mac[3];
    u16 spare;
};

struct cables {
    u32 count;
    u32 spare;
    struct cable cable[CABLES_MAX];
};

// The interfaces by which frames leave, beside their addresses.
extern struct map cables, exits;

INLINE struct cable *cable_of(struct cables *all, u32 ifindex)
{
#pragma unroll
    for (u32 at = 0; at < CABLES_MAX; at++) {
        if (all->cable[at].ifindex == ifindex)
            return &all->cable[at];
    }
    return 0;
}

// The cable that a frame of a flow leaves by, if the frame is for this host.
INLINE struct cable *way_out(struct xdp_md *xdp, struct ethernet *frame, struct way *way)
{
    u32 zero = 0;
    struct cables *all = bpf_map_lookup_elem(&cables, &zero);
    if (!all)
        return 0;
    struct cable *came = cable_of(all, READ(xdp->ingress_ifindex));
    if (!came || frame->to[0] != came->mac[0] || frame->to[1] != came->mac[1] ||
        frame->to[2] != came->mac[2])
        return 0;
    return cable_of(all, way->ifindex);
}

// The pseudo-header's sum (RFC 768, RFC 8200 8.1), which a checksum begins with.
INLINE u32 begun(u32 addresses, struct udp *udp)
{
    return fold(addresses + SWAP(UDP) + udp->len);
}

INLINE u32 halves(u32 word)
{
    return (word & 0xffff) + (word >> 16);
}

// UDP's checksum for new addresses and ports (RFC 1624); none stays none.
INLINE u16 summed(u16 checksum, struct way *way)
{
    if (!checksum)
        return 0;
    u16 sum = ~fold((u16)~checksum + way->ip_diff + way->port_diff);
    return sum ? sum : 0xffff;
}

// Has the frame, whose packet is written, leave: by an interface's queue for such frames, even the
// one that it came by, as a veth forgets frames that are turned (XDP_TX) while its far end has no
// program.
INLINE int leave(struct ethernet *frame, struct way *way, struct cable *out)
{
    frame->to[0] = way->mac[0];
    frame->to[1] = way->mac[1];
    frame->to[2] = way->mac[2];
    frame->from[0] = out->mac[0];
    frame->from[1] = out->mac[1];
    frame->from[2] = out->mac[2];
    return bpf_redirect_map(&exits, way->ifindex, DROP);
}

INLINE int relay_v4(struct xdp_md *xdp, struct ethernet *frame, void *end)
{
    if ((void *)frame + V4_BYTES > end)
        return UP;
    struct ipv4 *ip = (void *)(frame + 1);
    struct udp *udp = (void *)(ip + 1);
    struct match match = {};
    if (!is_match_v4(ip, end, &match) ||
        SWAP(ip->len) + sizeof(*frame) > bpf_xdp_get_buff_len(xdp))
        return UP;
    struct cable *out = way_out(xdp, frame, match.way);
    if (!out || udp->checksum == begun(halves(ip->from) + halves(ip->to), udp))
        return UP;
    int over = count_match(&match, udp);
    if (over)
        return over;
    turn_v4(ip, match.way);
    udp->checksum = summed(udp->checksum, match.way);
    return leave(frame, match.way, out);
}

INLINE int relay_v6(struct xdp_md *xdp, struct ethernet *frame, void *end)
{
    if ((void *)frame + V6_BYTES > end)
        return UP;
    struct ipv6 *ip = (void *)(frame + 1);
    struct udp *udp = (void *)(ip + 1);
    struct match match = {};
    if (!is_match_v6(ip, end, &match) ||
        SWAP(ip->len) + sizeof(*ip) + sizeof(*frame) > bpf_xdp_get_buff_len(xdp))
        return UP;
    struct cable *out = way_out(xdp, frame, match.way);
    u32 addresses = halves(ip->from[0]) + halves(ip->from[1]) + halves(ip->from[2]) +
                    halves(ip->from[3]) + halves(ip->to[0]) + halves(ip->to[1]) +
                    halves(ip->to[2]) + halves(ip->to[3]);
    if (!out || udp->checksum == begun(addresses, udp))
        return UP;
    int over = count_match(&match, udp);
    if (over)
        return over;
    turn_v6(ip, match.way);
    udp->checksum = summed(udp->checksum, match.way);
    return leave(frame, match.way, out);
}

__attribute__((section("xdp"), used)) int relay(struct xdp_md *xdp)
{
    struct ethernet *frame = (void *)(long)READ(xdp->data);
    void *end = (void *)(long)READ(xdp->data_end);
    if ((void *)(frame + 1) > end)
        return UP;
    switch (frame->kind) {
    case ETHERNET_IPV4:
        return relay_v4(xdp, frame, end);
    case ETHERNET_IPV6:
        return relay_v6(xdp, frame, end);
    default:
        return UP;
    }
}
