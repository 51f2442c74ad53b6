#!/usr/bin/python3
"""Verifies a bundle of a Plumbline log: verify.py FOLDER [FROM..TO] VKEY [VKEY OF THE LOG BEFORE ..]. Prints `ok` or
the first finding; exits with 0 or 1. Written from the pages here alone. Holds all hashes; `plumb verify` does not."""
import base64, decimal, hashlib, json, math, os, re, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
KINDS = """finding.changed scan.manifest host.changed host_key.changed fact.put fact.retired edge.put edge.retired
change.step memory.op audit.record log.genesis log.started log.config key.rotated segment.sealed segment.pruned
body.erased hold.changed seam""".split()
NAME, INSTANT = r"[^\s+\x00-\x1f\x7f-\x9f]+", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z"
LIMITS = {"bodies": 1_048_576, "evidence": 262_144, "manifests": 16_777_216}
def demand(holds, place, said):
    if not holds:
        raise ValueError(f"{place}: {said}")
def sha256(data): return hashlib.sha256(data).digest()
def unbase64(text, place):
    data = base64.b64decode(text, validate=True)
    demand(data and base64.b64encode(data).decode() == text, place, "that is not base64 in its one form")
    return data
def number(value):  # canonical-json.md
    demand(math.isfinite(value) and abs(value) <= 9007199254740991, value, "a number that is not finite or too large")
    if value == int(value):
        return str(int(value))
    return format(decimal.Decimal(repr(value)), "f") if abs(value) >= 1e-6 else repr(value).replace("e-0", "e-")
def canonical(value, depth=0):
    if isinstance(value, (bool, str, type(None))):
        return json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)):
        return number(value)
    demand(depth < 64, "JSON", "it is nested too deep")
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(name)}:{canonical(value[name], depth + 1)}" for name in names) + "}"
def parse(data, place):
    value = json.loads(data.decode("utf-8"))  # a key that stands twice is lost here, and then the bytes differ
    demand(canonical(value).encode("utf-8") == data, place, "this is not canonical JSON")
    return value
def vkey(text, place):  # checkpoint.md
    name, id, key = (text.split("+", 2) + ["", ""])[:3]
    material = unbase64(key, place)
    demand(re.fullmatch(NAME, name) and len(material) == 33 and material[0] == 1, place, "not an Ed25519 vkey")
    demand(id == sha256(name.encode() + b"\n" + material)[:4].hex(), place, "the id does not belong to the key")
    return name, bytes.fromhex(id), material[1:]
def checkpoint(data, trusted, place):  # origin, size, root, and those of the trusted keys that signed
    text = data.decode("utf-8")
    parts = re.fullmatch(rf"(({NAME})\n(0|[1-9][0-9]{{0,18}})\n(\S+)\n)\n([^\x00-\x09\x0b-\x1f]+)\n", text)
    demand(parts and int(parts[3]) <= 2**62, place, "that is not a signed checkpoint of three lines")
    root, lines, signers = unbase64(parts[4], place), parts[5].split("\n"), []
    demand(len(root) == 32 and len(lines) <= 100, place, "a root has 32 bytes, and there are at most 100 signatures")
    for line in lines:
        words = line.split(" ")
        signature = unbase64(words[-1], place)
        demand(re.fullmatch(f"\u2014 {NAME} [^ ]+", line) and signature[4:], place, "that is not a signature line")
        for key in trusted:
            if key[:2] == (words[1], signature[:4]):
                Ed25519PublicKey.from_public_bytes(key[2]).verify(signature[4:], parts[1].encode())
                signers += [key] if key[0] == parts[2] else []
    return parts[2], int(parts[3]), root, signers
