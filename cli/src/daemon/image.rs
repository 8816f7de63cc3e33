//! Images.

use kiln_proto::v1;
use tokio_stream::Stream;
use tonic::{Response, Streaming};

use super::{Daemon, DaemonError};
use crate::record::{Image, ImageDetails, Pruned, RegistryDetails};

/// One page of [`Daemon::images`].
#[derive(Debug)]
pub(crate) struct ImagePage {
    pub(crate) images: Vec<Image>,
    /// Empty on the last page.
    pub(crate) next: String,
}

impl Daemon {
    /// The page at `token`, by name; the first page's token is empty.
    pub(crate) async fn images(
        &self,
        name: &str,
        untagged: bool,
        token: &str,
    ) -> Result<ImagePage, DaemonError> {
        let request = v1::ListImagesRequest {
            name: name.to_owned(),
            untagged,
            page_size: 100,
            page_token: token.to_owned(),
        };
        let call = async || self.answer(self.images.clone().list_images(request.clone())).await;
        let v1::ListImagesResponse { images, next_page_token } = self.persist(call).await?;
        // A token that stands still would be read for ever.
        if !token.is_empty() && next_page_token == token {
            return Err(self.malformed("page token"));
        }
        let images = images.into_iter().map(Image::from).collect();
        Ok(ImagePage { images, next: next_page_token })
    }

    pub(crate) async fn image(&self, reference: &str) -> Result<ImageDetails, DaemonError> {
        let request = v1::GetImageRequest { reference: reference.to_owned() };
        let call = async || self.answer(self.images.clone().get_image(request.clone())).await;
        self.persist(call).await.map(ImageDetails::from)
    }

    pub(crate) async fn tag_image(&self, source: &str, target: &str) -> Result<Image, DaemonError> {
        let request = v1::TagImageRequest { source: source.to_owned(), target: target.to_owned() };
        let call = async || self.answer(self.images.clone().tag_image(request.clone())).await;
        let v1::TagImageResponse { image } = self.persist(call).await?;
        image.map(Image::from).ok_or_else(|| self.malformed("image"))
    }

    /// What is gone. Asked once: a second time it would not be there.
    pub(crate) async fn remove_image(&self, reference: &str) -> Result<Vec<String>, DaemonError> {
        let request = v1::RemoveImageRequest { reference: reference.to_owned() };
        let v1::RemoveImageResponse { removed } =
            self.answer(self.images.clone().remove_image(request)).await?;
        Ok(removed)
    }

    /// Without a limit: a large store takes a while.
    pub(crate) async fn prune_images(&self, mirrored: bool) -> Result<Pruned, DaemonError> {
        let answer = self.images.clone().prune_images(v1::PruneImagesRequest { mirrored }).await;
        let answer = answer.map_err(|status| self.error(&status))?;
        Ok(Pruned::from(answer.into_inner()))
    }

    /// Without a limit, as are all of these: kilnd may answer no sooner than a registry does.
    pub(crate) async fn pull_image(
        &self,
        request: v1::PullImageRequest,
    ) -> Result<Streaming<v1::PullImageResponse>, DaemonError> {
        let answer = self.images.clone().pull_image(request).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    pub(crate) async fn push_image(
        &self,
        request: v1::PushImageRequest,
    ) -> Result<Streaming<v1::PushImageResponse>, DaemonError> {
        let answer = self.images.clone().push_image(request).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    pub(crate) async fn import_image(
        &self,
        requests: impl Stream<Item = v1::ImportImageRequest> + Send + 'static,
    ) -> Result<Vec<Image>, DaemonError> {
        let answer = self.images.clone().import_image(requests).await;
        let v1::ImportImageResponse { images } =
            answer.map_err(|status| self.error(&status))?.into_inner();
        Ok(images.into_iter().map(Image::from).collect())
    }

    pub(crate) async fn export_image(
        &self,
        request: v1::ExportImageRequest,
    ) -> Result<Streaming<v1::ExportImageResponse>, DaemonError> {
        let answer = self.images.clone().export_image(request).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    pub(crate) async fn registry(&self) -> Result<RegistryDetails, DaemonError> {
        let call = async || {
            let request = v1::GetRegistryRequest {};
            self.answer(self.images.clone().get_registry(request)).await
        };
        self.persist(call).await.map(RegistryDetails::from)
    }

    pub(crate) fn malformed(&self, field: &'static str) -> DaemonError {
        DaemonError::Malformed { socket: self.socket.clone(), field }
    }
}
