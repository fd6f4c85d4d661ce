//! Log directories for the tests of what runs over them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ottla_base::Uuid;
use ottla_storage::LogDirs;
use ottla_storage::dirs::{ClusterIdentity, LoadOptions, MetaProperties};
use ottla_storage::vfs::Disk;

/// One directory, formatted and without a log.
pub(super) fn open(path: &Path) -> Arc<LogDirs> {
    open_on(&[path], |path| Disk::new(path))
}

/// Directories, formatted and without a log, on disks that a test has prepared.
pub(super) fn open_on(paths: &[&Path], disk: impl Fn(&Path) -> Disk) -> Arc<LogDirs> {
    for (path, id) in paths.iter().zip(1000..) {
        let identity = ClusterIdentity {
            cluster_id: "c".to_owned(),
            node_id: 1,
        };
        let meta = MetaProperties {
            identity,
            directory_id: Uuid::from_u128(id),
        };
        meta.write(&Disk::new(*path)).unwrap();
    }
    let paths: Vec<_> = paths.iter().map(|path| path.to_path_buf()).collect();
    let dirs = LogDirs::open_on(&paths, None, |path| disk(path)).unwrap();
    load(&dirs);
    Arc::new(dirs)
}

/// Every log with the default configuration, none a stray.
pub(super) fn load(dirs: &LogDirs) {
    dirs.load_all(&LoadOptions {
        threads_per_dir: 1,
        now_ms: 0,
        config_of: &|_| Arc::default(),
        is_stray: &|_, _| false,
        file_delete_delay_ms: 0,
    })
    .unwrap();
}

/// What other threads do in their own time; a busy machine gives them little of it.
pub(super) async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not done in a minute: {what}");
}
