// Which socket a datagram of the media ports goes to (BPF_PROG_TYPE_SK_LOOKUP).
//
// The kernel runs this for each datagram to this network namespace that no connected socket takes,
// and for each TCP SYN. What is not UDP to one of our addresses and ports is left alone. A port that
// a call has goes to the socket of its shard; all others of the range go to a socket that drops what
// it gets: refusing here would answer with an ICMP error, and so would a port without a socket.
//
// What one port may take is bounded, as all of them share a queue: by the cell rate algorithm, in
// time. A shard that has not shown for ten seconds that it lives gets nothing. The layouts are those of `port/src/flows.rs` and `path/src/program.rs`.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

// As in linux/bpf.h.
struct bpf_sk_lookup {
    u64 sk;
    u32 family;
    u32 protocol;
    u32 remote_ip4;
    u32 remote_ip6[4];
    u16 remote_port;
    u16 : 16;
    u32 local_ip4;
    u32 local_ip6[4];
    u32 local_port;
    u32 ingress_ifindex;
};

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_sk_release)(void *sock) = (void *)86;
static long (*bpf_sk_assign)(void *ctx, void *sock, u64 flags) = (void *)124;

#define READ(field) (*(volatile __typeof__(field) *)&(field))

#define SK_DROP 0
#define SK_PASS 1
#define NO_REUSEPORT 2
#define UDP 17
#define INET6 10

#define ADDRESSES_MAX 8
#define SHARDS_MAX 32
#define BLACKHOLE (2 * SHARDS_MAX)
#define FLOWS_FROM (1 + SHARDS_MAX)
// 10,000 packets a second of a port, 512 of them at once.
#define COST_NS 100000ULL
#define BURST_NS (512 * COST_NS)
// A shard says each second that it lives.
#define DEAD_NS 10000000000ULL

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

struct flow {
    u64 owner;  // 0 = no call has the port, else the shard, plus one; written by the shard
    u64 due_ns; // when its last packet would have come at the highest rate; written here
};

// The entries before those of ports.
struct shard {
    u64 alive_ns; // when it last showed that it lives; written by the shard
    u64 limited;  // how many packets of its ports came too fast; written here
};

// The loader makes the maps and puts them in.
struct map;
extern struct map places, flows, sockets;

static inline __attribute__((always_inline)) u32 slot_of(u32 index, u32 is_ipv6)
{
    u32 blackhole = BLACKHOLE + is_ipv6;
    struct flow *flow = bpf_map_lookup_elem(&flows, &index);
    if (!flow)
        return blackhole;
    u64 owner = READ(flow->owner);
    if (owner == 0 || owner > SHARDS_MAX)
        return blackhole;
    u32 of = owner;
    struct shard *shard = bpf_map_lookup_elem(&flows, &of);
    if (!shard)
        return blackhole;
    u64 now = bpf_ktime_get_ns();
    if (now > READ(shard->alive_ns) + DEAD_NS)
        return blackhole;
    u64 due = READ(flow->due_ns);
    if (due > now + BURST_NS) {
        __sync_fetch_and_add(&shard->limited, 1);
        return blackhole;
    }
    READ(flow->due_ns) = (due > now ? due : now) + COST_NS;
    return is_ipv6 * SHARDS_MAX + (u32)owner - 1;
}

__attribute__((section("sk_lookup"), used)) int steer(struct bpf_sk_lookup *ctx)
{
    u32 zero = 0, at;
    if (ctx->protocol != UDP)
        return SK_PASS;
    struct places *all = bpf_map_lookup_elem(&places, &zero);
    if (!all)
        return SK_PASS;
    u32 port = ctx->local_port;
    if (port < all->port_min || port > all->port_max)
        return SK_PASS;
    u32 family = ctx->family;
    u32 is_ipv6 = family == INET6;
    // Each read by itself: the verifier takes no choice between two fields of the context.
    u32 a = READ(ctx->local_ip6[0]);
    u32 b = READ(ctx->local_ip6[1]);
    u32 c = READ(ctx->local_ip6[2]);
    u32 d = READ(ctx->local_ip6[3]);
    u32 v4 = READ(ctx->local_ip4);
    if (!is_ipv6) {
        a = v4;
        b = c = d = 0;
    }
#pragma unroll
    for (at = 0; at < ADDRESSES_MAX; at++) {
        struct place *place = &all->place[at];
        if (place->family == family && place->ip[0] == a && place->ip[1] == b &&
            place->ip[2] == c && place->ip[3] == d)
            break;
    }
    if (at >= ADDRESSES_MAX || at >= all->count)
        return SK_PASS;
    u32 index = FLOWS_FROM + at * (all->port_max - all->port_min + 1) + (port - all->port_min);
    u32 slot = slot_of(index, is_ipv6);
    void *socket = bpf_map_lookup_elem(&sockets, &slot);
    if (!socket) {
        // The shard is gone, and with it its socket.
        slot = BLACKHOLE + is_ipv6;
        socket = bpf_map_lookup_elem(&sockets, &slot);
        if (!socket)
            return SK_DROP;
    }
    long refused = bpf_sk_assign(ctx, socket, NO_REUSEPORT);
    bpf_sk_release(socket);
    return refused ? SK_DROP : SK_PASS;
}
