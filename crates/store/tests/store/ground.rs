//! Where the stores of one test are, so that the same tests run on every database.

use std::path::{Path, PathBuf};

use assay_store::vault::VaultReader;
use assay_store::{EventReader, EventStore, Vault};
use tempfile::TempDir;

#[cfg(feature = "postgres")]
use crate::cluster::{Cluster, cluster};

/// Empty stores that no other test sees.
pub(crate) struct Ground {
    folder: TempDir,
    address: String,
    #[cfg(feature = "postgres")]
    cluster: Option<&'static Cluster>,
}

impl Ground {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = folder.path().join("private").to_str().unwrap().to_owned();
        Self {
            folder,
            address,
            #[cfg(feature = "postgres")]
            cluster: None,
        }
    }

    /// `None`, with a printed reason, where Postgres is not installed.
    #[cfg(feature = "postgres")]
    pub(crate) fn postgres() -> Option<Self> {
        let cluster = cluster()?;
        let folder = tempfile::tempdir().unwrap();
        Some(Self { folder, address: cluster.fresh(), cluster: Some(cluster) })
    }

    /// Other empty stores, in a database of the same kind.
    pub(crate) fn another(&self) -> Self {
        #[cfg(feature = "postgres")]
        if let Some(cluster) = self.cluster {
            let folder = tempfile::tempdir().unwrap();
            return Self { folder, address: cluster.fresh(), cluster: Some(cluster) };
        }
        Self::sqlite()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The schema of a store in Postgres.
    #[cfg(feature = "postgres")]
    pub(crate) fn schema(&self) -> &str {
        self.address.rsplit_once("%3D").unwrap().1
    }

    /// A folder for anything else.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn events(&self) -> EventStore {
        EventStore::open_at(&self.address).unwrap()
    }

    pub(crate) fn reader(&self) -> EventReader {
        EventReader::open_at(&self.address).unwrap()
    }

    pub(crate) fn vault(&self) -> Vault {
        Vault::open_at(&self.address).unwrap()
    }

    pub(crate) fn vault_reader(&self) -> VaultReader {
        VaultReader::open_at(&self.address).unwrap()
    }

    /// Whether any file of the stores holds these bytes; of Postgres, the files of its tables.
    pub(crate) fn holds_in_files(&self, needle: &[u8]) -> bool {
        let files: Vec<PathBuf> = match self.table_files() {
            Some(files) => files,
            None => std::fs::read_dir(&self.address).unwrap().map(|file| file.unwrap().path()).collect(),
        };
        assert!(!files.is_empty());
        files.iter().any(|file| {
            let bytes = std::fs::read(file).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
    }

    #[cfg(feature = "postgres")]
    fn table_files(&self) -> Option<Vec<PathBuf>> {
        let listed = self.cluster?.sql_at(
            &self.address,
            "CHECKPOINT; SELECT current_setting('data_directory') || '/' || pg_relation_filepath(oid) FROM pg_class
             WHERE relname LIKE 'assay_%' AND relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i')
             UNION ALL SELECT current_setting('data_directory') || '/' || pg_relation_filepath(reltoastrelid)
             FROM pg_class WHERE relname LIKE 'assay_%' AND relnamespace = current_schema()::regnamespace AND reltoastrelid > 0",
        );
        Some(listed.lines().filter(|line| line.starts_with('/')).map(PathBuf::from).collect())
    }

    #[cfg(not(feature = "postgres"))]
    fn table_files(&self) -> Option<Vec<PathBuf>> {
        None
    }

    /// Changes rows behind the store's back: in a file of SQLite, or in the words of Postgres.
    pub(crate) fn sql(&self, file: &str, sqlite: &str, _postgres: &str) {
        #[cfg(feature = "postgres")]
        if let Some(cluster) = self.cluster {
            cluster.sql_at(&self.address, _postgres);
            return;
        }
        let connection = rusqlite::Connection::open(Path::new(&self.address).join(file)).unwrap();
        connection.execute_batch(sqlite).unwrap();
    }
}

/// Each function as a test on SQLite and, where it is built in and installed, on Postgres.
macro_rules! on_every_store {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $test() { super::$test(&crate::ground::Ground::sqlite()); })*
        }
        #[cfg(feature = "postgres")]
        mod postgres {
            $(#[test] fn $test() {
                if let Some(ground) = crate::ground::Ground::postgres() { super::$test(&ground); }
            })*
        }
    };
}
pub(crate) use on_every_store;
