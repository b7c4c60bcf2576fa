//! Disks that are full for a while.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::{MetadataExt, chown, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{sleep, timeout};

use super::{
    audit::{assert_stored, stored},
    backend::{Backend, Served, Wired, mariadb, postgres, sqlite},
    traffic::Traffic,
    volume::Volume,
};

/// Room for the tables, and for many more rows than are written.
const MEBIBYTES: usize = 64;
const ENOUGH: u64 = 50;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

on_each!([sqlite, postgres, mariadb] a_full_disk_is_waited_for_and_nothing_is_half_written);
async fn a_full_disk_is_waited_for_and_nothing_is_half_written<B: OnVolume>() {
    let Some(volume) = Volume::mount(MEBIBYTES) else {
        return;
    };
    let mut place = B::on(&volume).await;
    let traffic = Traffic::into(&place.dsn());
    traffic.say_all("before", 50, 5).await;
    let before = traffic.written().await;
    let flow = traffic.flow("talk", 4);
    volume.fill();
    let held = traffic.metrics();
    traffic.until(|now| now.retries > held.retries).await;
    traffic.until_said(ENOUGH).await;
    if B::READS_WHILE_FULL {
        let stored = stored(&place).await;
        assert!(before.iter().all(|text| stored.contains(text)));
    }
    volume.free();
    let held = traffic.metrics();
    let goes_on = async {
        while traffic.metrics().written < held.written + ENOUGH {
            place.revive();
            sleep(LOOK_AGAIN).await;
        }
    };
    timeout(LONGEST_WAIT, goes_on)
        .await
        .expect("recording goes on");
    flow.stop().await;
    assert_stored(&place, &traffic.written().await).await;
}

/// A database whose tables lie on a volume.
trait OnVolume: Backend {
    /// Whether others can open it while the volume is full.
    const READS_WHILE_FULL: bool;

    async fn on(volume: &Volume) -> Self;

    /// Starts the server again, if it has died of the full disk.
    fn revive(&mut self) {}
}

impl OnVolume for sqlite::Place {
    // Whoever opens a file whose log and index were left needs space for both.
    const READS_WHILE_FULL: bool = false;

    async fn on(volume: &Volume) -> Self {
        Self::within(volume.path())
    }
}

impl OnVolume for postgres::Place {
    const READS_WHILE_FULL: bool = true;

    async fn on(volume: &Volume) -> Self {
        let place = Self::alone().await;
        let data = place.texts("SELECT current_setting('data_directory') AS value");
        let tables = folder_like(Path::new(&data.await[0]), volume);
        let (tables, name) = (tables.display(), place.database.name());
        let sql = format!("CREATE TABLESPACE small LOCATION '{tables}'");
        place.execute(&sql).await;
        let sql = format!("ALTER DATABASE {name} SET default_tablespace = small");
        place.execute(&sql).await;
        place
    }
}

impl OnVolume for mariadb::Place {
    // InnoDB aborts where it finds no space to roll back in.
    const READS_WHILE_FULL: bool = false;

    async fn on(volume: &Volume) -> Self {
        let place = Self::alone().await;
        let data = place.texts("SELECT @@datadir AS value").await;
        let own = Path::new(&data[0]).join(place.name());
        let tables = folder_like(&own, volume);
        let options = fs::read(own.join("db.opt")).expect("a database's options");
        fs::write(tables.join("db.opt"), options).expect("a file");
        fs::remove_dir_all(&own).expect("a database without tables");
        symlink(&tables, &own).expect("a link");
        place
    }

    fn revive(&mut self) {
        if TcpStream::connect(self.server()).is_err() {
            self.kill();
            self.run();
        }
    }
}

/// A folder on the volume, owned by whom this one is.
fn folder_like(model: &Path, volume: &Volume) -> PathBuf {
    let folder = volume.path().join("tables");
    fs::create_dir(&folder).expect("a folder");
    let owner = fs::metadata(model).expect("a folder of the server's");
    chown(&folder, Some(owner.uid()), Some(owner.gid())).expect("root");
    folder
}
