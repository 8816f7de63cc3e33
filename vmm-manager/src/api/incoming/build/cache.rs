//! Caches in registries: where a build's comes from, and where it goes.

use kiln_proto::v1;

use super::{
    export::compression,
    image::{name, reference},
    text::{at_most, once, shown},
};
use crate::{
    api::field::InvalidField,
    job::{CacheExport, CacheImport},
};

const MOST: usize = 16;

pub(super) fn from(wire: Vec<v1::CacheImport>) -> Result<Vec<CacheImport>, InvalidField> {
    let at = "spec.build.cache_from";
    at_most(at, wire.len(), MOST)?;
    let mut seen = Vec::with_capacity(wire.len());
    let mut imports = Vec::with_capacity(wire.len());
    for (index, v1::CacheImport { reference: text }) in wire.into_iter().enumerate() {
        let field = format!("{at}[{index}].reference");
        let meant = reference(&field, &text)?;
        once(&field, &meant, &seen)?;
        imports.push(CacheImport { reference: meant.to_string() });
        seen.push(meant);
    }
    Ok(imports)
}

pub(super) fn to(wire: Vec<v1::CacheExport>) -> Result<Vec<CacheExport>, InvalidField> {
    let at = "spec.build.cache_to";
    at_most(at, wire.len(), MOST)?;
    let mut seen = Vec::with_capacity(wire.len());
    let mut exports = Vec::with_capacity(wire.len());
    for (index, wire) in wire.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let v1::CacheExport { inline, reference: text, mode, compression: layers, ignore_error } =
            wire;
        if inline {
            let rest = [
                ("reference", !text.is_empty()),
                ("mode", !mode.is_empty()),
                ("compression", !layers.is_empty()),
                ("ignore_error", ignore_error),
            ];
            if let Some((field, _)) = rest.into_iter().find(|(_, is_set)| *is_set) {
                let problem = "goes without `inline`, which is in the image itself";
                return Err(InvalidField::new(format!("{at}.{field}"), problem));
            }
            once(&format!("{at}.inline"), &None, &seen)?;
            seen.push(None);
            exports.push(CacheExport::Inline);
            continue;
        }
        let field = format!("{at}.reference");
        let meant = name(&field, &text)?;
        let reference = meant.to_string();
        once(&field, &Some(meant.clone()), &seen)?;
        seen.push(Some(meant));
        let max = match mode.as_str() {
            "" | "min" => false,
            "max" => true,
            _ => {
                let problem = format!("{} is none of: min, max", shown(&mode));
                return Err(InvalidField::new(format!("{at}.mode"), problem));
            }
        };
        let compression = compression(&format!("{at}.compression"), &layers)?;
        exports.push(CacheExport::Registry { reference, max, compression, ignore_error });
    }
    Ok(exports)
}
