# Makes a machine of its own of the namespaces that this shell is in: the programs and files of the real
# machine, whose changes stay in memory, and no network but the loopback interface.
# $1: an empty directory. $2: the directories that are /usr, topmost first. $3: a Python.
set -e
mount -t tmpfs tmpfs "$1"
over() {
    mkdir -p "$1/$2/upper" "$1/$2/work"
    mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/$2/upper,workdir=$1/$2/work" "/$2"
}
over "$1" etc /etc
over "$1" var /var
over "$1" usr "$2"
over "$1" root /root
# The programs that are tested may be below it, and do not run as root.
chmod 755 /root
mount -t tmpfs tmpfs /run
"$3" -c '
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP | IFF_RUNNING))
'
mkdir -p /usr/local/bin /etc/systemd/system

cat > /usr/local/bin/sudo <<'SUDO'
#!/bin/sh
# Stands in for sudo, which few containers have.
user=root
if [ "$1" = -u ]; then user=$2; shift 2; fi
exec setpriv --reuid "$user" --regid "$user" --init-groups env HOME=/nonexistent "$@"
SUDO

cat > /usr/local/bin/systemctl <<'SYSTEMCTL'
#!/bin/sh
# Stands in for systemd, which no container has: starts and stops what a unit file describes.
command=$1
for unit; do :; done
file=/etc/systemd/system/$unit.service
of() { sed -n "s/^$1=//p" "$file"; }
as() { sudo -u "$(of User)" "$@"; }
pid_file=$(of PIDFile)
pid_file=${pid_file:-/run/$unit.pid}
start() {
    if [ "$(of Type)" = forking ]; then
        as $(of ExecStart) && until [ -s "$pid_file" ]; do sleep 0.1; done
    else
        # Not by the function, whose process would be the shell's.
        sudo -u "$(of User)" $(of ExecStart) > "/var/log/$unit.log" 2>&1 &
        echo $! > "$pid_file"
    fi
}
stop() {
    pid=$(cat "$pid_file")
    stop=$(of ExecStop)
    [ -z "$stop" ] || as $stop
    kill "$pid"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
}
case $command in
    start | enable) start ;;
    stop | disable) stop ;;
    restart) stop; start ;;
    reload) as $(of ExecReload) ;;
    *) exit 2 ;;
esac
SYSTEMCTL
chmod 755 /usr/local/bin/sudo /usr/local/bin/systemctl
cd /
