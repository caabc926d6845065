//! /proc/PID/cgroup, and the systemd units and containers that its paths name. The directory of a
//! group is in [`super::control_group`].

/// The control groups of a process: lines of "number:controllers:path" (see cgroups(7)).
#[derive(Clone, Copy)]
pub struct Cgroups<'a>(pub &'a [u8]);

impl<'a> Cgroups<'a> {
    /// Reports whether a control group is this one or below it, as where a service makes groups of
    /// its own.
    pub fn is_in(cgroup: &[u8], group: &[u8]) -> bool {
        cgroup.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Reports whether a control group is meant by a path. One that ends in a slash means also the
    /// groups below it; `/` alone is the root.
    pub fn is_meant(cgroup: &[u8], path: &[u8]) -> bool {
        match path.strip_suffix(b"/") {
            Some(above) if !above.is_empty() => Cgroups::is_in(cgroup, above),
            _ => cgroup == path,
        }
    }

    /// Returns the controllers and the path of each hierarchy.
    fn hierarchies(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.split(|&byte| byte == b'\n').filter_map(|line| {
            let mut parts = line.splitn(3, |&byte| byte == b':').skip(1);
            Some((parts.next()?, parts.next()?))
        })
    }

    /// Returns the paths in all hierarchies.
    pub fn paths(self) -> impl Iterator<Item = &'a [u8]> {
        self.hierarchies().map(|(_, path)| path)
    }

    /// Returns the path in the hierarchy with this controller; an empty name means that of cgroups
    /// v2.
    pub fn path_with(self, controller: &[u8]) -> Option<&'a [u8]> {
        self.hierarchies()
            .find(|(controllers, _)| {
                controllers.split(|&byte| byte == b',').any(|found| found == controller)
            })
            .map(|(_, path)| path)
    }

    /// Returns the one path that decides where the process belongs: that of systemd's own hierarchy
    /// on machines with cgroups v1, else that of cgroups v2.
    pub fn path(self) -> Option<&'a [u8]> {
        self.path_of_controllers(b"name=systemd")
            .or_else(|| self.path_of_controllers(b""))
            .or_else(|| self.paths().next())
    }

    /// Returns the path in the hierarchy with exactly these controllers.
    fn path_of_controllers(self, controllers: &[u8]) -> Option<&'a [u8]> {
        self.hierarchies().find(|(found, _)| *found == controllers).map(|(_, path)| path)
    }

    /// Returns the systemd unit: the first part of the path that is not a slice, if it is named
    /// like a unit. Below a user's own service manager this is user@UID.service, as in `ps -o
    /// unit`.
    pub fn unit(self) -> Option<&'a [u8]> {
        let part = self
            .path()?
            .split(|&byte| byte == b'/')
            .find(|part| !part.is_empty() && !part.ends_with(b".slice"))?;
        Some(unescaped(part)).filter(|unit| is_unit(unit))
    }

    /// Returns the units that the process belongs to: that of the machine's systemd and, below
    /// user@UID.service, that of the user's own one. A systemd in a container is another machine's.
    pub fn units(self) -> impl Iterator<Item = &'a [u8]> {
        self.managed().filter(|part| is_unit(part))
    }

    /// Returns the slices of these systemds, from the outermost one.
    pub fn slices(self) -> impl Iterator<Item = &'a [u8]> {
        self.managed().filter(|part| part.ends_with(SLICE))
    }

    /// Returns the parts of the path that systemd manages: slices, and the unit in them.
    fn managed(self) -> impl Iterator<Item = &'a [u8]> {
        let mut is_managed = true;
        let parts = self.path().unwrap_or_default().split(|&byte| byte == b'/');
        parts.filter(|part| !part.is_empty()).map(unescaped).take_while(move |part| {
            let is_user_manager = part.starts_with(b"user@") && part.ends_with(b".service");
            let was_managed = is_managed;
            is_managed &= part.ends_with(SLICE) || is_user_manager;
            was_managed
        })
    }

    /// Returns the container as "engine:id". Engines are recognised by how they name their groups.
    pub fn container(self) -> Option<Vec<u8>> {
        self.paths().find_map(container_of)
    }
}

const SLICE: &[u8] = b".slice";

/// Reports whether a part of a path is named like a unit that has processes.
fn is_unit(part: &[u8]) -> bool {
    const KINDS: [&[u8]; 5] = [b".service", b".scope", b".socket", b".mount", b".swap"];
    KINDS.iter().any(|kind| part.ends_with(kind))
}

/// Removes the underscore that systemd puts in front of a name which cgroups reserve (cg_escape).
fn unescaped(part: &[u8]) -> &[u8] {
    part.strip_prefix(b"_").unwrap_or(part)
}

