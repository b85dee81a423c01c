#!/usr/bin/env bash
# Checks that the parts of an installation can be reached, are ready and have the same time. Prints a table; ends with 1 if a check failed.
#
#   scripts/test-connectivity.sh [NAME=ADDRESS…]
#
#   scripts/test-connectivity.sh hub=https://hub.example.com
#   scripts/test-connectivity.sh api-gateway=http://10.0.0.1:8080 orchestrator=http://10.0.0.3:8080 postgresql=10.0.0.9:5432 \
#     rabbitmq=10.0.0.9:5672 prometheus=http://10.0.0.8:9090 alertmanager=http://10.0.0.8:9093 grafana=http://10.0.0.8:3000 loki=http://10.0.0.8:3100
#
# Without arguments: hub=http://127.0.0.1:8080. What begins with http is asked over HTTP, as what its name says; anything else is connected to. Needs curl.
set -euo pipefail
# shellcheck source=scripts/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"

# The difference between the hub's clock and the one here that leases, tokens and schedules bear.
max_skew=60

connects() {
  local host=${1%:*} port=${1##*:}
  host=${host#[} host=${host%]}
  [[ $1 == *:* && $port =~ ^[0-9]+$ ]] || { echo "$1 is no HOST:PORT"; return 1; }
  timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>/dev/null || { echo "no connection to $1"; return 1; }
  echo "connected"
}

service_says() {
  ask "$1/api/v1/health" || return 1
  [ "$status" = 200 ] || { echo "$status: $body"; return 1; }
  local field value
  for field in version database broker; do
    value=$(grep -o "\"$field\":\"[^\"]*\"" <<<"$body" | head -n 1 | cut -d'"' -f4)
    echo "$field $value"
    [[ $field == version || $value =~ ^(ok|none)$ ]] || return 1
  done
}

clock_agrees() {
  ask "$1/health/live" || return 1
  local theirs skew
  theirs=$(date -d "$(header date)" +%s) || { echo "no date in the answer"; return 1; }
  skew=$((theirs - $(date +%s)))
  echo "$skew s"
  [ "${skew#-}" -le "$max_skew" ]
}

[ $# -gt 0 ] || set -- hub=http://127.0.0.1:8080
for part in "$@"; do
  name=${part%%=*} address=${part#*=} address=${address%/}
  [[ $part == *=* ]] || { echo "test-connectivity: $part is no NAME=ADDRESS" >&2; exit 2; }
  if [[ $address != http://* && $address != https://* ]]; then
    check "$name connects" connects "$address"
    continue
  fi
  case $name in
    prometheus | alertmanager) check "$name is ready" expect 200 "$address/-/ready" ;;
    grafana) check "$name is ready" expect 200 "$address/api/health" ;;
    loki) check "$name is ready" expect 200 "$address/ready" ;;
    *)
      check "$name lives" expect 200 "$address/health/live"
      check "$name is ready" expect 200 "$address/health/ready"
      check "$name reaches what it needs" service_says "$address"
      check "$name's clock" clock_agrees "$address"
      ;;
  esac
done
finish
