# The database server a week later: the first round of repairs.
set -eu
cat >/etc/ssh/sshd_config.d/90-local.conf <<'END'
PermitRootLogin no
PasswordAuthentication yes
MaxAuthTries 4
X11Forwarding no
END
chmod 0600 /etc/ssh/sshd_config /etc/ssh/sshd_config.d/90-local.conf
usermod --shell /usr/sbin/nologin backup-sync
chmod 0644 /etc/motd
chmod 0600 /etc/crontab
chmod 0700 /etc/cron.hourly /etc/cron.daily /etc/cron.weekly /etc/cron.monthly /etc/cron.d
sed -i 's/[[:space:]]nullok//' /etc/pam.d/common-auth
sed -i 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS\t365/' /etc/login.defs
