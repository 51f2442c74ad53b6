# The database server on the first day: as installed, with two things that should not be.
set -eu
cat >/etc/ssh/sshd_config.d/90-local.conf <<'END'
PermitRootLogin yes
PasswordAuthentication yes
END
chmod 0644 /etc/ssh/sshd_config.d/90-local.conf
# An account for nightly copies that was given a shell and belongs to the system.
useradd --system --create-home --home-dir /var/lib/backup --shell /bin/bash backup-sync
sed -i -E 's/^(backup-sync:[^:]*:)[0-9]+:/\120486:/' /etc/shadow
chmod 0666 /etc/motd