/// Prefixes of the id in the names of control groups, with the engine. The monitor that an engine
/// runs for a container has a group of its own, PREFIX-conmon-ID, and is outside of the container.
const PREFIXES: [(&[u8], &str); 6] = [
    (b"docker", "docker"),
    (b"libpod", "podman"),
    // With --cgroups=split, as in a Quadlet, the group lies below that of the service.
    (b"libpod-payload", "podman"),
    (b"crio", "cri-o"),
    (b"cri-containerd", "containerd"),
    (b"nerdctl", "containerd"),
];

/// Directories of the cgroupfs driver whose child is named by the id alone, with the engine. Those
/// of containerd are its namespaces.
const PARENTS: [(&[u8], &str); 3] =
    [(b"docker", "docker"), (b"default", "containerd"), (b"k8s.io", "containerd")];

/// Directories whose child has a name that the user chose for the container, with the engine.
const NAMED_PARENTS: [(&[u8], &str); 3] =
    [(b"lxc", "lxc"), (b"lxc.payload", "lxc"), (b"garden", "garden")];

/// Returns one name for a container, whichever driver of its engine has named the group.
fn container_of(path: &[u8]) -> Option<Vec<u8>> {
    let mut parent: &[u8] = b"";
    let mut in_kubernetes = false;
    let mut parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        if let Some(machine) = machine(part) {
            // The process systemd-nspawn itself is outside of the container that it runs.
            return (parts.peek() != Some(&&b"supervisor"[..]))
                .then(|| named("machine", &unit_unescaped(machine)));
        }
        let found = prefixed(part).or_else(|| below(parent, part)).or_else(|| {
            // The cgroupfs driver of Kubernetes uses kubepods/[class/]podUID/ID.
            ((in_kubernetes || is_pod(parent)) && is_whole_id(part)).then_some(("kubernetes", part))
        });
        if let Some((engine, id)) = found {
            return Some(named(engine, id));
        }
        in_kubernetes |= part == b"kubepods";
        parent = part;
    }
    None
}

/// Returns the name of a container: "engine:id".
fn named(engine: &str, id: &[u8]) -> Vec<u8> {
    [engine.as_bytes(), b":", id].concat()
}

/// Recognises three forms: PREFIX-ID.scope of the systemd driver, PREFIX-ID of the cgroupfs driver,
/// and SLICE:PREFIX:ID, the request to the systemd driver that becomes the group's name where the
/// cgroupfs driver gets it.
fn prefixed(part: &[u8]) -> Option<(&'static str, &[u8])> {
    let mut words = part.splitn(3, |&byte| byte == b':');
    if let (Some(_), Some(prefix), Some(id)) = (words.next(), words.next(), words.next()) {
        let (_, engine) = PREFIXES.iter().find(|(found, _)| *found == prefix)?;
        return is_id(id).then_some((engine, id));
    }
    let name = part.strip_suffix(b".scope").unwrap_or(part);
    PREFIXES.iter().find_map(|(prefix, engine)| {
        let id = name.strip_prefix(*prefix)?.strip_prefix(b"-")?;
        is_id(id).then_some((*engine, id))
    })
}

/// Recognises a container by the directory that its group is in.
fn below<'a>(parent: &[u8], part: &'a [u8]) -> Option<(&'static str, &'a [u8])> {
    if let Some(name) = part.strip_prefix(b"lxc.payload.").filter(|name| !name.is_empty()) {
        return Some(("lxc", name));
    }
    let engine = engine_of(&PARENTS, parent)
        .filter(|_| is_whole_id(part))
        .or_else(|| engine_of(&NAMED_PARENTS, parent).filter(|_| !part.ends_with(b".scope")))?;
    Some((engine, part))
}

