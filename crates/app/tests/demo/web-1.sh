# The web server on the first day: hardened with care some time ago, with gaps.
set -eu
cat >/etc/ssh/sshd_config.d/50-hardening.conf <<'END'
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
X11Forwarding no
MaxAuthTries 4
MaxSessions 4
MaxStartups 10:30:60
LoginGraceTime 60
ClientAliveInterval 300
ClientAliveCountMax 3
LogLevel VERBOSE
Banner /etc/issue.net
END
echo 'Authorized use only.' >/etc/issue.net
chmod 0600 /etc/ssh/sshd_config /etc/ssh/sshd_config.d/50-hardening.conf

cat >/etc/sysctl.d/60-hardening.conf <<'END'
kernel.randomize_va_space = 2
kernel.kptr_restrict = 1
kernel.dmesg_restrict = 1
fs.suid_dumpable = 0
fs.protected_symlinks = 1
fs.protected_hardlinks = 1
net.ipv4.ip_forward = 0
net.ipv4.tcp_syncookies = 1
net.ipv4.icmp_echo_ignore_broadcasts = 1
net.ipv4.icmp_ignore_bogus_error_responses = 1
net.ipv4.conf.all.rp_filter = 1
net.ipv4.conf.default.rp_filter = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.default.accept_source_route = 0
net.ipv6.conf.all.forwarding = 0
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.ipv6.conf.all.accept_source_route = 0
net.ipv6.conf.default.accept_source_route = 0
END
sysctl -q --load /etc/sysctl.d/60-hardening.conf

sed -i -e 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS\t365/' -e 's/^PASS_MIN_DAYS.*/PASS_MIN_DAYS\t1/' \
    -e 's/^UMASK.*/UMASK\t\t027/' /etc/login.defs
chage --maxdays 365 --mindays 1 --inactive 30 ops
sed -i 's/[[:space:]]nullok//' /etc/pam.d/common-auth
printf 'minlen = 14\ndifok = 2\nmaxrepeat = 3\nmaxsequence = 3\n' >>/etc/security/pwquality.conf
printf '* hard core 0\n' >/etc/security/limits.d/10-core.conf
printf 'Defaults use_pty\nDefaults logfile="/var/log/sudo.log"\n' >/etc/sudoers.d/10-logging
chmod 0440 /etc/sudoers.d/10-logging
chmod 0600 /etc/crontab /boot/grub/grub.cfg
chmod 0700 /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/cron.d
echo root >/etc/cron.allow
chmod 0640 /etc/cron.allow
printf 'install %s /bin/false\n' cramfs dccp freevxfs hfs hfsplus jffs2 rds sctp tipc >/etc/modprobe.d/disabled.conf
ln -sf /dev/null /etc/systemd/system/ctrl-alt-del.target
mount -o remount,rw,nodev,nosuid,noexec /dev/shm
echo 'tmpfs /dev/shm tmpfs rw,nodev,nosuid,noexec 0 0' >>/etc/fstab
# A file that an upload left open to all.
install -d -o www-data -g www-data /srv/www
printf 'User-agent: *\n' >/srv/www/robots.txt
chmod 0666 /srv/www/robots.txt
