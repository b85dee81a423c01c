# Rows of a table of checks, for scripts that look at a running installation; sourced by them.
#
#   check NAME COMMAND [ARGUMENT…]   a row: the command prints its detail; a status other than 0 is a failure
#   finish                           a last line; ends with 1 if something failed

checks=0 failures=0

check() {
  local name=$1 detail state=ok
  shift
  checks=$((checks + 1))
  detail=$("$@" 2>&1) || { state=FAIL failures=$((failures + 1)); }
  printf '%-4s  %-44s  %s\n' "$state" "$name" "$(tr '\n' ' ' <<<"$detail" | cut -c1-160)"
}

finish() {
  if [ "$failures" -eq 0 ]; then echo "$checks checks, all ok"; else echo "$checks checks, $failures failed"; exit 1; fi
}

# ask URL [OPTION…]: the answer's status in `status`, its headers in `headers` (lower case) and its body in `body`.
ask() {
  local url=$1 raw
  shift
  raw=$(curl --silent --show-error --include --max-time "${CHECK_TIMEOUT:-10}" "$@" "$url" | tr -d '\r') || { echo "no answer from $url: $raw"; return 1; }
  # What comes before the last head are heads of proxies and of 100 Continue.
  while [[ $raw =~ ^HTTP/[0-9.]+\ 1[0-9][0-9] ]]; do raw=${raw#*$'\n\n'}; done
  headers=${raw%%$'\n\n'*} body=${raw#*$'\n\n'}
  [ "$headers" != "$raw" ] || body=
  status=$(head -n 1 <<<"$headers" | cut -d' ' -f2)
  headers=$(tail -n +2 <<<"$headers" | sed 's/^[^:]*:/\L&/')
}

# header NAME: its value, in the last answer.
header() { sed -n "s/^$1: *//p" <<<"$headers" | head -n 1; }

# expect STATUS URL [OPTION…]: whether a request is answered so; says how it was.
expect() {
  local wanted=$1 url=$2
  shift 2
  ask "$url" "$@" || return 1
  echo "$status"
  [ "$status" = "$wanted" ] || { echo "instead of $wanted: $body"; return 1; }
}
