"""Summarises a folder of NF-e invoices into a CSV file and a JSON result.

Exit codes: 0 done (also with nothing to do), 1 some file has a problem, 2 nothing could be started.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from nfe import Invoice, InvoiceError, read_invoice

HERE = Path(__file__).resolve().parent
MAX_DELAY_MS = 60_000
TAXES = ("icms", "ipi", "pis", "cofins")
COLUMNS = (
    "key number series issue_date issuer_cnpj issuer_name recipient products "
    "icms ipi pis cofins total status problem"
).split()


class Refusal(Exception):
    """The run cannot start; the text says what to change."""


@dataclass(frozen=True)
class Parameters:
    """Where to read, where to write, and a pause per file for people who watch."""

    input_dir: Path
    output: Path
    delay_s: float


@dataclass(frozen=True)
class Outcome:
    """One file: its invoice, or what is wrong with it."""

    file: str
    invoice: Invoice | None
    problem: str = ""


def main(arguments: list[str] | None = None) -> int:
    """Runs the automation and returns its exit code."""
    parser = argparse.ArgumentParser(description="Summarise a folder of NF-e 4.00 invoices.")
    parser.add_argument("--config", type=Path, help="JSON file with the parameters; else PARAM_* variables are read")
    options = parser.parse_args(arguments)
    # Robots read these lines as UTF-8, whatever the console of the host is set to.
    sys.stdout.reconfigure(encoding="utf-8")
    try:
        parameters = read_parameters(options.config)
        return summarise(parameters)
    except Refusal as refusal:
        log("ERROR", str(refusal))
        return 2


def summarise(parameters: Parameters) -> int:
    """Reads every file, writes the reports, and tells whether all went well."""
    files = list_invoices(parameters.input_dir)
    log("INFO", f"{len(files)} XML file(s) in {parameters.input_dir}")
    outcomes = read_all(files, parameters.delay_s)
    result = build_result(outcomes, parameters.output)
    save(parameters.output, lambda: write_csv(parameters.output, outcomes))
    save(Path("result.json"), lambda: write_json(Path("result.json"), result))
    problems = result["problems"]
    if problems:
        names = ", ".join(problem["file"] for problem in problems)
        log("ERROR", f"{len(problems)} of {len(files)} file(s) not summarised, correct or replace them: {names}")
        return 1
    if not files:
        log("INFO", f"nothing to do: no XML file in {parameters.input_dir}")
        return 0
    log("INFO", f"{result['invoices']} invoice(s), total {result['total']}, written to {parameters.output}")
    return 0


def read_parameters(config: Path | None) -> Parameters:
    """Parameters from the file, else from the environment; blank means default."""
    raw = _from_file(config) if config else _from_environment()
    for name in sorted(raw.keys() - {"input_dir", "output", "delay_ms"}):
        log("WARNING", f"parameter {name} is not known here and was ignored")
    input_dir = _string(raw, "input_dir", str(HERE / "samples"))
    return Parameters(_resolve(input_dir), Path(_string(raw, "output", "summary.csv")), _delay_s(raw))


def _from_file(config: Path) -> dict:
    try:
        raw = json.loads(config.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Refusal(f"--config {config} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise Refusal(f"--config {config} is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise Refusal(f"--config {config} must hold a JSON object")
    return raw


def _from_environment() -> dict:
    names = {"input_dir": "PARAM_INPUT_DIR", "output": "PARAM_OUTPUT", "delay_ms": "PARAM_DELAY_MS"}
    return {name: os.environ[variable] for name, variable in names.items() if variable in os.environ}


def _string(raw: dict, name: str, default: str) -> str:
    value = raw.get(name)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise Refusal(f"parameter {name} must be text, got {json.dumps(value)}")
    return value


def _delay_s(raw: dict) -> float:
    value = raw.get("delay_ms")
    text = "0" if value is None or value == "" else str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or int(text) > MAX_DELAY_MS:
        raise Refusal(f"parameter delay_ms must be a whole number from 0 to {MAX_DELAY_MS}, got {json.dumps(value)}")
    return int(text) / 1000


def _resolve(input_dir: str) -> Path:
    """A relative folder is looked for in the working directory, then beside this file."""
    path = Path(input_dir)
    beside = HERE / path
    return beside if not path.exists() and beside.exists() else path


def list_invoices(folder: Path) -> list[Path]:
    """The .xml files of the folder in name order, not of its subfolders."""
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "does not exist"
        raise Refusal(f"input_dir {folder} {reason}; create it or correct the parameter")
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".xml" and path.is_file())
    except OSError as error:
        raise Refusal(f"input_dir {folder} cannot be read: {error.strerror or error}") from error


def read_all(files: list[Path], delay_s: float) -> list[Outcome]:
    """One outcome per file; a broken file never stops the others."""
    outcomes: list[Outcome] = []
    first_file_of: dict[str, str] = {}
    report_progress(0, len(files), "starting" if files else "nothing to do")
    for index, path in enumerate(files, start=1):
        outcome = _read_one(path, first_file_of)
        outcomes.append(outcome)
        if outcome.invoice:
            log("INFO", f"{path.name}: invoice {outcome.invoice.number} of {outcome.invoice.issuer_name}, "
                        f"total {outcome.invoice.total:.2f}")
        else:
            log("ERROR", f"{path.name}: {outcome.problem}")
        report_progress(index, len(files), path.name)
        time.sleep(delay_s)
    return outcomes


def _read_one(path: Path, first_file_of: dict[str, str]) -> Outcome:
    try:
        invoice = read_invoice(path)
    except InvoiceError as error:
        return Outcome(path.name, None, str(error))
    first = first_file_of.setdefault(invoice.key, path.name)
    if first != path.name:
        return Outcome(path.name, None, f"same invoice as {first} (access key {invoice.key}); remove one of them")
    return Outcome(path.name, invoice)


def build_result(outcomes: list[Outcome], output: Path) -> dict:
    """Totals over the good invoices; amounts are text with two places, so that no reader rounds them."""
    invoices = [outcome.invoice for outcome in outcomes if outcome.invoice]
    result = {
        "invoices": len(invoices),
        "issuers": _by_issuer(invoices),
        "taxes": {tax: _sum(invoices, tax) for tax in TAXES},
        "total": _sum(invoices, "total"),
        "csv": str(output),
        "problems": [{"file": o.file, "problem": o.problem} for o in outcomes if not o.invoice],
    }
    return result if outcomes else {"status": "completed_no_invoices", **result}


def _by_issuer(invoices: list[Invoice]) -> list[dict]:
    groups: dict[str, list[Invoice]] = {}
    for invoice in invoices:
        groups.setdefault(invoice.issuer_id, []).append(invoice)
    return [
        {
            "cnpj": issuer_id,
            "name": group[0].issuer_name,
            "invoices": len(group),
            "total": _sum(group, "total"),
            **{tax: _sum(group, tax) for tax in TAXES},
        }
        for issuer_id, group in sorted(groups.items())
    ]


def _sum(invoices: list[Invoice], field: str) -> str:
    return f"{sum((getattr(invoice, field) for invoice in invoices), Decimal(0)):.2f}"


def write_csv(path: Path, outcomes: list[Outcome]) -> None:
    """One line per file; a file with a problem has only its name, in `problem`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(_csv_row(outcome) for outcome in outcomes)
    os.replace(temporary, path)


