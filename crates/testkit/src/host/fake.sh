# Shows $2 as the file $1 inside a host. A kernel setting that this machine's kernel lacks is added
# to a copy of the nearest folder that is there; files elsewhere in /proc cannot be added.
set -eu
path=$1 content=$2
if ! [ -e "$path" ]; then
    folder=${path%/*}
    while ! [ -d "$folder" ]; do folder=${folder%/*}; done
    case $folder in
    /proc/sys/*) ;;
    *)
        echo "$path: there is no such file, and none can be added to $folder" >&2
        exit 1
        ;;
    esac
    mount -t tmpfs -o mode=0555,size=16m tmpfs /mnt
    # Some settings can only be written; a copy has no use for them.
    cp -r "$folder/." /mnt/ 2>/dev/null || :
    mount --bind /mnt "$folder"
    umount /mnt
    mkdir -p "${path%/*}"
    : >"$path"
fi
mount -t tmpfs -o mode=0755,size=1m tmpfs /mnt
printf '%s' "$content" >/mnt/file
chmod 0644 /mnt/file
mount --bind /mnt/file "$path"
# The small file system loses its own place again, so that only the bind mount shows.
umount -l /mnt
