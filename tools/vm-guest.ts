/**
 * The two scripts that run inside the virtual machine of `vm.ts`: reach the host's root, then
 * mount cgroup v2 and run the command. Text only; starts nothing.
 */

export interface GuestInputs {
  readonly directory: string;
  readonly command: readonly string[];
  /** Directory of the kernel's modules, as the host (and so the guest) names it. */
  readonly modules: string;
  readonly version: string;
}

/** One word for a shell, whatever is in it. */
export function quoteWord(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A fresh /tmp must not hide the very directory that the command runs in. */
function below(directory: string, folder: string): boolean {
  return directory === folder || directory.startsWith(`${folder}/`);
}

/** In the first root file system: modules, the host's root, a tmpfs over it, and over to it. */
export function guestInit(): string {
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /mod/*.ko*; do insmod "$module" || echo "cannot load $module"; done
mount -t virtiofs -o ro root /lower || { echo 'no root share'; poweroff -f; }
mount -t tmpfs -o size=70% tmpfs /rw
mkdir /rw/upper /rw/work
mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work overlay /new ||
  { echo 'no overlay'; poweroff -f; }
mkdir -p /new/proc /new/sys /new/dev /new/run /new/out
mount -t virtiofs out /new/out || { echo 'no out share'; poweroff -f; }
umount /proc
umount /sys
mount --move /dev /new/dev
exec switch_root /new /bin/sh /out/stage2
`;
}

/** On the host's root: cgroup v2 with all controllers, then the command, then power off. */
export function guestScript({ directory, command, modules, version }: GuestInputs): string {
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root MESETA_VM=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
${below(directory, "/tmp") ? "" : "mount -t tmpfs tmpfs /tmp"}
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
for name in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$name" > /sys/fs/cgroup/cgroup.subtree_control
done
mkdir -p /sys/fs/cgroup/runner
echo $$ > /sys/fs/cgroup/runner/cgroup.procs
mkdir -p /lib/modules
ln -sfn ${quoteWord(modules)} /lib/modules/${quoteWord(version)}
ip link set lo up 2>/dev/null
for port in /sys/class/virtio-ports/*; do
  [ -e "$port/name" ] && ln -sf "/dev/\${port##*/}" "/dev/$(cat "$port/name").port"
done
cd ${quoteWord(directory)} || exit 1
setsid ${command.map(quoteWord).join(" ")} < /dev/null > /dev/stdout.port 2> /dev/stderr.port
echo $? > /out/status.new
mv /out/status.new /out/status
sync
echo o > /proc/sysrq-trigger
sleep 60
`;
}
