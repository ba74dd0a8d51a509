//! An object store as the rest of this crate sees it: calls that block, under a prefix.
//!
//! `s3://BUCKET/PREFIX` is any S3-compatible store. Who may use it comes from the environment (`AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINT`, `AWS_REGION`, ...; see the documentation of the crate `object_store`), never
//! from an address, and is in no message. Requests that fail for a reason that may pass are sent again.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, PutResult};

use crate::{StoreError, files};

/// A part of an object store.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    place: String,
}

impl Objects {
    /// Any object store that makes an object durable before it answers. `place` is for messages.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, prefix: &str, place: String) -> Self {
        Self { store, prefix: ObjectPath::from(prefix), place }
    }

    /// A folder, created if missing.
    pub(crate) fn folder(root: &Path) -> Result<Self, StoreError> {
        files::create_folder(root)?;
        let place = root.display().to_string();
        // Without this flag the file system is free to forget a file that was already answered for.
        match LocalFileSystem::new_with_prefix(root) {
            Ok(folder) => Ok(Self::new(Arc::new(folder.with_fsync(true)), "", place)),
            Err(error) => Err(failed("open the table store", &place, &error)),
        }
    }

    /// The store of an address with a scheme, in builds that have it.
    pub(crate) fn remote(scheme: &str, rest: &str) -> Result<Self, StoreError> {
        #[cfg(feature = "s3")]
        if scheme == "s3" {
            return s3::open(rest);
        }
        let _ = rest;
        Err(StoreError::Invalid(format!(
            "files cannot be kept there: this build has no {scheme} store; give a folder, or build with `--features s3`"
        )))
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// For messages: an object and its store.
    pub(crate) fn name(&self, path: &str) -> String {
        format!("{path} in {}", self.place)
    }

    fn location(&self, path: &str) -> ObjectPath {
        self.prefix.parts().chain(ObjectPath::from(path).parts()).collect()
    }

    pub(crate) fn put(&self, path: &str, bytes: Bytes, mode: PutMode) -> Result<PutResult, Error> {
        let location = self.location(path);
        block_on(self.store.put_opts(&location, PutPayload::from_bytes(bytes), mode.into()))
    }

    /// An object of at most `bytes_max` bytes, or its description alone if it is larger.
    pub(crate) fn get(&self, path: &str, bytes_max: u64) -> Result<(ObjectMeta, Option<Bytes>), Error> {
        let location = self.location(path);
        block_on(async {
            let found = self.store.get(&location).await?;
            let meta = found.meta.clone();
            // Looked at before the bytes are loaded, so that a wrong object cannot exhaust memory.
            let bytes = if meta.size <= bytes_max { Some(found.bytes().await?) } else { None };
            Ok((meta, bytes))
        })
    }

    pub(crate) fn head(&self, path: &str) -> Result<Option<ObjectMeta>, Error> {
        match block_on(self.store.head(&self.location(path))) {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object; one that is not there is no error.
    pub(crate) fn delete(&self, path: &str) -> Result<(), Error> {
        match block_on(self.store.delete(&self.location(path))) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Name and size of every object below a folder, deep or not.
    pub(crate) fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Error> {
        use futures_util::TryStreamExt as _;
        let at = self.location(folder);
        let found: Vec<ObjectMeta> = block_on(self.store.list(Some(&at)).try_collect())?;
        let skip = if self.prefix.as_ref().is_empty() { 0 } else { self.prefix.as_ref().len() + 1 };
        let named =
            |object: ObjectMeta| Some((object.location.as_ref().get(skip..)?.to_owned(), object.size));
        Ok(found.into_iter().filter_map(named).collect())
    }
}

pub(crate) fn failed(action: &'static str, place: &str, error: &Error) -> StoreError {
    match error {
        Error::NotFound { .. } => StoreError::NotFound(place.to_owned()),
        other => StoreError::Objects { action, place: place.to_owned(), detail: other.to_string() },
    }
}

#[cfg(not(feature = "s3"))]
fn block_on<F: Future>(future: F) -> F::Output {
    futures_executor::block_on(future)
}

/// What speaks to the network needs a runtime: one for the process, with one thread.
#[cfg(feature = "s3")]
fn block_on<F: Future>(future: F) -> F::Output {
    use std::sync::OnceLock;
    use tokio::runtime::{Builder, Runtime};
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let built =
        RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().ok());
    match built {
        Some(runtime) => runtime.block_on(future),
        // Only the network needs more than this; it then says so itself.
        None => futures_executor::block_on(future),
    }
}

#[cfg(feature = "s3")]
mod s3 {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use object_store::aws::AmazonS3Builder;
    use object_store::client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
        ReqwestConnector,
    };
    use object_store::{ClientOptions, RetryConfig};

    use super::{Objects, failed};
    use crate::StoreError;

    /// How often a request is sent again.
    const RETRIES_MAX: usize = 6;
    /// How long after its first try a request may still be sent again.
    const RETRY_TIME_MAX: Duration = Duration::from_secs(60);

    /// Opens `BUCKET/PREFIX`.
    pub(super) fn open(rest: &str) -> Result<Objects, StoreError> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(plain) {
            // Not repeated: somebody may have put a key into it.
            return Err(StoreError::Invalid(
                "an S3 address is s3://BUCKET/PREFIX; keys belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            ));
        }
        // An error says that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry =
            RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIME_MAX, ..RetryConfig::default() };
        let place = format!("s3://{rest}");
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        match builder.with_http_connector(Patient(ReqwestConnector::default())).build() {
            Ok(store) => Ok(Objects::new(Arc::new(store), prefix, place)),
            Err(error) => Err(failed("open", &place, &error)),
        }
    }

    /// Connects to where every failure of the network may pass. The client sends again what it knows to be cut off, and
    /// a connection that breaks has more faces than it knows: a socket that is gone while its end is being told, say.
    #[derive(Debug)]
    struct Patient<T>(T);

    impl HttpConnector for Patient<ReqwestConnector> {
        fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
            self.0.connect(options).map(|client| HttpClient::new(Patient(client)))
        }
    }

    #[async_trait]
    impl HttpService for Patient<HttpClient> {
        async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
            self.0.execute(request).await.map_err(|error| match error.kind() {
                // "Cut off" is sent again where doing it twice does no harm, and only there.
                HttpErrorKind::Unknown => HttpError::new(HttpErrorKind::Interrupted, error),
                _ => error,
            })
        }
    }
}
