"""What is in the archives of images, told so that equal images are told equally.

read.py ARCHIVE...: a line of JSON for each archive. What no two builds have in common is left out:
when something was made, and digests of what has such times in it.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile

# Whatever is younger was made by the build itself.
OLD = 1_750_000_000


def time(seconds):
    return seconds if seconds < OLD else "now"


def entry(layer, member):
    told = {
        "mode": oct(member.mode),
        "owner": [member.uid, member.gid],
        "kind": member.type.decode(),
        "time": time(int(member.mtime)),
    }
    if member.linkname:
        told["link"] = member.linkname
    if member.isfile():
        content = layer.extractfile(member).read()
        told["content"] = hashlib.sha256(content).hexdigest()[:16]
        told["size"] = len(content)
    if member.ischr() or member.isblk():
        told["device"] = [member.devmajor, member.devminor]
    xattrs = {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
    if xattrs:
        told["xattrs"] = xattrs
    return told


def unpacked(blob, media_type):
    if "gzip" in media_type:
        return gzip.decompress(blob)
    assert media_type.endswith((".tar", "+tar")), media_type
    return blob


def layer(blob, media_type):
    with tarfile.open(fileobj=io.BytesIO(unpacked(blob, media_type))) as opened:
        return {member.name: entry(opened, member) for member in opened.getmembers()}


def image(blobs, descriptor):
    manifest = json.loads(blobs[descriptor["digest"]])
    config = json.loads(blobs[manifest["config"]["digest"]])
    config.pop("created", None)
    for step in config.get("history") or []:
        step.pop("created", None)
    # An image without a layer has no list of them.
    diffs = config["rootfs"].pop("diff_ids") or []
    layers = manifest["layers"] or []
    assert len(diffs) == len(layers)
    for diff, described in zip(diffs, layers):
        content = unpacked(blobs[described["digest"]], described["mediaType"])
        assert diff == "sha256:" + hashlib.sha256(content).hexdigest(), described
    return {
        "type": manifest["mediaType"],
        "annotations": manifest.get("annotations"),
        "platform": descriptor.get("platform"),
        "config": config,
        "layers": [
            {"type": each["mediaType"], "files": layer(blobs[each["digest"]], each["mediaType"])}
            for each in layers
        ],
    }


def images(blobs, descriptor):
    if "index" in descriptor["mediaType"] or "list" in descriptor["mediaType"]:
        inner = json.loads(blobs[descriptor["digest"]])["manifests"]
        return [found for one in inner for found in images(blobs, one)]
    return [image(blobs, descriptor)]


def read(path):
    blobs, index = {}, None
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            if member.name.startswith("blobs/sha256/") and member.isfile():
                content = archive.extractfile(member).read()
                digest = hashlib.sha256(content).hexdigest()
                assert member.name.endswith(digest), member.name
                blobs["sha256:" + digest] = content
            elif member.name == "index.json":
                index = json.load(archive.extractfile(member))
    return [found for one in index["manifests"][:1] for found in images(blobs, one)]


for path in sys.argv[1:]:
    print(json.dumps(read(path), sort_keys=True))
