"""Lists a mounted tree as the kernel shows it, one JSON object a line: an observer that shares nothing with what is tested.

Names that are no UTF-8 come out with lone surrogates (PEP 383). All names of one inode carry the same `first` name.
"""
import hashlib, json, os, stat, sys

TYPES = {stat.S_IFREG: 'file', stat.S_IFDIR: 'directory', stat.S_IFLNK: 'symlink', stat.S_IFCHR: 'character',
         stat.S_IFBLK: 'block', stat.S_IFIFO: 'fifo', stat.S_IFSOCK: 'socket'}
LARGEST_HASHED = 1 << 30
first_names = {}


def observe(root, path):
    full = os.path.join(root, path) if path else root
    status = os.lstat(full)
    kind = TYPES[stat.S_IFMT(status.st_mode)]
    entry = {
        'path': os.fsdecode(path), 'type': kind, 'mode': stat.S_IMODE(status.st_mode), 'uid': status.st_uid, 'gid': status.st_gid,
        'mtimeNs': str(status.st_mtime_ns),
        'xattrs': {os.fsdecode(name): os.getxattr(full, name, follow_symlinks=False).hex()
                   for name in sorted(os.listxattr(full, follow_symlinks=False))},
    }
    if kind == 'file':
        entry['sizeBytes'] = status.st_size
        if status.st_size <= LARGEST_HASHED:
            with open(full, 'rb') as file:
                entry['sha256'] = hashlib.file_digest(file, 'sha256').hexdigest() if hasattr(hashlib, 'file_digest') else digest(file)
    if kind == 'symlink':
        entry['target'] = os.fsdecode(os.readlink(full))
    if kind in ('character', 'block'):
        entry['device'] = [os.major(status.st_rdev), os.minor(status.st_rdev)]
    if kind != 'directory' and status.st_nlink > 1:
        entry['first'] = first_names.setdefault(status.st_ino, os.fsdecode(path))
    print(json.dumps(entry))
    if kind == 'directory':
        for name in sorted(os.listdir(full)):
            if path or name != b'lost+found':
                observe(root, os.path.join(path, name) if path else name)


def digest(file):
    sha256 = hashlib.sha256()
    while piece := file.read(1 << 20):
        sha256.update(piece)
    return sha256.hexdigest()


sys.setrecursionlimit(10000)
observe(os.fsencode(sys.argv[1]), b'')
