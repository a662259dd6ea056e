#!/bin/sh
# Rendered by prose-ship: change the recipe or the site, not this file.
# Runs Prosody or prosodyctl out of the unpacked image, by the image's own loader, as the user whose account this is.
set -eu
umask 077

tree=$PROSE_SHIP_TREE
data=$PROSE_SHIP_SERVICE/volumes/data
export PROSE_SHIP_DATA="$data" PROSE_SHIP_CERTIFICATES="$data/certs" PROSE_SHIP_PROSODY="$0"

# What `account` runs finds prosodyctl under its own name.
bin=$PROSE_SHIP_SERVICE/run/bin
if [ ! -x "$bin/prosodyctl" ]; then
    mkdir -p "$bin"
    # shellcheck disable=SC2016 # expanded where it runs
    printf '#!/bin/sh\nexec sh "$PROSE_SHIP_PROSODY" prosodyctl "$@"\n' >"$bin/prosodyctl.$$"
    chmod 0700 "$bin/prosodyctl.$$"
    mv -f "$bin/prosodyctl.$$" "$bin/prosodyctl"
fi
PATH=$bin:$PATH

program=$1
case $program in
    prosody | prosodyctl) shift ;;
    *) exec "$@" ;;
esac

modules=${PROSE_SHIP_LOADER%/*}
set -- env \
    LUA_PATH="$tree/usr/share/lua/5.4/?.lua;$tree/usr/share/lua/5.4/?/init.lua" \
    LUA_CPATH="$modules/lua/5.4/?.so;$tree/usr/lib/lua/5.4/?.so" \
    OPENSSL_CONF="$tree/etc/ssl/openssl.cnf" \
    "$PROSE_SHIP_LOADER" --inhibit-cache --library-path "$PROSE_SHIP_LIBRARY_PATH" \
    "$tree/usr/bin/lua5.4" "$PROSE_SHIP_SERVICE/files/prosody.lua" "$program" --config "$PROSE_SHIP_SERVICE/files/prosody.cfg.lua" "$@"
# Makes certificates where there are none.
[ "$program" != prosody ] || exec sh "$tree/usr/lib/prose-ship/entrypoint" "$@"
exec "$@"
