# shellcheck shell=sh
# Probes: what the gate asks. Each leaves what came back in probe_answer, for whoever reads why a gate did not pass.

# Longest time that one probe may take. A board that is still starting up may need more than five seconds for a TLS stream.
probe_seconds=15

# run_probe ID LINE: leaves what came back in probe_answer.
run_probe() {
  probe_id=$1
  set -- "$1" "$(with_port "$1" "$2")"
  saved_ifs=$IFS
  IFS=$TAB
  set -f
  # shellcheck disable=SC2086
  set -- $2
  set +f
  IFS=$saved_ifs
  service=$1 kind=$2
  shift 2
  case $kind in
    tcp) probe_tcp "$1" "$2" ;;
    http) probe_http "$@" ;;
    tls) probe_tls "$@" ;;
    xmpp) probe_xmpp "$1" "$2" "$3" ;;
    command) probe_command "$probe_id" "$service" "$@" ;;
    *) probe_answer="this updater knows no probe '$kind'" && return 1 ;;
  esac
}

bracketed() {
  case $1 in *:*) printf '[%s]' "$1" ;; *) printf '%s' "$1" ;; esac
}

# Docker's proxy accepts a published port although nothing listens behind it, and closes at once. So a connection
# counts when it stays open for a second or brings bytes. curl's telnet sends nothing by itself; its input stays open.
probe_tcp() {
  probe_answer=$(sleep 1.2 | timeout "$probe_seconds" curl --silent --noproxy '*' --max-time 1 --output "$scratch/tcp" \
    --write-out '%{time_connect} %{size_download}' "telnet://$(bracketed "$1"):$2" 2>/dev/null)
  tcp_status=$?
  case $probe_answer in
    '' | 0.000000*) probe_answer='no connection' && return 1 ;;
  esac
  if [ "$tcp_status" = 28 ] || [ -s "$scratch/tcp" ]; then return 0; fi
  probe_answer='the connection was closed at once'
  return 1
}

# The answer counts, not who vouches for the certificate: the probe asks the device itself.
# probe_http URL STATUS [json PATH TEXT]
probe_http() {
  http_limit=0
  [ "${3:-}" != json ] || http_limit=$((json_limit_bytes + 1))
  timeout "$probe_seconds" curl --silent --insecure --noproxy '*' --max-time "$probe_seconds" \
    --write-out '%{stderr}%{http_code}' "$1" 2>"$scratch/http-status" | { head -c "$http_limit"; cat >/dev/null; } >"$scratch/http"
  probe_answer=$(cat "$scratch/http-status")
  [ "$probe_answer" = "$2" ] || { probe_answer="HTTP status $probe_answer" && return 1; }
  [ "${3:-}" != json ] || probe_answer=$(json_field_is "$scratch/http" "$4" "${5:-}")
}

# RFC 6120: stream header, STARTTLS, TLS, a new stream header, and SASL mechanisms offered inside TLS.
probe_xmpp() {
  {
    printf "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>" "$3"
    sleep 1
    printf '</stream:stream>'
  } | timeout "$probe_seconds" openssl s_client -quiet -connect "$(bracketed "$1"):$2" -starttls xmpp -xmpphost "$3" \
    -servername "$3" >"$scratch/xmpp" 2>"$scratch/xmpp-errors"
  if grep -q '<mechanism[ >]' "$scratch/xmpp"; then return 0; fi
  probe_answer=$(one_line "$(tail -c 300 "$scratch/xmpp")")
  if [ -z "${probe_answer# }" ]; then
    reason=$(tail_of "$scratch/xmpp-errors" 2)
    probe_answer="no TLS stream: ${reason:-no STARTTLS for $3 was offered}"
  fi
  return 1
}

# probe_command ID SERVICE COMMAND...
probe_command() {
  run_in_service "$((2 * probe_seconds))" "$@" </dev/null >"$scratch/command" 2>&1
  command_status=$?
  probe_answer="exit status $command_status: $(tail_of "$scratch/command")"
  return "$command_status"
}
