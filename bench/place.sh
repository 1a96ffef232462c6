# Sourced by bench/run and the scripts beside it: where a server runs, and how it is counted.
# shellcheck shell=bash
#
# Each run has loopback addresses of its own, 127.A.B.x, so that no port is ever taken by anybody
# else. A server and all its processes are one control group where one can be made.

# What is to be undone when the script ends.
place_groups=() place_pids=()
# What the server and the generator are started by: nothing, or the way into a network of their own.
server_in=() generator_in=()

# place_wire: from here on server and generator are hosts of their own, with a cable between them and
# the addresses of `net` at its ends: .1, .5 and .11 the server's, .2 to .4 the generator's. What
# arrives at either end is taken by a thread of the kernel on the core of that end (`napi`), which
# counts to the server at its own. With `place_card` the cable is as a card has it for a program in
# its driver: what the generator sends has whole checksums, and the peer's .11 has a cable of its own
# of the same kind, as that program would be in its way. Takes root; unset by place_end.
place_wire() {
    local name core last hosts=() thread
    need_packages ethtool >&2
    for name in server generator; do
        unshare --net sleep 86400 &
        hosts+=($!)
        place_pids+=($!)
    done
    sleep 0.3
    server_in=(nsenter "--net=/proc/${hosts[0]}/ns/net")
    generator_in=(nsenter "--net=/proc/${hosts[1]}/ns/net")
    "${server_in[@]}" ip link add vs type veth peer name vg netns "${hosts[1]}"
    place_end_of vs 0 "1 5 11" "${server_in[@]}"
    place_end_of vg "$(($(nproc) - 1))" "2 3 4" "${generator_in[@]}"
    [ -z "${place_card:-}" ] || place_card_of "${hosts[1]}"
    server_more+="
media.interfaces = [\"vs\"]"
}

# place_card_of PROCESS: see place_wire; the process is of the generator's network. The generator knows
# the threads that are counted to a server by the names of `vs-`. An end says that it takes frames of
# programs when the other one begins to gather packets while it is up.
place_card_of() {
    local cable="echo 1 >/proc/sys/net/ipv4/conf/NAME/route_localnet
        ethtool -K NAME gro on
        ip link set NAME up"
    "${server_in[@]}" ip link add vs-p type veth peer name vh netns "$1"
    "${server_in[@]}" sh -ec "${cable//NAME/vs-p}
        ip addr del $net.11/24 dev vs
        ip addr add $net.11/32 dev vs-p scope global
        ip route add $net.0/24 dev vs-p table 111
        ip rule add from $net.11 lookup 111
        for name in all vs vs-p; do echo 0 >/proc/sys/net/ipv4/conf/\$name/rp_filter; done"
    "${generator_in[@]}" sh -ec "${cable//NAME/vh}
        ethtool -K vg tx off gro off >/dev/null
        ethtool -K vg gro on
        ethtool -K vh tx off >/dev/null
        ip route add $net.11/32 dev vh src $net.2
        for name in all vg vh; do echo 0 >/proc/sys/net/ipv4/conf/\$name/rp_filter; done"
    place_taken_by vs-p 0 "${server_in[@]}"
    place_taken_by vg "$(($(nproc) - 1))" "${generator_in[@]}"
    place_taken_by vh "$(($(nproc) - 1))" "${generator_in[@]}"
}

# place_end_of INTERFACE CORE LAST COMMAND...: an end of the cable; the command leads there.
place_end_of() {
    local name=$1 core=$2 last=$3
    shift 3
    "$@" sh -ec "ip link set lo up
        ip addr del 127.0.0.1/8 dev lo
        ip addr add 127.0.0.1/32 dev lo
        for last in $last; do ip addr add $net.\$last/24 dev $name scope global; done
        echo 1 >/proc/sys/net/ipv4/conf/$name/route_localnet
        # Only what is not made of segments goes by the thread.
        ethtool -K $name gro on tso off
        ip link set $name up"
    place_taken_by "$name" "$core" "$@"
}

# place_taken_by INTERFACE CORE COMMAND...: a thread of the kernel on this core takes what arrives.
place_taken_by() {
    local name=$1 core=$2 thread
    shift 2
    # The names of another network's interfaces are in another view of /sys.
    "$@" unshare --mount sh -ec "mount -t sysfs none /sys && echo 1 >/sys/class/net/$name/threaded"
    [ "$(nproc)" = 1 ] || for thread in $(pgrep "^napi/$name-"); do
        taskset --cpu-list --pid "$core" "$thread" >/dev/null
    done
}

# place_net: sets `net` to the first three bytes of addresses that nobody uses.
place_net() {
    local tries
    for tries in $(seq 50); do
        net=127.$((RANDOM % 200 + 20)).$((RANDOM % 250 + 2))
        grep -q "$(printf '%02X%02X%02X7F' 0 "${net##*.}" "$(echo "$net" | cut -d. -f2)")" \
            /proc/net/udp || return 0
    done
    echo "no free loopback addresses after $tries tries" >&2
    return 1
}

# place_mount CONTROLLER: where the kernel shows this controller of version 1.
place_mount() {
    awk -v want="$1" '$3 == "cgroup" { n = split($4, o, ",")
        for (i = 1; i <= n; i++) if (o[i] == want) { print $2; exit } }' /proc/mounts
}

# place_group NAME: makes a control group; sets `group_cpu` and `group_memory`, empty = none.
place_group() {
    local name=strowger-bench-$$-$1 mount
    group_cpu='' group_memory=''
    mount=$(place_mount cpuacct)
    if [ -n "$mount" ] && mkdir "$mount/$name" 2>/dev/null; then
        group_cpu=$mount/$name
        place_groups+=("$group_cpu")
        mount=$(place_mount memory)
        # Below its own group, as that is what a container lets its processes do.
        if [ -n "$mount" ] && mkdir "$mount/$name" 2>/dev/null; then
            group_memory=$mount/$name
            place_groups+=("$group_memory")
        fi
        return 0
    fi
    mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    if [ -n "$mount" ] && mkdir "$mount/$name" 2>/dev/null; then
        group_cpu=$mount/$name
        place_groups+=("$group_cpu")
        [ ! -e "$group_cpu/memory.current" ] || group_memory=$group_cpu
    fi
}

# place_run CORE COMMAND...: starts it in the groups just made, on this core, ahead of other load;
# sets `placed` to its process. Redirections are the caller's.
place_run() {
    local core=$1
    shift
    setsid "${server_in[@]}" bash -c '
        cpu=$1 memory=$2 core=$3
        shift 3
        [ -z "$cpu" ] || echo $$ >"$cpu/cgroup.procs"
        [ -z "$memory" ] || echo $$ >"$memory/cgroup.procs"
        [ "${smoke:-0}" = 1 ] || (echo -20 >/proc/self/autogroup) 2>/dev/null
        [ "$(nproc)" = 1 ] || exec taskset --cpu-list "$core" "$@"
        exec "$@"' placed "$group_cpu" "$group_memory" "$core" "$@" &
    placed=$!
    place_pids+=("$placed")
}

# place_cpu PID: what `--cpu` of the generator is to read.
place_cpu() {
    if [ -n "$group_cpu" ]; then echo "group:$group_cpu"; else echo "pids:$1"; fi
}

# place_stop PID: ends it by SIGTERM, by SIGKILL when it does not, with all of its session.
place_stop() {
    local pid=$1 tries
    kill -TERM "$pid" 2>/dev/null || return 0
    for tries in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    [ "$tries" -lt 100 ] || kill -KILL -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# place_end: stops what still runs, takes the groups away.
place_end() {
    local pid group
    for pid in "${place_pids[@]}"; do place_stop "$pid"; done
    for group in "${place_groups[@]}"; do
        # What was left behind is ended by its group.
        [ ! -e "$group/cgroup.procs" ] || while read -r pid; do kill -KILL "$pid" 2>/dev/null || true; done \
            <"$group/cgroup.procs"
        rmdir "$group" 2>/dev/null || { sleep 0.5; rmdir "$group" 2>/dev/null || true; }
    done
    place_pids=() place_groups=() server_in=() generator_in=()
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local tries=$(($1 * 10)) what=$2
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "bench: $what does not come" >&2; return 1; }
        sleep 0.1
    done
}

# generator WORDS...: the load generator on the last core, ahead of other load.
generator() {
    on_core "$(($(nproc) - 1))" "${generator_in[@]}" "$built/strowger-bench-load" "$@"
}
