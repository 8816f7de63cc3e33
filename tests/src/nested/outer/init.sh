#!/bin/busybox sh
# Process 1 of the outer host, from its initramfs: modules, the golden root as its own root with a
# disk over it, and control groups of version 2. What comes then is on the disk.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read -r module; do
    insmod "/modules/$module" || echo "the module $module is not taken"
done < /modules/order
mkdir /golden /disk /host
mount -t ext4 -o ro /dev/vda /golden
mount -t ext4 /dev/vdb /disk
mount -t overlay -o lowerdir=/golden,upperdir=/disk/upper,workdir=/disk/work none /host
for directory in proc sys dev; do
    mount --move /$directory /host/$directory
done
mkdir -p /host/kiln /host/dev/pts /host/dev/shm
mount --bind /disk/kiln /host/kiln
mount -t devpts none /host/dev/pts
for directory in dev/shm run tmp; do
    mount -t tmpfs none /host/$directory
done
# As udev leaves it: whoever is in the group may use it.
chgrp 900 /host/dev/kvm
chmod 660 /host/dev/kvm
mount -t cgroup2 none /host/sys/fs/cgroup
exec switch_root /host /bin/sh /kiln/run.sh
