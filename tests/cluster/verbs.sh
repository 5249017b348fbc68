# SPDX-License-Identifier: GPL-2.0-or-later
# The verbs of the steps in tests/states, in a guest. Each waits until what it did can be seen.
RUN=/run/states
NAME=states
MINOR=7

exec 2>&1
cd /sys/kernel/config/target 2>/dev/null || cd /

until_() { # CONDITION
    turns=0
    until eval "$1"; do
        turns=$((turns + 1))
        [ $turns -lt 150 ] || { echo "gave up waiting for: $1"; return 1; }
        sleep 0.1
    done
}

# What this host has.
without() {
    for program; do
        # Also the program that drbdsetup executes on kernels with DRBD 8.4.
        for path in "/usr/sbin/$program" "/lib/drbd/$program-84"; do
            [ ! -e "$path" ] && continue
            path=$(readlink -f "$path")
            mount --bind /etc/hosts "$path" || return 1
            GONE="$GONE $path"
        done
    done
}
restore() {
    for path in $GONE; do umount "$path" || return 1; done
    GONE=
    [ -z "$HOLDER" ] || { kill "$HOLDER"; wait "$HOLDER"; HOLDER=; }
    return 0
}
no_module() { mount --bind /bin/false "$(readlink -f /usr/sbin/modprobe)"; }

# LIO.
secret() { # MODE [SECRET]
    rm -f $RUN/secret
    [ -z "$2" ] || { echo "$2" >$RUN/secret && chmod "$1" $RUN/secret; }
}

# Block devices.
resize() { truncate -s "$2" "$1.img" && losetup -c "$(readlink -f "$1")"; }
hide() { mv "$1" "$1.hidden"; }
show() { mv "$1.hidden" "$1"; }
queue() { echo "/sys/block/$(basename "$(readlink -f "$1")")/queue"; }
thick() { echo 0 >"$(queue "$1")/discard_max_bytes"; }
# The loop device is removed and made anew (LOOP_CTL_REMOVE of linux/loop.h): later kernels (7.2) refuse any other limit
# once it is 0.
thin() {
    device=$(readlink -f "$1") && losetup --detach "$device" && until_ "! losetup $device" &&
        python3 -c 'import fcntl, sys; fcntl.ioctl(open("/dev/loop-control"), 0x4C81, int(sys.argv[1]))' "${device#/dev/loop}" &&
        ln -sfn "$(losetup --find --show "$1.img")" "$1"
}
freezable() {
    hide $RUN/disk && ln -s /dev/drbd$MINOR $RUN/disk && drbdadm up $NAME && in_sync && drbdadm primary $NAME
}
freeze() { drbdsetup suspend-io $MINOR; }
no_freezable() { drbdsetup resume-io $MINOR; drbdadm down $NAME && rm $RUN/disk && show $RUN/disk; }

# The network.
cable() { # in or out
    case $1 in in) state=up carrier=LOWER_UP ;; *) state=down carrier=NO-CARRIER ;; esac
    # A device that goes down loses its addresses of IPv6.
    ip -n $NAME link set far0 $state && ip -n $NAME address replace fd77::9/64 dev far0 nodad && until_ "ip link show dev test0 | grep -q $carrier"
}
device() { # up or down
    ip link set test0 "$1" && { [ "$1" = down ] || ip address add fd77::2/64 dev test0 nodad; }
}
ip_6() { # on or off
    case $1 in on) off=0 ;; *) off=1 ;; esac
    # A device that loses IPv6 loses its addresses.
    sysctl -q -w net/ipv6/conf/test0/disable_ipv6=$off && { [ $off = 1 ] || ip address add fd77::2/64 dev test0 nodad; }
}
other_name() { ip link property add dev test0 altname "$1"; }
no_other_name() { ip link property del dev test0 altname "$1"; }
duplicate() {
    ip address add "$1/64" dev test0 && until_ "ip -6 address show dev test0 dadfailed | grep -q $1"
}
ip_6_clean() {
    for address in fd77::50 fd77::9; do
        ip address del $address/64 dev test0 2>/dev/null
        while ip -6 rule del from $address priority 3260 2>/dev/null; do :; done
    done
}

# DRBD. The peer's disk is the second in ds, and its role the second in ro.
# Without a program: those are the dear thing in a user-mode kernel.
has() {
    while read -r minor states; do
        [ "$minor" != "$MINOR:" ] || case " $states " in *" $1 "*) return 0 ;; *) return 1 ;; esac
    done </proc/drbd
    return 1
}
is() { until_ "has $1:$2"; }
in_sync() { is ds UpToDate/UpToDate; }
settle() { ! has cs:SyncTarget || in_sync; }
slow() { drbdsetup disk-options $MINOR --resync-rate=100K --c-plan-ahead=0 --c-min-rate=0; }
change() { dd if=/dev/urandom of=/dev/drbd$MINOR bs=4k count=2 oflag=direct status=none; }
marker() { case $1 in there) touch /run/twinsan/fence-constraint.$NAME ;; *) rm /run/twinsan/fence-constraint.$NAME ;; esac; }
hold() {
    sleep 300 </dev/drbd$MINOR >/dev/null &
    HOLDER=$!
    until_ "readlink /proc/$HOLDER/fd/0 | grep -q drbd"
}
drbd() {
    case $1 in
    disconnect | detach) drbdadm "$1" $NAME ;;
    invalidate) slow && drbdadm invalidate $NAME && is cs SyncTarget ;;
    *) drbdsetup "$1" $MINOR ;;
    esac
}
# What the peer does, there; and that it was seen, here.
peer() {
    case $1 in
    # Asked politely, DRBD does not let a peer go that has the only data.
    disconnect) drbdadm disconnect --force $NAME ;;
    connect) drbdadm connect $NAME && is cs StandAlone ;;
    change) drbdadm primary $NAME && change && drbdadm secondary $NAME ;;
    invalidate) slow && drbdadm invalidate $NAME && is cs SyncTarget ;;
    discard)
        drbdadm down $NAME && drbdadm create-md --force $NAME </dev/null >/dev/null && drbdadm up $NAME &&
            rm -f /run/twinsan/*.$NAME
        ;;
    reset) drbdadm secondary $NAME && drbdadm adjust $NAME ;;
    *) drbdadm "$1" $NAME ;;
    esac
}
seen() {
    case $1 in
    disconnect) is cs WFConnection ;;
    connect) is cs StandAlone && until_ "[ -e /run/twinsan/split-brain.$NAME ]" ;;
    primary) is ro Secondary/Primary ;;
    detach) is ds UpToDate/Diskless ;;
    invalidate) is cs SyncSource ;;
    esac
}
