//! A disk that loses what was not synced: an ext4 in a file, which is shut down without its journal being flushed
//! (`EXT4_IOC_SHUTDOWN`, as xfstests' `godown` does) and mounted again. Whatever its cache alone held is gone.
//!
//! That takes root, `unshare`, `mkfs.ext4`, `mount` and `perl`; where one is missing the tests say that they are skipped.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INSIDE: &str = "ASSAY_POWER_INSIDE";
const BYTES: u64 = 512 << 20;
/// Nothing is written before it is asked for: no commit of the journal by the clock, no blocks allocated because a file is replaced.
const OPTIONS: &str = "loop,commit=300,noauto_da_alloc";
/// `_IOR('X', 125, __u32)`, without a flush of the journal.
const SHUTDOWN: &str =
    r#"my $how = pack("L", 2); open(F, "<", $ARGV[0]) or die $!; ioctl(F, 0x8004587d, $how) or die $!"#;

/// Runs a test of this binary again where its mounts are seen by nobody else, and go when it ends. `true` is said inside.
pub(crate) fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Err(why) = ran(Command::new("unshare").args(["--mount", "true"])) {
        println!("skipped: {why}");
        return false;
    }
    let mut again = Command::new("unshare");
    again.arg("--mount").arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    assert!(again.env(INSIDE, "1").status().unwrap().success());
    false
}

/// Such a disk. It is there until its process ends.
pub(crate) struct Disk {
    image: PathBuf,
    pub(crate) path: PathBuf,
}

impl Disk {
    /// Makes one in `dir`, or says why that cannot be done here.
    pub(crate) fn new(dir: &Path) -> Result<Self, String> {
        let disk = Self { image: dir.join("image"), path: dir.join("disk") };
        File::create(&disk.image).and_then(|image| image.set_len(BYTES)).map_err(|e| e.to_string())?;
        fs::create_dir(&disk.path).map_err(|e| e.to_string())?;
        ran(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image))?;
        disk.mount()?;
        disk.loses_what_is_not_synced()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        ran(Command::new("mount").args(["-t", "ext4", "-o", OPTIONS]).args([&self.image, &self.path]))
    }

    /// Power goes: nothing that is not on the disk by now ever will be, and every write fails.
    pub(crate) fn lose_power(&self) {
        self.require_own();
        ran(Command::new("perl").args(["-e", SHUTDOWN]).arg(&self.path)).unwrap();
    }

    /// Only the disk that was made for this is shut down, never the one that its folder is on.
    fn require_own(&self) {
        use std::os::unix::fs::MetadataExt as _;

        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        assert_ne!(device(&self.path), device(self.path.parent().unwrap()), "{:?} is no disk", self.path);
    }

    /// Power comes back. Nobody must have a file of it open.
    pub(crate) fn come_back(&self) {
        ran(Command::new("umount").arg(&self.path)).unwrap();
        self.mount().unwrap();
    }

    /// Where a process on it says what it thinks of that.
    pub(crate) fn errors(&self) -> File {
        File::create(self.image.with_extension("errors")).unwrap()
    }

    pub(crate) fn last_errors(&self) -> String {
        fs::read_to_string(self.image.with_extension("errors")).unwrap_or_default()
    }

    /// The disk does what it is there for.
    fn loses_what_is_not_synced(&self) -> Result<(), String> {
        let [kept, lost] = ["kept", "lost"].map(|name| self.path.join(name));
        let write = |path: &Path| -> std::io::Result<File> {
            let mut file = File::create(path)?;
            file.write_all(b"something")?;
            Ok(file)
        };
        write(&kept).and_then(|file| file.sync_all()).map_err(|e| e.to_string())?;
        write(&lost).map_err(|e| e.to_string())?;
        self.lose_power();
        self.come_back();
        match (fs::read(&kept).as_deref(), lost.exists()) {
            (Ok(b"something"), false) => Ok(()),
            found => Err(format!("of two files, one synced, {found:?} is left")),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn ran(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
