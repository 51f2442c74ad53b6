# Process 1 of a test host: makes the root file system, enters it, then only reaps.
# Arguments: folder of the keeper, tree, host name, `own` or `shared` network.
set -eu
run=$1 tree=$2 name=$3 network=$4
# /proc is still the machine's, so this is our number as the test sees it.
read -r pid _ </proc/self/stat
echo "$pid" >"$run/pid1"

mount -t overlay -o "lowerdir=$tree,upperdir=$run/upper,workdir=$run/work" overlay "$run/root"
cd "$run/root"
mount -t proc -o nosuid,nodev,noexec proc proc
# The kernel is the machine's: a host must not be able to change its settings.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
if [ "$network" = own ]; then
    ip link set lo up
    mount --bind proc/sys/net proc/sys/net
    mount -o remount,bind,rw proc/sys/net
fi
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs sys
mount -t tmpfs -o nosuid,mode=0755,size=1m tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,size=64m tmpfs dev/shm
mount -t tmpfs -o nosuid,nodev,mode=0755,size=64m tmpfs run
while read -r node major minor; do
    mknod -m 0666 "dev/$node" c "$major" "$minor"
done <<NODES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
NODES
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mkdir run/sshd run/lock
hostname "$name"

pivot_root . mnt
cd /
umount -l /mnt
echo "$name" >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >/etc/hosts
tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
echo "ready $pid"
# Ended children of others land here; waiting for our own reaps them too.
exec sh -c 'while :; do sleep 86400 & wait; done' init >/dev/null 2>&1
