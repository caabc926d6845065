//! /proc/PID/cgroup, and what its paths say about systemd units and containers.

use super::base_name;

/// The control groups of a process: lines of "number:controllers:path" (see cgroups(7)).
#[derive(Clone, Copy)]
pub struct Cgroups<'a>(pub &'a [u8]);

impl<'a> Cgroups<'a> {
    /// Controllers and path of each hierarchy.
    fn hierarchies(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.split(|&byte| byte == b'\n').filter_map(|line| {
            let mut parts = line.splitn(3, |&byte| byte == b':').skip(1);
            Some((parts.next()?, parts.next()?))
        })
    }

    /// The paths in all hierarchies.
    pub fn paths(self) -> impl Iterator<Item = &'a [u8]> {
        self.hierarchies().map(|(_, path)| path)
    }

    /// The path in the hierarchy with this controller; without a name, in that of cgroups v2.
    pub fn path_with(self, controller: &[u8]) -> Option<&'a [u8]> {
        let has = |controllers: &[u8]| controllers.split(|&byte| byte == b',').any(|found| found == controller);
        self.hierarchies().find(|(controllers, _)| has(controllers)).map(|(_, path)| path)
    }

    /// The one path that tells where the process belongs: that of systemd's own hierarchy on machines with cgroups v1,
    /// else that of cgroups v2.
    pub fn path(self) -> Option<&'a [u8]> {
        let of = |controllers: &[u8]| self.hierarchies().find(|(found, _)| *found == controllers);
        of(b"name=systemd").or_else(|| of(b"")).or_else(|| self.hierarchies().next()).map(|(_, path)| path)
    }

    /// The systemd unit: the first part of the path that is not a slice, if it is named like a unit. For what runs under
    /// a user's own service manager that is user@UID.service, as in `ps -o unit`.
    pub fn unit(self) -> Option<&'a [u8]> {
        const KINDS: [&[u8]; 5] = [b".service", b".scope", b".socket", b".mount", b".swap"];
        let part =
            self.path()?.split(|&byte| byte == b'/').find(|part| !part.is_empty() && !part.ends_with(b".slice"))?;
        // A name that cgroups reserve is escaped with an underscore (systemd's cg_escape).
        let unit = part.strip_prefix(b"_").unwrap_or(part);
        KINDS.iter().any(|kind| unit.ends_with(kind)).then_some(unit)
    }

    /// The container, as "engine:id". Engines are known by how they name their groups.
    pub fn container(self) -> Option<Vec<u8>> {
        self.paths().find_map(container_of)
    }
}

/// Prefixes of a scope that is a container, and the engine.
const SCOPES: [(&[u8], &str); 5] = [
    (b"docker-", "docker"),
    (b"libpod-", "podman"),
    (b"crio-", "cri-o"),
    (b"cri-containerd-", "containerd"),
    (b"machine-", "machine"),
];

/// Directories whose child is a container, and the engine.
const PARENTS: [(&[u8], &str); 4] =
    [(b"docker", "docker"), (b"libpod_parent", "podman"), (b"lxc", "lxc"), (b"garden", "garden")];

fn container_of(path: &[u8]) -> Option<Vec<u8>> {
    let name = |engine: &str, id: &[u8]| [engine.as_bytes(), b":", id].concat();
    let mut parent: &[u8] = b"";
    let mut in_pod = false;
    for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        for (prefix, engine) in SCOPES {
            if let Some(id) = part.strip_prefix(prefix).and_then(|id| id.strip_suffix(b".scope"))
                // podman's monitor of a container is outside of it.
                && !id.starts_with(b"conmon-")
            {
                return Some(name(engine, id));
            }
        }
        if let Some(id) = part.strip_prefix(b"lxc.payload.") {
            return Some(name("lxc", id));
        }
        if let Some((_, engine)) = PARENTS.iter().find(|(found, _)| *found == parent)
            && !part.ends_with(b".scope")
        {
            return Some(name(engine, part));
        }
        // The cgroupfs driver of Kubernetes: kubepods/[class/]podUID/ID.
        if in_pod && part.len() == 64 && part.iter().all(u8::is_ascii_hexdigit) {
            return Some(name("kubernetes", part));
        }
        in_pod |= part == b"kubepods";
        parent = base_name(part);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Cgroups;

    #[test]
    fn the_telling_path_and_its_unit() {
        let hybrid = Cgroups(b"2:cpu,cpuacct:/\n1:name=systemd:/system.slice/cron.service\n0::/ignored\n");
        assert_eq!(hybrid.path(), Some(&b"/system.slice/cron.service"[..]));
        assert_eq!(hybrid.unit(), Some(&b"cron.service"[..]));
        let user = Cgroups(b"0::/user.slice/user-1000.slice/user@1000.service/app.slice/a:b.service\n");
        assert_eq!(user.unit(), Some(&b"user@1000.service"[..]));
        for without in [&b""[..], b"0::/\n", b"0::/init\n", b"nonsense"] {
            assert_eq!(Cgroups(without).unit(), None);
        }
    }

    #[test]
    fn containers_are_known_by_their_engine() {
        let id = "0123456789abcdef".repeat(4);
        let cases = [
            (format!("0::/system.slice/docker-{id}.scope"), Some(format!("docker:{id}"))),
            (format!("4:memory:/docker/{id}\n0::/"), Some(format!("docker:{id}"))),
            (format!("0::/machine.slice/libpod-{id}.scope/container"), Some(format!("podman:{id}"))),
            (format!("0::/machine.slice/libpod-conmon-{id}.scope"), None),
            (
                format!("0::/kubepods.slice/kubepods-burstable.slice/cri-containerd-{id}.scope"),
                Some(format!("containerd:{id}")),
            ),
            (format!("0::/kubepods/besteffort/pod1-2/{id}"), Some(format!("kubernetes:{id}"))),
            ("0::/lxc.payload.web/system.slice/cron.service".to_owned(), Some("lxc:web".to_owned())),
            ("0::/machine.slice/machine-deb.scope".to_owned(), Some("machine:deb".to_owned())),
            ("0::/system.slice/docker.service".to_owned(), None),
        ];
        for (text, container) in cases {
            let found = Cgroups(text.as_bytes()).container();
            assert_eq!(found.map(|name| String::from_utf8(name).unwrap()), container, "{text}");
        }
    }
}
