#!/usr/bin/env bash
# Checks that metrics are served and collected. Prints a table; ends with 1 if a check failed.
#
#   scripts/test-metrics-collection.sh [NAME=ADDRESS…]
#
#   scripts/test-metrics-collection.sh orchestrator=http://10.0.0.3:8080 prometheus=http://10.0.0.8:9090 alertmanager=http://10.0.0.8:9093 \
#     grafana=http://10.0.0.8:3000
#
# Without arguments: hub=http://127.0.0.1:8080. prometheus, alertmanager and grafana are asked for what they collect and show, anything else for metrics of
# its own. REGENTE_API_KEY has a key for services that do not show theirs to this address, GRAFANA_TOKEN one for Grafana. Needs curl.
set -euo pipefail
# shellcheck source=scripts/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

key=()
[ -z "${REGENTE_API_KEY:-}" ] || key=(-H "Authorization: Bearer $REGENTE_API_KEY")
token=()
[ -z "${GRAFANA_TOKEN:-}" ] || token=(-H "Authorization: Bearer $GRAFANA_TOKEN")

# serves URL METRIC…: whether all of these are there, each once.
serves() {
  local url=$1 metric
  shift
  ask "$url/metrics" "${key[@]}" || return 1
  [ "$status" = 200 ] || { echo "$status: $body"; return 1; }
  for metric in "$@"; do
    grep -q "^$metric[{ ]" <<<"$body" || { echo "no $metric"; return 1; }
  done
  metric=$(grep -v '^#' <<<"$body" | sed 's/ [^ ]*$//' | sort | uniq -d | head -n 1)
  [ -z "$metric" ] || { echo "$metric is there twice"; return 1; }
  echo "$(grep -c '^# TYPE' <<<"$body") metrics, $(grep -vc '^#' <<<"$body") series"
}

# count URL TEXT: how often a text is in an answer.
count() {
  ask "$1" "${@:3}" || return 1
  [ "$status" = 200 ] || { echo "$status: $body"; return 1; }
  grep -o "$2" <<<"$body" | wc -l
}

targets_are_up() {
  local up down
  up=$(count "$1/api/v1/targets?state=active" '"health":"up"') || { echo "$up"; return 1; }
  down=$(count "$1/api/v1/targets?state=active" '"health":"\(down\|unknown\)"')
  echo "$up up, $down not"
  [ "$down" -eq 0 ] || { grep -o '"scrapeUrl":"[^"]*"[^}]*"health":"down"' <<<"$body" | cut -d'"' -f4; return 1; }
  [ "$up" -gt 0 ]
}

rules_are_evaluated() {
  local fine broken
  fine=$(count "$1/api/v1/rules" '"health":"ok"') || { echo "$fine"; return 1; }
  broken=$(count "$1/api/v1/rules" '"health":"\(err\|unknown\)"')
  echo "$fine fine, $broken not"
  [ "$fine" -gt 0 ] && [ "$broken" -eq 0 ]
}

has_collected() {
  local found
  found=$(count "$1/api/v1/query" "\"service\":" --get --data-urlencode 'query=count by (service) (http_requests_total)') || { echo "$found"; return 1; }
  echo "requests of $found services"
  [ "$found" -gt 0 ]
}

has_alertmanager() {
  local found
  found=$(count "$1/api/v1/alertmanagers" '"url":') || { echo "$found"; return 1; }
  echo "$found"
  [ "$found" -gt 0 ]
}

has_dashboards() {
  local found
  found=$(count "$1/api/search?type=dash-db" '"uid":' "${token[@]}") || { echo "$found"; return 1; }
  echo "$found dashboards"
  [ "$found" -gt 0 ]
}

[ $# -gt 0 ] || set -- hub=http://127.0.0.1:8080
for part in "$@"; do
  name=${part%%=*} address=${part#*=} address=${address%/}
  [[ $part == *=http* ]] || { echo "test-metrics-collection: $part is no NAME=http://ADDRESS" >&2; exit 2; }
  case $name in
    prometheus)
      check "prometheus is ready" expect 200 "$address/-/ready"
      check "its targets are up" targets_are_up "$address"
      check "its rules are evaluated" rules_are_evaluated "$address"
      check "it has metrics of the hub" has_collected "$address"
      check "it knows an Alertmanager" has_alertmanager "$address"
      ;;
    alertmanager) check "alertmanager is ready" expect 200 "$address/-/ready" ;;
    grafana)
      check "grafana is ready" expect 200 "$address/api/health"
      check "it has dashboards" has_dashboards "$address"
      ;;
    *) check "$name serves metrics" serves "$address" http_requests_total http_request_duration_seconds_count http_requests_in_flight process_cpu_seconds_total process_resident_memory_bytes ;;
  esac
done
finish
