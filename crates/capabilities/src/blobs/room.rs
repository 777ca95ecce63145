//! What a container that the host keeps may take in all: counted when objects come, are replaced and go.

use super::container::Container;
use super::error::Error;
use futures::TryStreamExt as _;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use std::sync::atomic::Ordering::Relaxed;

/// What the objects take.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Objects that are in place; not counted yet where there is none.
    pub kept: Option<u64>,
}

impl Container {
    /// Room for `more` bytes of an object that is being written, or an error where there is none.
    pub(super) async fn reserve(&self, more: u64) -> Result<(), Error> {
        let mut used = self.used.lock().await;
        self.fits(&mut used, more).await?;
        self.coming.fetch_add(more, Relaxed);
        Ok(())
    }

    /// Whether there is room for so many bytes more.
    async fn fits(&self, used: &mut Used, more: u64) -> Result<(), Error> {
        let Some(limit) = self.limits.total else {
            return Ok(());
        };
        let kept = match used.kept {
            Some(kept) => kept,
            None => {
                let sizes = self.objects.list(None).map_ok(|meta| meta.size);
                let sum = sizes.try_fold(0_u64, |sum, size| async move { Ok(sum + size) });
                *used.kept.insert(self.within("", sum).await?)
            }
        };
        match kept
            .saturating_add(self.coming.load(Relaxed))
            .saturating_add(more)
            > limit
        {
            true => Err(Error::full(self.name(), limit)),
            false => Ok(()),
        }
    }

    /// The same, given back.
    pub(super) fn release(&self, bytes: u64) {
        self.coming.fetch_sub(bytes, Relaxed);
    }

    /// Puts `bytes` into place, by `put`, for which there was room.
    pub(super) async fn commit(
        &self,
        name: &str,
        place: &Path,
        bytes: u64,
        put: impl Future<Output = object_store::Result<object_store::PutResult>>,
    ) -> Result<(), Error> {
        if self.limits.total.is_none() {
            return self.within(name, put).await.map(drop);
        }
        // Nobody else replaces the same object meanwhile.
        let mut used = self.used.lock().await;
        let before = self.size(place).await?.unwrap_or(0);
        self.within(name, put).await?;
        if let Some(kept) = &mut used.kept {
            *kept = (*kept + bytes).saturating_sub(before);
        }
        Ok(())
    }

    /// Copies an object within the container, or moves it.
    pub async fn copy(&self, from: &str, to: &str, moves: bool) -> Result<(), Error> {
        let (source, target) = (self.place(from)?, self.place(to)?);
        let size = self
            .size(&source)
            .await?
            .ok_or_else(|| Error::no_object(from))?;
        if source == target {
            return Ok(());
        }
        let copying = async {
            self.objects.copy(&source, &target).await?;
            match moves {
                // Which leaves no empty folder behind.
                true => self.objects.delete(&source).await,
                false => Ok(()),
            }
        };
        if self.limits.total.is_none() {
            return self.within(from, copying).await;
        }
        let mut used = self.used.lock().await;
        let before = self.size(&target).await?.unwrap_or(0);
        let more = if moves { 0 } else { size };
        self.fits(&mut used, more.saturating_sub(before)).await?;
        self.within(from, copying).await?;
        if let Some(kept) = &mut used.kept {
            *kept = (*kept + more).saturating_sub(before);
        }
        Ok(())
    }
}
