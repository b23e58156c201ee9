# Starts systemd as process 1 of the root folder $1, in namespaces of its own but for the network. Call it by: unshare --mount
set -eu
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t sysfs -o ro sysfs "$root/sys"

# a control group of its own, which the new namespace shows as the first one
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mkdir -p "$root/sys/fs/cgroup/imagesync-tests"
echo $$ >"$root/sys/fs/cgroup/imagesync-tests/cgroup.procs"
umount "$root/sys/fs/cgroup"

mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/shm" "$root/dev/pts" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
cd "$root"
exec unshare --pid --fork --kill-child --uts --ipc --cgroup --mount sh -euc '
    mount -t proc proc proc
    mount -t cgroup2 cgroup2 sys/fs/cgroup
    pivot_root . mnt
    umount -l /mnt
    mount --make-rshared /
    exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --show-status=no --unit=timers.target
'