/// Returns the engine that has this directory in a table.
fn engine_of(table: &[(&[u8], &'static str)], directory: &[u8]) -> Option<&'static str> {
    table.iter().find(|(found, _)| *found == directory).map(|(_, engine)| *engine)
}

/// Returns the name of a machine of systemd-machined (machinectl(1)), from the scope that it made
/// or from the service that runs systemd-nspawn.
fn machine(part: &[u8]) -> Option<&[u8]> {
    between(part, b"machine-", b".scope")
        .or_else(|| between(part, b"systemd-nspawn@", b".service"))
        .filter(|name| !name.is_empty())
}

fn between<'a>(text: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    text.strip_prefix(before)?.strip_suffix(after)
}

/// Reports whether this is an id of hexadecimal digits, as the engines use. Other groups only look
/// similar, such as docker-proxy.scope.
fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && id.iter().all(u8::is_ascii_hexdigit)
}

/// Reports whether this is podUID, the first part that is visible in a control group namespace
/// below kubepods.
fn is_pod(part: &[u8]) -> bool {
    let uid = part.strip_prefix(b"pod").unwrap_or_default();
    !uid.is_empty() && uid.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

/// Reports whether this is an id of full length, for places where nothing else tells a container.
fn is_whole_id(id: &[u8]) -> bool {
    id.len() == 64 && is_id(id)
}

/// Removes the escapes of unit names, such as `\x2d` for a dash (systemd.unit(5)).
fn unit_unescaped(name: &[u8]) -> Vec<u8> {
    let mut parts = name.split(|&byte| byte == b'\\');
    let mut plain = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let digits =
            part.strip_prefix(b"x").and_then(|rest| rest.get(..2)).filter(|digits| is_id(digits));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                plain.push(byte);
                plain.extend_from_slice(&part[3..]);
            }
            None => {
                plain.push(b'\\');
                plain.extend_from_slice(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::{Cgroups, unit_unescaped};

    #[test]
    fn the_telling_path_and_its_unit() {
        let hybrid =
            Cgroups(b"2:cpu,cpuacct:/\n1:name=systemd:/system.slice/cron.service\n0::/ignored\n");
        assert_eq!(hybrid.path(), Some(&b"/system.slice/cron.service"[..]));
        assert_eq!(hybrid.unit(), Some(&b"cron.service"[..]));
        let user =
            Cgroups(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/a:b.service\n");
        assert_eq!(user.unit(), Some(&b"user@1000.service"[..]));
        for without in [&b""[..], b"0::/\n", b"0::/init\n", b"nonsense"] {
            assert_eq!(Cgroups(without).unit(), None);
        }
    }

    #[test]
    fn units_and_slices_of_both_service_managers() {
        let names = |text: &'static str| {
            let lossy = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
            let groups = Cgroups(text.as_bytes());
            (
                groups.units().map(lossy).collect::<Vec<_>>().join(" "),
                groups.slices().map(lossy).collect::<Vec<_>>().join(" "),
            )
        };
        for (text, units, slices) in [
            ("0::/system.slice/cron.service", "cron.service", "system.slice"),
            ("0::/system.slice/x.service/worker", "x.service", "system.slice"),
            (
                "0::/user.slice/user-1.slice/user@1.service/app.slice/a.service/b.service",
                "user@1.service a.service",
                "user.slice user-1.slice app.slice",
            ),
            (
                "0::/user.slice/user-1.slice/session-2.scope",
                "session-2.scope",
                "user.slice user-1.slice",
            ),
            (
                "0::/system.slice/docker-ab.scope/system.slice/cron.service",
                "docker-ab.scope",
                "system.slice",
            ),
            ("0::/_a.slice/_cpu.service", "cpu.service", "a.slice"),
            ("0::/../system.slice/cron.service", "", ""),
            ("0::/init.scope", "init.scope", ""),
            ("0::/", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(names(text), (units.to_owned(), slices.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_slash_at_the_end_means_what_is_below_too() {
        for (group, path, meant) in [
            ("/a", "/a", true),
            ("/a/b", "/a", false),
            ("/a", "/a/", true),
            ("/a/b", "/a/", true),
            ("/ab", "/a/", false),
            ("/", "/", true),
            ("/a", "/", false),
        ] {
            let found = Cgroups::is_meant(group.as_bytes(), path.as_bytes());
            assert_eq!(found, meant, "{group} {path}");
        }
    }

    #[test]
    fn containers_are_known_by_their_engine() {
        let id = &*"0123456789abcdef".repeat(4);
        let pod = "kubepods-besteffort-pod214f3ba8_4b69_4bdb_a7d5_5ecc73f04ae9.slice";
        // Each path with ID in the place of the id, and the engine or the whole name.
        let cases = [
            ("0::/system.slice/docker-ID.scope", "docker"),
            ("0::/system.slice/docker-ID.scope/init.scope", "docker"),
            ("0::/kubepods.slice/POD/docker-ID.scope", "docker"),
            ("4:memory:/docker/ID\n0::/", "docker"),
            ("0::/system.slice:docker:ID", "docker"),
            ("0::/ecstasks.slice/ecstasks-0af.slice/docker-ID.scope", "docker"),
            ("0::/../docker-ID.scope", "docker"),
            ("0::/system.slice:docker:ID/init", "docker"),
            ("1:name=systemd:/libpod_parent/libpod-ID/x\n0::/", "podman"),
            ("0::/machine.slice/libpod-ID.scope", "podman"),
            ("0::/machine.slice/libpod-ID.scope/container", "podman"),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                "podman",
            ),
            ("0::/machine.slice/machine-libpod_pod_ffee.slice/libpod-ID.scope", "podman"),
            ("4:memory:/libpod_parent/libpod-ID", "podman"),
            ("0::/libpod_parent/ffee/libpod-ID", "podman"),
            ("0::/libpod_parent/libpod-ID/init.scope", "podman"),
            ("0::/system.slice/web.service/libpod-payload-ID", "podman"),
            ("0::/machine.slice:libpod:ID", "podman"),
            ("0::/kubepods.slice/POD/crio-ID.scope/container", "cri-o"),
            ("0::/kubepods/besteffort/pod1-2/crio-ID", "cri-o"),
            ("0::/POD:crio:ID", "cri-o"),
            ("0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-ID.scope", "containerd"),
            ("0::/system.slice/containerd.service/POD:cri-containerd:ID", "containerd"),
            ("12:cpu,cpuacct:/POD:cri-containerd:ID\n0::/", "containerd"),
            ("0::/POD:cri-containerd:ID/worker", "containerd"),
            ("0::/system.slice/nerdctl-ID.scope", "containerd"),
            ("0::/default/ID", "containerd"),
            ("0::/k8s.io/ID", "containerd"),
            ("0::/kubepods/besteffort/pod1-2/ID", "kubernetes"),
            ("0::/kubepods/pod1-2/ID", "kubernetes"),
            ("0::/../../pod1-2/ID", "kubernetes"),
            ("0::/lxc.payload.web/system.slice/cron.service", "lxc:web"),
            ("0::/lxc.payload/web", "lxc:web"),
            ("0::/lxc/web/init.scope", "lxc:web"),
            ("0::/garden/a-b", "garden:a-b"),
            ("0::/machine.slice/machine-deb.scope", "machine:deb"),
            (r"0::/machine.slice/machine-qemu\x2d1\x2dvm\x2d.scope/libvirt", "machine:qemu-1-vm-"),
            ("0::/machine.slice/systemd-nspawn@deb.service/payload/init.scope", "machine:deb"),
            ("0::/machine.slice/machine-deb.scope/payload", "machine:deb"),
        ];
        for (text, name) in cases {
            let text = text.replace("ID", id).replace("POD", pod);
            let name = if name.contains(':') { name.to_owned() } else { format!("{name}:{id}") };
            let found = Cgroups(text.as_bytes()).container();
            assert_eq!(found.map(|name| String::from_utf8(name).unwrap()), Some(name), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_container_or_stands_beside_one_is_none() {
        let id = &*"0123456789abcdef".repeat(4);
        for text in [
            "0::/machine.slice/libpod-conmon-ID.scope",
            "0::/libpod_parent/conmon",
            "0::/libpod_parent/libpod-conmon-ID",
            "0::/libpod_parent/ID",
            "0::/system.slice/web.service/runtime",
            "0::/kubepods.slice/crio-conmon-ID.scope",
            "0::/kubepods/besteffort/pod1-2/crio-conmon-ID",
            "0::/POD.slice:crio-conmon:ID",
            "0::/system.slice/docker.service",
            "0::/system.slice/docker-proxy.scope",
            "0::/system.slice/docker-.scope",
            "0::/system.slice/docker-ID.service",
            "0::/docker/buildkit",
            "0::/docker",
            "0::/system.slice/containerd.service",
            "0::/default/a",
            "0::/kubepods/besteffort/pod1-2",
            "0::/a.slice:cri-containerd:",
            "0::/a.slice:cri-containerd:../x",
            "0::/a.slice:other:ID",
            "0::/podman-1234.scope/ID",
            "0::/user.slice/ID",
            "0::/lxc.payload.",
            "0::/lxc.monitor.web",
            "0::/lxc.monitor/web",
            "0::/machine.slice/systemd-nspawn@deb.service/supervisor",
            "0::/machine.slice/machine-.scope",
            "0::/",
            "",
        ] {
            let text = text.replace("ID", id);
            assert_eq!(Cgroups(text.as_bytes()).container(), None, "{text}");
        }
    }

    #[test]
    fn escapes_of_units() {
        for (escaped, plain) in [
            (r"a\x2db", "a-b"),
            (r"a\b\x2", r"a\b\x2"),
            (r"\x41\x5c", r"A\"),
            (r"\x+f", r"\x+f"),
            (r"\xzz\", r"\xzz\"),
        ] {
            assert_eq!(unit_unescaped(escaped.as_bytes()), plain.as_bytes());
        }
    }

    #[test]
    fn any_change_is_survived() {
        let samples: [&[u8]; 4] = [
            b"2:cpu,cpuacct:/\n1:name=systemd:/system.slice/cron.service\n0::/ignored\n",
            b"0::/kubepods.slice/a.slice:cri-containerd:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
            b"0::/machine.slice/libpod-0123.scope/container\n",
            b"0::/machine.slice/machine-a\\x2db.scope\n0::/lxc.payload.web/libpod_parent/kubepods/pod1\n",
        ];
        crate::fuzz::survives(&samples, |text| {
            let groups = Cgroups(text);
            let _ = (
                groups.container(),
                groups.unit(),
                groups.units().count(),
                groups.slices().count(),
                groups.path(),
                groups.path_with(b"cpu"),
                groups.paths().count(),
            );
        });
    }
}
