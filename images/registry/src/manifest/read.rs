//! From bytes to a manifest: every rule that they have to keep.

use serde_json::Value;

use super::{
    Annotations, Content, Descriptor, InvalidManifest, MAX_DESCRIPTORS, Manifest, Platform, Wrong,
    json,
    media::{self, Kind},
};
use crate::content::MAX_MANIFEST_BYTES;

mod object;

use self::object::Object;

/// Per manifest, and of one; what is longer than these has a layer of its own.
const MAX_ANNOTATIONS: usize = 16_384;
const MAX_ANNOTATION_KEY_BYTES: usize = 1024;
const MAX_ANNOTATION_BYTES: usize = 256 << 10;

const MAX_URLS: usize = 16;
const MAX_URL_BYTES: usize = 2048;
const MAX_PLATFORM_BYTES: usize = 128;

const MANIFEST_FIELDS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
];
const DESCRIPTOR_FIELDS: &[&str] =
    &["mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"];
const PLATFORM_FIELDS: &[&str] =
    &["architecture", "os", "os.version", "os.features", "variant", "features"];

pub(super) fn manifest(declared: Option<&str>, bytes: &[u8]) -> Result<Manifest, InvalidManifest> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(InvalidManifest::TooLarge { bytes: bytes.len() });
    }
    let declared = declared.and_then(media::declared);
    if declared.as_deref().is_some_and(media::is_schema1) {
        return Err(InvalidManifest::Schema1);
    }
    let value = json::parse(bytes).map_err(InvalidManifest::Json)?;
    let Value::Object(map) = &value else { return Err(InvalidManifest::NotAnObject) };
    let object = Object::new(String::new(), map, MANIFEST_FIELDS)?;
    let version = object.field("schemaVersion");
    let stated = object.media_type("mediaType")?;
    let is_schema1 =
        version == Some(&Value::from(1)) || stated.as_deref().is_some_and(media::is_schema1);
    if is_schema1 || object.has("fsLayers") {
        return Err(InvalidManifest::Schema1);
    }
    if version != Some(&Value::from(2)) {
        return Err(InvalidManifest::SchemaVersion);
    }
    let media_type = match (declared, stated) {
        (Some(declared), Some(stated)) if declared != stated.to_ascii_lowercase() => {
            return Err(InvalidManifest::Disagreement { declared, stated });
        }
        (_, Some(stated)) => Some(stated),
        (declared, None) => declared,
    };
    read(&object, media_type)
}

fn read(object: &Object<'_>, media_type: Option<String>) -> Result<Manifest, InvalidManifest> {
    let mut budget = Budget::new(object);
    budget.check_count()?;
    let kind = match media_type.as_deref().and_then(media::kind) {
        Some(kind) => kind,
        None => shape(object)?,
    };
    let content = match kind {
        Kind::Image => {
            refuse(object, &["manifests"], "an image")?;
            let config = object.object("config", DESCRIPTOR_FIELDS)?;
            let config = config.ok_or_else(|| object.wrong("config", Wrong::Missing))?;
            let config = Box::new(budget.descriptor(&config)?);
            Content::Image { config, layers: budget.descriptors(object, "layers")? }
        }
        Kind::Index => {
            refuse(object, &["config", "layers"], "an index")?;
            if !object.has("manifests") {
                return Err(object.wrong("manifests", Wrong::Missing));
            }
            Content::Index { manifests: budget.descriptors(object, "manifests")? }
        }
    };
    let media_type = media_type.unwrap_or_else(|| {
        let media_type = match kind {
            Kind::Image => media::OCI_MANIFEST,
            Kind::Index => media::OCI_INDEX,
        };
        media_type.to_owned()
    });
    let subject = object.object("subject", DESCRIPTOR_FIELDS)?;
    let subject = subject.map(|subject| budget.descriptor(&subject)).transpose()?;
    let artifact_type = object.media_type("artifactType")?;
    let annotations = budget.annotations(object)?;
    Ok(Manifest { media_type, content, subject, artifact_type, annotations })
}

/// Of a type that is not known here: by what it has.
fn shape(object: &Object<'_>) -> Result<Kind, InvalidManifest> {
    match (object.has("config"), object.has("manifests")) {
        (true, _) => Ok(Kind::Image),
        (false, true) => Ok(Kind::Index),
        (false, false) => Err(InvalidManifest::Shapeless),
    }
}

