#!/bin/sh
# Fills a mounted file system ($1) with everything that a tree can hold.
set -eu
cd "$1"
mkdir -p usr/bin usr/share etc dev run home/user 'Ünïcödé 名前/深い' plain
cp -a /usr/share/zoneinfo usr/share/
chmod 1777 run; chmod 2750 home/user; chmod 0700 etc
for name in ping sudo; do head -c 70001 /dev/urandom >"usr/bin/$name"; done
chmod 4755 usr/bin/sudo; chown 4000000000:3000000000 usr/bin/sudo
setcap cap_net_raw+ep usr/bin/ping
: >empty; head -c 4096 /dev/urandom >one-block; head -c 1 /dev/urandom >one-byte
for size in 30 59 60 61 100 150 200 400; do head -c $size /dev/urandom >"plain/small-$size"; done

# Extended attributes: binary, long enough for a block of their own, the same block for two files, on what is no file
setfattr -n user.binary -v 0x00ff0a3d0a00 etc one-byte
setfattr -n trusted.test -v 'a=b' usr/bin/ping
long=0x$(head -c "${LONG_XATTR:-700}" /dev/urandom | od -An -v -tx1 | tr -d ' \n')
for name in shared-1 shared-2 shared-3; do echo $name >$name; setfattr -n user.long -v "$long" "$name"; done
setfacl -m u:1234:rwx,g:77:r one-block
setfacl -m u:1000:rwx,d:u:1000:rwx,d:g:77:rx home/user
setfattr -n user.empty one-block

# Links
ln usr/bin/ping usr/bin/ping4; ln usr/bin/ping aaa-sorts-first
for length in 1 58 59 60 61 200 1000; do ln -s "$(printf "%0${length}d" 0)" "plain/link-$length"; done
ln plain/link-200 plain/link-hard; ln -s ../etc/nothing usr/dangling; ln -s 'ziel-ä' plain/link-utf8

# Devices with old and new numbers, fifo, socket
mknod dev/null c 1 3; mknod dev/nvme b 259 300000; mknod dev/big c 4095 7; mkfifo dev/fifo; chmod 600 dev/fifo; ln dev/null dev/null-hard
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("run/socket")'; ln run/socket run/zz-socket

# Names: as long as they can be, deep, not UTF-8, with what shells and tar stumble on
touch "$(printf '%0255d' 7)" "plain/$(printf 'n%.0s' $(seq 94))" "plain/$(printf 'm%.0s' $(seq 95))" 'plain/new
line' 'plain/-rf' 'plain/back\slash' 'plain/ä' "plain/$(printf '\377\303(\303\244\200')" 'plain/ ' 'plain/%s"'
mkdir -p "deep/$(printf 'directory-%.0s/' $(seq 60))"; echo bottom >"deep/$(printf 'directory-%.0s/' $(seq 60))file"
python3 - <<'PY'
import os
os.mkdir('many')
for number in range(3000):
    open(f'many/{number:05d}-' + 'x' * (number % 150), 'w').close()
for number in range(0, 3000, 3):
    os.unlink(f'many/{number:05d}-' + 'x' * (number % 150))
# Fragmented, so that the extent tree or the block map gets levels
with open('fragmented', 'wb') as file:
    for number in range(1500):
        file.seek(number * 8192)
        file.write(bytes([number % 251]) * 4096)
with open('sparse', 'wb') as file:
    for position in (0, 5_000_001, 50_000_000):
        file.seek(position)
        file.write(os.urandom(70_000))
    file.truncate(70_000_000)
with open('huge', 'wb') as file:
    file.truncate(int(os.environ.get('HUGE', 6_000_000_000)))
try:
    with open('allocated', 'wb') as file:
        file.write(b'start')
        os.posix_fallocate(file.fileno(), 0, 3_000_000)
except OSError:
    pass
PY
head -c 9000000 /dev/urandom >big

touch -d '1901-12-14 01:02:03.5 UTC' plain/small-30
touch -d '1969-12-31 23:59:58.25 UTC' plain/small-59
touch -d '1970-01-01 00:00:00 UTC' plain/small-60
touch -d '2038-01-19 03:14:08.000000001 UTC' plain/small-61
touch -d '2100-02-28 12:00:00.999999999 UTC' plain/small-100
touch -d '2400-01-01 00:00:00 UTC' plain/small-150
touch -h -d '2001-02-03 04:05:06.789 UTC' plain/link-60
setfattr -h -n trusted.link -v 'of a link' plain/link-59
touch -d '1999-01-01 UTC' etc .
