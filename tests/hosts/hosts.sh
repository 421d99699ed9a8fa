#!/usr/bin/env bash
# Run an MPI program on several hosts, all of which are this machine.
#
#   hosts.sh RANKS,RANKS... COMMAND...     hosts.sh 3,1 python program.py: three ranks on a host, one on another
#
# A host is a network namespace with an address, a host name and a /dev/shm of its own; a bridge joins them. So MPI finds
# several nodes, shares memory within each and sends messages by TCP between them. They are made, used and removed, and
# any number of sets of them can be up at once. Needs root, iproute2, and MPICH's mpiexec on PATH.
#
#   SLOW=1e9 hosts.sh ...: each host has a network card that sends so many bytes a second (slow.c; needs a C compiler).
set -euo pipefail
self=$(readlink -f "${BASH_SOURCE[0]}")

die() { echo "hosts.sh: $*" >&2; exit 2; }

make_bridge() {
    ip netns add "$HOSTS_NAME-net"
    ip -n "$HOSTS_NAME-net" link add bridge type bridge
    ip -n "$HOSTS_NAME-net" link set bridge up
}

make_host() { # number
    local host=$HOSTS_NAME-$1
    ip netns add "$host"
    ip -n "$host" link set lo up
    ip link add card netns "$host" type veth peer name "port$1" netns "$HOSTS_NAME-net"
    ip -n "$HOSTS_NAME-net" link set "port$1" master bridge up
    ip -n "$host" address add "10.0.0.$1/24" dev card
    ip -n "$host" link set card up
}

# What is still running on a host would keep it alive.
remove_all() {
    local name
    for name in $(ip netns list | awk -v own="$HOSTS_NAME-" 'index($1, own) == 1 { print $1 }'); do
        ip netns pids "$name" | xargs --no-run-if-empty kill -KILL
        ip netns delete "$name"
    done
}

on_host() { # number, command...
    local host=$HOSTS_NAME-$1
    shift
    exec ip netns exec "$host" unshare --uts bash -c \
        'hostname "$0"; mount -t tmpfs -o mode=1777 tmpfs /dev/shm; exec "$@"' "$host" "$@"
}

# mpiexec calls this in place of ssh, to start its agent on a host: options, the address, and words that the remote
# shell would put together.
if [[ -n "${HOSTS_NAME:-}" ]]; then
    while [[ "$1" == -* ]]; do shift; done
    number=${1##*.}
    shift
    on_host "$number" bash -c "cd $(printf %q "$PWD"); exec $*"
fi

[[ $# -ge 2 && "$1" =~ ^[0-9]+(,[0-9]+)*$ ]] || die "usage: hosts.sh RANKS,RANKS... COMMAND..."
[[ $(id -u) == 0 ]] || die "only root can make hosts"
command -v ip > /dev/null || die "needs ip, of iproute2"
IFS=, read -ra ranks <<< "$1"
shift
export HOSTS_NAME=hosts$$
trap remove_all EXIT
trap 'exit 1' HUP INT TERM
make_bridge
total=0 addresses=
for number in "${!ranks[@]}"; do
    make_host $((number + 1))
    addresses+=,10.0.0.$((number + 1)):${ranks[number]}
    total=$((total + ranks[number]))
done
# UCX would find out that the hosts have one kernel, and copy between their processes.
export UCX_TLS=tcp,self
slow=()
if [[ -n "${SLOW:-}" ]]; then
    card=$(mktemp --suffix .so)
    trap 'remove_all; rm -f "$card"' EXIT
    "${CC:-cc}" -O2 -shared -fPIC -o "$card" "${self%/*}/slow.c" -ldl
    slow=(env "LD_PRELOAD=$card" "SLOW=$SLOW")
fi
# In the background: a shell that waits hears signals.
(on_host 1 mpiexec -launcher ssh -launcher-exec "$self" -hosts "${addresses#,}" -n "$total" "${slow[@]}" "$@") &
wait $!
