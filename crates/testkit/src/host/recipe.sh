# Finishes a new tree, inside it: nothing that ought to differ between hosts may be in it.
set -eu
rm -f /etc/ssh/ssh_host_* /etc/resolv.conf /etc/hostname
: >/etc/machine-id
# A second language, for hosts whose programs do not speak English.
localedef -i de_DE -f UTF-8 de_DE.UTF-8
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /debootstrap
