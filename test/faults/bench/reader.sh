#!/bin/sh
# A program on a host of the kill matrix that reads the files of /etc/records when it is told to, and remembers them.
# `check`: whether it would take them.
if [ "${1:-}" = check ]; then ! find /etc/records -type f -empty 2>/dev/null | grep -q .; exit; fi
exec 9>/run/reader.lock
flock 9
rm -rf /var/taken-in
[ ! -d /etc/records ] || cp -a /etc/records /var/taken-in
