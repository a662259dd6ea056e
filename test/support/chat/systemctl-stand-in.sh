#!/bin/sh
# Stand-in for systemctl on a throw-away host, which has no systemd: what the recipe prosody asks of it, for nginx and coturn. coturn is
# started as the recipe's drop-in of its unit says: folder below /run, what runs before it, its command line, and its user.
set -eu
drop_in=$(find /etc/systemd/system/coturn.service.d -name '*.conf' 2>/dev/null || true)

is_running() {
    [ -s "/run/$1.pid" ] && kill -0 "$(cat "/run/$1.pid")" 2>/dev/null
}

# The last value that is not empty: an empty one takes back those before it.
setting() {
    sed -n "s/^$1=+\{0,1\}\(..*\)/\1/p" "$drop_in" | tail -n 1
}

stop_coturn() {
    ! is_running coturn || kill "$(cat /run/coturn.pid)"
    while is_running coturn; do sleep 0.1; done
}

start_coturn() {
    install -d -o turnserver -g turnserver -m "$(setting RuntimeDirectoryMode)" "/run/$(setting RuntimeDirectory)"
    before=$(setting ExecStartPre)
    $before
    # shellcheck disable=SC2046 # words
    setpriv --reuid=turnserver --regid=turnserver --clear-groups $(setting ExecStart) >>/var/log/coturn.log 2>&1 </dev/null &
    echo $! >/run/coturn.pid
}

case $* in
    daemon-reload | 'reenable --now '*-certificates.timer) ;;
    'reload-or-restart nginx') if is_running nginx; then nginx -s reload; else nginx; fi ;;
    'restart coturn.service') stop_coturn && start_coturn ;;
    'try-restart coturn.service') ! is_running coturn || { stop_coturn && start_coturn; } ;;
    *) echo "the stand-in for systemctl does not know '$*'" >&2 && exit 1 ;;
esac
