#!/bin/sh
# Probes web addresses with curl. Parameters: `urls` (array of strings) and `timeout_s` (number),
# from PARAM_URLS and PARAM_TIMEOUT_S, or from the JSON file of `--config PATH` (needs python3).
# Exit codes: 0 all up, 1 some down, 2 bad parameters or a missing tool.
set -u
LC_ALL=C
export LC_ALL

refuse() {
    echo "ERROR $1" >&2
    exit 2
}

# Reads a JSON array of strings from stdin, writes one string a line. Web addresses need no JSON
# escapes but \/ and \u0026, so that any other one is refused rather than guessed.
array_lines() {
    awk '
        { text = text $0 "\n" }
        function skip() { sub(/^[ \t\r\n]+/, "", text) }
        END {
            skip(); if (substr(text, 1, 1) != "[") exit 1
            text = substr(text, 2); skip()
            while (substr(text, 1, 1) != "]") {
                if (!match(text, /^"([^"\\]|\\\/|\\u0026)*"/)) exit 1
                item = substr(text, 2, RLENGTH - 2); text = substr(text, RLENGTH + 1)
                gsub(/\\\//, "/", item); gsub(/\\u0026/, "\\&", item)
                print item
                skip()
                if (substr(text, 1, 1) == ",") { text = substr(text, 2); skip(); if (substr(text, 1, 1) == "]") exit 1 }
                else if (substr(text, 1, 1) != "]") exit 1
            }
            text = substr(text, 2); skip()
            if (text != "") exit 1
        }'
}

# One key of the configuration file: text as it is, anything else as JSON.
config_value() {
    python3 -c '
import json, sys
value = json.load(open(sys.argv[1], encoding="utf-8-sig")).get(sys.argv[2])
print("" if value is None else value if isinstance(value, str) else json.dumps(value))
' "$1" "$2" 2>/dev/null
}

json_text() {
    printf '%s' "$1" | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'
}

# Name and password of an address stay out of logs and results.
without_login() {
    printf '%s' "$1" | sed 's#^\([A-Za-z]*://\)[^/?\#]*@#\1***@#'
}

write_file() {
    { printf '%s\n' "$2" > "$1.tmp" && mv -f "$1.tmp" "$1"; } || refuse "cannot write $1 in $(pwd)"
}

write_progress() {
    write_file progress.json \
        "{\"etapa_atual\":$1,\"total_etapas\":$total,\"percentual\":$(($1 * 100 / total)),\"mensagem\":\"$(json_text "$2")\"}"
}

# Sets status, seconds, ok and problem for one address.
probe() {
    answer=$(curl -q --silent --show-error --location --max-redirs 5 --globoff --proto '=http,https' \
        --max-time "$timeout_s" --output /dev/null --write-out '%{http_code} %{time_total}' \
        --url "$1" 2>"$scratch")
    exit_code=$?
    status=$(expr "${answer%% *}" + 0 2>/dev/null)
    seconds=${answer##* }
    status=${status:-0}
    seconds=${seconds:-0}
    ok=false
    if [ "$exit_code" -ne 0 ]; then
        problem=$(sed -n '1s/^curl: ([0-9]*) //p' "$scratch")
        problem=${problem:-curl exit code $exit_code}
    elif [ "$status" -ge 200 ] && [ "$status" -lt 400 ]; then
        ok=true
        problem=
    else
        problem="answered status $status"
    fi
}

config=
while [ $# -gt 0 ]; do
    case $1 in
        --config)
            [ $# -ge 2 ] || refuse "--config needs a path"
            config=$2
            shift 2
            ;;
        *) refuse "unknown argument $1; usage: check.sh [--config PATH]" ;;
    esac
done
command -v curl >/dev/null || refuse "curl is not installed"

urls_json=${PARAM_URLS:-}
timeout_s=${PARAM_TIMEOUT_S:-}
if [ -z "$urls_json" ] && [ -n "$config" ]; then
    [ -r "$config" ] || refuse "--config $config cannot be read"
    command -v python3 >/dev/null || refuse "--config needs python3; set PARAM_URLS instead"
    urls_json=$(config_value "$config" urls) || refuse "--config $config must hold a JSON object"
    timeout_s=${timeout_s:-$(config_value "$config" timeout_s)}
fi
timeout_s=${timeout_s:-10}
[ -n "$urls_json" ] || refuse "parameter urls is missing: give at least one address"
urls=$(printf '%s' "$urls_json" | array_lines) || refuse "parameter urls must be a JSON array of strings"
[ -n "$urls" ] || refuse "parameter urls is empty: give at least one address"
printf '%s\n' "$timeout_s" | awk '/^[0-9]+(\.[0-9]+)?$/ && $0 > 0 && $0 <= 300 { good = 1 } END { exit !good }' ||
    refuse "parameter timeout_s must be a number over 0 and up to 300, got $timeout_s"

total=0
while IFS= read -r url; do
    case $url in
        *[[:space:][:cntrl:]]*) refuse "parameter urls: white space in $(without_login "$url")" ;;
        http://?* | https://?*) ;;
        *) refuse "parameter urls: '$(without_login "$url")' must start with http:// or https://" ;;
    esac
    total=$((total + 1))
done <<LIST
$urls
LIST

scratch=$(mktemp) || refuse "cannot make a temporary file"
trap 'rm -f "$scratch"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

checked=0
up=0
results=
write_progress 0 "starting"
while IFS= read -r url; do
    probe "$url"
    shown=$(without_login "$url")
    checked=$((checked + 1))
    entry="{\"url\":\"$(json_text "$shown")\",\"status\":$status,\"seconds\":$seconds,\"ok\":$ok"
    if [ "$ok" = true ]; then
        up=$((up + 1))
        echo "INFO $shown is up: status $status in ${seconds} s"
        entry="$entry}"
    else
        echo "ERROR $shown is down: $problem (after ${seconds} s)"
        entry="$entry,\"problem\":\"$(json_text "$problem")\"}"
    fi
    results="$results${results:+,}$entry"
    write_progress "$checked" "$shown"
done <<LIST
$urls
LIST

down=$((checked - up))
write_file result.json "{\"checked\":$checked,\"up\":$up,\"down\":$down,\"results\":[$results]}"
if [ "$down" -gt 0 ]; then
    echo "ERROR $down of $checked address(es) down"
    exit 1
fi
echo "INFO all $checked address(es) up"
