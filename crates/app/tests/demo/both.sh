# What both hosts of the demo have from the beginning: what an installer would have left behind.
set -eu
mkdir -p /boot/grub
printf 'menuentry "Debian GNU/Linux" {\n\tlinux /boot/vmlinuz-6.1.0-31-amd64 root=/dev/vda1 ro quiet\n}\n' >/boot/grub/grub.cfg
printf '/dev/vda1 / ext4 errors=remount-ro 0 1\n' >/etc/fstab
modules=/lib/modules/$(uname -r)
mkdir -p "$modules/kernel"
for module in fs/cramfs/cramfs fs/freevxfs/freevxfs fs/hfs/hfs fs/hfsplus/hfsplus fs/jffs2/jffs2 fs/udf/udf \
    net/dccp/dccp net/rds/rds net/sctp/sctp net/tipc/tipc drivers/usb/storage/usb-storage; do
    printf 'kernel/%s.ko:\n' "$module"
done >"$modules/modules.dep"
printf 'kernel/fs/ext4/ext4.ko\n' >"$modules/modules.builtin"
# Kernel parameters of the network are this host's own; these are the kernel's defaults.
for scope in all default; do
    echo 1 >/proc/sys/net/ipv4/conf/$scope/send_redirects
    echo 1 >/proc/sys/net/ipv4/conf/$scope/secure_redirects
    echo 0 >/proc/sys/net/ipv4/conf/$scope/log_martians
done
# Passwords were last set when the hosts were installed, before the first day of the demo.
sed -i -E 's/^([^:]*:[^:]*:)[0-9]+:/\120468:/' /etc/shadow
