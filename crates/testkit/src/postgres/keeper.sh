# Runs a PostgreSQL server for as long as somebody uses it. Each user holds a shared lock on the file `users`,
# which the kernel takes back when its process ends, in whatever way.
#
# Arguments: the folder of all runs, the folder of this run, the server's programs, and how many seconds
# without users end it. A file `keep` in the first folder stands for a user that never goes; a file `again` in the second
# one for a user who ends the server and wants it back.
home=$1 run=$2 programs=$3 patience=$4
cd / || exit 1
exec 9<"$home/users"
as=
[ "$(id -u)" != 0 ] || as='--reuid postgres --regid postgres --init-groups'
serve() {
  # The server goes with this keeper too, should that be killed.
  setpriv $as --pdeathsig QUIT -- "$programs/postgres" -D "$run/data" >>"$run/log" 2>&1 9<&- &
  server=$!
}
serve
idle=0
while kill -0 "$server" 2>/dev/null || [ -e "$run/again" ]; do
  sleep 1
  kill -0 "$server" 2>/dev/null || [ ! -e "$run/again" ] || serve
  if [ -e "$home/keep" ] || ! flock --exclusive --nonblock 9; then
    idle=0
    continue
  fi
  idle=$((idle + 1))
  # The lock is kept from here on: who comes now waits, finds nothing ready, and starts another server.
  [ "$idle" -lt "$patience" ] || break
  flock --unlock 9
done
[ "$(cat "$home/ready" 2>/dev/null)" != "$run" ] || rm -f "$home/ready"
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$run"
