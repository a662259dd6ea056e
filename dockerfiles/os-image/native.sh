#!/bin/sh
# Runs in the tools stage, which other stages mount at /native: writes wrappers that start this image's own programs
# inside a root file system of any architecture (the dynamic loader is named, so nothing of that system is needed).
# /opt/native/dpkg: what unpacks packages. /opt/native/bin: what maintainer scripts call and gives the same result on
# every architecture. Whoever asks for the architecture (dpkg, uname, ldconfig) is left out and runs emulated.
set -eu

loader=$(ldd /usr/bin/dpkg | sed -n 's#^\t\(/lib[^ ]*/ld-linux[^ ]*\) .*#\1#p')
libraries=$(dirname "$(ldd /usr/bin/dpkg | sed -n 's#.*=> \(/[^ ]*/libc\.so\.6\) .*#\1#p')")
perl=$(perl -MConfig -e 'print $Config{version}' | cut -d. -f1,2)

# wrap FILE PROGRAM [ARGUMENT...]: arguments come before those of the caller.
wrap() {
  file=$1 name=$2
  shift 2
  for folder in /usr/bin /usr/sbin; do [ ! -x "$folder/$name" ] || path=$(readlink -f "$folder/$name"); done
  cat >"$file" <<WRAPPER
#!/native/usr/bin/busybox sh
exec /native$loader --argv0 '$name' --library-path /native$libraries:/native$libraries/systemd /native$path $* "\$@"
WRAPPER
  chmod 755 "$file"
}

mkdir -p /opt/native/dpkg /opt/native/bin
for program in dpkg dpkg-deb dpkg-split tar rm; do wrap "/opt/native/dpkg/$program" "$program"; done

coreutils=$(dpkg -L coreutils | sed -n 's#^\(/usr\)\?/s\?bin/##p')
for program in $coreutils sed grep awk find xargs tar gzip xz zstd cmp diff openssl systemd-hwdb systemd-sysusers systemd-tmpfiles localedef depmod; do
  case $program in uname | arch | chroot | env | nice | nohup | stdbuf | timeout) continue ;; esac
  if [ -x "/usr/bin/$program" ] || [ -x "/usr/sbin/$program" ]; then wrap "/opt/native/bin/$program" "$program"; fi
done

# Interpreters are mounted over the system's own while packages are configured.
wrap /opt/native/dash dash
# Options, because programs in taint mode (adduser) take no PERL5LIB.
wrap /opt/native/perl perl "-I/native$libraries/perl-base -I/native$libraries/perl/$perl -I/native/usr/share/perl/$perl"
wrap /opt/native/python3 python3
