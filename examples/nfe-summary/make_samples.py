"""Writes samples/ and samples-broken/ again; the same bytes on every run.

Companies, people, prices and protocol numbers are invented. The CNPJs have right check digits but lie in
a range that was never assigned, and the files say tpAmb 2 (test environment) and carry no signature.
"""

from __future__ import annotations

import hashlib
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from nfe import NAMESPACE, check_digit, with_check_digits

HERE = Path(__file__).resolve().parent
ZERO = Decimal("0.00")
ICMS_TOTALS = (
    "vBC vICMS vICMSDeson vFCP vBCST vST vFCPST vFCPSTRet vProd vFrete vSeg vDesc "
    "vII vIPI vIPIDevol vPIS vCOFINS vOutro vNF"
).split()


@dataclass(frozen=True)
class Company:
    """An issuer or recipient. `crt` 1 is Simples Nacional, 3 the normal regime."""

    base: str
    name: str
    city: str
    city_code: str
    state: str
    crt: str = "3"

    @property
    def cnpj(self) -> str:
        return with_check_digits(self.base + "0001")


@dataclass(frozen=True)
class Item:
    """One line: what, how many, unit price, and what the tax depends on."""

    code: str
    name: str
    ncm: str
    unit: str
    quantity: str
    price: str
    ipi_rate: str = ""
    freight: str = "0"
    discount: str = "0"
    counts: bool = True


@dataclass(frozen=True)
class Sale:
    """One invoice to write."""

    issuer: Company
    buyer: Company | None
    number: int
    issued: str
    items: tuple[Item, ...]
    bare: bool = False


PADARIA = Company("99100001", "Padaria Exemplo Ltda", "São Paulo", "3550308", "SP", crt="1")
METAL = Company("99200002", "Metalúrgica Fictícia S.A.", "Betim", "3106705", "MG")
ALIMENTOS = Company("99300003", "Distribuidora Modelo de Alimentos Ltda", "Curitiba", "4106902", "PR")
LIVRARIA = Company("99400004", "Livraria Imaginária ME", "Niterói", "3303302", "RJ", crt="1")
HOTEL = Company("99500005", "Hotel de Mentirinha Ltda", "São Paulo", "3550308", "SP")
OBRAS = Company("99600006", "Construtora Faz de Conta S.A.", "Contagem", "3118601", "MG")
MERCADO = Company("99700007", "Mercadinho Inventado Ltda", "Londrina", "4113700", "PR")
PERSON = ("12345678909", "Fulano de Tal")

BREAD = Item("PAO-01", "Pão francês", "19059090", "KG", "35.0000", "17.90")
CAKE = Item("BOLO-07", "Bolo de fubá inteiro", "19059020", "UN", "6.0000", "38.50")
COFFEE = Item("CAFE-02", "Café torrado e moído 500 g", "09012100", "UN", "12.0000", "21.35", discount="12.81")
TASTING = Item("BRINDE", "Broa para degustação", "19059090", "UN", "10.0000", "1.50", counts=False)
SCREW = Item("PAR-M8", "Parafuso sextavado M8 x 40 mm", "73181500", "CT", "48.0000", "64.7500", ipi_rate="6.50")
HINGE = Item("DOB-3P", "Dobradiça de aço 3 polegadas", "83021000", "UN", "220.0000", "7.9350", ipi_rate="3.25")
PROFILE = Item("PERF-U", "Perfil U dobrado 3 m", "72166110", "UN", "37.0000", "118.4200", "3.25", freight="185.00")
RICE = Item("ARR-5", "Arroz agulhinha tipo 1, 5 kg", "10063021", "FD", "40.0000", "142.20", freight="96.00")
BEANS = Item("FEI-1", "Feijão carioca 1 kg", "07133399", "FD", "25.0000", "83.9000", discount="104.88")
OIL = Item("OLE-9", "Óleo de soja 900 ml", "15079011", "CX", "18.0000", "131.4500", freight="33.40")
NOVEL = Item("LIV-11", "Romance de exemplo, capa dura", "49019900", "UN", "3.0000", "59.90")
NOTEBOOK = Item("CAD-96", "Caderno universitário 96 folhas", "48202000", "UN", "15.0000", "18.7500", discount="14.06")
PEN = Item("CAN-AZ", "Caneta esferográfica azul", "96081000", "UN", "50.0000", "1.9900", freight="9.90")

