# Runs in its own mount namespace, outside the host, and lives as long as the host does.
# Arguments: folder of this host, tree, host name, `own` or `shared` network, the script of process 1.
# Its standard input is a pipe from the test: when that closes, however the test ended, the host goes.
set -eu
run=$1 tree=$2 name=$3 network=$4 init=$5

# Everything the host writes lies in memory and vanishes with the namespace.
mount -t tmpfs -o mode=0755,size=2g testhost "$run/mnt"
mkdir -m 0755 "$run/mnt/upper" "$run/mnt/work" "$run/mnt/root"

exec 3<&0
(
    while read -r _ <&3; do :; done
    kill -KILL "$(cat "$run/mnt/pid1")"
) &
watcher=$!

net=
[ "$network" = shared ] || net=--net
ended=0
# shellcheck disable=SC2086 # an empty $net is no argument
setpriv --pdeathsig KILL unshare --mount --uts --ipc --pid $net --fork --kill-child=KILL \
    sh -c "$init" testhost "$run/mnt" "$tree" "$name" "$network" </dev/null 3<&- || ended=$?
kill "$watcher" 2>/dev/null || : # it is what ended the host
echo "ended $ended"
