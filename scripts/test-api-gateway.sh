#!/usr/bin/env bash
# Checks the public door of an installation: routing to each service, security headers, CORS, the limit of requests, the gateway's admin API. Prints a
# table; ends with 1 if a check failed.
#
#   scripts/test-api-gateway.sh [URL]
#
#   URL            the hub's public address, http://127.0.0.1:8080 by default
#   ADMIN_URL      that of the gateway's admin API, such as http://127.0.0.1:8001: its routes are checked too
#   ORIGIN         an origin that edge.cors_origins lists: pages of it may call
#   GENTLE=1       does not use up the limit of anonymous requests, which costs this address up to a minute without any
#
# Sends nothing but reads without a credential. Needs curl.
set -euo pipefail
# shellcheck source=scripts/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

url=${1:-http://127.0.0.1:8080} url=${url%/}

# A route that exists asks who is there; a service that is away is 503, a route that does not exist 404.
routed() {
  ask "$url$1" || return 1
  echo "$status"
  [ "$status" = 401 ] || { echo "instead of 401: $body"; return 1; }
  [ "$(header content-type)" = application/problem+json ] || { echo "not as application/problem+json"; return 1; }
}

has_header() {
  ask "$url/api/v1/jobs" || return 1
  local value
  value=$(header "$1")
  echo "${value:-missing}"
  [[ $value == *$2* && -n $value ]]
}

foreign_origin() {
  ask "$url/api/v1/jobs" -H 'Origin: https://not-ours.invalid' || return 1
  echo "$status"
  [ -z "$(header access-control-allow-origin)" ] || { echo "admits $(header access-control-allow-origin)"; return 1; }
  [ "$status" = 403 ]
}

own_origin() {
  ask "$url/api/v1/jobs" -X OPTIONS -H "Origin: $ORIGIN" -H 'Access-Control-Request-Method: GET' || return 1
  echo "$status, admits $(header access-control-allow-origin)"
  [ "$(header access-control-allow-origin)" = "$ORIGIN" ]
}

limit_is_told() {
  ask "$url/api/v1/jobs" || return 1
  local limit left
  limit=$(header ratelimit-limit) left=$(header ratelimit-remaining)
  echo "${left:-?} of ${limit:-?} left"
  [[ $limit =~ ^[0-9]+$ && $left =~ ^[0-9]+$ ]]
}

limit_holds() {
  ask "$url/api/v1/jobs" || return 1
  local limit statuses
  limit=$(header ratelimit-limit)
  [[ $limit =~ ^[0-9]+$ ]] || { echo "no limit"; return 1; }
  # Quicker than the quota comes back.
  statuses=$(curl --silent --output /dev/null --no-progress-meter --parallel --parallel-max 16 --max-time 60 --write-out '%{http_code}\n' "$url/api/v1/jobs?limit=[1-$((limit + 20))]" | sort | uniq -c)
  # shellcheck disable=SC2086 # one line of words
  echo $statuses
  grep -q ' 429$' <<<"$statuses" || { echo "none of $((limit + 20)) was refused"; return 1; }
  ask "$url/api/v1/jobs" || return 1
  [ "$status" != 429 ] || [[ $(header retry-after) =~ ^[0-9]+$ ]] || { echo "429 without Retry-After"; return 1; }
}

check "routes to the orchestrator" routed /api/v1/jobs
check "routes to the scheduler" routed /api/v1/schedules
check "routes to the SLA monitor" routed /api/v1/slas
check "routes of its own" routed /api/v1/users
check "what is no route is 404" expect 404 "$url/api/v1/no-such-route"
check "a path that leaves its folder is refused" expect 400 "$url/api/v1/../../etc/passwd" --path-as-is
check "describes its routes" expect 200 "$url/api/v1/openapi.json" --output /dev/null --dump-header -
check "X-Content-Type-Options" has_header x-content-type-options nosniff
check "Content-Security-Policy" has_header content-security-policy "frame-ancestors 'none'"
check "Referrer-Policy" has_header referrer-policy no-referrer
check "Cache-Control" has_header cache-control no-store
check "X-Request-Id" has_header x-request-id -
if [[ $url == https://* ]]; then check "Strict-Transport-Security" has_header strict-transport-security max-age; fi
check "pages of other sites may not call" foreign_origin
if [ -n "${ORIGIN:-}" ]; then check "pages of $ORIGIN may call" own_origin; fi
if [ -n "${ADMIN_URL:-}" ]; then
  for route in status services routes plugins; do check "admin API: /$route" expect 200 "${ADMIN_URL%/}/$route" --output /dev/null --dump-header -; done
fi
check "the limit of requests is told" limit_is_told
if [ -z "${GENTLE:-}" ]; then check "the limit of requests holds" limit_holds; fi
finish
