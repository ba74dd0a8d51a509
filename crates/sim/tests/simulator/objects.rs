//! An object store in memory that is slow, fails, tears what is written to it, and remembers what it has shown.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_executor::block_on;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::machine::{Effect, Machine, Step, Turn};

/// Whose objects these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// All tables.
    Node,
    /// What a stranger gets.
    Public,
}

/// A bucket: it outlives its node.
#[derive(Clone)]
pub(crate) struct Bucket {
    machine: Machine,
    owner: Owner,
    objects: Arc<InMemory>,
    shown: Arc<Mutex<Vec<Bytes>>>,
}

impl Bucket {
    pub(crate) fn new(machine: Machine, owner: Owner) -> Self {
        Self { machine, owner, objects: Arc::new(InMemory::new()), shown: Arc::default() }
    }

    /// Everything that the checkpoint has been since this was asked last.
    pub(crate) fn shown(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The paths of all objects, sorted; no fault in between, as in all that follow.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let found: Result<Vec<ObjectMeta>> = block_on(self.objects.list(None).try_collect());
        let mut paths: Vec<Path> = found.unwrap().into_iter().map(|object| object.location).collect();
        paths.sort();
        paths
    }

    pub(crate) fn get(&self, path: &Path) -> Option<Bytes> {
        block_on(async { self.objects.get(path).await.ok()?.bytes().await.ok() })
    }

    /// Moves everything away.
    pub(crate) fn wipe(&self) {
        for path in self.paths() {
            block_on(self.objects.delete(&path)).unwrap();
        }
    }

    /// Turns one bit of an object.
    pub(crate) fn flip(&self, path: &Path, bit: u64) {
        let mut bytes = self.get(path).unwrap().to_vec();
        let at = (bit / 8) as usize % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        block_on(self.objects.put(path, bytes.into())).unwrap();
    }

    fn step(&self, path: &Path) -> Step {
        match (self.owner, path.as_ref()) {
            (Owner::Node, _) => Step::PutTable,
            (Owner::Public, "checkpoint") => Step::WriteCheckpoint,
            (Owner::Public, path) if path.starts_with("tile/") => Step::WriteTile,
            (Owner::Public, _) => Step::PublishTable,
        }
    }

    fn read(&self) -> Result<()> {
        if self.machine.turn(Step::Read).answered { Ok(()) } else { Err(refused()) }
    }
}

fn refused() -> Error {
    Error::Generic { store: "simulated", source: "the simulator says so".into() }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({:?})", self.owner)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for Bucket {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let step = self.step(path);
        let Turn { effect, answered } = self.machine.turn(step);
        let whole = Bytes::from(payload);
        let bytes = match effect {
            Effect::None => return Err(refused()),
            Effect::Half => whole.slice(..whole.len() / 2),
            Effect::Whole => whole,
        };
        let done = self.objects.put_opts(path, bytes.clone().into(), options).await?;
        if step == Step::WriteCheckpoint {
            self.shown.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
        if answered { Ok(done) } else { Err(refused()) }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.read()?;
        self.objects.get_opts(path, options).await
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.read() {
            Ok(()) => self.objects.list(prefix),
            Err(error) => Box::pin(futures_util::stream::once(async { Err(error) })),
        }
    }

    // The node uses none of the following.

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
