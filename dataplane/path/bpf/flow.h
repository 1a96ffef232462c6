// What both programs that relay flows have in common: the layouts of the arrays, which packets are
// of a flow, how they are counted, and what is written into them.
//
// A flow is a local address and port, as everywhere. Its entry says from where packets have to
// come, where they go, and by which port and interface; a packet that is in all what it says is
// counted, gets its addresses, ports, class and hops, and leaves. Whatever is not certain goes up,
// to the sockets: another source, payload type, stream or kind, a jump of the sequence numbers,
// options, extension headers, fragments, a packet that is too long or at its last hop, an entry
// whose time is over, and all packets when the shard has not shown for ten seconds that it lives.
// What comes faster than the flow may send is dropped and counted.
//
// The layouts are those of `port/src/flows.rs`, `port/src/offload.rs` and `path/src/program.rs`.
// Who includes this has said what UP and DROP are to its kind.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;

#define READ(field) (*(volatile __typeof__(field) *)&(field))
#define INLINE static inline __attribute__((always_inline))

#define UDP 17
#define INET 2
#define INET6 10
// In the order of the network, on a machine that is little-endian.
#define ETHERNET_IPV4 0x0008
#define ETHERNET_IPV6 0xdd86
#define SWAP(x) ((u16)__builtin_bswap16(x))

#define ADDRESSES_MAX 8
#define SHARDS_MAX 32
#define SECOND_NS 1000000000ULL
// A shard says each second that it lives.
#define DEAD_NS (10 * SECOND_NS)
// RFC 3550 A.1, as in media/src/limits.rs.
#define DROPOUT_MAX 3000
#define MISORDER_MAX 100

struct place {
    u32 family;
    u32 ip[4];
};

struct places {
    u32 count;
    u32 port_min;
    u32 port_max;
    u32 spare;
    struct place place[ADDRESSES_MAX];
};

struct shard {
    u64 alive_ns;
    u64 limited;
};

// What becomes of a flow's packets. Addresses and ports are in the order of the network.
struct way {
    u64 until_ns;
    u32 from[4];
    u32 to[4];
    u32 out[4];
    u32 next[4];
    u16 from_port;
    u16 to_port;
    u16 out_port;
    u16 len_max;
    u16 ip_diff;
    u16 port_diff;
    u32 cost_ns;
    u32 ifindex;
    u32 ssrc;
    u64 payload_types[2];
    u32 clock_hz;
    u8 family;
    u8 dscp;
    u8 event;
    u8 shard;
    // The neighbour's address on the cable, where the program finds none by itself.
    u16 mac[3];
    u16 spare;
};

// A flow's entry. The shard writes `state`, and all else while its lowest bit is not set; the
// second bit says which way is in force.
struct entry {
    u64 state;
    u64 packets;
    u64 octets;
    u64 last_ns;
    u64 due_ns;
    u32 received;
    u32 cycles;
    u16 highest;
    u8 payload_type;
    u8 has_transit;
    u32 transit;
    u32 jitter_16;
    u32 jitter_16_max;
    u64 flooded;
    u64 kept[7];
    struct way way[2];
};

struct ethernet {
    u16 to[3];
    u16 from[3];
    u16 kind;
};

struct ipv4 {
    u8 version;
    u8 class;
    u16 len;
    u16 ident;
    u16 fragment;
    u8 hops;
    u8 protocol;
    u16 checksum;
    u32 from;
    u32 to;
};

struct ipv6 {
    u8 version;
    u8 class;
    u16 label;
    u16 len;
    u8 protocol;
    u8 hops;
    u32 from[4];
    u32 to[4];
};

struct udp {
    u16 from;
    u16 to;
    u16 len;
    u16 checksum;
};

struct rtp {
    u8 flags;
    u8 type;
    u16 sequence;
    u32 timestamp;
    u32 ssrc;
};

#define WITHIN (sizeof(struct udp) + sizeof(struct rtp))
#define V4_BYTES (sizeof(struct ethernet) + sizeof(struct ipv4) + WITHIN)
#define V6_BYTES (sizeof(struct ethernet) + sizeof(struct ipv6) + WITHIN)

// The loader makes the maps and puts them in.
struct map;
extern struct map places, flows, offloads;

