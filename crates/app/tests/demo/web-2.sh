# The web server a week later: gaps closed, and a drop-in that somebody left behind after a night of trouble.
set -eu
printf 'PermitRootLogin yes\n' >/etc/ssh/sshd_config.d/10-emergency.conf
chmod 0600 /etc/ssh/sshd_config.d/10-emergency.conf
sed -i 's/^MaxAuthTries 4/MaxAuthTries 3/' /etc/ssh/sshd_config.d/50-hardening.conf
sed -i 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS\t90/' /etc/login.defs
chmod 0644 /srv/www/robots.txt
cat >/etc/sysctl.d/70-redirects.conf <<'END'
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.conf.all.secure_redirects = 0
net.ipv4.conf.default.secure_redirects = 0
net.ipv4.conf.all.log_martians = 1
net.ipv4.conf.default.log_martians = 1
END
sysctl -q --load /etc/sysctl.d/70-redirects.conf
mkdir -p /etc/systemd/journald.conf.d
printf '[Journal]\nStorage=persistent\n' >/etc/systemd/journald.conf.d/10-storage.conf
