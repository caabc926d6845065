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

/// How the names of containers begin in front of a hyphen, and the engine; the longer ones first.
const PREFIXES: [(&[u8], &str); 7] = [
    (b"libpod-payload", "podman"),
    (b"libpod", "podman"),
    (b"docker", "docker"),
    (b"crio", "cri-o"),
    (b"cri-containerd", "containerd"),
    (b"nerdctl", "containerd"),
    (b"machine", "machine"),
];

/// Directories whose children are containers, and the engine.
const PARENTS: [(&[u8], &str); 4] =
    [(b"docker", "docker"), (b"libpod_parent", "podman"), (b"lxc", "lxc"), (b"garden", "garden")];

fn container_of(path: &[u8]) -> Option<Vec<u8>> {
    let mut parent: &[u8] = b"";
    let mut in_pod = false;
    for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        if let Some((engine, id)) = by_name(part).or_else(|| by_parent(part, parent, in_pod)) {
            return Some([engine.as_bytes(), b":", &without_escapes(id)].concat());
        }
        in_pod |= part == b"kubepods";
        parent = base_name(part);
    }
    None
}

/// The container of a group whose name tells that it is one.
fn by_name(part: &[u8]) -> Option<(&'static str, &[u8])> {
    if let Some(name) = part.strip_prefix(b"lxc.payload.") {
        return Some(("lxc", name));
    }
    if let Some(name) = part.strip_prefix(b"systemd-nspawn@") {
        return Some(("machine", name.strip_suffix(b".service")?));
    }
    // As systemd is told to name a scope, where the group was made without it: SLICE:PREFIX:ID.
    let mut words = part.rsplitn(3, |&byte| byte == b':');
    if let (Some(id), Some(prefix), Some(slice)) = (words.next(), words.next(), words.next())
        && slice.ends_with(b".slice")
    {
        let engine = PREFIXES.iter().find(|(found, _)| *found == prefix);
        return engine.map(|&(_, engine)| (engine, id));
    }
    let name = part.strip_suffix(b".scope").or_else(|| part.starts_with(b"libpod-payload-").then_some(part))?;
    by_prefix(name)
}

/// The container of a group that is one because of where it is.
fn by_parent<'p>(part: &'p [u8], parent: &[u8], in_pod: bool) -> Option<(&'static str, &'p [u8])> {
    let is_id = |id: &[u8]| id.len() == 64 && id.iter().all(u8::is_ascii_hexdigit);
    // The cgroupfs driver of Kubernetes: kubepods/[class/]podUID/[PREFIX-]ID.
    if in_pod {
        return by_prefix(part).or_else(|| is_id(part).then_some(("kubernetes", part)));
    }
    let (_, engine) = PARENTS.iter().find(|(found, _)| *found == parent)?;
    match *engine {
        // Beside them are groups of its own, such as those of builds.
        "docker" => is_id(part).then_some((*engine, part)),
        // And its monitors.
        "podman" => by_prefix(part),
        _ => Some((*engine, part)).filter(|_| !part.ends_with(b".scope")),
    }
}

fn by_prefix(name: &[u8]) -> Option<(&'static str, &[u8])> {
    let found =
        |&(prefix, engine): &(&[u8], &'static str)| Some((engine, name.strip_prefix(prefix)?.strip_prefix(b"-")?));
    // podman's monitor of a container is outside of it.
    PREFIXES.iter().find_map(found).filter(|(_, id)| !id.starts_with(b"conmon-") && !id.is_empty())
}

/// systemd writes a hyphen in the name of a unit as \x2d, and other bytes likewise (systemd-escape(1)).
fn without_escapes(name: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&first, others)) = rest.split_first() {
        let code = others.strip_prefix(b"x").filter(|_| first == b'\\').and_then(|code| code.get(..2));
        let byte = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        text.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &others[3..] } else { others };
    }
    text
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
            (format!("0::/kubepods-besteffort-pod1_2.slice:cri-containerd:{id}"), Some(format!("containerd:{id}"))),
            (format!("0::/system.slice/kubepods-pod1.slice:crio:{id}"), Some(format!("cri-o:{id}"))),
            (format!("0::/system.slice:docker:{id}/init"), Some(format!("docker:{id}"))),
            (format!("0::/a.slice:b:{id}"), None),
            (format!("0::/a:cri-containerd:{id}"), None),
            (format!("0::/kubepods/burstable/pod1/crio-{id}"), Some(format!("cri-o:{id}"))),
            (format!("0::/libpod_parent/libpod-{id}"), Some(format!("podman:{id}"))),
            (format!("1:name=systemd:/libpod_parent/libpod-{id}/x\n0::/"), Some(format!("podman:{id}"))),
            (format!("0::/system.slice/web.service/libpod-payload-{id}"), Some(format!("podman:{id}"))),
            (
                format!("0::/user.slice/user-1.slice/user@1.service/user.slice/libpod-{id}.scope"),
                Some(format!("podman:{id}")),
            ),
            ("0::/libpod_parent/conmon".to_owned(), None),
            (format!("0::/libpod_parent/libpod-conmon-{id}"), None),
            (format!("0::/system.slice/nerdctl-{id}.scope"), Some(format!("containerd:{id}"))),
            ("0::/docker/buildkit".to_owned(), None),
            ("0::/machine.slice/systemd-nspawn@deb.service/payload".to_owned(), Some("machine:deb".to_owned())),
            (r"0::/machine.slice/machine-a\x2db\x2.scope".to_owned(), Some(r"machine:a-b\x2".to_owned())),
            ("0::/lxc.monitor.web".to_owned(), None),
            ("0::/lxc.payload.web/system.slice/cron.service".to_owned(), Some("lxc:web".to_owned())),
            ("0::/machine.slice/machine-deb.scope".to_owned(), Some("machine:deb".to_owned())),
            ("0::/system.slice/docker.service".to_owned(), None),
        ];
        for (text, container) in cases {
            let found = Cgroups(text.as_bytes()).container();
            assert_eq!(found.map(|name| String::from_utf8(name).unwrap()), container, "{text}");
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
            let _ =
                (groups.container(), groups.unit(), groups.path(), groups.path_with(b"cpu"), groups.paths().count());
        });
    }
}
