//! What kind of file system a path is on, as far as the system says: Linux does, in `/proc/self/mountinfo`.

use std::{fs, path::Path};

/// File systems shared between machines: SQLite's write-ahead log needs memory that all its users share.
const NETWORK: [&str; 9] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "fuse.sshfs", "fuse.glusterfs"];

/// True for an absolute path on a network file system.
pub(crate) fn is_network(path: &Path) -> bool {
    let Ok(mounts) = fs::read_to_string("/proc/self/mountinfo") else { return false };
    kind_of(&mounts, path).is_some_and(|kind| NETWORK.contains(&kind))
}

/// The kind of the innermost mount that holds `path`. The format is that of proc_pid_mountinfo(5).
fn kind_of<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mut found: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let point = unescape(point);
        // of two mounts at one place the later one hides the other
        if path.starts_with(&point) && found.is_none_or(|(length, _)| point.len() >= length) {
            found = Some((point.len(), kind));
        }
    }
    found.map(|(_, kind)| kind)
}

fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(field.to_owned(), |text, (escape, plain)| text.replace(escape, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
40 22 0:35 / /home rw,relatime shared:5 - nfs4 server:/home rw
41 40 8:2 / /home/local\\040disk rw - xfs /dev/sda2 rw
42 22 0:36 / /mnt rw - tmpfs tmpfs rw
43 22 0:37 / /mnt rw - cifs //server/share rw
";

    #[test]
    fn the_innermost_and_latest_mount_counts() {
        for (path, kind) in [
            ("/var/quakes.db", "ext4"),
            ("/home/a/quakes.db", "nfs4"),
            ("/homes/quakes.db", "ext4"),
            ("/home/local disk/quakes.db", "xfs"),
            ("/mnt/quakes.db", "cifs"),
        ] {
            assert_eq!(kind_of(MOUNTS, Path::new(path)), Some(kind), "{path}");
        }
    }
}
