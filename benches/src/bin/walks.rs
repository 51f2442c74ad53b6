//! One walk for all rules that look for files anywhere: the real scan with those rules alone, and its walk
//! alone, against one bare `find` with the same tests that a person would write.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::BenchError;
use benches::command::{self, Done};
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::scene::{Master, Scene};
use rules::Selection;

/// Rounds; in each, everything that is compared runs once.
const ROUNDS: usize = 9;
/// Folders that are added to the host, and files in each.
const FOLDERS: usize = 200;
const FILES: usize = 1000;
/// Every so many files one is of a sort that rules look for.
const PLANTED: usize = 1000;
/// Every so many files belong to a user other than root, whom the host knows.
const OTHERS: usize = 4;
/// `www-data` of Debian, user and group.
const KNOWN: u32 = 33;
/// A number that no user and no group of the host has.
const UNKNOWN: u32 = 48_999;
/// The tag of the rules that walk.
const TAG: &str = "walk";
/// Highest ratio to the bare `find`.
const LIMIT: f64 = 1.3;
/// What a person would type: every file system but that of `/` is left out, and nothing is spared.
const BARE: &str = "find / -xdev \
    -type f -perm -0002 -printf 'world_writable_file:%m:%u:%g:%p\\0' , \
    -type d -perm -0002 ! -perm -1000 -printf 'world_writable_directory:%m:%u:%g:%p\\0' , \
    -nouser -printf 'unowned:%m:%u:%g:%p\\0' , \
    -nogroup -printf 'ungrouped:%m:%u:%g:%p\\0' , \
    -type f -perm -4000 -printf 'setuid:%m:%u:%g:%p\\0' , \
    -type f -perm -2000 -printf 'setgid:%m:%u:%g:%p\\0'";
/// The same by somebody who knows that `-nouser` and `-nogroup` ask the user database about each file, and that
/// root is there.
const SPARED: &str = "find / -xdev \
    -type f -perm -0002 -printf 'world_writable_file:%m:%u:%g:%p\\0' , \
    -type d -perm -0002 ! -perm -1000 -printf 'world_writable_directory:%m:%u:%g:%p\\0' , \
    ! -uid 0 -nouser -printf 'unowned:%m:%u:%g:%p\\0' , \
    ! -gid 0 -nogroup -printf 'ungrouped:%m:%u:%g:%p\\0' , \
    -type f -perm -4000 -printf 'setuid:%m:%u:%g:%p\\0' , \
    -type f -perm -2000 -printf 'setgid:%m:%u:%g:%p\\0'";

fn main() -> ExitCode {
    run(benchmark)
}

fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("walks");
    let scene = Scene::start(None)?;
    plant(&PathBuf::from(format!("/proc/{}/root/srv/walks", scene.host.pid())))
        .map_err(BenchError::io("put files on the host"))?;
    let walk = script(&scene)?;
    let port = scene.host.port();
    let master = Master::start(&scene, port)?;
    let count = master.exec("find / -xdev | wc -l")?;
    let count = String::from_utf8_lossy(&count.stdout);
    report.note(format_args!(
        "{} files on the test host's root file system, the pages of it in memory",
        count.trim()
    ));
    same_files(&report, &master, &walk)?;
    measure(&mut report, (&scene, &master), &walk)?;
    Ok(report.end())
}

/// Puts files below `folder`, most of them of no interest, some of each sort that rules look for.
fn plant(folder: &Path) -> io::Result<()> {
    for outer in 0..FOLDERS {
        let inside = folder.join(format!("{outer:03}"));
        fs::create_dir_all(&inside)?;
        for inner in 0..FILES {
            let (path, number) = (inside.join(format!("file-{inner:04}")), outer * FILES + inner);
            drop(File::create(&path)?);
            fs::set_permissions(&path, Permissions::from_mode(0o644))?;
            if number % OTHERS == 0 {
                chown(&path, Some(KNOWN), Some(KNOWN))?;
            }
            if number % PLANTED == 1 {
                spoil(&path, number / PLANTED)?;
            }
        }
    }
    Ok(())
}