SALES = (
    Sale(PADARIA, HOTEL, 1041, "2026-01-05T06:40:00-03:00", (BREAD, CAKE)),
    Sale(PADARIA, HOTEL, 1042, "2026-01-12T06:35:00-03:00", (BREAD, COFFEE, TASTING)),
    Sale(PADARIA, None, 1043, "2026-02-02T15:12:00-03:00", (CAKE, COFFEE)),
    Sale(METAL, OBRAS, 20877, "2026-01-08T10:02:11-03:00", (SCREW, HINGE, PROFILE)),
    Sale(METAL, OBRAS, 20878, "2026-01-22T14:27:45-03:00", (PROFILE, SCREW)),
    Sale(METAL, HOTEL, 20903, "2026-02-10T09:15:30-03:00", (HINGE, SCREW), bare=True),
    Sale(METAL, MERCADO, 20961, "2026-03-19T16:48:02-03:00", (HINGE, PROFILE)),
    Sale(ALIMENTOS, MERCADO, 550123, "2026-01-15T08:00:00-03:00", (RICE, BEANS, OIL)),
    Sale(ALIMENTOS, MERCADO, 550180, "2026-02-15T08:05:00-03:00", (RICE, OIL)),
    Sale(ALIMENTOS, HOTEL, 550244, "2026-03-16T07:58:00-03:00", (BEANS, OIL, RICE)),
    Sale(LIVRARIA, None, 87, "2026-02-27T11:20:00-03:00", (NOVEL, NOTEBOOK)),
    Sale(LIVRARIA, MERCADO, 88, "2026-03-31T23:59:59-03:00", (NOTEBOOK, PEN, NOVEL), bare=True),
)


