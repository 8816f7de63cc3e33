"""What a root filesystem is, read by another reader than Kiln's, told as one object of JSON.

read.py layers TAR...   what layers leave when they are put on top of each other
read.py tar TAR         what is in a tar
read.py disk DIRECTORY  what is on a disk

Keys are paths in hexadecimal. Files are told by a digest of those of their blocks that are not all zeros, so
holes cost nothing and count as the zeros that they are.
"""

import hashlib
import json
import os
import stat
import struct
import sys
import tarfile
from decimal import Decimal

BLOCK = 4096
ZEROS = bytes(BLOCK)


def raw(text):
    return text.encode("utf-8", "surrogateescape")


def digest(size, segments, read):
    found, done = hashlib.sha256(), 0
    for start, length in segments:
        block = max(done, start // BLOCK)
        while block * BLOCK < min(start + length, size):
            data = read(block * BLOCK, min(BLOCK, size - block * BLOCK)).ljust(BLOCK, b"\0")
            if data != ZEROS:
                found.update(struct.pack("<Q", block) + data)
            block += 1
        done = block
    return f"file {size} {found.hexdigest()}"


class Node:
    def __init__(self, kind, mode, owner, modified, xattrs, made=False):
        self.kind, self.mode, self.owner = kind, mode, owner
        self.modified, self.xattrs, self.made = modified, xattrs, made
        self.children = {} if kind == "directory" else None


def made():
    return Node("directory", 0o755, (0, 0), (0, 0), {}, made=True)


# Tars

def time(member):
    exact = Decimal(member.pax_headers.get("mtime", int(member.mtime)))
    nanoseconds = int(exact.scaleb(9).to_integral_value())
    return nanoseconds // 10**9, nanoseconds % 10**9


def kind(opened, member):
    if member.isdir():
        return "directory"
    if member.issym():
        return "link " + raw(member.linkname).hex()
    if member.ischr() or member.isblk():
        name = "character" if member.ischr() else "block"
        return f"{name} {member.devmajor} {member.devminor}"
    if member.isfifo():
        return "fifo"
    body = opened.extractfile(member)

    def read(at, length):
        body.seek(at)
        return body.read(length)

    segments = member.sparse if member.sparse is not None else [(0, member.size)]
    return digest(member.size, segments, read)


def node(opened, member):
    told = kind(opened, member)
    mode = 0o777 if member.issym() else member.mode & 0o7777
    prefix = "SCHILY.xattr."
    xattrs = {
        key[len(prefix):]: raw(value).hex()
        for key, value in member.pax_headers.items()
        if key.startswith(prefix)
    }
    return Node(told, mode, (member.uid, member.gid), time(member), xattrs)


def parts(path):
    return [part for part in raw(path).split(b"/") if part not in (b"", b".")]


def walk(root, names, make):
    """The directory that a path leads to, links in it followed below the root."""
    way, waiting = [root], list(names)
    while waiting:
        name = waiting.pop(0)
        if name == b"..":
            way = way[:-1] or [root]
            continue
        if name not in way[-1].children:
            if not make:
                return None
            way[-1].children[name] = made()
        found = way[-1].children[name]
        if found.kind.startswith("link "):
            target = bytes.fromhex(found.kind[5:])
            way = [root] if target.startswith(b"/") else way
            waiting = [part for part in target.split(b"/") if part not in (b"", b".")] + waiting
        elif found.children is None:
            return None
        else:
            way.append(found)
    return way[-1]


def hide(root, members):
    """Whiteouts speak of lower layers alone, so all of them come before anything else of a layer."""
    for member in members:
        *directory, name = parts(member.name) or [b""]
        if not name.startswith(b".wh."):
            continue
        parent = walk(root, directory, make=False)
        if parent is not None and name == b".wh..wh..opq":
            parent.children.clear()
        elif parent is not None:
            parent.children.pop(name[len(b".wh."):], None)


def put(root, opened, members):
    for member in members:
        *directory, name = parts(member.name) or [b""]
        if name.startswith(b".wh."):
            continue
        if not name:
            children = root.children
            root.__dict__.update(node(opened, member).__dict__, children=children)
            continue
        parent = walk(root, directory, make=True)
        if member.islnk():
            *target, last = parts(member.linkname)
            parent.children[name] = walk(root, target, make=False).children[last]
            continue
        new = node(opened, member)
        old = parent.children.get(name)
        if new.children is not None and old is not None and old.children is not None:
            new.children = old.children
        parent.children[name] = new


def layers(paths):
    root = made()
    for path in paths:
        with tarfile.open(path) as opened:
            members = opened.getmembers()
            hide(root, members)
            put(root, opened, members)
    return root


# Disks

def segments(file, size):
    at = 0
    while at < size:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(file, at, os.SEEK_HOLE)
        yield at, end - at
        at = end


def disk(path, known):
    told = os.lstat(path)
    if told.st_ino in known:
        return known[told.st_ino]
    mode = told.st_mode
    numbers = f"{os.major(told.st_rdev)} {os.minor(told.st_rdev)}"
    if stat.S_ISDIR(mode):
        name = "directory"
    elif stat.S_ISLNK(mode):
        name = "link " + os.readlink(path).hex()
    elif stat.S_ISCHR(mode):
        name = "character " + numbers
    elif stat.S_ISBLK(mode):
        name = "block " + numbers
    elif stat.S_ISFIFO(mode):
        name = "fifo"
    else:
        file = os.open(path, os.O_RDONLY)
        name = digest(
            told.st_size,
            segments(file, told.st_size),
            lambda at, length: os.pread(file, length, at),
        )
        os.close(file)
    attributes = {
        attribute: os.getxattr(path, attribute, follow_symlinks=False).hex()
        for attribute in os.listxattr(path, follow_symlinks=False)
    }
    modified = (told.st_mtime_ns // 10**9, told.st_mtime_ns % 10**9)
    found = Node(name, stat.S_IMODE(mode), (told.st_uid, told.st_gid), modified, attributes)
    known[told.st_ino] = found
    if found.children is not None:
        for entry in os.listdir(path):
            found.children[entry] = disk(path + b"/" + entry, known)
    return found


def told(root):
    facts, firsts, waiting = {}, {}, [(b"", root)]
    while waiting:
        path, found = waiting.pop()
        facts[path] = found
        for name, child in (found.children or {}).items():
            waiting.append((path + b"/" + name, child))
    for path in sorted(facts):
        firsts.setdefault(id(facts[path]), path)
    return {
        path.hex(): {
            "kind": found.kind,
            "mode": found.mode,
            "owner": found.owner,
            "modified": found.modified,
            "attributes": found.xattrs,
            "first": firsts[id(found)].hex(),
            "made": found.made,
        }
        for path, found in facts.items()
    }


what, *paths = sys.argv[1:]
root = disk(os.fsencode(paths[0]), {}) if what == "disk" else layers(paths)
print(json.dumps(told(root)))