/// Makes a plain file one of the sorts that rules look for, in turn.
fn spoil(path: &Path, turn: usize) -> io::Result<()> {
    let set = |mode| fs::set_permissions(path, Permissions::from_mode(mode));
    match turn % 6 {
        0 => set(0o666),
        1 => chown(path, Some(UNKNOWN), None),
        2 => chown(path, None, Some(UNKNOWN)),
        3 => set(0o4755),
        4 => set(0o2755),
        _folder => {
            let folder = path.with_extension("d");
            fs::create_dir(&folder)?;
            fs::set_permissions(folder, Permissions::from_mode(0o777))
        }
    }
}

/// Returns the script that a scan with all rules that walk sends, and no other.
fn script(scene: &Scene) -> Result<String, BenchError> {
    let hello = scene.talk(scene.host.port())?.hello;
    let commands =
        scene.planned(&Selection { tags: vec![TAG.to_owned()], ..Selection::default() }, &hello)?;
    match &commands[..] {
        [walk] => Ok(walk.script.clone()),
        more => Err(BenchError::Rules { said: format!("{} walks serve the rules, not one", more.len()) }),
    }
}

/// Sees to it that all compared programs find the same files, each at least one of every sort.
fn same_files(report: &Report, master: &Master<'_>, walk: &str) -> Result<(), BenchError> {
    let found = |script: &str| -> Result<BTreeSet<Vec<u8>>, BenchError> {
        let done = master.exec(script)?;
        let records = done.stdout.split(|byte| *byte == 0).filter(|record| !record.is_empty());
        // The walk also says what is mounted and how `find` ended.
        let is_file = |record: &&[u8]| !matches!(record.first(), Some(b'+' | b'-' | b'.'));
        Ok(records.filter(is_file).map(<[u8]>::to_vec).collect())
    };
    let (ours, bare, spared) = (found(walk)?, found(BARE)?, found(SPARED)?);
    if ours != bare || ours != spared {
        let said = format!(
            "{} files by ours, {} by the bare one, {} by the spared one",
            ours.len(),
            bare.len(),
            spared.len()
        );
        return Err(BenchError::Said { what: "the walks do not find the same".to_owned(), said });
    }
    let sorts: BTreeSet<&[u8]> =
        ours.iter().filter_map(|record| record.split(|byte| *byte == b':').next()).collect();
    report.note(format_args!("{} findings of {} sorts, the same by all", ours.len(), sorts.len()));
    Ok(())
}

/// Logs in with OpenSSH and runs one script.
fn login(scene: &Scene, script: &str) -> Result<Done, BenchError> {
    let mut ssh = scene.ssh(scene.host.port());
    ssh.args(["exec", "sh", "-s"]);
    command::run(ssh, script.as_bytes())?.must("ssh with one script", &[0])
}

/// The scan and the walk, each against the bare `find` over the same sort of connection.
fn measure(
    report: &mut Report,
    (scene, master): (&Scene, &Master<'_>),
    walk: &str,
) -> Result<(), BenchError> {
    let (mut scans, mut alone, mut walks) = (Samples::default(), Samples::default(), Samples::default());
    let (mut shared, mut spared, mut polite) = (Samples::default(), Samples::default(), Samples::default());
    let port = scene.host.port();
    // The first scan also makes the database and the key.
    let scan = || scene.scan(port, &["--tag", TAG]);
    scan()?;
    let nice = format!("nice -n 19 ionice -c 3 {BARE}");
    for _round in 0..ROUNDS {
        scans.push(scan()?.taken);
        alone.push(login(scene, BARE)?.taken);
        walks.push(master.exec(walk)?.taken);
        shared.push(master.exec(BARE)?.taken);
        spared.push(master.exec(SPARED)?.taken);
        polite.push(master.exec(&nice)?.taken);
    }
    report.figures("plumb scan --tag walk, whole, stored and signed", "ms", &scans);
    report.figures("the bare find in one ssh call with its login", "ms", &alone);
    report.figures("the walk of the scan alone, on an open connection", "ms", &walks);
    report.figures("the bare find alone, on the same connection", "ms", &shared);
    report.figures("the same, but root is not looked up for each file", "ms", &spared);
    report.figures("the bare find with the lowest priority, as ours has", "ms", &polite);
    report.figures("the walk against the find that spares itself look-ups", "x", &walks.ratios_to(&spared));
    report.at_most("the walk alone against the bare find alone", (&walks.ratios_to(&shared), LIMIT), "x");
    report.at_most(
        "the whole scan against the bare find with its login",
        (&scans.ratios_to(&alone), LIMIT),
        "x",
    );
    Ok(())
}