def main() -> int:
    """Writes both folders."""
    for folder, files in (("samples", samples()), ("samples-broken", broken_samples())):
        (HERE / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            (HERE / folder / name).write_text(text, encoding="utf-8", newline="\n")
    return 0


def samples() -> dict[str, str]:
    """File name to content of every good sample."""
    return {f"{access_key(sale)}-nfe.xml": render(sale) for sale in SALES}


def broken_samples() -> dict[str, str]:
    """One good file and three that each fail another way."""
    good, cut, wrong_key, wrong_total = (render(sale) for sale in SALES[:4])
    key = access_key(SALES[2])
    other_digit = str((int(key[-1]) + 1) % 10)
    total = wrong_total.split("<vNF>")[1].split("</vNF>")[0]
    return {
        "1-good.xml": good,
        "2-cut-short.xml": cut[: len(cut) * 2 // 3] + "\n",
        "3-wrong-check-digit.xml": wrong_key.replace(key, key[:-1] + other_digit),
        "4-wrong-total.xml": wrong_total.replace(f"<vNF>{total}", f"<vNF>{Decimal(total) + 10}"),
    }


def access_key(sale: Sale) -> str:
    """44 digits: state, year and month, CNPJ, model, series, number, emission type, random code, check digit."""
    state_code = sale.issuer.city_code[:2]
    month = sale.issued[2:4] + sale.issued[5:7]
    body = f"{state_code}{month}{sale.issuer.cnpj}55001{sale.number:09d}1{random_code(sale)}"
    return body + str(check_digit(body))


def random_code(sale: Sale) -> str:
    """The cNF, here derived from issuer and number so that it never changes."""
    seed = f"{sale.issuer.cnpj}/{sale.number}".encode()
    return f"{int(hashlib.sha256(seed).hexdigest(), 16) % 10**8:08d}"


def render(sale: Sale) -> str:
    """The invoice as XML text."""
    key = access_key(sale)
    lines = [item_parts(sale, item) for item in sale.items]
    inf = element("infNFe", ide(sale, key), emit(sale.issuer), dest(sale), versao="4.00", Id="NFe" + key)
    totals = add_up(lines)
    for index, (product, taxes, _) in enumerate(lines, start=1):
        inf.append(element("det", product, taxes, nItem=str(index)))
    inf.append(element("total", element("ICMSTot", *((name, money(totals[name])) for name in ICMS_TOTALS))))
    inf.append(element("transp", ("modFrete", "0" if totals["vFrete"] else "9")))
    inf.append(element("pag", element("detPag", ("tPag", "15"), ("vPag", money(totals["vNF"])))))
    nfe = element("NFe", inf)
    root = nfe if sale.bare else element("nfeProc", nfe, protocol(sale, key), versao="4.00")
    root.set("xmlns", NAMESPACE)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def ide(sale: Sale, key: str) -> ET.Element:
    return element(
        "ide", ("cUF", key[:2]), ("cNF", random_code(sale)), ("natOp", "Venda de mercadoria"), ("mod", "55"),
        ("serie", "1"), ("nNF", str(sale.number)), ("dhEmi", sale.issued), ("tpNF", "1"),
        ("idDest", "2" if interstate(sale) else "1"), ("cMunFG", sale.issuer.city_code), ("tpImp", "1"),
        ("tpEmis", "1"), ("cDV", key[-1]), ("tpAmb", "2"), ("finNFe", "1"),
        ("indFinal", "0" if sale.buyer else "1"), ("indPres", "1"), ("procEmi", "0"), ("verProc", "exemplo 1.0"),
    )


def emit(company: Company) -> ET.Element:
    return element(
        "emit", ("CNPJ", company.cnpj), ("xNome", company.name), address("enderEmit", company),
        ("IE", "0" + company.base), ("CRT", company.crt),
    )


def dest(sale: Sale) -> ET.Element:
    if sale.buyer is None:
        return element("dest", ("CPF", PERSON[0]), ("xNome", PERSON[1]), ("indIEDest", "9"))
    buyer = sale.buyer
    return element(
        "dest", ("CNPJ", buyer.cnpj), ("xNome", buyer.name), address("enderDest", buyer),
        ("indIEDest", "1"), ("IE", "0" + buyer.base),
    )


def address(tag: str, company: Company) -> ET.Element:
    return element(
        tag, ("xLgr", "Rua que Não Existe"), ("nro", "100"), ("xBairro", "Centro"), ("cMun", company.city_code),
        ("xMun", company.city), ("UF", company.state), ("CEP", "00000000"), ("cPais", "1058"), ("xPais", "BRASIL"),
    )


def item_parts(sale: Sale, item: Item) -> tuple[ET.Element, ET.Element, dict[str, Decimal]]:
    """The prod and imposto groups of one line, and the line's part of the totals."""
    value = cents(Decimal(item.quantity) * Decimal(item.price))
    amounts = {"vFrete": Decimal(item.freight), "vDesc": Decimal(item.discount)}
    amounts["vProd"] = value if item.counts else ZERO
    extras = [(name, money(amounts[name])) for name in ("vFrete", "vDesc") if amounts[name]]
    cfop = ("6" if interstate(sale) else "5") + ("101" if sale.issuer is METAL else "102")
    product = element(
        "prod", ("cProd", item.code), ("cEAN", "SEM GTIN"), ("xProd", item.name), ("NCM", item.ncm), ("CFOP", cfop),
        ("uCom", item.unit), ("qCom", item.quantity), ("vUnCom", item.price), ("vProd", money(value)),
        ("cEANTrib", "SEM GTIN"), ("uTrib", item.unit), ("qTrib", item.quantity), ("vUnTrib", item.price),
        *extras, ("indTot", "1" if item.counts else "0"),
    )
    taxes = simples_taxes() if sale.issuer.crt == "1" else normal_taxes(sale, item, amounts)
    return product, taxes, amounts


def simples_taxes() -> ET.Element:
    """Simples Nacional: taxes are paid on revenue, the invoice shows none."""
    return element(
        "imposto",
        element("ICMS", element("ICMSSN102", ("orig", "0"), ("CSOSN", "102"))),
        element("PIS", element("PISOutr", *rated("PIS", "49", ZERO, "0"))),
        element("COFINS", element("COFINSOutr", *rated("COFINS", "49", ZERO, "0"))),
    )


def normal_taxes(sale: Sale, item: Item, amounts: dict[str, Decimal]) -> ET.Element:
    """ICMS on value plus freight less discount; PIS and COFINS on the same base less the ICMS."""
    base = amounts["vProd"] + amounts["vFrete"] - amounts["vDesc"]
    rate = "12" if interstate(sale) else {"MG": "18", "PR": "19.5"}[sale.issuer.state]
    amounts["vBC"], amounts["vICMS"] = base, percent(base, rate)
    icms = element("ICMS00", ("orig", "0"), ("CST", "00"), ("modBC", "3"), *rated("ICMS", None, base, rate, places=2))
    ipi = element("IPI", ("cEnq", "999"), ipi_group(item, amounts))
    after_icms = base - amounts["vICMS"]
    amounts["vPIS"], amounts["vCOFINS"] = percent(after_icms, "1.65"), percent(after_icms, "7.60")
    pis = element("PISAliq", *rated("PIS", "01", after_icms, "1.65"))
    cofins = element("COFINSAliq", *rated("COFINS", "01", after_icms, "7.60"))
    return element("imposto", element("ICMS", icms), ipi, element("PIS", pis), element("COFINS", cofins))


def ipi_group(item: Item, amounts: dict[str, Decimal]) -> ET.Element:
    if not item.ipi_rate:
        return element("IPINT", ("CST", "53"))
    base = amounts["vProd"] + amounts["vFrete"]
    amounts["vIPI"] = percent(base, item.ipi_rate)
    return element("IPITrib", *rated("IPI", "50", base, item.ipi_rate))


def rated(tax: str, cst: str | None, base: Decimal, rate: str, places: int = 4) -> list[tuple[str, str]]:
    """The fields that every tax by percentage has: CST, base, rate and value."""
    fields = [("CST", cst)] if cst else []
    shown_rate = f"{Decimal(rate):.{places}f}"
    return [*fields, ("vBC", money(base)), ("p" + tax, shown_rate), ("v" + tax, money(percent(base, rate)))]


def add_up(lines: list[tuple[ET.Element, ET.Element, dict[str, Decimal]]]) -> dict[str, Decimal]:
    totals = {name: sum((line[2].get(name, ZERO) for line in lines), ZERO) for name in ICMS_TOTALS}
    totals["vNF"] = totals["vProd"] - totals["vDesc"] + totals["vFrete"] + totals["vIPI"]
    return totals


def protocol(sale: Sale, key: str) -> ET.Element:
    number = f"1{key[:4]}{int(random_code(sale)):010d}"
    return element("protNFe", element(
        "infProt", ("tpAmb", "2"), ("verAplic", "exemplo"), ("chNFe", key), ("dhRecbto", sale.issued),
        ("nProt", number), ("cStat", "100"), ("xMotivo", "Autorizado o uso da NF-e"),
    ), versao="4.00")


def interstate(sale: Sale) -> bool:
    return sale.buyer is not None and sale.buyer.state != sale.issuer.state


def element(tag: str, *content: ET.Element | tuple[str, str], **attributes: str) -> ET.Element:
    node = ET.Element(tag, attributes)
    for part in content:
        if isinstance(part, tuple):
            ET.SubElement(node, part[0]).text = part[1]
        else:
            node.append(part)
    return node


def percent(base: Decimal, rate: str) -> Decimal:
    return cents(base * Decimal(rate) / 100)


def cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def money(value: Decimal) -> str:
    return f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
