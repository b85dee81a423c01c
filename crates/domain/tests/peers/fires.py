"""Fire times of cronsim. A line of the input is {"cron", "zone", "after", "until", "limit"}, a line of the output the instants as a list."""

import json
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim

for line in sys.stdin:
    case = json.loads(line)
    zone = timezone.utc if case["zone"] == "UTC" else ZoneInfo(case["zone"])
    fires = []
    for fire in CronSim(case["cron"], datetime.fromtimestamp(case["after"], zone)):
        at = int(fire.timestamp())
        if at > case["until"] or len(fires) == case["limit"]:
            break
        fires.append(at)
    print(json.dumps(fires))