// The entry of a port, if it is an even one of ours.
INLINE struct entry *entry_of(u32 family, u32 a, u32 b, u32 c, u32 d, u32 port)
{
    u32 zero = 0, at;
    struct places *all = bpf_map_lookup_elem(&places, &zero);
    if (!all || port < all->port_min || port > all->port_max || (port - all->port_min) & 1)
        return 0;
#pragma unroll
    for (at = 0; at < ADDRESSES_MAX; at++) {
        struct place *place = &all->place[at];
        if (place->family == family && place->ip[0] == a && place->ip[1] == b &&
            place->ip[2] == c && place->ip[3] == d)
            break;
    }
    if (at >= ADDRESSES_MAX || at >= all->count)
        return 0;
    u32 index = at * ((all->port_max - all->port_min + 2) / 2) + (port - all->port_min) / 2;
    return bpf_map_lookup_elem(&offloads, &index);
}

// Whether the way is open at this time: its own end has not come, and its shard lives.
INLINE int is_open(struct way *way, u64 now)
{
    if (now > READ(way->until_ns))
        return 0;
    u32 of = 1 + (u32)way->shard;
    struct shard *shard = bpf_map_lookup_elem(&flows, &of);
    return of <= SHARDS_MAX && shard && now <= READ(shard->alive_ns) + DEAD_NS;
}

// Counts a packet by RFC 3550 A.1 and A.8; what comes back other than 0 is its end here.
INLINE int count(struct entry *entry, struct way *way, struct rtp *rtp, u32 octets, u64 now)
{
    u16 sequence = SWAP(rtp->sequence), highest = entry->highest;
    u16 ahead = sequence - highest;
    if (ahead >= DROPOUT_MAX && ahead <= (u16)-MISORDER_MAX)
        return UP;
    u32 cost = way->cost_ns;
    if (cost) {
        u64 due = READ(entry->due_ns);
        if (due > now + SECOND_NS) {
            __sync_fetch_and_add(&entry->flooded, 1);
            return DROP;
        }
        READ(entry->due_ns) = (due > now ? due : now) + cost;
    }
    if (ahead < DROPOUT_MAX) {
        if (sequence < highest)
            entry->cycles += 1 << 16;
        entry->highest = sequence;
    }
    entry->received += 1;
    entry->last_ns = now;
    __sync_fetch_and_add(&entry->packets, 1);
    __sync_fetch_and_add(&entry->octets, octets);
    u8 type = rtp->type & 0x7f;
    if (type == way->event)
        return 0;
    entry->payload_type = type;
    u64 seconds = now / SECOND_NS, hz = way->clock_hz;
    u32 units = (u32)(seconds * hz + (now - seconds * SECOND_NS) * hz / SECOND_NS);
    u32 transit = units - __builtin_bswap32(rtp->timestamp);
    if (entry->has_transit) {
        u32 step = transit - entry->transit;
        if (step & 0x80000000)
            step = -step;
        if (step <= hz) {
            u32 jitter = entry->jitter_16;
            jitter = jitter + step - ((jitter + 8) >> 4);
            entry->jitter_16 = jitter;
            if (jitter > entry->jitter_16_max)
                entry->jitter_16_max = jitter;
        }
    }
    entry->transit = transit;
    entry->has_transit = 1;
    return 0;
}

// Whether it is RTP of the flow, whole; `len` is that of the UDP payload.
INLINE int is_of(struct way *way, struct rtp *rtp, void *end, u32 len)
{
    u8 type = rtp->type & 0x7f;
    // Version 2 and no sources behind the header; types of RTCP are no RTP.
    if ((rtp->flags & 0xcf) != 0x80 || rtp->ssrc != way->ssrc)
        return 0;
    if (rtp->type >= 192 && rtp->type <= 223)
        return 0;
    if (rtp->flags & 0x10) {
        u16 *extension = (u16 *)(rtp + 1);
        if ((void *)(extension + 2) > end)
            return 0;
        if (sizeof(*rtp) + 4 + 4 * (u32)SWAP(extension[1]) > len)
            return 0;
    }
    u64 types = type & 64 ? way->payload_types[1] : way->payload_types[0];
    return (types >> (type & 63)) & 1;
}

INLINE u32 fold(u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (sum & 0xffff) + (sum >> 16);
}

// A flow that is away and whose packet has come: its entry, the way in force, and when.
struct match {
    struct entry *entry;
    struct way *way;
    u64 now;
};