def _csv_row(outcome: Outcome) -> list[str]:
    invoice = outcome.invoice
    if invoice is None:
        return [""] * (len(COLUMNS) - 2) + ["problem", _cell(f"{outcome.file}: {outcome.problem}")]
    amounts = (invoice.products, invoice.icms, invoice.ipi, invoice.pis, invoice.cofins, invoice.total)
    texts = (invoice.key, invoice.number, invoice.series, invoice.issue_date, invoice.issuer_id)
    names = (_cell(invoice.issuer_name), _cell(invoice.recipient))
    return [*texts, *names, *(f"{amount:.2f}" for amount in amounts), "ok", ""]


def _cell(text: str) -> str:
    """A name that a spreadsheet would run as a formula is quoted."""
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text


def save(path: Path, write: Callable[[], None]) -> None:
    """Turns a failed write into a refusal that names the file."""
    try:
        write()
    except OSError as error:
        raise Refusal(f"cannot write {path}: {error.strerror or error}") from error


def report_progress(done: int, total: int, message: str) -> None:
    """The progress file that the worker watches."""
    percent = 100 if total == 0 else done * 100 // total
    body = {"etapa_atual": done, "total_etapas": total, "percentual": percent, "mensagem": message}
    save(Path("progress.json"), lambda: write_json(Path("progress.json"), body))


def write_json(path: Path, body: dict) -> None:
    """Replaces the file in one step, so that a reader never sees half of it."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(body, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, path)


def log(level: str, message: str) -> None:
    """One JSON line on standard output."""
    print(json.dumps({"level": level, "message": message}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
