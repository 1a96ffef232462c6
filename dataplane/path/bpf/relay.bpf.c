// Relays RTP of flows that a shard has given away (tcx, ingress of an interface): see flow.h.
// Aggregates and packets with a tag go up as well.

// The next program, or the sockets.
#define UP (-1)
#define DROP 2

#include "flow.h"

// As in linux/bpf.h, as far as it is read.
struct __sk_buff {
    u32 len;
    u32 pkt_type;
    u32 mark;
    u32 queue_mapping;
    u32 protocol;
    u32 vlan_present;
    u32 vlan_tci;
    u32 vlan_proto;
    u32 priority;
    u32 ingress_ifindex;
    u32 ifindex;
    u32 tc_index;
    u32 cb[5];
    u32 hash;
    u32 tc_classid;
    u32 data;
    u32 data_end;
    u32 napi_id;
    u32 family;
    u32 remote_ip4;
    u32 local_ip4;
    u32 remote_ip6[4];
    u32 local_ip6[4];
    u32 remote_port;
    u32 local_port;
    u32 data_meta;
    u64 flow_keys;
    u64 tstamp;
    u32 wire_len;
    u32 gso_segs;
    u64 sk;
    u32 gso_size;
};

struct neighbour {
    u32 family;
    u32 ip[4];
};

static long (*bpf_l4_csum_replace)(void *skb, u32 at, u64 from, u64 to, u64 flags) = (void *)11;
static long (*bpf_skb_pull_data)(void *skb, u32 len) = (void *)39;
static long (*bpf_redirect_neigh)(u32 ifindex, void *to, int len, u64 flags) = (void *)152;

#define PSEUDO (1 << 4)
#define ZERO_IS_NONE (1 << 5)
#define OF_IPV6 (1 << 7)

// Has the packet, whose headers are written, leave. Checksums may be whole or begun, or none.
INLINE int leave(struct __sk_buff *skb, struct way *way, u32 checksum_at, u32 of_ipv6)
{
    struct neighbour next = {way->family, {way->next[0], way->next[1], way->next[2], way->next[3]}};
    u32 ip_diff = way->ip_diff, port_diff = way->port_diff, ifindex = way->ifindex;
    if (bpf_l4_csum_replace(skb, checksum_at, 0, port_diff, ZERO_IS_NONE))
        return DROP;
    // Older kernels know no such flag, and need none where they are right.
    if (bpf_l4_csum_replace(skb, checksum_at, 0, ip_diff, PSEUDO | ZERO_IS_NONE | of_ipv6) &&
        bpf_l4_csum_replace(skb, checksum_at, 0, ip_diff, PSEUDO | ZERO_IS_NONE))
        return DROP;
    return bpf_redirect_neigh(ifindex, &next, sizeof(next), 0);
}

INLINE int relay_v4(struct __sk_buff *skb)
{
    void *data = (void *)(long)READ(skb->data), *end = (void *)(long)READ(skb->data_end);
    if (data + V4_BYTES > end) {
        if (bpf_skb_pull_data(skb, V4_BYTES))
            return UP;
        data = (void *)(long)READ(skb->data);
        end = (void *)(long)READ(skb->data_end);
        if (data + V4_BYTES > end)
            return UP;
    }
    struct ipv4 *ip = data + sizeof(struct ethernet);
    struct match match = {};
    if (READ(skb->len) < SWAP(ip->len) + sizeof(struct ethernet) || !is_match_v4(ip, end, &match))
        return UP;
    int over = count_match(&match, (void *)(ip + 1));
    if (over)
        return over;
    turn_v4(ip, match.way);
    return leave(skb, match.way, sizeof(struct ethernet) + sizeof(*ip) + 6, 0);
}

INLINE int relay_v6(struct __sk_buff *skb)
{
    void *data = (void *)(long)READ(skb->data), *end = (void *)(long)READ(skb->data_end);
    if (data + V6_BYTES > end) {
        if (bpf_skb_pull_data(skb, V6_BYTES))
            return UP;
        data = (void *)(long)READ(skb->data);
        end = (void *)(long)READ(skb->data_end);
        if (data + V6_BYTES > end)
            return UP;
    }
    struct ipv6 *ip = data + sizeof(struct ethernet);
    struct match match = {};
    if (READ(skb->len) < SWAP(ip->len) + sizeof(*ip) + sizeof(struct ethernet) ||
        !is_match_v6(ip, end, &match))
        return UP;
    int over = count_match(&match, (void *)(ip + 1));
    if (over)
        return over;
    turn_v6(ip, match.way);
    return leave(skb, match.way, sizeof(struct ethernet) + sizeof(*ip) + 6, OF_IPV6);
}

__attribute__((section("tc"), used)) int relay(struct __sk_buff *skb)
{
    // For this host, and one packet without a tag.
    if (READ(skb->pkt_type) != 0 || READ(skb->vlan_present) || READ(skb->gso_size))
        return UP;
    switch (READ(skb->protocol)) {
    case ETHERNET_IPV4:
        return relay_v4(skb);
    case ETHERNET_IPV6:
        return relay_v6(skb);
    default:
        return UP;
    }
}
