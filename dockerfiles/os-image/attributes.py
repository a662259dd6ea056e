"""attributes.py ROOTFS VALUES: debugfs(8) commands that set the extended attributes which mke2fs does not take from a tar.

mke2fs takes security.capability alone. Attributes `trusted.*` are seen by nobody in a build.
"""
import os, sys

root, values = os.fsencode(sys.argv[1]), sys.argv[2]
os.makedirs(values)
device = os.lstat(root).st_dev
seen = set()
count = 0
for directory, folders, files in os.walk(root):
    folders[:] = sorted(name for name in folders if os.lstat(os.path.join(directory, name)).st_dev == device)
    for path in [directory] + [os.path.join(directory, name) for name in sorted(files)]:
        status = os.lstat(path)
        inside = path[len(root):] or b'/'
        if (status.st_ino in seen) or inside == b'/var/lib/docker' or inside.startswith((b'/var/lib/docker/', b'/boot/firmware/')):
            continue
        for name in sorted(os.listxattr(path, follow_symlinks=False)):
            if name == 'security.capability':
                continue
            seen.add(status.st_ino)
            count += 1
            file = os.path.join(values, str(count))
            with open(file, 'wb') as out:
                out.write(os.getxattr(path, name, follow_symlinks=False))
            if b'"' in inside or b'\n' in inside:
                sys.exit('attributes of a file with such a name cannot be set: %r' % inside)
            sys.stdout.buffer.write(b'ea_set -f %s "%s" %s\n' % (os.fsencode(file), inside, os.fsencode(name)))