// Whether a packet of IPv4, whose headers are there, is of a flow that is away.
INLINE int is_match_v4(struct ipv4 *ip, void *end, struct match *match)
{
    struct udp *udp = (void *)(ip + 1);
    struct rtp *rtp = (void *)(udp + 1);
    u32 len = SWAP(ip->len), udp_len = SWAP(udp->len);
    // No options; neither a fragment nor followed by one.
    if (ip->version != 0x45 || ip->protocol != UDP || ip->fragment & SWAP(0x3fff))
        return 0;
    if (udp_len < sizeof(*udp) + sizeof(*rtp) || len != udp_len + sizeof(*ip) || ip->hops <= 1)
        return 0;
    struct entry *entry = entry_of(INET, ip->to, 0, 0, 0, SWAP(udp->to));
    if (!entry)
        return 0;
    u64 state = READ(entry->state);
    if (!(state & 1))
        return 0;
    struct way *way = &entry->way[(state >> 1) & 1];
    if (way->family != INET || way->from[0] != ip->from || way->from_port != udp->from ||
        len > way->len_max)
        return 0;
    match->entry = entry;
    match->way = way;
    match->now = bpf_ktime_get_ns();
    return is_open(way, match->now) && is_of(way, rtp, end, udp_len - sizeof(*udp));
}

// The same of IPv6, without extension headers.
INLINE int is_match_v6(struct ipv6 *ip, void *end, struct match *match)
{
    struct udp *udp = (void *)(ip + 1);
    struct rtp *rtp = (void *)(udp + 1);
    u32 udp_len = SWAP(udp->len);
    if (ip->version >> 4 != 6 || ip->protocol != UDP || udp->checksum == 0)
        return 0;
    if (udp_len < sizeof(*udp) + sizeof(*rtp) || SWAP(ip->len) != udp_len || ip->hops <= 1)
        return 0;
    struct entry *entry =
        entry_of(INET6, ip->to[0], ip->to[1], ip->to[2], ip->to[3], SWAP(udp->to));
    if (!entry)
        return 0;
    u64 state = READ(entry->state);
    if (!(state & 1))
        return 0;
    struct way *way = &entry->way[(state >> 1) & 1];
    if (way->family != INET6 || way->from[0] != ip->from[0] || way->from[1] != ip->from[1] ||
        way->from[2] != ip->from[2] || way->from[3] != ip->from[3] ||
        way->from_port != udp->from || udp_len + sizeof(*ip) > way->len_max)
        return 0;
    match->entry = entry;
    match->way = way;
    match->now = bpf_ktime_get_ns();
    return is_open(way, match->now) && is_of(way, rtp, end, udp_len - sizeof(*udp));
}

// Counts a packet that is of its flow, as `count` does.
INLINE int count_match(struct match *match, struct udp *udp)
{
    struct rtp *rtp = (void *)(udp + 1);
    u32 octets = SWAP(udp->len) - sizeof(*udp);
    return count(match->entry, match->way, rtp, octets, match->now);
}

// Writes the headers of a packet, but for UDP's checksum.
INLINE void turn_v4(struct ipv4 *ip, struct way *way)
{
    struct udp *udp = (void *)(ip + 1);
    u16 *words = (u16 *)ip;
    u32 sum = (u16)~ip->checksum + way->ip_diff + (u16)~words[0] + (u16)~words[4];
    ip->class = (way->dscp << 2) | (ip->class & 3);
    ip->hops -= 1;
    sum += words[0];
    sum += words[4];
    ip->checksum = (u16)~fold(sum);
    ip->from = way->out[0];
    ip->to = way->to[0];
    udp->from = way->out_port;
    udp->to = way->to_port;
}

INLINE void turn_v6(struct ipv6 *ip, struct way *way)
{
    struct udp *udp = (void *)(ip + 1);
    ip->version = 0x60 | (way->dscp >> 2);
    ip->class = (u8)(way->dscp << 6) | (ip->class & 0x3f);
    ip->hops -= 1;
    ip->from[0] = way->out[0];
    ip->from[1] = way->out[1];
    ip->from[2] = way->out[2];
    ip->from[3] = way->out[3];
    ip->to[0] = way->to[0];
    ip->to[1] = way->to[1];
    ip->to[2] = way->to[2];
    ip->to[3] = way->to[3];
    udp->from = way->out_port;
    udp->to = way->to_port;
}
