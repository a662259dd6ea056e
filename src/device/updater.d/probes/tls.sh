# shellcheck shell=sh
# The certificate that a service shows: whom it is for, how long it is valid, and, where asked for, who vouches for it.

# probe_tls HOST PORT STARTTLS NAME DAYS any|trusted
probe_tls() {
  tls_name=$4 tls_days=$5 tls_trust=$6
  set -- -connect "$(bracketed "$1"):$2" "$3"
  case $3 in
    xmpp) set -- "$1" "$2" -starttls xmpp -xmpphost "$tls_name" ;;
    smtp) set -- "$1" "$2" -starttls smtp ;;
    *) set -- "$1" "$2" ;;
  esac
  # An address is no server name (RFC 6066, section 3).
  case $tls_name in
    *:*) tls_match=-checkip ;;
    *[!0-9.]*) tls_match=-checkhost ;;
    *) tls_match=-checkip ;;
  esac
  if [ "$tls_match" = -checkhost ]; then set -- "$@" -servername "$tls_name"; else set -- "$@" -noservername; fi
  timeout "$probe_seconds" openssl s_client "$@" </dev/null >"$scratch/tls" 2>"$scratch/tls-errors"
  if grep -q 'Cipher is (NONE)' "$scratch/tls" || ! grep -q 'BEGIN CERTIFICATE' "$scratch/tls"; then
    probe_answer=$(tail_of "$scratch/tls-errors" 2)
    probe_answer="no TLS: ${probe_answer:-the connection was closed}"
    return 1
  fi
  if ! certificate "$tls_match" "$tls_name" | grep -q 'does match'; then
    probe_answer="a certificate that does not cover $tls_name, but: $(certificate_names)"
    return 1
  fi
  probe_answer=$(certificate -startdate -enddate | certificate_dates "$tls_days")
  [ -z "$probe_answer" ] || return 1
  [ "$tls_trust" = trusted ] || return 0
  probe_answer=$(sed -n 's/^ *Verify return code: //p' "$scratch/tls" | head -n 1)
  case $probe_answer in '0 (ok)') return 0 ;; esac
  probe_answer="a certificate that this device does not trust: $probe_answer (its clock says $(date -u +%Y-%m-%d))"
  return 1
}

certificate() {
  openssl x509 -noout "$@" <"$scratch/tls" 2>/dev/null
}

# Without alternative names the common name counts.
certificate_names() {
  names=$(certificate -ext subjectAltName | sed -e 1d -e 's/^ *//' -e 's/DNS://g' -e 's/IP Address://g')
  printf '%s' "${names:-$(certificate -subject)}" | tail -c 300
}

# certificate_dates DAYS: says what is wrong with openssl's notBefore= and notAfter= on standard input. Small computers have no
# clock of their own that runs without power, so what theirs says is told along.
certificate_dates() {
  awk -v days="$1" -v now="$(date -u +'%s %Y-%m-%d')" '
    # Days since 1970-01-01 of a date in the Gregorian calendar; the year begins in March.
    function daynumber(year, month, day) {
      if (month < 3) { year--; month += 12 }
      return 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * (month - 3) + 2) / 5) + day - 719469
    }
    {
      key = $1
      sub(/=.*/, "", key)
      sub(/^[^=]*=/, "")
      month = (index("JanFebMarAprMayJunJulAugSepOctNovDec", $1) + 2) / 3
      split($3, clock, ":")
      seconds[key] = daynumber($4, month, $2) * 86400 + clock[1] * 3600 + clock[2] * 60 + clock[3]
      date[key] = sprintf("%04d-%02d-%02d", $4, month, $2)
    }
    END {
      split(now, today, " ")
      if (!("notAfter" in date)) print "a certificate without dates"
      else if (today[1] < seconds["notBefore"])
        print "a certificate that is valid from " date["notBefore"] ", but the clock of this device says " today[2]
      else if (today[1] >= seconds["notAfter"])
        print "a certificate that expired on " date["notAfter"] "; the clock of this device says " today[2]
      else if (seconds["notAfter"] - today[1] < days * 86400)
        print "a certificate that expires on " date["notAfter"] ", in less than " days " days; the clock of this device says " today[2]
    }'
}
