//! Disks that are full for a while.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown, symlink},
    path::Path,
};

use super::{
    audit::{assert_stored, stored},
    backend::{Backend, Served, Session, mariadb, postgres, sqlite},
    traffic::Traffic,
    volume::Volume,
};

/// Room for the tables, and for some thousand rows.
const MEBIBYTES: usize = 16;
const ENOUGH: u64 = 50;

on_each!([sqlite, postgres, mariadb] a_full_disk_is_waited_for_and_nothing_is_half_written);
async fn a_full_disk_is_waited_for_and_nothing_is_half_written<B: OnVolume>() {
    let Some(volume) = Volume::mount(MEBIBYTES) else {
        return;
    };
    let place = B::on(&volume).await;
    let traffic = Traffic::into(&place.dsn());
    traffic.say_all("before", 50, 5).await;
    let before = traffic.written().await;
    let flow = traffic.flow("talk", 4);
    volume.fill();
    traffic.until(|now| now.retries > 1).await;
    let held = traffic.metrics();
    traffic
        .until(|now| now.accepted > held.accepted + ENOUGH)
        .await;
    if B::READS_WHILE_FULL {
        let stored = stored(&place).await;
        assert!(before.iter().all(|text| stored.contains(text)));
    }
    volume.free();
    traffic.until_written(ENOUGH).await;
    flow.stop().await;
    assert_stored(&place, &traffic.written().await).await;
}

/// A database whose tables lie on a volume.
trait OnVolume: Backend {
    /// Whether others can open it while the volume is full.
    const READS_WHILE_FULL: bool;

    async fn on(volume: &Volume) -> Self;
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
        let mut session = place.session().await;
        let data = session
            .texts("SELECT current_setting('data_directory') AS value")
            .await;
        let tables = folder_like(Path::new(&data[0]), volume);
        let (tables, name) = (tables.display(), place.database.name());
        session
            .execute(&format!("CREATE TABLESPACE small LOCATION '{tables}'"))
            .await;
        let sql = format!("ALTER DATABASE {name} SET default_tablespace = small");
        session.execute(&sql).await;
        place
    }
}

impl OnVolume for mariadb::Place {
    const READS_WHILE_FULL: bool = true;

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
}

/// A folder on the volume, owned by whom this one is.
fn folder_like(model: &Path, volume: &Volume) -> std::path::PathBuf {
    let folder = volume.path().join("tables");
    fs::create_dir(&folder).expect("a folder");
    let owner = fs::metadata(model).expect("a folder of the server's");
    chown(&folder, Some(owner.uid()), Some(owner.gid())).expect("root");
    folder
}