def tree(hashes):
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + tree(hashes[:split]) + tree(hashes[split:]))
def tile_path(level, index, width):
    digits = str(index).zfill(-(-len(str(index)) // 3) * 3)
    return f"tile/{level}/" + re.sub("(...)(?=.)", r"x\1/", digits) + ("" if width == 256 else f".p/{width}")

class Bundle:  # bundle.md, entry.md
    def __init__(self, folder):
        self.folder, self.last, self.absent, self.rotations, self.continues = folder, "", {}, [], None
        self.paths, self.seen, self.erased, self.expired, self.sealed, self.pruned = (set() for _ in range(6))
        for root, folders, names in os.walk(folder):
            links = [name for name in folders + names if os.path.islink(os.path.join(root, name))]
            demand(not links, root, f"{links} are links")
            self.paths.update(os.path.relpath(os.path.join(root, name), folder) for name in names)
        self.paths -= {path for path in self.paths if path.startswith("continues/")}  # a bundle of its own
    def read(self, path, limit):
        demand(path in self.paths and os.path.isfile(os.path.join(self.folder, path)), path, "the file is not there")
        data = open(os.path.join(self.folder, path), "rb").read(limit + 1)
        demand(len(data) <= limit, path, "the file is too long")
        return self.seen.add(path) or data
    def verify(self, trusted, part=None):
        files = {path: self.read(path, 65_536) for path in ("checkpoint", "vkeys", "manifest.json")}
        manifest = parse(raw := files.pop("manifest.json"), "manifest.json")
        origin, size, root, _ = checkpoint(files["checkpoint"], [], "checkpoint")
        first, last = manifest["range"]["from"], manifest["range"]["to"]
        fits = 0 <= first <= last <= size and first % 256 == 0 and (last % 256 == 0 or last == size)
        demand(fits and (first < last or size == 0), "manifest.json", "no range that ends where entry bundles do")
        demand((part or f"0..{size}") == f"{first}..{last}", "manifest.json", f"{first}..{last} of {size} are here")
        *keys, rest = files[at := "vkeys"].decode("utf-8").split("\n")
        demand(not rest and keys == sorted({*keys}) and trusted in [vkey(k, at) for k in keys], at, "no trusted key")
        leaves = self.tiles(size, root)
        for bundle in range(first // 256, -(-last // 256)):
            self.entries(bundle, origin.rpartition("/")[2], leaves)
        pruned = [range(*segment) for segment in self.sealed & self.pruned]
        for digest, (place, index) in self.absent.items():
            gone = digest in self.erased | self.expired or any(index in segment for segment in pruned)
            demand(gone, place, f"{digest} is not there and no entry erased or pruned it")
        known, older = [trusted], [line["path"] for line in manifest["files"] if line["path"] not in files]
        revoked = {old: index for index, old, _, gone in reversed(self.rotations) if gone}
        for path in sorted(older, key=lambda path: int(path.removeprefix("checkpoints/"))) + ["checkpoint"]:
            files[path] = self.read(path, 65_536)
            name, covered, top, signers = checkpoint(files[path], known, path)
            demand(path in ("checkpoint", f"checkpoints/{covered}"), path, "not the checkpoint that its name says")
            demand(not signers or (name, top) == (origin, tree(leaves[:covered])), path, "not one of this log")
            known += [new for index, old, new, _ in self.rotations  # from one key to the next
                      if index < covered and old in signers and index <= revoked.get(old, index)]
        signers = checkpoint(files["checkpoint"], known, "checkpoint")[3]
        demand(any(size <= revoked.get(key, size) + 1 for key in signers), "checkpoint", "no key to trust signed it")
        demand(self.paths == self.seen, min(self.paths - self.seen, default=""), "the file belongs to no entry")
        kinds = {**{name: name for name in LIMITS}, "entry_bundles": "tile/entries", "tiles": "tile/[0-9]+"}
        counts = {kind: sum(bool(re.match(f"{name}/", at)) for at in self.paths) for kind, name in kinds.items()}
        lines = [{"path": at, "sha256": sha256(files[at]).hex(), "size": len(files[at])} for at in sorted(files)]
        derived = {"format": "plumbline.bundle/1", "origin": origin, "size": size, "root": root.hex(), "files": lines,
                   "range": {"from": first, "to": last}, "counts": counts}
        demand(canonical(derived).encode() == raw, "manifest.json", "it is not what follows from the other files")
        return origin, size, root
    def tiles(self, size, root):
        levels = []
        while count := size >> 8 * len(levels):
            levels.append([])
            for index in range(-(-count // 256)):
                path = tile_path(len(levels) - 1, index, min(256, count - 256 * index))
                data = self.read(path, 8_192)
                levels[-1] += [data[at:at + 32] for at in range(0, len(data), 32)]
                demand(len(levels[-1]) == min(count, 256 * index + 256), path, "the tile does not have its length")
                for at in range(256 * index, len(levels[-1])) if len(levels) > 1 else []:
                    below = tree(levels[-2][256 * at:256 * at + 256])
                    demand(below == levels[-1][at], path, f"hash {at % 256} is not the root of the tile below it")
        demand(tree(levels[0] if levels else []) == root, "checkpoint", "the tiles do not have its root")
        return levels[0] if levels else []
    def entries(self, bundle, log, leaves):
        width = min(256, len(leaves) - 256 * bundle)
        path, at = tile_path("entries", bundle, width), 0
        data = self.read(path, 256 * 65_537)
        for index in range(256 * bundle, 256 * bundle + width):
            raw = data[at + 2:at + 2 + int.from_bytes(data[at:at + 2], "big")]
            place, at = f"{path}: offset {at + 2}: entry {index}", at + 2 + len(raw)
            demand(sha256(b"\x00" + raw) == leaves[index], place, "it is not the one that the tree commits to")
            entry = parse(raw, place)
            demand(entry["v"] == 1 and entry["kind"] in KINDS, place, "a verifier must know version and kind")
            demand(len(entry) == 10 and (entry["log"], entry["index"]) == (log, index), place, "another log or index")
            names = [entry[name] for name in ("table", "row", "actor")]
            demand(all(n.strip() and len(n.encode()) <= 1_024 for n in names), place, "a name is blank or too long")
            demand(re.fullmatch(INSTANT, entry["at"]), place, "that is no instant")
            demand(entry["at"] >= self.last, place, "its time is before that of the entry before")
            self.last = entry["at"]
            self.body(entry, index, place)
        demand(at == len(data), path, f"offset {at}: bytes behind the last entry")
    def body(self, entry, index, place):
        data = self.blob("bodies", entry["body_sha256"], place, index)
        if data is not None:
            value = parse(data, f"the body of entry {index}")
            demand(len(data) == entry["body_len"], place, "the body has another length")
            self.continues = value["row"].get("continues") if entry["kind"] == "log.genesis" else self.continues
            if entry["kind"] == "body.erased":
                gone = value["row"]["detail"]  # for good; or by retention, until a later entry names it again
                (self.expired if "retention_days" in gone else self.erased).add(gone["erased_sha256"])
            if entry["kind"].startswith("segment."):
                getattr(self, entry["kind"][8:]).add(tuple(value["row"]["detail"][name] for name in ("from", "to")))
            if entry["kind"] == "key.rotated":
                old, new, gone = (value["row"]["detail"][name] for name in ("old_vkey", "new_vkey", "old_revoked"))
                self.rotations.append((index, vkey(old, place), vkey(new, place), gone))
            self.references(value.items(), place)
    def references(self, members, place):
        for name, member in members:
            if name in ("evidence_sha256", "manifest_sha256") and member is not None:
                self.blob({"e": "evidence", "m": "manifests"}[name[0]], member, place)
                self.expired.discard(member)
            elif isinstance(member, (dict, list)):
                self.references(member.items() if isinstance(member, dict) else enumerate(member), place)
    def blob(self, folder, digest, place, index=None):  # nothing when it is not there
        demand(re.fullmatch(r"[0-9a-f]{64}", digest), place, "that is no digest")
        path = f"{folder}/{digest[:2]}/{digest}"
        if path not in self.paths or os.path.getsize(os.path.join(self.folder, path)) == 0:
            return self.absent.__setitem__(digest, (place, index))
        data = self.read(path, LIMITS[folder])
        demand(sha256(data).hex() == digest, path, "the file does not have the digest in its name")
        return data

def verify(folder, keys, part=None):  # the log, and those that it goes on with (bundle.md, Logs that go on with others)
    bundle, older = Bundle(folder), os.path.join(folder, "continues")
    head, named = bundle.verify(vkey(keys[0], "the key to trust"), part), bundle.continues
    demand(named or not os.path.exists(older), older, "the log goes on with no other")
    if named:
        demand(keys[1:2] == [named["vkey"]], folder, "the key of the log before is not given")
        last = checkpoint(named["checkpoint"].encode(), [vkey(keys[1], "the key to trust")], "row.continues")
        is_named = last[:3] == (named["origin"], named["size"], bytes.fromhex(named["root"]))
        found = verify(older, keys[1:]) if os.path.exists(older) else (last[0], 0, None)
        fits = found[0] == last[0] and (found[1] < last[1] or found == last[:3]) and found[1] <= named["kept"]
        demand(last[3] and is_named and fits, older, "it is not the log that is named, as it was kept")
        print(f"continues {last[0]} of {last[1]} entries: {last[1] - found[1]} from {found[1]} on are missing")
    return head
if __name__ == "__main__":
    try:
        part = [word for word in sys.argv[2:3] if re.fullmatch(r"[0-9]+[.][.][0-9]+", word)]
        print(verify(sys.argv[1], sys.argv[2 + len(part):], *part) and "ok")
    except (InvalidSignature, ValueError, KeyError, TypeError, AttributeError, RecursionError) as finding:
        sys.exit(print(f"{type(finding).__name__}: {finding}") or 1)
