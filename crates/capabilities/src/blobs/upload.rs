//! An object on its way into a container: pieces come in, parts go out, and at the end, if there is
//! one, the object is put into place.

use super::container::Container;
use super::error::Error;
use super::limits::PART_BYTES;
use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// An object that is being written.
pub struct Upload {
    container: Arc<Container>,
    name: String,
    place: Path,
    /// Bytes that have come.
    bytes: u64,
    /// Those of them that have not been sent.
    part: BytesMut,
    /// Where parts are sent, once there is more than one.
    parts: Option<Box<dyn MultipartUpload>>,
    /// Bytes that room was made for.
    reserved: u64,
    _seat: OwnedSemaphorePermit,
}

/// Room is made for so many bytes at once, to ask less often.
const ROOM_BYTES: u64 = 1 << 20;

impl Upload {
    /// Begins to write an object. Where as many are being written as may be, it waits for as long
    /// as the container's server may take.
    pub async fn begin(container: Arc<Container>, name: &str) -> Result<Self, Error> {
        let place = container.place(name)?;
        let seat = container.uploads.clone().acquire_owned();
        let busy = || {
            Error::new(format!(
                "as many objects as may be are being written to container {:?}",
                container.name()
            ))
        };
        let seat = match container.timeout {
            Some(timeout) => tokio::time::timeout(timeout, seat)
                .await
                .map_err(|_| busy())?,
            None => seat.await,
        };
        let seat = seat.map_err(|_| busy())?;
        Ok(Upload {
            name: name.to_owned(),
            place,
            bytes: 0,
            part: BytesMut::new(),
            parts: None,
            reserved: 0,
            container,
            _seat: seat,
        })
    }

    /// More bytes of the object.
    pub async fn write(&mut self, mut piece: Bytes) -> Result<(), Error> {
        self.bytes += piece.len() as u64;
        let most = self.container.limits.object;
        if self.bytes > most {
            let most = holm_manifest::ByteSize(most);
            return Err(Error::new(format!(
                "the object is larger than container {:?} takes: {most}",
                self.container.name()
            )));
        }
        if self.bytes > self.reserved && self.container.limits.total.is_some() {
            let exactly = self.bytes - self.reserved;
            // Where there is no room for more than is needed, there may be for what is.
            let more = match self.container.reserve(exactly.max(ROOM_BYTES)).await {
                Ok(()) => exactly.max(ROOM_BYTES),
                Err(_) => {
                    self.container.reserve(exactly).await?;
                    exactly
                }
            };
            self.reserved += more;
        }
        while !piece.is_empty() {
            let some = piece.split_to(piece.len().min(PART_BYTES - self.part.len()));
            self.part.extend_from_slice(&some);
            if self.part.len() == PART_BYTES {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Sends what has come as a part.
    async fn send(&mut self) -> Result<(), Error> {
        let Upload {
            container,
            name,
            place,
            ..
        } = self;
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let begun = container.objects.put_multipart(place);
                none.insert(container.within(name, begun).await?)
            }
        };
        let part = PutPayload::from_bytes(self.part.split().freeze());
        container.within(name, parts.put_part(part)).await
    }

    /// Puts the object into place, or says why it is not there.
    pub async fn finish(mut self) -> Result<(), Error> {
        let finished = self.put().await;
        match &finished {
            Ok(()) => self.parts = None,
            Err(_) => self.give_up().await,
        }
        finished
    }

    async fn put(&mut self) -> Result<(), Error> {
        if self.parts.is_some() && !self.part.is_empty() {
            self.send().await?;
        }
        let last = PutPayload::from_bytes(self.part.split().freeze());
        let Upload {
            container,
            name,
            place,
            parts,
            bytes,
            ..
        } = self;
        let put = async {
            match parts {
                Some(parts) => parts.complete().await,
                None => container.objects.put(place, last).await,
            }
        };
        container.commit(name, place, *bytes, put).await
    }

    /// Leaves nothing behind.
    pub async fn abandon(mut self) {
        self.give_up().await;
    }

    async fn give_up(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            // A server that does not hear of it forgets the parts by its own rules.
            let _ = self.container.within(&self.name, parts.abort()).await;
        }
        self.container.tidy(&self.place).await;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.container.release(self.reserved);
        // Whoever was to finish it was cut off.
        if let (Some(mut parts), Ok(runtime)) = (self.parts.take(), Handle::try_current()) {
            let (container, place) = (self.container.clone(), self.place.clone());
            runtime.spawn(async move {
                let _ = container.within("", parts.abort()).await;
                container.tidy(&place).await;
            });
        }
    }
}

/// How an upload ended: `None` while it goes on.
pub type Ended = Arc<std::sync::Mutex<Option<Error>>>;

/// Writes what comes, in a task of its own: what was there `first`, then `pieces` until there are no
/// more; then it waits to be told that they were all. Whoever is not told so leaves nothing behind.
pub async fn run(
    mut upload: Upload,
    first: Bytes,
    mut pieces: mpsc::Receiver<Bytes>,
    all: oneshot::Receiver<()>,
    failed: Ended,
) -> Result<(), Error> {
    let written = async {
        upload.write(first).await?;
        while let Some(piece) = pieces.recv().await {
            upload.write(piece).await?;
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = written.await {
        *failed.lock().unwrap_or_else(|e| e.into_inner()) = Some(error.clone());
        // Whoever writes sees that nobody reads.
        drop(pieces);
        upload.abandon().await;
        return Err(error);
    }
    match all.await {
        Ok(()) => upload.finish().await,
        Err(_) => {
            upload.abandon().await;
            Err(Error::new("the value was not finished"))
        }
    }
}
