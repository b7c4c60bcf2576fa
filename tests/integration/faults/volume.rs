//! A small file system of a test's own, where the system lets it be mounted.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A file system in memory, unmounted with this.
pub(super) struct Volume {
    folder: TempDir,
}

impl Volume {
    /// Mounts one of so many MiB. `None`, and a word why, where that is not permitted.
    pub(super) fn mount(mebibytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let volume = Self { folder };
        let options = format!("size={mebibytes}m,mode=0777");
        match run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(volume.path()))
        {
            Ok(()) => {
                let open = Permissions::from_mode(0o755);
                fs::set_permissions(volume.folder.path(), open).expect("a folder of our own");
                Some(volume)
            }
            Err(error) => {
                println!("skipped: a file system cannot be mounted: {error}");
                None
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all of the space that is left.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.ballast()).expect("a file");
        let block = [1; 1 << 12];
        while ballast.write_all(&block).is_ok() {}
    }

    /// Gives the space back.
    pub(super) fn free(&self) {
        fs::remove_file(self.ballast()).expect("ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Whether it could be made read-only: not while somebody has a file open for writing.
    pub(super) fn make_read_only(&self) -> bool {
        self.remount("ro").is_ok()
    }

    pub(super) fn make_writable(&self) {
        self.remount("rw").expect("a volume that is mounted");
    }

    fn remount(&self, how: &str) -> Result<(), String> {
        let options = format!("remount,{how}");
        run(Command::new("mount")
            .args(["-o", &options])
            .arg(self.path()))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Also while a server that was not waited for has files open there.
        let _ = run(Command::new("umount").arg("-l").arg(self.path()));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}
