# What Python's tarfile makes of an archive, in the lines of `lines.rs`.
import decimal, hashlib, sys, tarfile

def raw(text):
    return text.encode("utf-8", "surrogateescape")

def hexed(data):
    return "x" + data.hex()

lines = []
seen = {}
with tarfile.open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as archive:
    for member in archive:
        path = b"" if member.name == "." else raw(member.name)
        mode = member.mode
        if member.islnk():
            what = "same as " + hexed(raw(member.linkname))
            if seen[raw(member.linkname)]:
                mode = 0o777
        elif member.isdir():
            what = "directory"
        elif member.issym():
            what = "symlink " + hexed(raw(member.linkname))
            mode = 0o777
        elif member.ischr() or member.isblk():
            kind = "character" if member.ischr() else "block"
            what = f"{kind} {member.devmajor}:{member.devminor}"
        elif member.isfifo():
            what = "fifo"
        else:
            what = f"file of {member.size}"
            if member.size <= 64 << 20:
                what += " " + hexed(hashlib.sha256(archive.extractfile(member).read()).digest())
        seen[path] = member.issym()
        time = decimal.Decimal(member.pax_headers.get("mtime", member.mtime))
        seconds = int(time.to_integral_value(decimal.ROUND_FLOOR))
        line = f"{hexed(path)} {what} {mode:o} {member.uid}:{member.gid}"
        line += f" {seconds}+{int((time - seconds) * 10**9)}"
        prefix = "SCHILY.xattr."
        found = {}
        for key, value in member.pax_headers.items():
            if key.startswith(prefix):
                found[raw(key[len(prefix):])] = raw(value)
        for name in sorted(found):
            line += f" {hexed(name)}={hexed(found[name])}"
        lines.append(line)
print("\n".join(sorted(lines)))
