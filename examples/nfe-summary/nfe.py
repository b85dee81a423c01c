"""Reads one NF-e 4.00 (Brazilian electronic invoice) and checks what can be checked offline.

`read_invoice` either returns an `Invoice` or raises `InvoiceError`, whose text tells a person
which field is wrong, what was found and what was expected.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

NAMESPACE = "http://www.portalfiscal.inf.br/nfe"
MAX_FILE_BYTES = 10 * 1024 * 1024
AUTHORISED = {"100", "150"}

# Total fields of ICMSTot that an issuer may leave out; the rest of the schema is mandatory.
OPTIONAL_TOTALS = {"vFCPST", "vIPIDevol", "vICMSDeson"}
# Since 2026 the first twelve positions of a CNPJ may hold letters, in the access key too.
KEY_SHAPE = re.compile(r"[0-9]{6}[0-9A-Z]{12}[0-9]{26}")
CNPJ_SHAPE = re.compile(r"[0-9A-Z]{12}[0-9]{2}")
CPF_SHAPE = re.compile(r"[0-9]{11}")
AMOUNT_SHAPE = re.compile(r"[0-9]{1,15}(\.[0-9]{1,10})?")


class InvoiceError(Exception):
    """The file is not an invoice that can be trusted; the text says why."""


@dataclass(frozen=True)
class Invoice:
    """What the summary needs of one invoice. Amounts are in BRL."""

    key: str
    number: str
    series: str
    issue_date: str
    issuer_id: str
    issuer_name: str
    recipient: str
    products: Decimal
    icms: Decimal
    ipi: Decimal
    pis: Decimal
    cofins: Decimal
    total: Decimal


def read_invoice(path: Path) -> Invoice:
    """Parses and checks one file."""
    inf, protocol = _locate(_parse(path))
    key = _access_key(inf, protocol)
    totals = _totals(inf)
    _check_products(inf, totals)
    _check_grand_total(inf, totals)
    issuer = _child(inf, "emit")
    recipient = inf.find(_q("dest"))
    return Invoice(
        key=key,
        number=_text(inf, "ide/nNF"),
        series=_text(inf, "ide/serie"),
        issue_date=_text(inf, "ide/dhEmi")[:10],
        issuer_id=_issuer_id(issuer),
        issuer_name=_text(issuer, "xNome"),
        # Consumer receipts may have no recipient at all.
        recipient="" if recipient is None else (recipient.findtext(_q("xNome")) or "").strip(),
        products=totals["vProd"],
        icms=totals["vICMS"],
        ipi=totals["vIPI"],
        pis=totals["vPIS"],
        cofins=totals["vCOFINS"],
        total=totals["vNF"],
    )


def check_digit(digits: str, max_weight: int = 9) -> int:
    """Mod-11 digit with weights 2..max_weight from the right; a letter counts as its ASCII code minus 48."""
    weights = [2 + position % (max_weight - 1) for position in range(len(digits))]
    rest = sum((ord(char) - 48) * weight for char, weight in zip(reversed(digits), weights)) % 11
    return 0 if rest < 2 else 11 - rest


def with_check_digits(base: str, max_weight: int = 9) -> str:
    """Appends the two check digits of a CNPJ (weights up to 9) or CPF (weights up to 11)."""
    first = base + str(check_digit(base, max_weight))
    return first + str(check_digit(first, max_weight))


def valid_cnpj(value: str) -> bool:
    """True when shape and both check digits are right; one repeated digit is refused."""
    return bool(CNPJ_SHAPE.fullmatch(value)) and len(set(value)) > 1 and with_check_digits(value[:12]) == value


def valid_cpf(value: str) -> bool:
    """True when shape and both check digits are right; one repeated digit is refused."""
    return bool(CPF_SHAPE.fullmatch(value)) and len(set(value)) > 1 and with_check_digits(value[:9], 11) == value


def _parse(path: Path) -> ET.Element:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvoiceError(f"larger than {MAX_FILE_BYTES // 1024 // 1024} MiB, no NF-e is that big")
        data = path.read_bytes()
    except OSError as error:
        raise InvoiceError(f"cannot be read: {error.strerror or error}") from error
    # An NF-e never has a document type; entities in one are only ever an attack on the parser.
    if b"<!DOCTYPE" in data:
        raise InvoiceError("has a DOCTYPE, which an NF-e must not have")
    try:
        return ET.fromstring(data)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise InvoiceError(f"not well-formed XML ({error}); ask the issuer for the file again") from error


def _locate(root: ET.Element) -> tuple[ET.Element, ET.Element | None]:
    """The infNFe element, and the authorisation protocol when the file has one."""
    if root.tag == _q("nfeProc"):
        nfe = _child(root, "NFe")
    elif root.tag == _q("NFe"):
        nfe = root
    else:
        raise InvoiceError(f"root element is {_plain(root.tag)}, expected nfeProc or NFe in namespace {NAMESPACE}")
    inf = _child(nfe, "infNFe")
    version = inf.get("versao")
    if version != "4.00":
        raise InvoiceError(f"infNFe/@versao is {version!r}, expected '4.00'")
    return inf, root.find(_path("protNFe/infProt"))


def _access_key(inf: ET.Element, protocol: ET.Element | None) -> str:
    identifier = inf.get("Id") or ""
    key = identifier.removeprefix("NFe")
    if not identifier.startswith("NFe") or not KEY_SHAPE.fullmatch(key):
        raise InvoiceError(f"infNFe/@Id is {identifier!r}, expected 'NFe' and a 44-digit access key")
    expected = check_digit(key[:43])
    if int(key[43]) != expected:
        raise InvoiceError(f"access key {key}: check digit is {key[43]}, expected {expected}")
    _check_key_parts(inf, key)
    if protocol is not None:
        _check_protocol(protocol, key)
    return key


def _check_key_parts(inf: ET.Element, key: str) -> None:
    issued = _text(inf, "ide/dhEmi")
    if not re.match(r"[0-9]{4}-(0[1-9]|1[0-2])-[0-9]{2}T", issued):
        raise InvoiceError(f"ide/dhEmi is {issued!r}, expected a date like 2026-03-31T09:30:00-03:00")
    parts = [
        ("ide/cUF", key[0:2], _text(inf, "ide/cUF")),
        ("year and month of ide/dhEmi", key[2:6], issued[2:4] + issued[5:7]),
        ("CNPJ or CPF of emit", key[6:20], _issuer_id(_child(inf, "emit")).zfill(14)),
        ("ide/mod", key[20:22], _text(inf, "ide/mod")),
        ("ide/serie", key[22:25], _text(inf, "ide/serie").zfill(3)),
        ("ide/nNF", key[25:34], _text(inf, "ide/nNF").zfill(9)),
        ("ide/tpEmis", key[34:35], _text(inf, "ide/tpEmis")),
        ("ide/cNF", key[35:43], _text(inf, "ide/cNF")),
        ("ide/cDV", key[43:44], _text(inf, "ide/cDV")),
    ]
    for name, in_key, in_file in parts:
        if in_key != in_file:
            raise InvoiceError(f"access key {key} says {in_key} where {name} says {in_file}")


def _check_protocol(protocol: ET.Element, key: str) -> None:
    authorised_key = _text(protocol, "chNFe")
    if authorised_key != key:
        raise InvoiceError(f"protocol is for access key {authorised_key}, the invoice has {key}")
    status = _text(protocol, "cStat")
    if status not in AUTHORISED:
        reason = protocol.findtext(_q("xMotivo")) or "no reason given"
        raise InvoiceError(f"not authorised by the tax office: cStat {status}, {reason}")


def _issuer_id(issuer: ET.Element) -> str:
    """CNPJ of the issuer, or CPF for a rural producer."""
    cpf = issuer.findtext(_q("CPF"))
    if cpf is not None:
        if not valid_cpf(cpf):
            raise InvoiceError(f"emit/CPF {cpf!r} has wrong check digits or length")
        return cpf
    cnpj = _text(issuer, "CNPJ")
    if not valid_cnpj(cnpj):
        raise InvoiceError(f"emit/CNPJ {cnpj!r} has wrong check digits or length")
    return cnpj


def _totals(inf: ET.Element) -> dict[str, Decimal]:
    names = (
        "vICMS vICMSDeson vST vFCPST vProd vFrete vSeg vDesc vII vIPI vIPIDevol vPIS vCOFINS vOutro vNF".split()
    )
    group = _child(inf, "total/ICMSTot")
    totals = {name: _amount(group, name, optional=name in OPTIONAL_TOTALS) for name in names}
    services = inf.find(_path("total/ISSQNtot"))
    totals["vServ"] = Decimal(0) if services is None else _amount(services, "vServ", optional=True)
    return totals


def _check_products(inf: ET.Element, totals: dict[str, Decimal]) -> None:
    """Rule W07-10: products that count in the total, without services."""
    items = inf.findall(_q("det"))
    if not items:
        raise InvoiceError("has no item (infNFe/det)")
    goods = [
        item for item in items
        if _text(item, "prod/indTot") == "1" and item.find(_path("imposto/ISSQN")) is None
    ]
    added = sum((_amount(item, "prod/vProd") for item in goods), Decimal(0))
    if added != totals["vProd"]:
        raise InvoiceError(f"items add up to {added:.2f}, total/ICMSTot/vProd says {totals['vProd']:.2f}")


def _check_grand_total(inf: ET.Element, totals: dict[str, Decimal]) -> None:
    """Rule W16-10 with its three exceptions: imports, new cars invoiced directly, exempted ICMS not deducted."""
    if any(_text(item, "prod/CFOP").startswith("3") for item in inf.findall(_q("det"))):
        return
    added = "vProd vFrete vSeg vOutro vII vIPI vIPIDevol vServ".split()
    direct_car_sale = any(node.text == "2" for node in inf.findall(_path("det/prod/veicProd/tpOp")))
    if not direct_car_sale:
        added += ["vST", "vFCPST"]
    without_exemption = sum((totals[name] for name in added), Decimal(0)) - totals["vDesc"]
    expected = without_exemption - totals["vICMSDeson"]
    if totals["vNF"] not in (expected, without_exemption):
        raise InvoiceError(
            f"total/ICMSTot/vNF says {totals['vNF']:.2f}, its parts give {expected:.2f} (rule W16-10)"
        )


def _amount(parent: ET.Element, path: str, optional: bool = False) -> Decimal:
    if optional and parent.find(_path(path)) is None:
        return Decimal(0)
    text = _text(parent, path)
    try:
        if not AMOUNT_SHAPE.fullmatch(text):
            raise InvalidOperation
        return Decimal(text)
    except InvalidOperation:
        raise InvoiceError(f"{_plain(parent.tag)}/{path} is {text!r}, expected an amount like 12.50") from None


def _text(parent: ET.Element, path: str) -> str:
    text = (_child(parent, path).text or "").strip()
    if not text:
        raise InvoiceError(f"field {_plain(parent.tag)}/{path} is empty")
    return text


def _child(parent: ET.Element, path: str) -> ET.Element:
    found = parent.find(_path(path))
    if found is None:
        raise InvoiceError(f"field {_plain(parent.tag)}/{path} is missing")
    return found


def _path(path: str) -> str:
    return "/".join(_q(step) for step in path.split("/"))


def _q(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]
