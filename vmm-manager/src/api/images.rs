//! `kiln.v1.ImageService`: who calls, and which call it is.

mod incoming;
mod outgoing;
pub(super) mod status;
mod tar;
#[cfg(test)]
mod tests;
mod transfer;

use std::sync::Arc;

use kiln_proto::v1::{self, image_service_server::ImageService};
use kiln_registry::operate::{Images, Listing};
use tonic::{Request, Response, Status, Streaming};

pub(super) use self::incoming::reference;
use super::{caller::Caller, jobs::Answers, outgoing::registry};
use crate::registry::{Registryless, Service};

#[derive(Clone, Debug)]
pub struct ImageApi {
    registry: Result<Arc<Service>, Registryless>,
}

impl ImageApi {
    /// Or why there is no registry.
    pub fn new(registry: Result<Arc<Service>, Registryless>) -> Self {
        Self { registry }
    }

    fn service(&self) -> Result<&Arc<Service>, Status> {
        self.registry
            .as_ref()
            .map_err(|why| Status::failed_precondition(format!("this host has no registry: {why}")))
    }

    fn images(&self) -> Result<&Images, Status> {
        Ok(self.service()?.images())
    }
}

#[tonic::async_trait]
impl ImageService for ImageApi {
    type PullImageStream = Answers<v1::PullImageResponse>;
    type PushImageStream = Answers<v1::PushImageResponse>;
    type ExportImageStream = Answers<v1::ExportImageResponse>;

    async fn list_images(
        &self,
        request: Request<v1::ListImagesRequest>,
    ) -> Result<Response<v1::ListImagesResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let listing: Listing = incoming::listing(request.into_inner())?;
        let page = self
            .images()?
            .list(&tenant, &listing)
            .await
            .map_err(|error| status::operate(&error))?;
        Ok(Response::new(outgoing::page(&page)))
    }

    async fn get_image(
        &self,
        request: Request<v1::GetImageRequest>,
    ) -> Result<Response<v1::GetImageResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let reference = reference("reference", &request.get_ref().reference)?;
        let inspected = self.images()?.inspect(&tenant, &reference).await;
        let inspected = inspected.map_err(|error| status::operate(&error))?;
        Ok(Response::new(outgoing::inspected(inspected)))
    }

    async fn tag_image(
        &self,
        request: Request<v1::TagImageRequest>,
    ) -> Result<Response<v1::TagImageResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let v1::TagImageRequest { source, target } = request.into_inner();
        let source = reference("source", &source)?;
        let target = reference("target", &target)?;
        let tagged = self.images()?.tag(&tenant, &source, &target).await;
        let image = tagged.map_err(|error| status::operate(&error))?;
        Ok(Response::new(v1::TagImageResponse { image: Some(outgoing::image(&image)) }))
    }

    async fn remove_image(
        &self,
        request: Request<v1::RemoveImageRequest>,
    ) -> Result<Response<v1::RemoveImageResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let reference = reference("reference", &request.get_ref().reference)?;
        let removed = self.images()?.remove(&tenant, &reference).await;
        let removed = removed.map_err(|error| status::operate(&error))?;
        let removed = removed.iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::RemoveImageResponse { removed }))
    }

    async fn prune_images(
        &self,
        request: Request<v1::PruneImagesRequest>,
    ) -> Result<Response<v1::PruneImagesResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let v1::PruneImagesRequest { mirrored } = request.into_inner();
        let pruned = self.images()?.prune(&tenant, mirrored).await;
        let pruned = pruned.map_err(|error| status::operate(&error))?;
        Ok(Response::new(outgoing::pruned(pruned)))
    }

    async fn pull_image(
        &self,
        request: Request<v1::PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        Caller::of(&request)?;
        let pull = incoming::pull(request.into_inner())?;
        Ok(Response::new(transfer::pull(Arc::clone(self.service()?), pull)))
    }

    async fn push_image(
        &self,
        request: Request<v1::PushImageRequest>,
    ) -> Result<Response<Self::PushImageStream>, Status> {
        Caller::of(&request)?;
        let push = incoming::push(request.into_inner())?;
        Ok(Response::new(transfer::push(Arc::clone(self.service()?), push)))
    }

    async fn import_image(
        &self,
        request: Request<Streaming<v1::ImportImageRequest>>,
    ) -> Result<Response<v1::ImportImageResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let images = tar::import(self.images()?, tenant, request.into_inner()).await?;
        let images = images.iter().map(outgoing::image).collect();
        Ok(Response::new(v1::ImportImageResponse { images }))
    }

    async fn export_image(
        &self,
        request: Request<v1::ExportImageRequest>,
    ) -> Result<Response<Self::ExportImageStream>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let export = incoming::export(request.into_inner())?;
        Ok(Response::new(tar::export(self.images()?, &tenant, export).await?))
    }

    async fn get_registry(
        &self,
        request: Request<v1::GetRegistryRequest>,
    ) -> Result<Response<v1::GetRegistryResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let service = self.service()?;
        let registry = Some(registry::host(&service.state(&tenant).await));
        let mirrors = service.mirrors().iter().map(ToString::to_string).collect();
        Ok(Response::new(v1::GetRegistryResponse { registry, mirrors }))
    }
}
