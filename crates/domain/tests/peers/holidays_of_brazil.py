"""Holidays of Brazil by the package holidays: {"BR": ["1990-01-01", …], "SP": […], …, "optional": […]}; those of states without the national ones."""

import json

import holidays

YEARS = range(1990, 2041)


def days(**arguments):
    return sorted(str(day) for day in holidays.Brazil(years=YEARS, **arguments))


national = days()
found = {"BR": national, "optional": days(categories="optional")}
for state in holidays.Brazil.subdivisions:
    if len(state) == 2:
        found[state] = sorted(set(days(subdiv=state)) - set(national))
print(json.dumps(found))