/// Even where it is empty: not everybody looks what is in it.
fn refuse(
    object: &Object<'_>,
    fields: &'static [&'static str],
    what: &'static str,
) -> Result<(), InvalidManifest> {
    match fields.iter().find(|field| object.has(field)) {
        Some(field) => Err(InvalidManifest::Ambiguous { field, what }),
        None => Ok(()),
    }
}

/// What all descriptors of a manifest have together.
struct Budget {
    descriptors: usize,
    annotations: usize,
    bytes: u64,
}

impl Budget {
    fn new(object: &Object<'_>) -> Self {
        let count = |field| object.field(field).and_then(Value::as_array).map_or(0, Vec::len);
        let descriptors = count("layers") + count("manifests");
        Self { descriptors, annotations: 0, bytes: 0 }
    }

    fn check_count(&self) -> Result<(), InvalidManifest> {
        match self.descriptors {
            count if count > MAX_DESCRIPTORS => Err(InvalidManifest::TooManyDescriptors { count }),
            _ => Ok(()),
        }
    }

    /// None and `null` are no entries: that is how an empty list is often written.
    fn descriptors(
        &mut self,
        object: &Object<'_>,
        field: &'static str,
    ) -> Result<Vec<Descriptor>, InvalidManifest> {
        let items = object.objects(field, DESCRIPTOR_FIELDS)?;
        items.iter().map(|item| self.descriptor(item)).collect()
    }

    fn descriptor(&mut self, object: &Object<'_>) -> Result<Descriptor, InvalidManifest> {
        let missing = |field| object.wrong(field, Wrong::Missing);
        let media_type = object.media_type("mediaType")?.ok_or_else(|| missing("mediaType"))?;
        let digest = object.text("digest", 512)?.ok_or_else(|| missing("digest"))?;
        let digest = digest
            .parse()
            .map_err(|source| InvalidManifest::Digest { at: object.at("digest"), source })?;
        let size = object.field("size").ok_or_else(|| missing("size"))?;
        let size = size
            .as_u64()
            .filter(|size| i64::try_from(*size).is_ok())
            .ok_or_else(|| object.wrong("size", Wrong::Not { expected: "a number of bytes" }))?;
        self.bytes += size;
        if i64::try_from(self.bytes).is_err() {
            return Err(InvalidManifest::TooMuchContent);
        }
        if object.field("data").is_some_and(|data| !data.is_string()) {
            return Err(object.wrong("data", Wrong::Not { expected: "text" }));
        }
        Ok(Descriptor {
            media_type,
            digest,
            size,
            platform: object
                .object("platform", PLATFORM_FIELDS)?
                .as_ref()
                .map(platform)
                .transpose()?,
            artifact_type: object.media_type("artifactType")?,
            urls: urls(object)?,
            annotations: self.annotations(object)?,
        })
    }

    fn annotations(&mut self, object: &Object<'_>) -> Result<Annotations, InvalidManifest> {
        let field = "annotations";
        let Some(map) = object.map(field)? else { return Ok(Annotations::new()) };
        self.annotations += map.len();
        if self.annotations > MAX_ANNOTATIONS {
            return Err(object.wrong(field, Wrong::TooMany { most: MAX_ANNOTATIONS }));
        }
        map.iter()
            .map(|(key, value)| {
                if key.len() > MAX_ANNOTATION_KEY_BYTES {
                    let most = MAX_ANNOTATION_KEY_BYTES;
                    return Err(object.wrong(field, Wrong::TooLong { most }));
                }
                object::text(value, MAX_ANNOTATION_BYTES)
                    .map(|value| (key.clone(), value.to_owned()))
                    .map_err(|wrong| object.wrong(field, wrong))
            })
            .collect()
    }
}

fn urls(object: &Object<'_>) -> Result<Vec<String>, InvalidManifest> {
    let field = "urls";
    let urls = object.list(field)?;
    if urls.len() > MAX_URLS {
        return Err(object.wrong(field, Wrong::TooMany { most: MAX_URLS }));
    }
    let url = |url| object::text(url, MAX_URL_BYTES).map(ToOwned::to_owned);
    urls.iter().map(|each| url(each).map_err(|wrong| object.wrong(field, wrong))).collect()
}

fn platform(object: &Object<'_>) -> Result<Platform, InvalidManifest> {
    let text = |field| object.text(field, MAX_PLATFORM_BYTES);
    Ok(Platform {
        os: text("os")?.unwrap_or_default(),
        architecture: text("architecture")?.unwrap_or_default(),
        variant: text("variant")?,
        os_version: text("os.version")?,
    })
}
