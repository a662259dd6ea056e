#!/bin/sh
# Lets the kernel run ARM programs through QEMU, containers included. Does nothing where it does already.
# Usage (as root): register-binfmt.sh NAME...      names as QEMU's packages have them: qemu-arm qemu-aarch64
set -eu
registry=/proc/sys/fs/binfmt_misc

[ -e "$registry/register" ] || mount -t binfmt_misc binfmt_misc "$registry"
for name in "$@"; do
  if [ -e "$registry/$name" ]; then
    if grep -q '^enabled$' "$registry/$name" && grep -q '^flags:.*F' "$registry/$name"; then continue; fi
    echo -1 >"$registry/$name"
  fi
  # Without the flag F the interpreter is looked for inside the container.
  line=$(sed -n '/^:/{ /:[A-Z]*F[A-Z]*$/!s/$/F/; p; }' "/usr/lib/binfmt.d/$name.conf")
  printf '%s\n' "$line" >"$registry/register"
done
