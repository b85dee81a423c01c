"""Runs nfe-summary as a worker does, on the samples and on files broken on purpose."""

import csv
import json
import os
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "nfe-summary"
sys.path.insert(0, str(FOLDER))

import make_samples  # noqa: E402
import nfe  # noqa: E402

SAMPLES = sorted((FOLDER / "samples").glob("*.xml"))


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.cwd = Path(holder.name)
        self.inbox = self.cwd / "inbox"
        self.inbox.mkdir()

    def run_main(self, parameters=None, environment=None):
        command = [sys.executable, str(FOLDER / "main.py")]
        if parameters is not None:
            config = self.cwd / "parameters.json"
            config.write_text(parameters if isinstance(parameters, str) else json.dumps(parameters), encoding="utf-8")
            command += ["--config", str(config)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PARAM_")}
        done = subprocess.run(
            command, cwd=self.cwd, env=clean | (environment or {}), capture_output=True, encoding="utf-8", timeout=60
        )
        self.assertEqual(done.stderr, "")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def read_json(self, name):
        return json.loads((self.cwd / name).read_text(encoding="utf-8"))

    def read_csv(self, name="summary.csv"):
        with (self.cwd / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


class Summary(Case):
    def test_samples_are_all_summarised(self):
        code, lines = self.run_main()
        self.assertEqual((code, {line["level"] for line in lines}), (0, {"INFO"}))
        result = self.read_json("result.json")
        self.assertEqual((result["invoices"], result["total"], result["problems"]), (12, "61222.93", []))
        self.assertEqual(result["taxes"], {"icms": "9218.22", "ipi": "1221.51", "pis": "785.06", "cofins": "3615.95"})
        self.assertEqual([issuer["invoices"] for issuer in result["issuers"]], [3, 4, 3, 2])
        self.assertNotIn("status", result)
        rows = self.read_csv()
        self.assertEqual(sum(Decimal(row["total"]) for row in rows), Decimal(result["total"]))
        self.assertEqual({row["status"] for row in rows}, {"ok"})
        progress = self.read_json("progress.json")
        self.assertEqual((progress["etapa_atual"], progress["total_etapas"], progress["percentual"]), (12, 12, 100))
        self.assertEqual(list(self.cwd.glob("*.tmp")), [])

    def test_parameters_come_from_the_environment(self):
        environment = {"PARAM_INPUT_DIR": str(FOLDER / "samples"), "PARAM_OUTPUT": "a/b.csv", "PARAM_DELAY_MS": "1"}
        code, _ = self.run_main(environment=environment)
        self.assertEqual((code, len(self.read_csv("a/b.csv"))), (0, 12))

    def test_broken_files_are_named_and_the_others_go_on(self):
        code, lines = self.run_main({"input_dir": "samples-broken"})
        self.assertEqual(code, 1)
        errors = [line["message"] for line in lines if line["level"] == "ERROR"]
        self.assertEqual(len(errors), 4)
        self.assertIn("2-cut-short.xml: not well-formed XML", errors[0])
        self.assertRegex(errors[1], "3-wrong-check-digit.xml: access key .* check digit is 1, expected 0")
        self.assertIn("4-wrong-total.xml: total/ICMSTot/vNF says 9837.41, its parts give 9827.41", errors[2])
        self.assertIn("3 of 4 file(s)", errors[3])
        self.assertEqual(lines[-1]["message"], errors[3])
        result = self.read_json("result.json")
        self.assertEqual((result["invoices"], result["total"]), (1, "857.50"))
        self.assertEqual([problem["file"][0] for problem in result["problems"]], ["2", "3", "4"])
        self.assertEqual([row["status"] for row in self.read_csv()], ["ok", "problem", "problem", "problem"])

    def test_same_invoice_twice_counts_once(self):
        for name in ("a.xml", "b.XML"):
            (self.inbox / name).write_bytes(SAMPLES[0].read_bytes())
        code, _ = self.run_main({"input_dir": "inbox"})
        result = self.read_json("result.json")
        self.assertEqual((code, result["invoices"]), (1, 1))
        self.assertIn("same invoice as a.xml", result["problems"][0]["problem"])

    def test_empty_folder_is_a_success_with_nothing_to_do(self):
        code, lines = self.run_main({"input_dir": "inbox"})
        result = self.read_json("result.json")
        self.assertEqual((code, result["invoices"], result["status"]), (0, 0, "completed_no_invoices"))
        self.assertIn("nothing to do", lines[-1]["message"])
        self.assertEqual(self.read_json("progress.json")["percentual"], 100)

    def test_names_that_a_spreadsheet_would_run_are_quoted(self):
        text = SAMPLES[0].read_text(encoding="utf-8").replace("Metalúrgica Fictícia", "=1+1")
        (self.inbox / "a.xml").write_text(text, encoding="utf-8")
        self.run_main({"input_dir": "inbox"})
        self.assertTrue(self.read_csv()[0]["issuer_name"].startswith("'=1+1"))


class Refusals(Case):
    def assert_refused(self, parameters, text, environment=None):
        code, lines = self.run_main(parameters, environment)
        self.assertEqual(code, 2, lines)
        self.assertEqual(lines[-1]["level"], "ERROR")
        self.assertIn(text, lines[-1]["message"])

    def test_folder_must_exist(self):
        self.assert_refused({"input_dir": "nowhere"}, "input_dir nowhere does not exist")

    def test_folder_must_be_a_folder(self):
        self.assert_refused({"input_dir": "parameters.json"}, "is not a folder")

    def test_parameters_must_have_the_right_type(self):
        self.assert_refused({"delay_ms": -1}, "delay_ms")
        self.assert_refused({"delay_ms": True}, "delay_ms")
        self.assert_refused({"output": 7}, "output")
        self.assert_refused(None, "delay_ms", {"PARAM_DELAY_MS": "soon"})

    def test_config_must_be_a_json_object(self):
        self.assert_refused("[]", "must hold a JSON object")
        self.assert_refused("{", "is not JSON")

    def test_output_must_be_writable(self):
        self.assert_refused({"output": "inbox"}, "cannot write inbox")


class Checks(Case):
    """Each edit of a good invoice must be told by its name."""

    def assert_problem(self, old, new, expected, source=None):
        text = (source or self.sample("20877")).read_text(encoding="utf-8")
        self.assertIn(old, text)
        path = self.inbox / "edited.xml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        with self.assertRaisesRegex(nfe.InvoiceError, expected):
            nfe.read_invoice(path)

    def assert_good(self, *replacements, source=None):
        text = (source or self.sample("20877")).read_text(encoding="utf-8")
        for old, new in replacements:
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = self.inbox / "edited.xml"
        path.write_text(text, encoding="utf-8")
        return nfe.read_invoice(path)

    @staticmethod
    def sample(number):
        return next(path for path in SAMPLES if int(path.name[25:34]) == int(number))

    def test_key_parts_must_agree_with_the_invoice(self):
        for old, new, name in (
            ("<cUF>31", "<cUF>35", "ide/cUF"),
            ("<dhEmi>2026-01", "<dhEmi>2026-02", "year and month"),
            ("<CNPJ>99200002000191", "<CNPJ>99100001000175", "CNPJ or CPF of emit"),
            ("<mod>55", "<mod>65", "ide/mod"),
            ("<serie>1", "<serie>2", "ide/serie"),
            ("<nNF>20877", "<nNF>20878", "ide/nNF"),
            ("<tpEmis>1", "<tpEmis>9", "ide/tpEmis"),
            ("<cNF>81652011", "<cNF>81652012", "ide/cNF"),
            ("<cDV>1", "<cDV>2", "ide/cDV"),
        ):
            with self.subTest(name):
                self.assert_problem(old, new, name)

    def test_fields_must_be_there_and_make_sense(self):
        for old, new, expected in (
            ("<nNF>20877</nNF>", "", "infNFe/ide/nNF is missing"),
            ("<nNF>20877</nNF>", "<nNF/>", "infNFe/ide/nNF is empty"),
            ("<CNPJ>99200002000191", "<CNPJ>99200002000192", "wrong check digits"),
            ("<vProd>3108.00", "<vProd>3108,00", "'3108,00', expected an amount"),
            ("<vProd>3108.00", "<vProd>NaN", "expected an amount"),
            ("<vProd>3108.00", "<vProd>3108.01", "items add up to 9235.25"),
            ('Id="NFe31', 'Id="NFe3', "44-digit access key"),
            ('<infNFe versao="4.00"', '<infNFe versao="3.10"', "versao"),
            ("<cStat>100", "<cStat>110", "not authorised .* cStat 110"),
            ("<chNFe>31", "<chNFe>35", "protocol is for access key 35"),
            ("http://www.portalfiscal.inf.br/nfe", "http://www.portalfiscal.inf.br/cte", "root element is nfeProc"),
            ("<nfeProc", "<!DOCTYPE nfeProc [<!ENTITY a 'b'>]>\n<nfeProc", "DOCTYPE"),
        ):
            with self.subTest(expected):
                self.assert_problem(old, new, expected)

    def test_grand_total_counts_every_part_of_the_rule(self):
        total = "<vNF>9827.41"
        for name, sign in (
            ("vDesc", -1), ("vICMSDeson", -1), ("vST", 1), ("vFCPST", 1), ("vSeg", 1), ("vOutro", 1), ("vII", 1),
            ("vIPIDevol", 1),
        ):
            with self.subTest(name):
                part = (f"<{name}>0.00", f"<{name}>5.00")
                invoice = self.assert_good(part, (total, f"<vNF>{Decimal('9827.41') + 5 * sign}"))
                self.assertEqual(invoice.total, Decimal("9827.41") + 5 * sign)
                if name != "vICMSDeson":
                    self.assert_problem(*part, "W16-10")

    def test_exceptions_of_the_rule_are_kept(self):
        self.assert_good(("<vICMSDeson>0.00", "<vICMSDeson>5.00"))
        self.assert_good(("<CFOP>5101", "<CFOP>3101"), ("<vII>0.00", "<vII>5.00"))
        car = ("<indTot>1</indTot>", "<indTot>1</indTot><veicProd><tpOp>2</tpOp></veicProd>")
        self.assert_good(car, ("<vST>0.00", "<vST>5.00"))

    def test_services_and_gifts_stay_out_of_the_products(self):
        gift = self.sample("1042")
        self.assertIn("<indTot>0</indTot>", gift.read_text(encoding="utf-8"))
        self.assertEqual(nfe.read_invoice(gift).products, Decimal("882.70"))
        items = "<imposto><ISSQN/></imposto><prod><CFOP>5933</CFOP><vProd>7.00</vProd><indTot>1</indTot></prod>"
        self.assert_good(
            ("<total>", f"<det>{items}</det><total>"),
            ("</ICMSTot>", "</ICMSTot><ISSQNtot><vServ>7.00</vServ></ISSQNtot>"),
            ("<vNF>9827.41", "<vNF>9834.41"),
        )

    def test_recipient_may_be_absent(self):
        text = self.sample("87").read_text(encoding="utf-8")
        start, end = text.index("<dest>"), text.index("</dest>") + len("</dest>")
        self.assertEqual(self.assert_good((text[start:end], ""), source=self.sample("87")).recipient, "")

    def test_check_digits_match_known_numbers(self):
        self.assertTrue(nfe.valid_cnpj("11222333000181"))
        self.assertTrue(nfe.valid_cnpj("12ABC34501DE35"))
        self.assertTrue(nfe.valid_cpf("12345678909"))
        for wrong in ("11222333000182", "11111111111111", "1122233300018", "12abc34501de35", ""):
            self.assertFalse(nfe.valid_cnpj(wrong), wrong)
        self.assertFalse(nfe.valid_cpf("11111111111"))
        # The example of the taxpayer's manual.
        self.assertEqual(nfe.check_digit("5206043300991100250655012000000780026730161"), 5)

    def test_cut_files_never_raise_anything_else(self):
        data = self.sample("20877").read_bytes()
        path = self.inbox / "cut.xml"
        for size in range(0, len(data) - 20, 97):
            path.write_bytes(data[:size])
            with self.assertRaises(nfe.InvoiceError):
                nfe.read_invoice(path)


class Samples(unittest.TestCase):
    def test_generator_writes_the_committed_files(self):
        for folder, files in (("samples", make_samples.samples()), ("samples-broken", make_samples.broken_samples())):
            committed = {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / folder).glob("*.xml")}
            self.assertEqual(committed, files)

    def test_totals_add_up_from_the_items(self):
        for path in SAMPLES:
            root = ET.parse(path).getroot()
            totals = root.find(".//{*}ICMSTot")
            for name in ("vICMS", "vIPI", "vPIS", "vCOFINS", "vDesc", "vFrete"):
                nodes = root.findall(f".//{{*}}det//{{*}}{name}")
                added = sum((Decimal(node.text) for node in nodes), Decimal(0))
                self.assertEqual(added, Decimal(totals.findtext(f"{{*}}{name}")), (path.name, name))


class Registration(unittest.TestCase):
    def test_bodies_point_at_what_exists(self):
        root = FOLDER.parent.parent
        for path in FOLDER.parent.glob("*/automation.json"):
            body = json.loads(path.read_text(encoding="utf-8"))
            self.assertTrue((root / body["script_path"]).is_file())
            schema = body["parameter_schema"]
            self.assertFalse(schema["additionalProperties"])
            self.assertLessEqual(body["default_params"].keys(), schema["properties"].keys())
            self.assertTrue(all("title" in field for field in schema["properties"].values()))


if __name__ == "__main__":
    unittest.main()
