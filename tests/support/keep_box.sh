# Starts a box, says which process holds it, and ends it when our standard input ends: whatever becomes of the test,
# nothing stays behind. With $GROUPED the box has control groups of its own, which a systemd in it takes for the root;
# with $NETWORK a network.
groups=
hide_groups=--cgroup
if [ -n "$GROUPED" ]; then
    # The namespace is systemd-nspawn's to make.
    hide_groups=
    while IFS=: read -r _ controllers path; do
        case $controllers in
            '') [ -e /sys/fs/cgroup/cgroup.procs ] && mount=/sys/fs/cgroup || mount=/sys/fs/cgroup/unified ;;
            name=systemd) mount=/sys/fs/cgroup/systemd ;;
            *) continue ;;
        esac
        [ -d "$mount" ] && groups="$groups ${mount}${path%/}/proctool-box.$$"
    done </proc/self/cgroup
fi
for group in $groups; do mkdir "$group" || exit 1; done
(
    for group in $groups; do echo "$BASHPID" >"$group/cgroup.procs" || exit 1; done
    exec setpriv --pdeathsig KILL unshare --mount --pid --ipc --uts ${NETWORK:+--net} $hide_groups --fork --kill-child \
        --mount-proc --propagation private bash -c "$1"
) </dev/null >"$SCRATCH/log" 2>&1 &
box=$!
echo "$box"
read -r _
# The first process of its pid namespace: the kernel ends all others with it.
first=$(cat "/proc/$box/task/$box/children" 2>/dev/null) && [ -n "$first" ] && kill -KILL $first
wait "$box" 2>/dev/null
for group in $groups; do find "$group" -depth -type d -exec rmdir {} \; ; done
